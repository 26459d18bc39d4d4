//! How values become bytes: MessagePack behind one byte that names the format. Fields stand in their order and without names, so a later
//! version adds its fields at the end, with `#[serde(default)]`, and never moves or skips one.

use serde::{Serialize, de::DeserializeOwned};

use crate::StoreError;

/// The only format so far.
const FORMAT: u8 = 1;

/// Most values have fewer bytes.
const EXPECTED: usize = 768;

/// Encodes a value.
pub fn encode<T: Serialize>(what: &'static str, value: &T) -> Result<Vec<u8>, StoreError> {
    let mut bytes = Vec::with_capacity(EXPECTED);
    bytes.push(FORMAT);
    rmp_serde::encode::write(&mut bytes, value)
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

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;

    #[derive(Serialize)]
    struct Old {
        name: String,
        seen: Option<u64>,
    }

    #[derive(Debug, PartialEq, Deserialize)]
    struct New {
        name: String,
        seen: Option<u64>,
        #[serde(default)]
        added: Vec<String>,
    }

    #[test]
    fn a_field_that_was_added_at_the_end_has_its_default_in_old_values() {
        let old = encode("test", &Old { name: "old".to_owned(), seen: None }).unwrap();
        let new: New = decode("test", &old).unwrap();
        assert_eq!(new, New { name: "old".to_owned(), seen: None, added: Vec::new() });
    }

    #[test]
    fn bytes_that_are_not_whole_are_an_error() {
        let whole = encode("test", &Old { name: "whole".to_owned(), seen: Some(7) }).unwrap();
        for length in 0..whole.len() {
            let cut: Result<New, _> = decode("test", whole.get(..length).unwrap());
            assert!(matches!(cut, Err(StoreError::Corrupt { what: "test", .. })), "{length} bytes");
        }
    }
}
