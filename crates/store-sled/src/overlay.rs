//! What is durable in the redo log and not yet in the tree, as readers see it: it stands before the tree.
//!
//! Changed only under the lock that keeps scans away, so that a scan sees one state of it.

use std::{collections::BTreeMap, ops::Bound, sync::Arc};

use sled::IVec;

use crate::{keys, redo::Change};

/// Keys, and what they have; `None`: nothing.
pub type Changes = BTreeMap<IVec, Option<IVec>>;

/// Keys from one to another.
pub type KeyRange = (Bound<Vec<u8>>, Bound<Vec<u8>>);

/// The changes of the groups up to one.
#[derive(Debug, Default)]
pub struct Layer {
    pub changes: Changes,
    /// The last group in it.
    pub last: u64,
}

#[derive(Debug, Default)]
pub struct Overlay {
    fresh: Layer,
    /// On its way into the tree.
    moving: Option<Arc<Layer>>,
}

impl Overlay {
    /// What the key has, if the tree is not to be asked.
    pub fn get(&self, key: &[u8]) -> Option<&Option<IVec>> {
        self.fresh.changes.get(key).or_else(|| self.moving.as_ref()?.changes.get(key))
    }

    /// All that is here of a range, by key.
    pub fn range<'a>(&'a self, (from, to): &'a KeyRange) -> impl Iterator<Item = (&'a IVec, &'a Option<IVec>)> {
        let range = (from.as_ref().map(Vec::as_slice), to.as_ref().map(Vec::as_slice));
        let of = |changes: &'a Changes| changes.range::<[u8], _>(range).peekable();
        let mut fresh = of(&self.fresh.changes);
        let mut moving = self.moving.as_deref().map(|layer| of(&layer.changes));
        std::iter::from_fn(move || {
            let Some(moving) = &mut moving else { return fresh.next() };
            match (fresh.peek(), moving.peek()) {
                (Some((one, _)), Some((other, _))) if one > other => moving.next(),
                (Some((one, _)), Some((other, _))) => {
                    let same = one == other;
                    let next = fresh.next();
                    if same {
                        moving.next();
                    }
                    next
                }
                (Some(_), None) => fresh.next(),
                (None, _) => moving.next(),
            }
        })
    }

    /// Brings in what group `last` changes.
    pub fn apply(&mut self, changes: Vec<Change>, last: u64) {
        for (key, value) in changes {
            // A block of the journal has its key for itself. If it came after the last layer, the tree has never heard of it.
            let own = value.is_none() && keys::journal_seq(&key).is_some();
            if own && self.fresh.changes.get(&key).is_some_and(Option::is_some) {
                self.fresh.changes.remove(&key);
                continue;
            }
            self.fresh.changes.insert(key, value);
        }
        self.fresh.last = last;
    }

    /// Closes the layer that was filled, for the tree. Only when no other is on its way.
    pub fn close(&mut self) -> Arc<Layer> {
        let layer = Arc::new(std::mem::take(&mut self.fresh));
        self.moving = Some(Arc::clone(&layer));
        layer
    }

    /// The tree has the layer that was on its way.
    pub fn moved(&mut self) -> Option<Arc<Layer>> {
        self.moving.take()
    }

    pub fn is_empty(&self) -> bool {
        self.fresh.changes.is_empty()
    }
}

/// All keys that begin with `prefix`. No key begins with 255: tags are letters.
pub fn prefixed(prefix: &[u8]) -> KeyRange {
    let mut end = prefix.to_vec();
    while end.last() == Some(&u8::MAX) {
        end.pop();
    }
    if let Some(last) = end.last_mut() {
        *last += 1;
    }
    (Bound::Included(prefix.to_vec()), Bound::Excluded(end))
}
