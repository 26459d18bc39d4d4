//! Stored values. The version comes first, in eight bytes, so that a compare-and-swap reads it without decoding anything.
//!
//! * account: version, where the user's last event lies, then [`codec`](matrix_2fa_store::codec); nothing after it: the default account
//! * record: version, flags, `expires_at` if [`EXPIRES`], length and user if [`OWNED`], then the writer's bytes
//! * event: see [`crate::log`]

use matrix_2fa_core::{Account, Timestamp};
use matrix_2fa_store::{NewRecord, Record, StoreError, StoredAccount, Version, codec};

use crate::log::{POINTER, Pointer};

const EXPIRES: u8 = 1;
const OWNED: u8 = 2;

/// The version of a stored account or record; `None` if it is too short to be one.
pub fn version(stored: &[u8]) -> Option<Version> {
    stored.first_chunk().map(|bytes| Version::from_be_bytes(*bytes))
}

/// Sets the version of an encoded record.
pub fn set_version(stored: &mut [u8], version: Version) {
    if let Some(start) = stored.first_chunk_mut() {
        *start = version.to_be_bytes();
    }
}

pub fn encode_account(version: Version, account: &Account) -> Result<Vec<u8>, StoreError> {
    let encoded = codec::encode("account", account)?;
    let mut stored = Vec::with_capacity(8 + POINTER + encoded.len());
    stored.extend_from_slice(&version.to_be_bytes());
    stored.extend_from_slice(&[0; POINTER]);
    stored.extend_from_slice(&encoded);
    Ok(stored)
}

/// What is stored for a user who has events but never had an account.
pub fn no_account() -> Vec<u8> {
    vec![0; 8 + POINTER]
}

/// Where the last event of a stored account's user lies.
pub fn last_event(stored: &[u8]) -> Result<Pointer, StoreError> {
    stored.get(8..).and_then(Pointer::read).ok_or_else(|| too_short("account"))
}

/// Sets where the last event lies.
pub fn set_last_event(stored: &mut [u8], last: Pointer) {
    if let Some(place) = stored.get_mut(8..8 + POINTER) {
        place.copy_from_slice(&last.to_bytes());
    }
}

pub fn decode_account(stored: &[u8]) -> Result<StoredAccount, StoreError> {
    let (version, rest) = stored.split_first_chunk().ok_or_else(|| too_short("account"))?;
    let encoded = rest.get(POINTER..).ok_or_else(|| too_short("account"))?;
    let account = if encoded.is_empty() { Account::default() } else { codec::decode("account", encoded)? };
    Ok(StoredAccount { version: Version::from_be_bytes(*version), account })
}

/// Encodes a record whose version is still to be set.
pub fn encode_record(record: &NewRecord) -> Vec<u8> {
    let user = record.user.as_deref();
    let mut stored = Vec::with_capacity(8 + 1 + 8 + 4 + user.map_or(0, str::len) + record.bytes.len());
    stored.extend_from_slice(&[0; 8]);
    stored.push(if record.expires_at.is_some() { EXPIRES } else { 0 } | if user.is_some() { OWNED } else { 0 });
    if let Some(at) = record.expires_at {
        stored.extend_from_slice(&at.as_millis().to_be_bytes());
    }
    if let Some(user) = user {
        stored.extend_from_slice(&u32::try_from(user.len()).unwrap_or(u32::MAX).to_be_bytes());
        stored.extend_from_slice(user.as_bytes());
    }
    stored.extend_from_slice(&record.bytes);
    stored
}

/// A record without its bytes: what the committing thread compares and keeps the indexes by.
#[derive(Clone, Debug)]
pub struct Head {
    pub version: Version,
    pub expires_at: Option<Timestamp>,
    pub user: Option<String>,
    /// It lies in the journal, not in the tree.
    pub journaled: bool,
}

/// A stored record, still where it lies.
#[derive(Debug, PartialEq, Eq)]
pub struct RecordView<'a> {
    pub version: Version,
    pub expires_at: Option<Timestamp>,
    pub user: Option<&'a str>,
    pub bytes: &'a [u8],
}

impl<'a> RecordView<'a> {
    pub fn read(stored: &'a [u8]) -> Result<Self, StoreError> {
        Self::parse(stored).ok_or_else(|| too_short("record"))
    }

    fn parse(stored: &'a [u8]) -> Option<Self> {
        let (version, rest) = stored.split_first_chunk()?;
        let (flags, mut rest) = rest.split_first()?;
        if flags & !(EXPIRES | OWNED) != 0 {
            return None;
        }
        let mut expires_at = None;
        if flags & EXPIRES != 0 {
            let (at, after) = rest.split_first_chunk()?;
            expires_at = Some(Timestamp::from_millis(u64::from_be_bytes(*at)));
            rest = after;
        }
        let mut user = None;
        if flags & OWNED != 0 {
            let (length, after) = rest.split_first_chunk()?;
            let (name, after) = after.split_at_checked(u32::from_be_bytes(*length) as usize)?;
            user = Some(std::str::from_utf8(name).ok()?);
            rest = after;
        }
        Some(Self { version: Version::from_be_bytes(*version), expires_at, user, bytes: rest })
    }

    /// What the committing thread compares.
    pub fn head(&self) -> Head {
        let Self { version, expires_at, user, .. } = *self;
        Head { version, expires_at, user: user.map(str::to_owned), journaled: false }
    }

    pub fn to_record(&self) -> Record {
        Record {
            version: self.version,
            bytes: self.bytes.to_vec(),
            user: self.user.map(str::to_owned),
            expires_at: self.expires_at,
        }
    }
}

fn too_short(what: &'static str) -> StoreError {
    StoreError::Corrupt { what, source: "it is cut short, or of a newer format".into() }
}
