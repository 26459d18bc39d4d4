//! Records that expire are journaled: a group of commits writes what it does to all of them into one block, and this index says where the
//! present ones lie. Most are made, read and used up within minutes, and none of them costs a walk through the tree of its own.
//!
//! A block holds items in the order in which they happened: a record that is there, or one that is gone. Opening the store reads all blocks
//! in order. A block may go when it has nothing to say any more: no present record lies in it, and no older block is left whose records it
//! ends. What is still there when the journal has grown too heavy moves to the tree ([`Journal::overdue`]).

mod blocks;
mod entry;
mod item;

pub use entry::Entry;
pub use item::{Writer, item, items, stored};

use std::{
    collections::{BTreeSet, HashSet},
    ops::Bound,
};

use matrix_2fa_core::Timestamp;
use matrix_2fa_store::Kind;

use crate::{keys, log::Pointer};
use blocks::Blocks;
use entry::{ByExpiry, ByPlace, ByUser};

/// What one item did.
#[derive(Debug)]
pub enum Change {
    /// This record is there.
    There(Entry),
    /// The record of this name is gone.
    Gone {
        /// Its kind and key, as [`keys::place`] gives them.
        place: Box<[u8]>,
        /// The block that says so.
        block: u64,
    },
}

/// The present records of the journal, and its blocks. Only the committing thread changes it.
#[derive(Debug, Default)]
pub struct Journal {
    places: HashSet<ByPlace>,
    /// Those that have one.
    by_user: BTreeSet<ByUser>,
    by_expiry: BTreeSet<ByExpiry>,
    blocks: Blocks,
}

impl Journal {
    /// An empty one, which may weigh `heavy` bytes.
    pub fn new(heavy: usize) -> Self {
        Self { blocks: Blocks::new(heavy), ..Self::default() }
    }

    pub fn get(&self, place: &[u8]) -> Option<&Entry> {
        self.places.get(place).map(|entry| &entry.0)
    }

    /// The records of a kind that a user has: name, and where it lies. By name.
    pub fn of_user(&self, kind: Kind, user: &str) -> Vec<(Vec<u8>, Pointer)> {
        let prefix = entry::owned(user, keys::place(&keys::all_of_kind(kind)));
        let later = self.by_user.range::<[u8], _>((Bound::Included(prefix.as_slice()), Bound::Unbounded));
        let mine = later.map_while(|entry| Some((entry.key_after(&prefix)?.to_vec(), entry.0.at())));
        mine.collect()
    }

    /// The first `limit` records whose place begins with `prefix` and comes after `after`, in order. Looks at all there are: for work that
    /// visits everything.
    pub fn after(&self, prefix: &[u8], after: &[u8], limit: usize) -> Vec<(Vec<u8>, Pointer)> {
        let all = self.places.iter().map(|entry| (entry.0.place(), entry.0.at()));
        let mut later: Vec<_> = all.filter(|(place, _)| place.starts_with(prefix) && *place > after).collect();
        if later.len() > limit {
            later.select_nth_unstable_by_key(limit, |(place, _)| *place);
            later.truncate(limit);
        }
        later.sort_unstable_by_key(|(place, _)| *place);
        later.into_iter().map(|(place, at)| (place.to_vec(), at)).collect()
    }

    /// Where every present record lies.
    pub fn all(&self) -> Vec<Pointer> {
        self.places.iter().map(|entry| entry.0.at()).collect()
    }

    /// The first `limit` records that expire at or before `now`: when, and their places.
    pub fn due(&self, now: Timestamp, limit: usize) -> Vec<(Timestamp, Vec<u8>)> {
        let first = self.by_expiry.iter().map(|entry| (entry.0.expires_at(), entry.0.place()));
        first.take_while(|(at, _)| *at <= now).take(limit).map(|(at, place)| (at, place.to_vec())).collect()
    }

    /// The oldest block, if the journal has grown too heavy: what is left of it must move to the tree.
    pub fn overdue(&self) -> Option<u64> {
        self.blocks.overdue()
    }

    /// Adds a block that is on disk. What it does follows.
    pub fn add(&mut self, block: u64, bytes: usize) {
        self.blocks.add(block, bytes);
    }

    /// Does what an item says. Items come in their order.
    pub fn apply(&mut self, change: Change) {
        match change {
            Change::There(entry) => {
                let block = entry.at().seq();
                self.end(entry.place(), block);
                if entry.user().is_some() {
                    self.by_user.insert(ByUser(entry.clone()));
                }
                self.by_expiry.insert(ByExpiry(entry.clone()));
                self.blocks.keep(block);
                self.places.insert(ByPlace(entry));
            }
            Change::Gone { place, block } => self.end(&place, block),
        }
    }

    fn end(&mut self, place: &[u8], by: u64) {
        let Some(ByPlace(before)) = self.places.take(place) else { return };
        self.blocks.supersede(before.at().seq(), by);
        self.by_user.remove(&ByUser(before.clone()));
        self.by_expiry.remove(&ByExpiry(before));
    }

    /// Blocks that may go, each told once. None may go before one that was told earlier.
    pub fn take_spent(&mut self) -> Vec<u64> {
        self.blocks.take_spent()
    }
}
