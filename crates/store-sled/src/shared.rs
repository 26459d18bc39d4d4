//! What the committing thread and the readers share: the open files, and whether they can still be trusted.

use std::{
    fs::File,
    path::PathBuf,
    sync::{Arc, OnceLock, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard},
};

use matrix_2fa_store::{Record, StoreError};
use sled::{Db, IVec};
use tokio::sync::mpsc;

use crate::{
    committer::Command,
    export::Past,
    journal::{self, Journal},
    keys,
    log::Pointer,
    open,
    overlay::{KeyRange, Overlay, prefixed},
    rows::Rows,
    unavailable,
    values::RecordView,
};

/// Fields drop in this order: the lock of the folder goes last.
pub struct Shared {
    pub db: Db,
    /// A second handle of sled's file, to sync it: sled's own flush does not reach the disk (`sync_file_range` only).
    pub file: File,
    /// What the tree does not have yet.
    pub overlay: RwLock<Overlay>,
    /// Of what it has, what was read lately.
    pub rows: Rows,
    /// Held for writing while a group is brought in, for reading by scans: a scan that sees half a group could miss a record that one commit
    /// moves from one key to another (a token that is renewed while its user logs out everywhere). Point reads need no such thing.
    pub snapshot: RwLock<()>,
    /// Changes together with the overlay, under the lock above; so whoever finds a record in neither looks again under that.
    pub journal: RwLock<Journal>,
    pub failed: OnceLock<Failure>,
    /// For an export that is under way.
    pub past: Past,
    pub folder: Arc<Folder>,
}

/// What stays the same when the store is opened again.
pub struct Folder {
    pub path: PathBuf,
    /// Wakes the committing thread, if somebody else finds that the store has failed.
    pub wake: mpsc::WeakSender<Command>,
    #[expect(dead_code, reason = "held, never used")]
    pub lock: File,
}

/// After a failure nothing is written any more; what is in memory may no longer be what is on disk.
pub struct Failure {
    damage: Damage,
    error: Arc<sled::Error>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Damage {
    /// A group did not get into the redo log. Everything in memory is whole and durable: it can be read.
    NotDurable,
    /// sled failed. What its file has is in doubt, and nothing can be read.
    Unknown,
}

impl Shared {
    pub fn new(db: Db, file: File, journal: Journal, rows: Rows, folder: Arc<Folder>) -> Self {
        let (snapshot, journal, failed) = (RwLock::new(()), RwLock::new(journal), OnceLock::new());
        Self { db, file, overlay: RwLock::default(), rows, snapshot, journal, failed, past: Past::default(), folder }
    }

    pub fn writable(&self) -> Result<(), Arc<sled::Error>> {
        self.failed.get().map_or(Ok(()), |failure| Err(Arc::clone(&failure.error)))
    }

    pub fn readable(&self) -> Result<(), Arc<sled::Error>> {
        match self.failed.get() {
            Some(failure) if failure.damage == Damage::Unknown => Err(Arc::clone(&failure.error)),
            _ => Ok(()),
        }
    }

    /// One record, wherever it lies.
    pub fn record(&self, key: &[u8]) -> Result<Option<Record>, StoreError> {
        if let Some(record) = self.find(key)? {
            return Ok(Some(record));
        }
        // It may have moved between the two places while we looked.
        let _still = self.snapshot.read().unwrap_or_else(PoisonError::into_inner);
        // A batch that failed meanwhile may have taken it from one place only: that is no "not there".
        self.readable().map_err(unavailable)?;
        self.find(key)
    }

    fn find(&self, key: &[u8]) -> Result<Option<Record>, StoreError> {
        let journaled = self.journal().get(keys::place(key)).map(journal::Entry::at);
        if let Some(at) = journaled
            && let Some(block) = self.get(&keys::journal(at.seq()))?
        {
            return Ok(Some(RecordView::read(journal::stored(&block, at)?)?.to_record()));
        }
        self.get(key)?.map(|stored| Ok(RecordView::read(&stored)?.to_record())).transpose()
    }

    /// The record that the journal has there. Under the lock, its block must be there.
    pub fn journaled(&self, at: Pointer) -> Result<Record, StoreError> {
        Ok(RecordView::read(journal::stored(&self.journal_block(at.seq())?, at)?)?.to_record())
    }

    pub fn journal_block(&self, seq: u64) -> Result<IVec, StoreError> {
        let lost = || StoreError::Corrupt { what: "record", source: "a block of the journal is not there".into() };
        self.get(&keys::journal(seq))?.ok_or_else(lost)
    }

    pub fn get(&self, key: &[u8]) -> Result<Option<IVec>, StoreError> {
        let since = self.rows.since();
        if let Some(changed) = self.overlay().get(key) {
            return Ok(changed.clone());
        }
        if let Some(known) = self.rows.get(key) {
            return Ok(known);
        }
        let stored = self.db.get(key).map_err(|error| StoreError::Unavailable(self.unreadable(error)))?;
        if let Some(stored) = &stored {
            self.rows.put(key, stored, since);
        }
        Ok(stored)
    }

    /// Up to `limit` entries of a range, by key.
    pub fn range(&self, range: &KeyRange, limit: usize) -> Result<Vec<(IVec, IVec)>, StoreError> {
        let overlay = self.overlay();
        let mut changed = overlay.range(range).peekable();
        let mut tree = self.db.range(range.clone());
        let mut next_in_tree =
            || tree.next().transpose().map_err(|error| StoreError::Unavailable(self.unreadable(error)));
        let mut present = next_in_tree()?;
        let mut entries = Vec::new();
        while entries.len() < limit {
            match (changed.peek(), &present) {
                (Some((key, value)), here) if here.as_ref().is_none_or(|(other, _)| *key <= other) => {
                    let same = here.as_ref().is_some_and(|(other, _)| *key == other);
                    entries.extend(value.as_ref().map(|value| ((*key).clone(), value.clone())));
                    changed.next();
                    if same {
                        present = next_in_tree()?;
                    }
                }
                (_, Some(_)) => {
                    entries.extend(present.take());
                    present = next_in_tree()?;
                }
                (_, None) => break,
            }
        }
        Ok(entries)
    }

    /// The key of the last block of events.
    pub fn last_events(&self) -> Result<Option<IVec>, StoreError> {
        let range = prefixed(keys::EVENTS);
        let in_tree = self.db.range(range.clone()).next_back().transpose();
        let in_tree = in_tree.map_err(|error| StoreError::Unavailable(self.unreadable(error)))?;
        // They are never removed.
        let overlay = self.overlay();
        let in_overlay = overlay.range(&range).last().map(|(key, _)| key.clone());
        Ok(in_overlay.max(in_tree.map(|(key, _)| key)))
    }

    /// Marks the store as failed, until it is opened again. The first failure stays.
    pub fn fail(&self, damage: Damage, error: sled::Error) -> Arc<sled::Error> {
        tracing::error!(error = %error, "the store failed: it accepts no more commits until it is opened again");
        if damage == Damage::Unknown {
            open::doubt(&self.folder.path);
        }
        let failure = self.failed.get_or_init(|| Failure { damage, error: Arc::new(error) });
        if let Some(queue) = self.folder.wake.upgrade() {
            // If the queue is full, somebody else is going to wake it.
            drop(queue.try_send(Command::Wake));
        }
        Arc::clone(&failure.error)
    }

    pub fn overlay(&self) -> RwLockReadGuard<'_, Overlay> {
        self.overlay.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// Only under the lock that keeps scans away.
    pub fn overlay_mut(&self) -> RwLockWriteGuard<'_, Overlay> {
        self.overlay.write().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn journal(&self) -> RwLockReadGuard<'_, Journal> {
        self.journal.read().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn journal_mut(&self) -> RwLockWriteGuard<'_, Journal> {
        self.journal.write().unwrap_or_else(PoisonError::into_inner)
    }

    /// A disk that cannot be read poisons sled like one that cannot be written. A page that is damaged does not: opening again would not
    /// mend it, and the others are whole.
    pub fn unreadable(&self, error: sled::Error) -> Box<dyn std::error::Error + Send + Sync> {
        if matches!(error, sled::Error::Io(_)) { Box::new(self.fail(Damage::Unknown, error)) } else { Box::new(error) }
    }
}
