//! The one thread that writes. It takes everything that waits as one group, compares and swaps each commit of it in order, applies the
//! whole group as one sled batch, flushes and syncs once, and then answers everybody.
//!
//! One batch a group, and not one a commit: sled starts each batch by writing out its buffer, twice. And since nobody else writes, no
//! sled transaction is needed (flushing inside one can deadlock).

mod group;
mod records;
mod sweep;

use std::{sync::Arc, thread};

use matrix_2fa_core::Timestamp;
use matrix_2fa_store::{Committed, FLUSHED_COMMITS, StoreError};
use tokio::sync::{mpsc, oneshot};

use crate::{
    prepared::Prepared,
    shared::{Damage, Shared},
};
use group::Group;

/// Commits that share one flush, at most: it bounds how long readers wait for a batch.
const GROUP: usize = 512;

/// How often the thread lets others run before it takes a group.
const TURNS: usize = 32;

pub type Answer<T> = oneshot::Sender<Result<T, StoreError>>;

pub enum Command {
    Commit(Box<Prepared>, Answer<Committed>),
    Sweep { now: Timestamp, limit: usize, answer: Answer<usize> },
}

/// Why [`run`] ended.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Ended {
    /// Every sender is gone and the queue is empty.
    Closed,
    /// The store failed, and must be opened again.
    Failed,
}

/// Serves as long as the store is whole.
pub fn run(shared: &Shared, starts: u32, queue: &mut mpsc::Receiver<Command>) -> Ended {
    let _guard = PanicGuard(shared);
    let mut seq = u64::from(starts) << 32;
    let mut commands = Vec::with_capacity(GROUP);
    while queue.blocking_recv_many(&mut commands, 1) > 0 {
        gather(queue, &mut commands);
        let mut group = Group::new(shared, seq);
        if let Err(error) = group.lighten() {
            tracing::error!(%error, "what is left of a block of the journal cannot be moved to the tree");
        }
        let answers: Vec<_> = commands.drain(..).map(|command| stage(&mut group, command)).collect();
        let done = group.finish();
        metrics::histogram!(FLUSHED_COMMITS).record(answers.len() as f64);
        seq = group.last_seq();
        for answer in answers {
            answer.send(done.clone());
        }
        if shared.writable().is_err() {
            return Ended::Failed;
        }
    }
    Ended::Closed
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

fn stage(group: &mut Group, command: Command) -> Pending {
    match command {
        Command::Commit(commit, answer) => Pending::Commit(group.commit(*commit), answer),
        Command::Sweep { now, limit, answer } => Pending::Sweep(group.sweep(now, limit), answer),
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
