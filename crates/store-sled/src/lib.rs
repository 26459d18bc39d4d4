//! The embedded default store: [`SledStore`], a redo log of our own before sled 0.34, in a folder of its own.
//!
//! * **Atomic and durable**: what a group of commits changes is one checked piece of the redo log (`redo.rs`), synced before anybody is
//!   answered or can read it. Concurrent commits share one sync.
//! * **One tree**: accounts, records, events and indexes are keys of the same sled tree; `keys.rs` lists them. It follows the log in large,
//!   sorted steps (`mover.rs`); until then what it lacks is in memory and stands before it (`overlay.rs`). Records that expire are a journal
//!   in that tree, with an index in memory (`journal.rs`).
//! * **One writer**: a thread that compares, swaps and syncs.
//! * After an error of the disk every commit is [`StoreError::Unavailable`], until the store could be opened again with everything that it
//!   had acknowledged (`settle.rs`, `redo/chain.rs`); nothing is answered from hope.
//!
//! sled needs four to five times the logical size on disk. Its cache is capped ([`Options::cache_bytes`]).

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
mod settle;
mod shared;
mod values;

pub use open::OpenError;
pub use prepared::MAX_VALUE_BYTES;

use std::{
    ops::Bound,
    path::Path,
    sync::{Arc, PoisonError},
    thread::{self, JoinHandle},
};

use async_trait::async_trait;
use matrix_2fa_core::{Event, Timestamp};
use matrix_2fa_store::{
    Commit, Committed, KeyedRecord, Kind, Record, Store, StoreError, StoredAccount, codec, export::EachEntry,
};
use tokio::sync::{mpsc, oneshot};

use committer::{Answer, Command};
use overlay::prefixed;
use prepared::Prepared;
use reopen::Slot;
use shared::Shared;
use values::RecordView;

/// How to open a store.
#[derive(Clone, Debug)]
pub struct Options {
    /// What sled may keep in memory, in bytes.
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
        let (prefix, named) = (keys::all_of_user(kind, user), keys::named_after_user(kind, user));
        let user = user.to_owned();
        self.scan(move |shared| {
            let mut records = Vec::new();
            for (key, stored) in shared.range(&prefixed(&named), usize::MAX)? {
                let record = RecordView::read(&stored)?;
                if record.user == Some(user.as_str()) {
                    records.push((keys::own_key(&key).ok_or_else(lost)?.to_owned(), record.to_record()));
                }
            }
            for (entry, _) in shared.range(&prefixed(&prefix), usize::MAX)? {
                let key = entry.get(prefix.len()..).and_then(|key| std::str::from_utf8(key).ok()).ok_or_else(lost)?;
                let stored = shared.get(&keys::record(kind, key))?.ok_or_else(lost)?;
                records.push((key.to_owned(), RecordView::read(&stored)?.to_record()));
            }
            let journaled = shared.journal().of_user(kind, &user);
            for (key, at) in journaled {
                let key = String::from_utf8(key).map_err(|_| lost())?;
                records.push((key, shared.journaled(at)?));
            }
            records.sort_by(|(one, _), (other, _)| one.cmp(other));
            Ok(records)
        })
        .await
    }

    async fn sweep(&self, now: Timestamp, limit: usize) -> Result<usize, StoreError> {
        self.ask(|answer| Command::Sweep { now, limit, answer }).await
    }

    async fn events(&self, user: &str, since: Timestamp, limit: usize) -> Result<Vec<Event>, StoreError> {
        let account = keys::account(user);
        self.scan(move |shared| {
            let stored = shared.get(&account)?;
            let mut next = stored.as_deref().map(values::last_event).transpose()?.unwrap_or_default();
            let mut events = Vec::new();
            // The whole chain: the clock may have been set back, so an old event does not mean that all before it are older.
            while let Some(seq) = next.block() {
                let block = shared.get(&keys::events(seq))?.ok_or_else(cut_chain)?;
                let (before, event) = log::read(&block, next)?;
                let event: Event = codec::decode("event", event)?;
                if event.at >= since {
                    events.push(event);
                }
                next = before;
            }
            events.reverse();
            events.sort_by_key(|event| event.at);
            events.drain(..events.len().saturating_sub(limit));
            Ok(events)
        })
        .await
    }

    async fn users(&self, after: Option<&str>, limit: usize) -> Result<Vec<String>, StoreError> {
        let after = after.map(keys::account);
        self.scan(move |shared| {
            let from = after.map_or_else(|| Bound::Included(keys::ACCOUNTS.to_vec()), Bound::Excluded);
            let users = shared.range(&(from, Bound::Excluded(keys::AFTER_ACCOUNTS.to_vec())), limit)?;
            users.iter().map(|(key, _)| keys::user(key).map(str::to_owned).ok_or_else(not_text)).collect()
        })
        .await
    }

    async fn records(&self, kind: Kind, after: Option<&str>, limit: usize) -> Result<Vec<KeyedRecord>, StoreError> {
        let prefix = keys::all_of_kind(kind);
        let after = after.map(|after| keys::record(kind, after));
        self.scan(move |shared| {
            let mut range = prefixed(&prefix);
            if let Some(after) = &after {
                range.0 = Bound::Excluded(after.clone());
            }
            let mut records = Vec::new();
            for (key, stored) in shared.range(&range, limit)? {
                records
                    .push((keys::own_key(&key).ok_or_else(lost)?.to_owned(), RecordView::read(&stored)?.to_record()));
            }
            let after = after.as_deref().map(keys::place).unwrap_or_default();
            let journaled = shared.journal().after(keys::place(&prefix), after, limit);
            for (place, at) in journaled {
                let key = keys::own_key(&keys::at_place(&place)).ok_or_else(lost)?.to_owned();
                records.push((key, shared.journaled(at)?));
            }
            records.sort_by(|(one, _), (other, _)| one.cmp(other));
            records.truncate(limit);
            Ok(records)
        })
        .await
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

/// An audit log that ends early must not look complete.
fn cut_chain() -> StoreError {
    StoreError::Corrupt { what: "event", source: "the block that it lies in is not there".into() }
}

#[cfg(test)]
mod tests {
    use matrix_2fa_store::{Expected, NewRecord, RecordChange};

    use super::*;
    use crate::shared::Damage;

    /// A store that failed cannot try whether the disk can be written: it is not opened again until this is gone.
    fn keep_shut(folder: &Path) {
        std::fs::create_dir(folder.join("probe")).unwrap();
    }

    async fn failed(damage: Damage) -> (SledStore, tempfile::TempDir) {
        let folder = tempfile::tempdir().unwrap();
        let store = SledStore::open(folder.path(), Options::default()).unwrap();
        assert_eq!(store.commit(Commit::default()).await.unwrap(), Committed::Done);
        keep_shut(folder.path());
        store.slot.shared().unwrap().fail(damage, sled::Error::Unsupported("the disk".to_owned()));
        assert!(matches!(store.commit(Commit::default()).await, Err(StoreError::Unavailable(_))));
        assert!(matches!(store.sweep(Timestamp::default(), 1).await, Err(StoreError::Unavailable(_))));
        (store, folder)
    }

    #[tokio::test]
    async fn after_a_failed_sync_nothing_is_written_and_what_is_whole_is_read() {
        let (store, _folder) = failed(Damage::NotDurable).await;
        assert_eq!(store.load("@a:b").await.unwrap(), StoredAccount::default());
        assert_eq!(store.records_of(Kind("session"), "@a:b").await.unwrap(), []);
    }

    #[tokio::test]
    async fn after_a_failed_batch_nothing_is_read_either() {
        let (store, _folder) = failed(Damage::Unknown).await;
        assert!(matches!(store.load("@a:b").await, Err(StoreError::Unavailable(_))));
        assert!(matches!(store.record(Kind("session"), "key").await, Err(StoreError::Unavailable(_))));
        assert!(matches!(store.records_of(Kind("session"), "@a:b").await, Err(StoreError::Unavailable(_))));
        assert!(matches!(store.events("@a:b", Timestamp::default(), 1).await, Err(StoreError::Unavailable(_))));
    }

    /// Longer than the longest pause between two tries to open again.
    const PATIENCE: std::time::Duration = std::time::Duration::from_secs(60);

    async fn open_again(store: &SledStore, folder: &Path) {
        std::fs::remove_dir(folder.join("probe")).unwrap();
        let again = async {
            while store.slot.shared().is_err() || store.slot.shared().unwrap().writable().is_err() {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(PATIENCE, again).await.unwrap();
    }

    fn put(key: &str) -> Commit {
        let records = vec![RecordChange::put(Kind("state"), key, Expected::Any, NewRecord::default())];
        Commit { records, ..Commit::default() }
    }

    /// Nobody commits to a store that refuses commits: so the thread that opens it again must be woken by who found the error.
    #[tokio::test]
    async fn a_failure_that_a_reader_found_is_mended_without_a_commit() {
        for damage in [Damage::NotDurable, Damage::Unknown] {
            let (store, folder) = failed(damage).await;
            open_again(&store, folder.path()).await;
            assert_eq!(store.commit(put("after")).await.unwrap(), Committed::Done);
            assert!(!folder.path().join("unsynced").exists());
        }
    }

    /// The disk forgets what it had synced, while the store is shut: here an older copy of everything is put in its place.
    #[tokio::test]
    async fn acknowledged_commits_that_are_missing_keep_the_store_shut() {
        let folder = tempfile::tempdir().unwrap();
        let old = tempfile::tempdir().unwrap();
        let store = SledStore::open(folder.path(), Options::default()).unwrap();
        let copy = |from: &Path, to: &Path| {
            for name in ["db", "redo.0", "redo.1"] {
                std::fs::copy(from.join(name), to.join(name)).unwrap();
            }
        };
        assert_eq!(store.commit(put("old")).await.unwrap(), Committed::Done);
        copy(folder.path(), old.path());
        assert_eq!(store.commit(put("new")).await.unwrap(), Committed::Done);
        keep_shut(folder.path());
        store.slot.shared().unwrap().fail(Damage::NotDurable, sled::Error::Unsupported("the disk".to_owned()));
        copy(old.path(), folder.path());
        std::fs::remove_dir(folder.path().join("probe")).unwrap();
        let found = async {
            while !folder.path().join("lost").exists() {
                assert!(matches!(store.commit(put("other")).await, Err(StoreError::Unavailable(_))));
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(PATIENCE, found).await.unwrap();
        assert!(matches!(store.commit(put("other")).await, Err(StoreError::Unavailable(_))));
        assert!(matches!(store.record(Kind("state"), "old").await, Err(StoreError::Unavailable(_))));
        drop(store);
        // Nor does a restart pass over it, until a person has said so.
        for _ in 0..2 {
            let refused = SledStore::open(folder.path(), Options::default()).err().unwrap();
            assert!(matches!(refused, OpenError::Lost { .. }), "{refused}");
        }
        std::fs::remove_file(folder.path().join("lost")).unwrap();
        let store = SledStore::open(folder.path(), Options::default()).unwrap();
        assert!(store.record(Kind("state"), "old").await.unwrap().is_some());
        assert!(store.record(Kind("state"), "new").await.unwrap().is_none());
    }

    /// What it gave may not be on disk, or half a batch; and in the store that is opened next nobody kept the past for it.
    #[tokio::test]
    async fn an_export_ends_when_the_store_fails_under_it() {
        for damage in [Damage::NotDurable, Damage::Unknown] {
            let folder = tempfile::tempdir().unwrap();
            let store = SledStore::open(folder.path(), Options::default()).unwrap();
            let next = NewRecord { expires_at: Some(Timestamp::from_millis(1)), ..NewRecord::default() };
            let records = vec![RecordChange::put(Kind("session"), "one", Expected::Any, next)];
            assert_eq!(store.commit(Commit { records, ..Commit::default() }).await.unwrap(), Committed::Done);
            let shared = store.slot.shared().unwrap();
            let each: EachEntry = Box::new(move |_| {
                shared.fail(damage, sled::Error::Unsupported("the disk".to_owned()));
                Ok(())
            });
            assert!(matches!(store.export(each).await, Err(StoreError::Unavailable(_))));
        }
    }
}
