//! Everything as of one moment, while commits go on.
//!
//! sled has no snapshots. So the committing thread, before it shows a group, keeps what that replaces, as far as the export has not
//! read that yet; and the export, page by page, puts back what was replaced since it began. Blocks of events only grow in number: those
//! that were there at the beginning are read as they are. Blocks of the journal never change, but go: those that have records of the
//! beginning are kept like what is replaced. Indexes are not exported: they follow from the records.
//!
//! Once the store has failed the export fails too: it never goes on in the store that was opened in its place.

use std::{
    collections::BTreeMap,
    ops::Bound,
    sync::{Mutex, MutexGuard, PoisonError},
};

use matrix_2fa_store::{
    StoreError, codec,
    export::{EachEntry, Entry},
};
use sled::IVec;

use crate::{
    journal, keys, log,
    shared::Shared,
    unavailable,
    values::{self, RecordView},
};

/// Keys read under one lock: commits wait for no more than that.
const PAGE: usize = 256;
/// Blocks of events that are read at once.
const BLOCKS: usize = 16;

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
    /// The last block of the journal that has records of the beginning.
    journal: u64,
    values: BTreeMap<IVec, Option<IVec>>,
}

impl Past {
    /// Keeps what the store has at these keys. Called before it changes, under the lock that keeps scans away.
    pub fn keep<'a>(&self, shared: &Shared, changed: impl Iterator<Item = &'a IVec>) {
        let mut guard = lock(&self.replaced);
        let Some(replaced) = guard.as_mut() else { return };
        for key in changed {
            let younger = keys::journal_seq(key).is_some_and(|block| block > replaced.journal);
            if younger || *key <= replaced.read || replaced.values.contains_key(key) {
                continue;
            }
            let Ok(old) = shared.get(key) else {
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
    let (last_block, mut journaled) = {
        let _still = shared.snapshot.read().unwrap_or_else(PoisonError::into_inner);
        shared.writable().map_err(unavailable)?;
        let last_block = shared.last_events()?;
        let journaled = shared.journal().all();
        let journal = journaled.iter().map(|at| at.seq()).max().unwrap_or(0);
        *lock(&shared.past.replaced) = Some(Replaced { journal, ..Replaced::default() });
        (last_block, journaled)
    };
    journaled.sort_unstable();
    let export = Export { shared, _turn: turn };
    let mut give = |entry| each(entry).map_err(unavailable);
    export.pages(keys::ACCOUNTS, keys::AFTER_ACCOUNTS, |key, stored| {
        let user = keys::user(key).ok_or_else(crate::not_text)?.to_owned();
        let stored = values::decode_account(stored)?;
        // Version 0: a user who has events, and never had an account.
        if stored.version > 0 { give(Entry::Account { user, account: Box::new(stored.account) }) } else { Ok(()) }
    })?;
    if let Some(last) = last_block {
        let mut range = (Bound::Included(keys::EVENTS.to_vec()), Bound::Included(last.to_vec()));
        loop {
            let blocks = shared.range(&range, BLOCKS)?;
            shared.writable().map_err(unavailable)?;
            let Some((last, _)) = blocks.last() else { break };
            range.0 = Bound::Excluded(last.to_vec());
            for event in blocks.iter().flat_map(|(_, block)| log::all(block)) {
                give(Entry::Event(codec::decode("event", event?)?))?;
            }
        }
    }
    let mut give_record = |key: &[u8], stored: &[u8]| {
        let (kind, key) = keys::kind_and_key(key).ok_or_else(crate::lost)?;
        let record = RecordView::read(stored)?;
        give(Entry::Record {
            kind: kind.to_owned(),
            key: key.to_owned(),
            bytes: record.bytes.to_vec(),
            user: record.user.map(str::to_owned),
            expires_at: record.expires_at,
        })
    };
    for some in journaled.chunk_by(|one, other| one.seq() == other.seq()) {
        let Some(seq) = some.first().map(|at| at.seq()) else { continue };
        let block = export.journal_block(seq)?;
        for at in some {
            let item = journal::item(&block, *at)?;
            give_record(&keys::at_place(item.place), item.stored)?;
        }
    }
    export.pages(keys::RECORDS, keys::AFTER_RECORDS, give_record)?;
    // What failed meanwhile may have been half a batch under the last page.
    shared.writable().map_err(unavailable)
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

    /// A block of the journal that was there when the export began. They are asked for in their order.
    fn journal_block(&self, seq: u64) -> Result<IVec, StoreError> {
        let key = IVec::from(keys::journal(seq));
        let _still = self.shared.snapshot.read().unwrap_or_else(PoisonError::into_inner);
        self.shared.writable().map_err(unavailable)?;
        let mut guard = lock(&self.shared.past.replaced);
        let replaced = guard.as_mut().ok_or_else(lost_past)?;
        let kept = replaced.values.get(&key).cloned().flatten();
        replaced.values = replaced.values.split_off(&key);
        replaced.values.remove(&key);
        replaced.read = key;
        kept.map_or_else(|| self.shared.journal_block(seq), Ok)
    }

    /// The next page, and the key that it goes up to; `None`: it goes to the end.
    fn page(&self, from: &Bound<IVec>, end: &[u8]) -> Result<(BTreeMap<IVec, IVec>, Option<IVec>), StoreError> {
        let shared = self.shared;
        let _still = shared.snapshot.read().unwrap_or_else(PoisonError::into_inner);
        shared.writable().map_err(unavailable)?;
        let range = (from.clone(), Bound::Excluded(IVec::from(end)));
        let bytes = (from.as_ref().map(|from| from.to_vec()), Bound::Excluded(end.to_vec()));
        let mut page: BTreeMap<_, _> = shared.range(&bytes, PAGE)?.into_iter().collect();
        let upto = (page.len() == PAGE).then(|| page.keys().next_back().cloned()).flatten();
        let mut guard = lock(&shared.past.replaced);
        let replaced = guard.as_mut().ok_or_else(lost_past)?;
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

fn lost_past() -> StoreError {
    unavailable("what commits replaced meanwhile was lost")
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
