//! Rows of the tree that somebody read lately: what a login reads first it needs again a few seconds later, twice, and a walk through the
//! tree costs more than all else of such a read.
//!
//! Only what the tree itself has is here, so the overlay is asked first, always: what is there hides what is here. So a row becomes old only
//! when the overlay lets go of the younger one, and just before that it is put right ([`Rows::follow`]). A reader who began before that and
//! ends after it does not put what it read.

use std::{
    collections::{HashMap, VecDeque},
    hash::{BuildHasher, RandomState},
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

use sled::IVec;

use crate::overlay::Changes;

/// Parts with a lock each.
const PARTS: usize = 16;

/// What a row weighs beside its key and value, for the map and the queue.
const ROW: usize = 160;

pub struct Rows {
    parts: [Mutex<Part>; PARTS],
    hash: RandomState,
    /// Counts layers that reached the tree.
    layers: AtomicU64,
    /// What a part may weigh, in bytes.
    heavy: usize,
}

#[derive(Default)]
struct Part {
    rows: HashMap<IVec, Row>,
    /// In the order in which they came, each once.
    queue: VecDeque<IVec>,
    weight: usize,
}

struct Row {
    /// `None`: the tree has no such key any more.
    value: Option<IVec>,
    /// Read since it came, or since it was last spared.
    wanted: bool,
}

/// When a reader began.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Since(u64);

impl Rows {
    /// None yet, and never much more than so many bytes.
    pub fn new(bytes: usize) -> Self {
        let parts = std::array::from_fn(|_| Mutex::default());
        Self { parts, hash: RandomState::new(), layers: AtomicU64::new(0), heavy: bytes / PARTS }
    }

    /// To be asked for before the overlay is looked at.
    pub fn since(&self) -> Since {
        Since(self.layers.load(Ordering::SeqCst))
    }

    /// What the tree has there, if that is known.
    pub fn get(&self, key: &[u8]) -> Option<Option<IVec>> {
        let mut part = self.part(key)?;
        let row = part.rows.get_mut(key)?;
        row.wanted = true;
        Some(row.value.clone())
    }

    /// Keeps what was read in the tree.
    pub fn put(&self, key: &[u8], value: &IVec, since: Since) {
        let Some(mut part) = self.part(key) else { return };
        if self.since() != since || part.rows.contains_key(key) {
            return;
        }
        let key = IVec::from(key);
        part.weight += weight(&key, Some(value));
        part.queue.push_back(key.clone());
        part.rows.insert(key, Row { value: Some(value.clone()), wanted: false });
        part.lighten(self.heavy);
    }

    /// The tree has these changes, and the overlay is about to forget them.
    pub fn follow(&self, changes: &Changes) {
        self.layers.fetch_add(1, Ordering::SeqCst);
        for (key, value) in changes {
            let Some(mut part) = self.part(key) else { continue };
            let Some(row) = part.rows.get_mut(key) else { continue };
            let before = std::mem::replace(&mut row.value, value.clone());
            part.weight = part.weight - length(before.as_ref()) + length(value.as_ref());
            part.lighten(self.heavy);
        }
    }

    fn part(&self, key: &[u8]) -> Option<MutexGuard<'_, Part>> {
        let part = self.parts.get(self.hash.hash_one(key) as usize % PARTS)?;
        Some(part.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Part {
    /// The oldest go first; who was wanted meanwhile is spared once.
    fn lighten(&mut self, heavy: usize) {
        while self.weight > heavy
            && let Some(key) = self.queue.pop_front()
        {
            if self.rows.get_mut(&key).is_some_and(|row| std::mem::take(&mut row.wanted)) {
                self.queue.push_back(key);
                continue;
            }
            let gone = self.rows.remove(&key).and_then(|row| row.value);
            self.weight -= weight(&key, gone.as_ref());
        }
    }
}

fn weight(key: &IVec, value: Option<&IVec>) -> usize {
    ROW + key.len() + length(value)
}

fn length(value: Option<&IVec>) -> usize {
    value.map_or(0, |value| value.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn known(rows: &Rows, key: &str) -> Option<Option<Vec<u8>>> {
        rows.get(key.as_bytes()).map(|value| value.map(|value| value.to_vec()))
    }

    fn layer(key: &str, value: Option<&str>) -> Changes {
        Changes::from([(IVec::from(key), value.map(IVec::from))])
    }

    #[test]
    fn a_row_follows_the_tree() {
        let rows = Rows::new(1 << 20);
        rows.put(b"a", &IVec::from("old"), rows.since());
        assert_eq!(known(&rows, "a"), Some(Some(b"old".to_vec())));
        rows.follow(&layer("a", Some("new")));
        assert_eq!(known(&rows, "a"), Some(Some(b"new".to_vec())));
        rows.follow(&layer("a", None));
        assert_eq!(known(&rows, "a"), Some(None));
        rows.follow(&layer("b", Some("never read")));
        assert_eq!(known(&rows, "b"), None);
    }

    /// Between its look at the tree and its return the tree went on, and the overlay hides that no more.
    #[test]
    fn who_read_before_a_layer_came_keeps_nothing_after_it() {
        let rows = Rows::new(1 << 20);
        let since = rows.since();
        rows.follow(&layer("a", Some("new")));
        rows.put(b"a", &IVec::from("old"), since);
        assert_eq!(known(&rows, "a"), None);
    }

    #[test]
    fn rows_never_weigh_more_than_they_may_and_the_wanted_ones_stay() {
        let heavy = 64 * 1024;
        let rows = Rows::new(heavy);
        let value = IVec::from(vec![7; 100]);
        for number in 0..10_000_u32 {
            rows.put(&number.to_be_bytes(), &value, rows.since());
            assert!(rows.get(&0_u32.to_be_bytes()).is_some(), "{number}");
            let weight: usize = rows.parts.iter().map(|part| part.lock().unwrap().weight).sum();
            assert!(weight <= heavy, "{weight}");
        }
        let counted = |part: &Mutex<Part>| {
            let part = part.lock().unwrap();
            assert_eq!(part.queue.len(), part.rows.len());
            part.rows.iter().map(|(key, row)| weight(key, row.value.as_ref())).sum::<usize>()
        };
        let (counted, kept): (usize, usize) = rows
            .parts
            .iter()
            .map(|part| (counted(part), part.lock().unwrap().weight))
            .fold((0, 0), |a, b| (a.0 + b.0, a.1 + b.1));
        assert_eq!(counted, kept);
        // A row that grows makes others go.
        let last = 9_999_u32.to_be_bytes();
        rows.follow(&Changes::from([(IVec::from(&last), Some(IVec::from(vec![7; heavy])))]));
        let weight: usize = rows.parts.iter().map(|part| part.lock().unwrap().weight).sum();
        assert!(weight <= heavy, "{weight}");
    }
}
