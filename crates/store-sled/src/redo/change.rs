//! One change of the tree, as bytes: length of the key, length of the value and one (or zero: the key goes), key, value.

use sled::IVec;

/// A key, and what it has from now on. `None`: it is gone.
pub type Change = (IVec, Option<IVec>);

pub fn write(bytes: &mut Vec<u8>, (key, value): &Change) {
    let value_length = value.as_ref().map_or(0, |value| value.len() + 1);
    for length in [key.len(), value_length] {
        bytes.extend_from_slice(&u32::try_from(length).unwrap_or(u32::MAX).to_be_bytes());
    }
    bytes.extend_from_slice(key);
    bytes.extend_from_slice(value.as_deref().unwrap_or_default());
}

/// All changes of a group; `None` if they are none.
pub fn read(mut bytes: &[u8]) -> Option<Vec<Change>> {
    let mut changes = Vec::new();
    while !bytes.is_empty() {
        let (key, rest) = bytes.split_first_chunk()?;
        let (value, rest) = rest.split_first_chunk()?;
        let (key, rest) = rest.split_at_checked(u32::from_be_bytes(*key) as usize)?;
        let value = (u32::from_be_bytes(*value) as usize).checked_sub(1);
        let (present, rest) = rest.split_at_checked(value.unwrap_or(0))?;
        changes.push((IVec::from(key), value.map(|_| IVec::from(present))));
        bytes = rest;
    }
    Some(changes)
}
