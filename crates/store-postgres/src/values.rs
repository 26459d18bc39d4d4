//! Numbers and texts as PostgreSQL has them.

use matrix_2fa_core::Timestamp;
use matrix_2fa_store::{StoreError, Version};

/// The most that one account, record or event may have, encoded. As much as in the embedded store, so that moving is always possible.
pub const MAX_VALUE_BYTES: usize = 64 * 1024;

/// The most that a user id or a key may have: an index entry holds one of them and a kind, and must fit into a third of a page.
pub const MAX_KEY_BYTES: usize = 2500;

/// A `bigint` ends in the year 292,278,994; everything after it is the end of time.
pub fn time_to_sql(at: Timestamp) -> i64 {
    i64::try_from(at.as_millis()).unwrap_or(i64::MAX)
}

pub fn time_from_sql(at: i64) -> Timestamp {
    Timestamp::from_millis(if at == i64::MAX { u64::MAX } else { u64::try_from(at).unwrap_or(0) })
}

/// A version that does not fit was never written.
pub fn version_to_sql(version: Version) -> Option<i64> {
    i64::try_from(version).ok()
}

pub fn version_from_sql(what: &'static str, version: i64) -> Result<Version, StoreError> {
    Version::try_from(version)
        .map_err(|_| StoreError::Corrupt { what, source: format!("its version is {version}").into() })
}

/// Can a text be kept at all? What cannot was never written.
pub fn is_storable(text: &str) -> bool {
    text.len() <= MAX_KEY_BYTES && !text.contains('\0')
}

pub fn check_text(what: &'static str, text: &str) -> Result<(), StoreError> {
    if is_storable(text) {
        return Ok(());
    }
    let problem = format!("a name of {} bytes, of which {MAX_KEY_BYTES} without a NUL can be kept", text.len());
    Err(StoreError::Corrupt { what, source: problem.into() })
}

pub fn check_size(what: &'static str, bytes: &[u8]) -> Result<(), StoreError> {
    if bytes.len() <= MAX_VALUE_BYTES {
        return Ok(());
    }
    let problem = format!("{} bytes are more than the {MAX_VALUE_BYTES} that one value may have", bytes.len());
    Err(StoreError::Corrupt { what, source: problem.into() })
}
