//! The one thread that writes. It takes everything that waits as one group, compares and swaps each commit of it in order, applies the
//! whole group as one sled batch, flushes and syncs once, and then answers everybody.
//!
//! One batch a group, and not one a commit: sled starts each batch by writing out its buffer, twice. And since nobody else writes, no
//! sled transaction is needed (flushing inside one can deadlock).

mod sweep;

use std::{
    collections::HashMap,
    sync::{Arc, PoisonError},
    thread,
};

use matrix_2fa_core::Timestamp;
use matrix_2fa_store::{Committed, Expected, StoreError};
use sled::{Batch, IVec};
use tokio::sync::{mpsc, oneshot};

use crate::{
    expiry::{self, Item},
    keys,
    log::{Block, Pointer},
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
        let mut group = Group::new(shared, seq);
        let answers: Vec<_> = commands.drain(..).map(|command| group.stage(command)).collect();
        let done = group.finish();
        seq = group.seq;
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
    events: Block,
    expiring: Vec<Item>,
    /// Something is staged that the tree does not have.
    dirty: bool,
    /// The tree has something that may not be on disk.
    unsynced: bool,
    /// The last number given to a block or a list.
    seq: u64,
}

impl<'a> Group<'a> {
    fn new(shared: &'a Shared, seq: u64) -> Self {
        let events = Block { seq: seq + 1, bytes: Vec::new() };
        let (staged, batch, expiring) = (HashMap::new(), Batch::default(), Vec::new());
        Self { shared, staged, batch, events, expiring, dirty: false, unsynced: false, seq: seq + 1 }
    }
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
        let mut last = Pointer::default();
        if let Some(account) = &commit.account {
            let current = self.current(&account.key)?;
            let version = current.as_deref().map(|stored| values::version(stored).ok_or_else(cut_short)).transpose()?;
            if version.unwrap_or(0) != account.expected {
                return Ok(Committed::Conflict);
            }
            last = current.as_deref().map(values::last_event).transpose()?.unwrap_or_default();
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
        // Events of other users than the account's are rare, and their accounts must be readable before anything is staged.
        let own = commit.account.as_ref().map(|account| account.key.clone());
        let (own, others): (Vec<_>, Vec<_>) =
            commit.events.into_iter().partition(|event| Some(&event.account) == own.as_ref());
        for event in &others {
            self.current(&event.account)?.as_deref().map(values::last_event).transpose()?;
        }
        if let Some(PreparedAccount { key, mut value, .. }) = commit.account {
            for event in own {
                last = self.append(last, &event.value);
            }
            values::set_last_event(&mut value, last);
            self.put(key, value);
        }
        for event in others {
            let mut stored = self.current(&event.account)?.map_or_else(values::no_account, |stored| stored.to_vec());
            let last = self.append(values::last_event(&stored)?, &event.value);
            values::set_last_event(&mut stored, last);
            self.put(event.account, stored.into());
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
        if let Some(at) = new_expiry.filter(|at| old_expiry != Some(*at)) {
            self.expiring.push(Item { at, place: place.to_vec() });
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

    /// Appends an event to the open block, and opens another when it is full.
    fn append(&mut self, before: Pointer, event: &[u8]) -> Pointer {
        let place = self.events.append(before, event);
        self.dirty = true;
        if self.events.is_full() {
            self.close_block();
        }
        place
    }

    fn close_block(&mut self) {
        self.seq += 1;
        let full = std::mem::replace(&mut self.events, Block { seq: self.seq, bytes: Vec::new() });
        self.batch.insert(keys::events(full.seq), full.bytes);
    }

    fn close_lists(&mut self) {
        for (first, list) in expiry::lists(std::mem::take(&mut self.expiring)) {
            self.seq += 1;
            self.batch.insert(keys::expiry(first, self.seq), list);
        }
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
        if !self.events.bytes.is_empty() {
            self.close_block();
        }
        self.close_lists();
        let batch = std::mem::take(&mut self.batch);
        self.unsynced = true;
        let _exclusive = self.shared.snapshot.write().unwrap_or_else(PoisonError::into_inner);
        self.shared.past.keep(&self.shared.db, &self.staged);
        self.staged.clear();
        self.shared.db.apply_batch(batch).map_err(|error| self.shared.fail(Damage::Unknown, error))
    }

    /// Applies the group and returns when it would survive a power cut.
    fn finish(&mut self) -> Result<(), Arc<sled::Error>> {
        self.apply()?;
        if !self.unsynced {
            return Ok(());
        }
        self.shared.sync().map_err(|error| self.shared.fail(Damage::NotDurable, error))
    }
}

fn cut_short() -> StoreError {
    StoreError::Corrupt { what: "account", source: "it is cut short".into() }
}
