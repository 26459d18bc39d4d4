//! What the committing thread and the readers share: the open files, and whether they can still be trusted.

use std::{
    fs::File,
    sync::{Arc, OnceLock, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard},
};

use matrix_2fa_store::{
    Record, StoreError,
    fault::{self, Fault},
};
use sled::{Db, IVec};

use crate::{
    export::Past,
    journal::{self, Journal},
    keys,
    log::Pointer,
    open::Opened,
    values::RecordView,
};

/// Fields drop in this order: the lock of the folder goes last.
pub struct Shared {
    pub db: Db,
    pub file: File,
    /// Held for writing while a batch is applied, for reading by scans: a scan that sees half a batch could miss a record that one commit
    /// moves from one key to another (a token that is renewed while its user logs out everywhere). Point reads need no such thing.
    pub snapshot: RwLock<()>,
    /// Changes together with the tree, under the lock above; so whoever finds a record in neither looks again under that.
    pub journal: RwLock<Journal>,
    pub failed: OnceLock<Failure>,
    /// For an export that is under way.
    pub past: Past,
    #[expect(dead_code, reason = "held, never used")]
    lock: Arc<File>,
}

/// After a failure nothing is written any more; what sled keeps in memory is no longer what is on disk.
pub struct Failure {
    damage: Damage,
    error: Arc<sled::Error>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Damage {
    /// Everything in memory is whole, but may not be on disk: it can be read.
    NotDurable,
    /// Half a batch may be in memory: nothing can be read either.
    Unknown,
}

impl Shared {
    pub fn new(opened: Opened, lock: Arc<File>) -> Self {
        let Opened { db, file, starts: _, journal } = opened;
        let (snapshot, journal, failed) = (RwLock::new(()), RwLock::new(journal), OnceLock::new());
        Self { db, file, snapshot, journal, failed, past: Past::default(), lock }
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
        self.readable().map_err(|error| StoreError::Unavailable(Box::new(error)))?;
        self.find(key)
    }

    fn find(&self, key: &[u8]) -> Result<Option<Record>, StoreError> {
        let journaled = self.journal().get(keys::place(key)).map(|entry| entry.at);
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
        self.db.get(key).map_err(|error| StoreError::Unavailable(self.unreadable(error)))
    }

    /// Marks the store as failed, until it is opened again. The first failure stays.
    pub fn fail(&self, damage: Damage, error: sled::Error) -> Arc<sled::Error> {
        tracing::error!(error = %error, "the store failed: it accepts no more commits until it is opened again");
        Arc::clone(&self.failed.get_or_init(|| Failure { damage, error: Arc::new(error) }).error)
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

    pub fn sync(&self) -> Result<(), sled::Error> {
        if fault::is(Fault::NoFlush) {
            return Ok(());
        }
        self.db.flush()?;
        Ok(self.file.sync_data()?)
    }
}
