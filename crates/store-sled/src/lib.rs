//! The embedded default store: [`SledStore`], a redo log of our own before sled 0.34, in a folder of its own.
//!
//! * **Atomic and durable**: what a group of commits changes is one checked piece of the redo log (`redo.rs`), synced before anybody is
//!   answered or can read it. Concurrent commits share one sync.
//! * **One tree**: accounts, records, events and indexes are keys of the same sled tree; `keys.rs` lists them. It follows the log in large,
//!   sorted steps (`mover.rs`); until then what it lacks is in memory and stands before it (`overlay.rs`). What was read lately is read again
//!   without it (`rows.rs`). Records that expire are a journal in that tree, with an index in memory (`journal.rs`).
//! * **One writer**: a thread that compares, swaps and syncs.
//! * After an error of the disk every commit is [`StoreError::Unavailable`], until the store could be opened again with everything that it
//!   had acknowledged (`settle.rs`, `redo/chain.rs`); nothing is answered from hope.
//!
//! sled needs four to five times the logical size on disk. Its cache is capped, and so are the rows ([`Options::cache_bytes`]).

mod committer;
mod expiry;
mod export;
mod journal;
mod keys;
mod log;
mod mover;
mod open;
mod overlay;
mod prepared;
mod redo;
mod reopen;
mod rows;
mod scans;
mod settle;
mod shared;
mod values;

pub use open::OpenError;
pub use prepared::MAX_VALUE_BYTES;

use std::{
    path::Path,
    sync::{Arc, PoisonError},
    thread::{self, JoinHandle},
};

use async_trait::async_trait;
use matrix_2fa_core::{Event, Timestamp};
use matrix_2fa_store::{
    Commit, Committed, KeyedRecord, Kind, Record, Store, StoreError, StoredAccount, export::EachEntry,
};
use tokio::sync::{mpsc, oneshot};

use committer::{Answer, Command};
use prepared::Prepared;
use reopen::Slot;
use shared::Shared;

/// How to open a store.
#[derive(Clone, Debug)]
pub struct Options {
    /// What may be kept in memory of what is on disk, in bytes: three quarters by sled, one as rows that were read lately.
    pub cache_bytes: u64,
    /// Commits that may wait for the committing thread; more than these wait for a place.
    pub queue: usize,
    /// What the journal of records that expire may weigh, in bytes: what is still there beyond that moves to the tree. 1 MiB are about
    /// 1,800 sessions, for which its index takes a third as much memory.
    pub journal_bytes: usize,
    /// What a file of the redo log has before its changes move to the tree, in bytes. While they do, it may become twice as long; there are
    /// two, and what they have is also in memory.
    pub redo_bytes: u64,
}

impl Default for Options {
    /// 64 MiB, 1,024 waiting commits, a journal of 128 MiB, and a redo log of twice 16 MiB.
    fn default() -> Self {
        const MIB: usize = 1024 * 1024;
        Self { cache_bytes: 64 << 20, queue: 1024, journal_bytes: 128 * MIB, redo_bytes: 16 << 20 }
    }
}

impl Options {
    fn row_bytes(&self) -> usize {
        usize::try_from(self.cache_bytes / 4).unwrap_or(usize::MAX)
    }

    fn page_bytes(&self) -> u64 {
        self.cache_bytes - self.cache_bytes / 4
    }
}

/// A store in a folder. Dropping it finishes what was begun, and frees the folder.
pub struct SledStore {
    /// `None` only while it is dropped.
    queue: Option<mpsc::Sender<Command>>,
    thread: Option<JoinHandle<()>>,
    slot: Arc<Slot>,
}

impl SledStore {
    /// Opens the store in this folder, and makes both if they do not exist. Blocks; a store that was killed is repaired first.
    pub fn open(path: &Path, options: Options) -> Result<Self, OpenError> {
        let (queue, commands) = mpsc::channel(options.queue.max(1));
        let (slot, writer) = Slot::open(path, options, queue.downgrade())?;
        let slot = Arc::new(slot);
        let thread = thread::Builder::new().name("store-commit".to_owned());
        let run = {
            let slot = Arc::clone(&slot);
            move || reopen::serve(&slot, writer, commands)
        };
        let thread = thread.spawn(run).map_err(|source| OpenError::Thread { source })?;
        Ok(Self { queue: Some(queue), thread: Some(thread), slot })
    }

    async fn ask<T>(&self, command: impl FnOnce(Answer<T>) -> Command) -> Result<T, StoreError> {
        self.slot.shared()?.writable().map_err(unavailable)?;
        let (answer, answered) = oneshot::channel();
        let queue = self.queue.as_ref().ok_or_else(stopped)?;
        queue.send(command(answer)).await.map_err(|_| stopped())?;
        answered.await.map_err(|_| stopped())?
    }

    /// For point reads, which are inline: the tree is mostly in memory, and a hop to another thread would cost more than the read.
    fn readable(&self) -> Result<Arc<Shared>, StoreError> {
        let shared = self.slot.shared()?;
        shared.readable().map_err(unavailable)?;
        Ok(shared)
    }

    /// A scan is not: it may touch any number of pages that are on disk, and waits for the batch that is being applied.
    async fn scan<T: Send + 'static>(
        &self,
        scan: impl FnOnce(&Shared) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let shared = self.slot.shared()?;
        let run = move || {
            let _still = shared.snapshot.read().unwrap_or_else(PoisonError::into_inner);
            shared.readable().map_err(unavailable)?;
            scan(&shared)
        };
        tokio::task::spawn_blocking(run).await.map_err(unavailable)?
    }
}

impl Drop for SledStore {
    fn drop(&mut self) {
        drop(self.queue.take());
        let ended = self.thread.take().map(|thread| {
            thread.thread().unpark();
            thread.join()
        });
        if ended.is_some_and(|ended| ended.is_err()) {
            tracing::error!("the committing thread panicked");
        }
    }
}

#[async_trait]
impl Store for SledStore {
    async fn load(&self, user: &str) -> Result<StoredAccount, StoreError> {
        self.readable()?
            .get(&keys::account(user))?
            .map_or_else(|| Ok(StoredAccount::default()), |stored| values::decode_account(&stored))
    }

    async fn commit(&self, commit: Commit) -> Result<Committed, StoreError> {
        let prepared = Box::new(Prepared::new(commit)?);
        self.ask(|answer| Command::Commit(prepared, answer)).await
    }

    async fn record(&self, kind: Kind, key: &str) -> Result<Option<Record>, StoreError> {
        self.readable()?.record(&keys::record(kind, key))
    }

    async fn records_of(&self, kind: Kind, user: &str) -> Result<Vec<KeyedRecord>, StoreError> {
        let user = user.to_owned();
        self.scan(move |shared| scans::records_of(shared, kind, &user)).await
    }

    async fn sweep(&self, now: Timestamp, limit: usize) -> Result<usize, StoreError> {
        self.ask(|answer| Command::Sweep { now, limit, answer }).await
    }

    async fn events(&self, user: &str, since: Timestamp, limit: usize) -> Result<Vec<Event>, StoreError> {
        let user = user.to_owned();
        self.scan(move |shared| scans::events(shared, &user, since, limit)).await
    }

    async fn users(&self, after: Option<&str>, limit: usize) -> Result<Vec<String>, StoreError> {
        let after = after.map(str::to_owned);
        self.scan(move |shared| scans::users(shared, after.as_deref(), limit)).await
    }

    async fn records(&self, kind: Kind, after: Option<&str>, limit: usize) -> Result<Vec<KeyedRecord>, StoreError> {
        let after = after.map(str::to_owned);
        self.scan(move |shared| scans::records(shared, kind, after.as_deref(), limit)).await
    }

    async fn export(&self, each: EachEntry) -> Result<(), StoreError> {
        let shared = self.slot.shared()?;
        tokio::task::spawn_blocking(move || export::run(&shared, each)).await.map_err(unavailable)?
    }
}

fn not_text() -> StoreError {
    StoreError::Corrupt { what: "account", source: "the user id in its key is no text".into() }
}

fn unavailable(error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> StoreError {
    StoreError::Unavailable(error.into())
}

fn stopped() -> StoreError {
    unavailable("the committing thread has stopped")
}

/// An index entry without its record cannot come from this program.
fn lost() -> StoreError {
    StoreError::Corrupt { what: "record", source: "the index by user names a record that is not there".into() }
}

#[cfg(test)]
mod tests;
