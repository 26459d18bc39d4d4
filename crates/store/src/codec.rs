//! How values become bytes: MessagePack with field names, so that a later version can add fields, behind one byte that names the format.

use serde::{Serialize, de::DeserializeOwned};

use crate::StoreError;

/// The only format so far.
const FORMAT: u8 = 1;

/// Encodes a value.
pub fn encode<T: Serialize>(what: &'static str, value: &T) -> Result<Vec<u8>, StoreError> {
    let mut bytes = vec![FORMAT];
    rmp_serde::encode::write_named(&mut bytes, value)
        .map_err(|source| StoreError::Corrupt { what, source: Box::new(source) })?;
    Ok(bytes)
}

/// Decodes a value. A format that this version does not know is an error, never an empty value.
pub fn decode<T: DeserializeOwned>(what: &'static str, bytes: &[u8]) -> Result<T, StoreError> {
    let corrupt = |source: Box<dyn std::error::Error + Send + Sync>| StoreError::Corrupt { what, source };
    match bytes.split_first() {
        Some((&FORMAT, rest)) => rmp_serde::from_slice(rest).map_err(|source| corrupt(Box::new(source))),
        Some((format, _)) => Err(corrupt(format!("format {format} is newer than this program").into())),
        None => Err(corrupt("no bytes".into())),
    }
}
