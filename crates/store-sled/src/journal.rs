//! Records that expire are journaled: a group of commits writes what it does to all of them into one block, and this index says where the
//! present ones lie. Most are made, read and used up within minutes, and none of them costs a walk through the tree of its own.
//!
//! A block holds items in the order in which they happened: a record that is there, or one that is gone. Opening the store reads all blocks
//! in order. A block may go when it has nothing to say any more: no present record lies in it, and no older block is left whose records it
//! ends. What is still there when the journal has grown too heavy moves to the tree ([`Journal::overdue`]).

mod blocks;
mod item;

pub use item::{Writer, item, items, stored};

use std::{
    collections::{BTreeMap, HashMap},
    hash::{BuildHasher, RandomState},
    sync::Arc,
};

use matrix_2fa_core::Timestamp;
use matrix_2fa_store::{Kind, Version};

use crate::{keys, log::Pointer, values::Head};
use blocks::Blocks;

/// What a record is called in the journal: its kind and key, as [`keys::place`] gives them.
pub type Place = Arc<[u8]>;

/// A present record.
#[derive(Clone, Debug)]
pub struct Entry {
    /// Where its item lies.
    pub at: Pointer,
    pub version: Version,
    pub expires_at: Timestamp,
    pub user: Option<Box<str>>,
}

/// What one item did.
#[derive(Debug)]
pub struct Change {
    pub place: Place,
    /// The block that the item is in.
    pub block: u64,
    /// `None`: the record is gone.
    pub entry: Option<Entry>,
}

/// The present records of the journal, and its blocks. Only the committing thread changes it.
#[derive(Debug, Default)]
pub struct Journal {
    places: HashMap<Place, Entry>,
    /// By a hash of the owner. Numbers are compared where they lie; names would be looked up in memory that is cold, at every step of every
    /// search, by the one thread that commits.
    by_owner: BTreeMap<(u64, Pointer), Place>,
    by_expiry: BTreeMap<(Timestamp, Pointer), Place>,
    blocks: Blocks,
    hash: RandomState,
}

impl Journal {
    /// An empty one, which may weigh `heavy` bytes.
    pub fn new(heavy: usize) -> Self {
        Self { blocks: Blocks::new(heavy), ..Self::default() }
    }

    pub fn get(&self, place: &[u8]) -> Option<&Entry> {
        self.places.get(place)
    }

    /// The records of this kind that belong to a user: their keys, and where they lie.
    pub fn of_user(&self, kind: Kind, user: &str) -> Vec<(Vec<u8>, Pointer)> {
        let of_kind = keys::all_of_kind(kind);
        let owner = self.owner(user);
        let hashed_alike = self.by_owner.range((owner, Pointer::default())..=(owner, Pointer::LAST));
        let mine = hashed_alike.filter_map(|((_, at), place)| {
            let key = place.strip_prefix(keys::place(&of_kind))?;
            let entry = self.get(place)?;
            (entry.user.as_deref() == Some(user)).then(|| (key.to_vec(), *at))
        });
        mine.collect()
    }

    fn owner(&self, user: &str) -> u64 {
        self.hash.hash_one(user)
    }

    /// The first `limit` records whose place begins with `prefix` and comes after `after`, in order. Looks at all there are: for work that
    /// visits everything.
    pub fn after(&self, prefix: &[u8], after: &[u8], limit: usize) -> Vec<(Place, Pointer)> {
        let later = self.places.iter().filter(|(place, _)| place.starts_with(prefix) && ***place > *after);
        let mut later: Vec<_> = later.map(|(place, entry)| (place, entry.at)).collect();
        if later.len() > limit {
            later.select_nth_unstable_by_key(limit, |(place, _)| *place);
            later.truncate(limit);
        }
        later.sort_unstable_by_key(|(place, _)| *place);
        later.into_iter().map(|(place, at)| (Arc::clone(place), at)).collect()
    }

    /// Where every present record lies.
    pub fn all(&self) -> Vec<Pointer> {
        self.places.values().map(|entry| entry.at).collect()
    }

    /// The first `limit` records that expire at or before `now`.
    pub fn due(&self, now: Timestamp, limit: usize) -> Vec<(Timestamp, Place)> {
        let due = self.by_expiry.iter().take_while(|((at, _), _)| *at <= now).take(limit);
        due.map(|((at, _), place)| (*at, Arc::clone(place))).collect()
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
    pub fn apply(&mut self, Change { place, block, entry }: Change) {
        let before = match entry {
            Some(entry) => {
                if let Some(user) = &entry.user {
                    self.by_owner.insert((self.owner(user), entry.at), Arc::clone(&place));
                }
                self.by_expiry.insert((entry.expires_at, entry.at), Arc::clone(&place));
                self.blocks.keep(block);
                self.places.insert(place, entry)
            }
            None => self.places.remove(&place),
        };
        if let Some(before) = before {
            if let Some(user) = &before.user {
                self.by_owner.remove(&(self.owner(user), before.at));
            }
            self.by_expiry.remove(&(before.expires_at, before.at));
            self.blocks.supersede(before.at.seq(), block);
        }
    }

    /// Blocks that may go, each told once. None may go before one that was told earlier.
    pub fn take_spent(&mut self) -> Vec<u64> {
        self.blocks.take_spent()
    }
}

impl Entry {
    /// What the committing thread compares. Whose it is says the index of the journal.
    pub fn head(&self) -> Head {
        Head { version: self.version, expires_at: Some(self.expires_at), user: None, journaled: true }
    }
}
