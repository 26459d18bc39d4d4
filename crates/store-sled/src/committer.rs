//! The one thread that writes. It takes everything that waits as one group, compares and swaps each commit of it in order, applies the
//! whole group as one sled batch, flushes and syncs once, and then answers everybody.
//!
//! One batch a group, and not one a commit: sled starts each batch by writing out its buffer, twice. And since nobody else writes, no
//! sled transaction is needed (flushing inside one can deadlock).

use std::{
    collections::HashMap,
    sync::{Arc, PoisonError},
    thread,
};

use matrix_2fa_core::Timestamp;
use matrix_2fa_store::{Committed, Expected, StoreError, Version};
use sled::{Batch, IVec};
use tokio::sync::{mpsc, oneshot};

use crate::{
    keys,
    prepared::{Prepared, PreparedAccount, PreparedRecord},
    shared::{Damage, Shared},
    values::{self, RecordView},
};

/// Commits that share one flush, at most: it bounds how long readers wait for a batch.
const GROUP: usize = 512;

/// How often the thread lets others run before it takes a group.
const TURNS: usize = 32;

pub type Answer<T> = oneshot::Sender<Result<T, StoreError>>;

pub enum Command {
    Commit(Box<Prepared>, Answer<Committed>),
    Sweep { now: Timestamp, limit: usize, answer: Answer<usize> },
}

/// Serves until every sender is gone and the queue is empty.
pub fn run(shared: &Shared, starts: u32, mut queue: mpsc::Receiver<Command>) {
    let _guard = PanicGuard(shared);
    let mut seq = u64::from(starts) << 32;
    let mut commands = Vec::with_capacity(GROUP);
    while queue.blocking_recv_many(&mut commands, 1) > 0 {
        gather(&mut queue, &mut commands);
        let mut group =
            Group { shared, staged: HashMap::new(), batch: Batch::default(), dirty: false, unsynced: false, seq };
        let answers: Vec<_> = commands.drain(..).map(|command| group.stage(command)).collect();
        seq = group.seq;
        let done = group.finish();
        for answer in answers {
            answer.send(done.clone());
        }
    }
}

/// Takes what else is coming. The thread wakes for the first commit of many, and on a busy core it wakes in place of those who would bring
/// the others; a group costs about the same for one as for fifty. So it lets them run as long as that brings more. Where a core is free
/// this costs microseconds.
fn gather(queue: &mut mpsc::Receiver<Command>, commands: &mut Vec<Command>) {
    for _ in 0..TURNS {
        thread::yield_now();
        let before = commands.len();
        while commands.len() < GROUP
            && let Ok(command) = queue.try_recv()
        {
            commands.push(command);
        }
        if commands.len() == before || commands.len() == GROUP {
            break;
        }
    }
}

/// A panic inside sled must not leave a store that looks healthy.
struct PanicGuard<'a>(&'a Shared);

impl Drop for PanicGuard<'_> {
    fn drop(&mut self) {
        if thread::panicking() {
            self.0.fail(Damage::Unknown, sled::Error::ReportableBug("the committing thread panicked".to_owned()));
        }
    }
}

/// An answer that waits for the group to be on disk.
enum Pending {
    Commit(Result<Committed, StoreError>, Answer<Committed>),
    Sweep(Result<usize, StoreError>, Answer<usize>),
}

impl Pending {
    fn send(self, done: Result<(), Arc<sled::Error>>) {
        // Conflicts wait too: they may rest on a commit of the same group. Who no longer listens does not matter.
        match self {
            Self::Commit(result, answer) => drop(answer.send(joined(result, done))),
            Self::Sweep(result, answer) => drop(answer.send(joined(result, done))),
        }
    }
}

fn joined<T>(result: Result<T, StoreError>, done: Result<(), Arc<sled::Error>>) -> Result<T, StoreError> {
    done.map_err(|error| StoreError::Unavailable(Box::new(error)))?;
    result
}

struct Group<'a> {
    shared: &'a Shared,
    /// Accounts and records that this group has read or staged; what is not here is as the tree has it.
    staged: HashMap<IVec, Option<IVec>>,
    batch: Batch,
    /// Something is staged that the tree does not have.
    dirty: bool,
    /// The tree has something that may not be on disk.
    unsynced: bool,
    seq: u64,
}

impl Group<'_> {
    fn stage(&mut self, command: Command) -> Pending {
        match command {
            Command::Commit(commit, answer) => Pending::Commit(self.commit(*commit), answer),
            Command::Sweep { now, limit, answer } => Pending::Sweep(self.sweep(now, limit), answer),
        }
    }

    /// Everything is read and compared before anything is staged, and what was read is kept: nothing can fail half way.
    fn commit(&mut self, commit: Prepared) -> Result<Committed, StoreError> {
        if let Some(account) = &commit.account
            && self.version(&account.key, "account")?.unwrap_or(0) != account.expected
        {
            return Ok(Committed::Conflict);
        }
        for change in &commit.records {
            let current = self.current(&change.key)?;
            let current = current.as_deref().map(RecordView::read).transpose()?.map(|record| record.version);
            let fits = match change.expected {
                Expected::Any => true,
                Expected::Absent => current.is_none(),
                Expected::Version(expected) => current == Some(expected),
            };
            if !fits {
                return Ok(Committed::Conflict);
            }
        }
        if let Some(PreparedAccount { key, value, .. }) = commit.account {
            self.put(key, value);
        }
        for mut event in commit.events {
            self.seq += 1;
            keys::set_seq(&mut event.key, self.seq);
            self.batch.insert(event.key, event.value);
            self.dirty = true;
        }
        for change in commit.records {
            self.change(change)?;
        }
        Ok(Committed::Done)
    }

    fn change(&mut self, change: PreparedRecord) -> Result<(), StoreError> {
        let before = self.current(&change.key)?;
        let before = before.as_deref().map(RecordView::read).transpose()?;
        let place = keys::place(&change.key);
        let (old_user, old_expiry) = before.as_ref().map_or((None, None), |record| (record.user, record.expires_at));
        let (new_user, new_expiry) =
            change.next.as_ref().map_or((None, None), |next| (next.user.as_deref(), next.expires_at));
        if old_user != new_user {
            old_user.into_iter().for_each(|user| self.batch.remove(keys::of_user(place, user)));
            new_user.into_iter().for_each(|user| self.batch.insert(keys::of_user(place, user), IVec::default()));
        }
        if old_expiry != new_expiry {
            old_expiry.into_iter().for_each(|at| self.batch.remove(keys::expiry(at, place)));
            new_expiry.into_iter().for_each(|at| self.batch.insert(keys::expiry(at, place), IVec::default()));
        }
        let version = before.map_or(0, |record| record.version).saturating_add(1);
        match change.next {
            Some(mut next) => {
                values::set_version(&mut next.value, version);
                self.put(change.key, next.value);
            }
            None => self.delete(change.key),
        }
        Ok(())
    }

    fn sweep(&mut self, now: Timestamp, limit: usize) -> Result<usize, StoreError> {
        // The expiry index is read from the tree, so what was staged before must be there.
        self.apply().map_err(|error| StoreError::Unavailable(Box::new(error)))?;
        let mut swept = 0;
        for entry in self.shared.db.scan_prefix(keys::EXPIRIES) {
            let (entry, _) = entry.map_err(|error| StoreError::Unavailable(Box::new(error)))?;
            let Some((at, key)) = keys::expiring(&entry).filter(|_| swept < limit) else { break };
            if at > now {
                break;
            }
            self.change(PreparedRecord { key: key.into(), expected: Expected::Any, next: None })?;
            self.batch.remove(entry);
            swept += 1;
        }
        Ok(swept)
    }

    fn version(&mut self, key: &IVec, what: &'static str) -> Result<Option<Version>, StoreError> {
        let Some(stored) = self.current(key)? else { return Ok(None) };
        let cut = || StoreError::Corrupt { what, source: "it is cut short".into() };
        values::version(&stored).ok_or_else(cut).map(Some)
    }

    fn current(&mut self, key: &IVec) -> Result<Option<IVec>, StoreError> {
        if let Some(staged) = self.staged.get(key) {
            return Ok(staged.clone());
        }
        let stored = self.shared.db.get(key).map_err(|error| StoreError::Unavailable(Box::new(error)))?;
        self.staged.insert(key.clone(), stored.clone());
        Ok(stored)
    }

    fn put(&mut self, key: IVec, value: IVec) {
        self.batch.insert(key.clone(), value.clone());
        self.staged.insert(key, Some(value));
        self.dirty = true;
    }

    fn delete(&mut self, key: IVec) {
        self.batch.remove(key.clone());
        self.staged.insert(key, None);
        self.dirty = true;
    }

    /// Brings what was staged into the tree. Scans see all of it or nothing.
    fn apply(&mut self) -> Result<(), Arc<sled::Error>> {
        self.shared.writable()?;
        if !std::mem::take(&mut self.dirty) {
            return Ok(());
        }
        self.staged.clear();
        let batch = std::mem::take(&mut self.batch);
        self.unsynced = true;
        let _exclusive = self.shared.snapshot.write().unwrap_or_else(PoisonError::into_inner);
        self.shared.db.apply_batch(batch).map_err(|error| self.shared.fail(Damage::Unknown, error))
    }

    /// Applies the group and returns when it would survive a power cut.
    fn finish(mut self) -> Result<(), Arc<sled::Error>> {
        self.apply()?;
        if !self.unsynced {
            return Ok(());
        }
        self.shared.sync().map_err(|error| self.shared.fail(Damage::NotDurable, error))
    }
}
