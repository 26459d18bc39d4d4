//! Which records expire when: lists, one or a few a group of commits, of records that expire about the same time. An item stays when its
//! record is deleted or put again; sweeping compares it with the record and drops what is stale.

use matrix_2fa_core::Timestamp;
use matrix_2fa_store::StoreError;

/// Records that expire within this many milliseconds share a list.
const TOGETHER: u64 = 60_000;

/// A list is closed when it would grow past this, so that it stays a small value.
const FULL: usize = 32 * 1024;

/// A record that expires at `at`, if it still is what it was.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Item {
    pub at: Timestamp,
    pub place: Vec<u8>,
}

/// The lists of these items, each with the moment at which its first expires.
pub fn lists(mut items: Vec<Item>) -> Vec<(Timestamp, Vec<u8>)> {
    items.sort();
    let mut lists: Vec<(Timestamp, Vec<u8>)> = Vec::new();
    for item in items {
        let near = |first: Timestamp| item.at.as_millis() - first.as_millis() < TOGETHER;
        match lists.last_mut() {
            Some((first, bytes)) if near(*first) && bytes.len() < FULL => item.write(bytes),
            _ => {
                let mut bytes = Vec::new();
                item.write(&mut bytes);
                lists.push((item.at, bytes));
            }
        }
    }
    lists
}

/// The items of a list.
pub fn items(mut list: &[u8]) -> Result<Vec<Item>, StoreError> {
    let mut items = Vec::new();
    while !list.is_empty() {
        let cut = || StoreError::Corrupt { what: "record", source: "a list of expiring records is cut short".into() };
        let (item, rest) = Item::read(list).ok_or_else(cut)?;
        items.push(item);
        list = rest;
    }
    Ok(items)
}

impl Item {
    fn write(&self, bytes: &mut Vec<u8>) {
        bytes.extend_from_slice(&self.at.as_millis().to_be_bytes());
        bytes.extend_from_slice(&u32::try_from(self.place.len()).unwrap_or(u32::MAX).to_be_bytes());
        bytes.extend_from_slice(&self.place);
    }

    fn read(list: &[u8]) -> Option<(Self, &[u8])> {
        let (at, rest) = list.split_first_chunk()?;
        let (length, rest) = rest.split_first_chunk()?;
        let (place, rest) = rest.split_at_checked(u32::from_be_bytes(*length) as usize)?;
        let at = Timestamp::from_millis(u64::from_be_bytes(*at));
        Some((Self { at, place: place.to_vec() }, rest))
    }
}
