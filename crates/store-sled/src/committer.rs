//! The one thread that commits. It takes everything that waits as one group, compares and swaps each commit of it in order, writes what the
//! whole group changes into the redo log with one sync, shows it to readers, and then answers everybody. When a file of the log is full, its
//! changes go on their way into the tree.

mod group;
mod records;
mod sweep;

use std::{
    sync::{Arc, PoisonError, mpsc as channel},
    thread,
};

use matrix_2fa_core::Timestamp;
use matrix_2fa_store::{Committed, FLUSHED_COMMITS, StoreError};
use tokio::sync::{mpsc, oneshot};

use crate::{
    mover,
    open::Writer,
    overlay::Layer,
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
    Sweep {
        now: Timestamp,
        limit: usize,
        answer: Answer<usize>,
    },
    /// Somebody found that the store has failed.
    Wake,
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
pub fn run(shared: &Shared, writer: &mut Writer, queue: &mut mpsc::Receiver<Command>) -> Ended {
    let _guard = PanicGuard(shared);
    thread::scope(|scope| {
        let (layers, to_move) = channel::channel();
        let (done, moved) = channel::channel();
        let mover = thread::Builder::new().name("store-move".to_owned());
        if let Err(error) = mover.spawn_scoped(scope, move || mover::run(shared, &to_move, &done)) {
            shared.fail(Damage::NotDurable, error.into());
            return Ended::Failed;
        }
        let mut moving = Moving { layers, moved, busy: false };
        let ended = commit_all(shared, writer, queue, &mut moving);
        if ended == Ended::Closed && moving.finish(shared).is_err() {
            // Opening it again brings the tree up to date.
            tracing::warn!("the store could not be brought up to date before it was closed");
        }
        ended
    })
}

fn commit_all(shared: &Shared, writer: &mut Writer, queue: &mut mpsc::Receiver<Command>, moving: &mut Moving) -> Ended {
    let mut seq = u64::from(writer.starts) << 32;
    let mut commands = Vec::with_capacity(GROUP);
    while queue.blocking_recv_many(&mut commands, 1) > 0 {
        gather(queue, &mut commands);
        let mut group = Group::new(shared, &mut writer.redo, seq);
        if let Err(error) = group.lighten() {
            tracing::error!(%error, "what is left of a block of the journal cannot be moved to the tree");
        }
        let answers: Vec<_> = commands.drain(..).filter_map(|command| stage(&mut group, command)).collect();
        let done = group.apply();
        metrics::histogram!(FLUSHED_COMMITS).record(answers.len() as f64);
        seq = group.last_seq();
        for answer in answers {
            answer.send(done.clone());
        }
        if moving.turn(shared, writer).is_err() || shared.writable().is_err() {
            return Ended::Failed;
        }
    }
    Ended::Closed
}

/// What is on its way into the tree.
struct Moving {
    layers: channel::Sender<Arc<Layer>>,
    moved: channel::Receiver<()>,
    /// A layer is on its way, and its file of the log is still needed.
    busy: bool,
}

/// The mover has ended: the store has failed.
struct Gone;

impl Moving {
    /// Turns to the other file of the log if the present one is full. If what that has is not in the tree yet, the present one may grow to
    /// twice its size; then commits wait.
    fn turn(&mut self, shared: &Shared, writer: &mut Writer) -> Result<(), Gone> {
        let bytes = writer.redo.bytes();
        // What is empty has no last group, and stays.
        if bytes < writer.turn.max(1) {
            return Ok(());
        }
        if self.busy && bytes < writer.turn.saturating_mul(2) {
            match self.moved.try_recv() {
                Ok(()) => self.busy = false,
                Err(channel::TryRecvError::Empty) => return Ok(()),
                Err(channel::TryRecvError::Disconnected) => return Err(Gone),
            }
        }
        self.wait()?;
        writer.redo.turn();
        self.start(shared)
    }

    fn start(&mut self, shared: &Shared) -> Result<(), Gone> {
        let layer = {
            let _exclusive = shared.snapshot.write().unwrap_or_else(PoisonError::into_inner);
            shared.overlay_mut().close()
        };
        self.busy = true;
        self.layers.send(layer).map_err(|_| Gone)
    }

    fn wait(&mut self) -> Result<(), Gone> {
        if std::mem::take(&mut self.busy) { self.moved.recv().map_err(|_| Gone) } else { Ok(()) }
    }

    /// Moves everything, and waits for it.
    fn finish(&mut self, shared: &Shared) -> Result<(), Gone> {
        self.wait()?;
        if shared.overlay().is_empty() {
            return Ok(());
        }
        self.start(shared)?;
        self.wait()
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
pub struct PanicGuard<'a>(pub &'a Shared);

impl Drop for PanicGuard<'_> {
    fn drop(&mut self) {
        if thread::panicking() {
            self.0.fail(Damage::Unknown, sled::Error::ReportableBug("a thread of the store panicked".to_owned()));
        }
    }
}

fn stage(group: &mut Group, command: Command) -> Option<Pending> {
    match command {
        Command::Commit(commit, answer) => Some(Pending::Commit(group.commit(*commit), answer)),
        Command::Sweep { now, limit, answer } => Some(Pending::Sweep(group.sweep(now, limit), answer)),
        Command::Wake => None,
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
