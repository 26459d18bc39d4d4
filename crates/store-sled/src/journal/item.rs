//! Items of the journal, as bytes: length and place of the record, length and [stored](crate::values) record. No record: it is gone.

use matrix_2fa_store::StoreError;

use super::{Change, Entry};
use crate::{log::Pointer, values::RecordView};

/// A block is closed when it has grown past this, so that it stays a small value.
const FULL: usize = 32 * 1024;

/// The block that is being filled.
#[derive(Debug)]
pub struct Writer {
    pub block: u64,
    pub bytes: Vec<u8>,
}

impl Writer {
    pub fn new(block: u64) -> Self {
        Self { block, bytes: Vec::new() }
    }

    /// Appends an item; `stored` is a record, or nothing. Where it lies now.
    pub fn append(&mut self, place: &[u8], stored: &[u8]) -> Pointer {
        let at = Pointer::new(self.block, self.bytes.len());
        for part in [place, stored] {
            self.bytes.extend_from_slice(&u32::try_from(part.len()).unwrap_or(u32::MAX).to_be_bytes());
            self.bytes.extend_from_slice(part);
        }
        at
    }

    pub fn is_full(&self) -> bool {
        self.bytes.len() >= FULL
    }
}

/// An item of a block.
pub struct Item<'a> {
    pub at: Pointer,
    pub place: &'a [u8],
    pub stored: &'a [u8],
}

impl Item<'_> {
    /// What it does.
    pub fn change(&self) -> Result<Change, StoreError> {
        if self.stored.is_empty() {
            return Ok(Change::Gone { place: self.place.into(), block: self.at.seq() });
        }
        let RecordView { version, expires_at, user, .. } = RecordView::read(self.stored)?;
        let expires_at = expires_at.ok_or_else(cut_short)?;
        Ok(Change::There(Entry::new(self.at, version, expires_at, user, self.place)))
    }
}

/// All items of a block.
pub fn items(block: u64, bytes: &[u8]) -> Result<Vec<Item<'_>>, StoreError> {
    let (mut items, mut rest) = (Vec::new(), bytes);
    while !rest.is_empty() {
        let at = Pointer::new(block, bytes.len() - rest.len());
        let (place, stored, after) = parse(rest).ok_or_else(cut_short)?;
        items.push(Item { at, place, stored });
        rest = after;
    }
    Ok(items)
}

/// The stored record of the item at `at`.
pub fn stored(block: &[u8], at: Pointer) -> Result<&[u8], StoreError> {
    item(block, at).map(|item| item.stored)
}

/// The item at `at`.
pub fn item(block: &[u8], at: Pointer) -> Result<Item<'_>, StoreError> {
    let (place, stored, _) = block.get(at.offset()..).and_then(parse).ok_or_else(cut_short)?;
    Ok(Item { at, place, stored })
}

fn parse(bytes: &[u8]) -> Option<(&[u8], &[u8], &[u8])> {
    let (place, rest) = part(bytes)?;
    let (stored, rest) = part(rest)?;
    Some((place, stored, rest))
}

fn part(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (length, rest) = bytes.split_first_chunk()?;
    rest.split_at_checked(u32::from_be_bytes(*length) as usize)
}

fn cut_short() -> StoreError {
    StoreError::Corrupt { what: "record", source: "a block of the journal is cut short".into() }
}
