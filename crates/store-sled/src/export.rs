//! Everything as of one moment, while commits go on.
//!
//! sled has no snapshots. So the committing thread, before it applies a batch, keeps what the batch replaces, as far as the export has not
//! read that yet; and the export, page by page, puts back what was replaced since it began. Blocks of events only grow in number: those
//! that were there at the beginning are read as they are. Indexes are not exported: they follow from the records.

use std::{
    collections::{BTreeMap, HashMap},
    ops::Bound,
    sync::{Mutex, MutexGuard, PoisonError},
};

use matrix_2fa_store::{
    StoreError, codec,
    export::{EachEntry, Entry},
};
use sled::IVec;

use crate::{
    keys, log,
    shared::Shared,
    unavailable,
    values::{self, RecordView},
};

/// Keys read under one lock: commits wait for no more than that.
const PAGE: usize = 256;

/// Where the committing thread keeps what an export still needs.
#[derive(Default)]
pub struct Past {
    /// One export at a time.
    turn: Mutex<()>,
    /// `None`: nobody exports.
    replaced: Mutex<Option<Replaced>>,
}

#[derive(Default)]
struct Replaced {
    /// Up to this key everything was read.
    read: IVec,
    values: BTreeMap<IVec, Option<IVec>>,
}

impl Past {
    /// Keeps what the tree has at these keys. Called before it changes, under the lock that keeps scans away.
    pub fn keep(&self, db: &sled::Tree, staged: &HashMap<IVec, Option<IVec>>) {
        let mut guard = lock(&self.replaced);
        let Some(replaced) = guard.as_mut() else { return };
        for key in staged.keys().filter(|key| **key > replaced.read) {
            if replaced.values.contains_key(key) {
                continue;
            }
            let Ok(old) = db.get(key) else {
                // The export finds that it lost its past, and fails.
                *guard = None;
                return;
            };
            replaced.values.insert(key.clone(), old);
        }
    }
}

/// Nobody keeps anything any more, however the export ends.
struct Export<'a> {
    shared: &'a Shared,
    _turn: MutexGuard<'a, ()>,
}

impl Drop for Export<'_> {
    fn drop(&mut self) {
        *lock(&self.shared.past.replaced) = None;
    }
}

/// Gives everything to `each`.
pub fn run(shared: &Shared, mut each: EachEntry) -> Result<(), StoreError> {
    let turn = lock(&shared.past.turn);
    let last_block = {
        let _still = shared.snapshot.read().unwrap_or_else(PoisonError::into_inner);
        shared.readable().map_err(unavailable)?;
        *lock(&shared.past.replaced) = Some(Replaced::default());
        shared.db.scan_prefix(keys::EVENTS).keys().next_back().transpose().map_err(unavailable)?
    };
    let export = Export { shared, _turn: turn };
    let mut give = |entry| each(entry).map_err(unavailable);
    export.pages(keys::ACCOUNTS, keys::AFTER_ACCOUNTS, |key, stored| {
        let user = keys::user(key).ok_or_else(crate::not_text)?.to_owned();
        let stored = values::decode_account(stored)?;
        // Version 0: a user who has events, and never had an account.
        if stored.version > 0 { give(Entry::Account { user, account: Box::new(stored.account) }) } else { Ok(()) }
    })?;
    if let Some(last) = last_block {
        for block in shared.db.range(keys::EVENTS..=&*last) {
            let (_, block) = block.map_err(unavailable)?;
            for event in log::all(&block) {
                give(Entry::Event(codec::decode("event", event?)?))?;
            }
        }
    }
    export.pages(keys::RECORDS, keys::AFTER_RECORDS, |key, stored| {
        let (kind, key) = keys::kind_and_key(key).ok_or_else(crate::lost)?;
        let record = RecordView::read(stored)?;
        give(Entry::Record {
            kind: kind.to_owned(),
            key: key.to_owned(),
            bytes: record.bytes.to_vec(),
            user: record.user.map(str::to_owned),
            expires_at: record.expires_at,
        })
    })
}

impl Export<'_> {
    /// Every key from `from` to `end`, as it was when the export began.
    fn pages(
        &self,
        from: &[u8],
        end: &[u8],
        mut each: impl FnMut(&[u8], &[u8]) -> Result<(), StoreError>,
    ) -> Result<(), StoreError> {
        let mut from = Bound::Included(IVec::from(from));
        loop {
            let (page, upto) = self.page(&from, end)?;
            for (key, value) in &page {
                each(key, value)?;
            }
            match upto {
                Some(upto) => from = Bound::Excluded(upto),
                None => return Ok(()),
            }
        }
    }

    /// The next page, and the key that it goes up to; `None`: it goes to the end.
    fn page(&self, from: &Bound<IVec>, end: &[u8]) -> Result<(BTreeMap<IVec, IVec>, Option<IVec>), StoreError> {
        let shared = self.shared;
        let _still = shared.snapshot.read().unwrap_or_else(PoisonError::into_inner);
        shared.readable().map_err(unavailable)?;
        let range = (from.clone(), Bound::Excluded(IVec::from(end)));
        let mut page = BTreeMap::new();
        for entry in shared.db.range(range.clone()).take(PAGE) {
            let (key, value) = entry.map_err(unavailable)?;
            page.insert(key, value);
        }
        let upto = (page.len() == PAGE).then(|| page.keys().next_back().cloned()).flatten();
        let mut guard = lock(&shared.past.replaced);
        let replaced = guard.as_mut().ok_or_else(|| unavailable("what commits replaced meanwhile was lost"))?;
        let until = upto.clone().map_or(range.1, Bound::Included);
        for (key, old) in replaced.values.range((range.0, until)) {
            match old {
                Some(old) => page.insert(key.clone(), old.clone()),
                None => page.remove(key),
            };
        }
        replaced.read = upto.clone().unwrap_or_else(|| end.into());
        // What was read is needed no more.
        replaced.values = replaced.values.split_off(&replaced.read);
        Ok((page, upto))
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
