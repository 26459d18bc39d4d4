//! What the committing thread and the readers share: the open files, and whether they can still be trusted.

use std::{
    fs::File,
    sync::{Arc, OnceLock, RwLock},
};

use sled::Db;

use crate::export::Past;

/// Fields drop in this order: the lock of the folder goes last.
pub struct Shared {
    pub db: Db,
    pub file: File,
    /// Held for writing while a batch is applied, for reading by scans: a scan that sees half a batch could miss a record that one commit
    /// moves from one key to another (a token that is renewed while its user logs out everywhere). Point reads need no such thing.
    pub snapshot: RwLock<()>,
    pub failed: OnceLock<Failure>,
    /// For an export that is under way.
    pub past: Past,
    #[expect(dead_code, reason = "held, never used")]
    pub lock: File,
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
    pub fn writable(&self) -> Result<(), Arc<sled::Error>> {
        self.failed.get().map_or(Ok(()), |failure| Err(Arc::clone(&failure.error)))
    }

    pub fn readable(&self) -> Result<(), Arc<sled::Error>> {
        match self.failed.get() {
            Some(failure) if failure.damage == Damage::Unknown => Err(Arc::clone(&failure.error)),
            _ => Ok(()),
        }
    }

    /// Marks the store as failed, for good. The first failure stays.
    pub fn fail(&self, damage: Damage, error: sled::Error) -> Arc<sled::Error> {
        tracing::error!(error = %error, "the store failed: it accepts no more commits until it is opened again");
        Arc::clone(&self.failed.get_or_init(|| Failure { damage, error: Arc::new(error) }).error)
    }

    pub fn sync(&self) -> Result<(), sled::Error> {
        self.db.flush()?;
        Ok(self.file.sync_data()?)
    }
}
