//! Concurrent commits share transactions. What waits is gathered into a batch with at most one commit a key; a few lanes, a connection each
//! while they work, run batches side by side so that the way to the database and back overlaps.

mod lane;

use std::{
    collections::{HashSet, VecDeque},
    sync::Arc,
    time::Duration,
};

use matrix_2fa_store::{Committed, FLUSHED_COMMITS, StoreError};
use tokio::{
    sync::{mpsc, oneshot},
    task::JoinSet,
    time::{Instant, timeout_at},
};

use crate::{
    Options,
    database::Database,
    gather::gather,
    prepared::{Condition, Prepared},
};
use lane::Lane;

/// Commits that are looked at for the next batch, at most.
const WAITING: usize = 512;

/// A batch starts when the one before it waits for the disk; at the latest after so long, should that one wait for something else.
const WAY: Duration = Duration::from_millis(5);

pub struct Waiting {
    pub commit: Prepared,
    pub keys: Vec<u64>,
    pub answer: oneshot::Sender<Result<Committed, StoreError>>,
}

/// Serves until every sender is gone and everything is answered.
pub async fn run(database: Arc<Database>, server: String, options: Options, mut queue: mpsc::Receiver<Waiting>) {
    let mut idle: Vec<Lane> =
        (0..options.lanes.max(1)).map(|number| Lane::new(Arc::clone(&database), &server, number)).collect();
    let mut busy = JoinSet::new();
    let mut waiting = VecDeque::new();
    let mut taken = HashSet::new();
    let mut before: Before = None;
    let mut open = true;
    while open || !busy.is_empty() || !waiting.is_empty() {
        tokio::select! {
            () = out_of_the_way(&mut before) => before = None,
            received = queue.recv(), if open && waiting.len() < WAITING => match received {
                Some(commit) => {
                    waiting.push_back(commit);
                    gather(&mut queue, &mut waiting, WAITING).await;
                }
                None => open = false,
            },
            Some(done) = busy.join_next() => {
                let (lane, keys, done): (Lane, Vec<u64>, Vec<Prepared>) = match done {
                    Ok(ended) => ended,
                    // Nobody knows what it did: nothing more is committed, and everybody who waits is told.
                    Err(error) => {
                        tracing::error!(%error, "a committing lane panicked: this server commits nothing until it is started again");
                        return;
                    }
                };
                for key in &keys {
                    taken.remove(key);
                }
                idle.push(lane);
                refuse_late(&mut waiting, &done);
            }
        }
        while (before.is_none() || waiting.len() >= options.batch)
            && let Some(lane) = idle.pop()
        {
            let (batch, keys) = next_batch(&mut waiting, &mut taken, options.batch.max(1));
            if batch.is_empty() {
                idle.push(lane);
                break;
            }
            metrics::histogram!(FLUSHED_COMMITS).record(batch.len() as f64);
            let (way, free) = oneshot::channel();
            before = Some((free, Instant::now() + WAY));
            busy.spawn(run_lane(lane, batch, keys, way));
        }
    }
}

type Before = Option<(oneshot::Receiver<()>, Instant)>;

/// Two batches that are worked on at once take each other's time, and each is half as large.
async fn out_of_the_way(before: &mut Before) {
    match before {
        Some((free, latest)) => drop(timeout_at(*latest, free).await),
        None => std::future::pending().await,
    }
}

async fn run_lane(
    mut lane: Lane,
    batch: Vec<Waiting>,
    keys: Vec<u64>,
    way: oneshot::Sender<()>,
) -> (Lane, Vec<u64>, Vec<Prepared>) {
    let done = lane.run(batch, way).await;
    (lane, keys, done)
}

/// Who waited with the same expectation as somebody who went first is too late; the database need not be asked for that.
fn refuse_late(waiting: &mut VecDeque<Waiting>, done: &[Prepared]) {
    if waiting.is_empty() {
        return;
    }
    let gone: HashSet<Condition<'_>> = done.iter().flat_map(Prepared::used_up).collect();
    for _ in 0..waiting.len() {
        let Some(next) = waiting.pop_front() else { break };
        if next.commit.conditions().any(|condition| gone.contains(&condition)) {
            let _ = next.answer.send(Ok(Committed::Conflict));
        } else {
            waiting.push_back(next);
        }
    }
}

/// The first commits whose keys are free. Who has to wait keeps its place before everybody who wants the same.
fn next_batch(waiting: &mut VecDeque<Waiting>, taken: &mut HashSet<u64>, limit: usize) -> (Vec<Waiting>, Vec<u64>) {
    let (mut batch, mut keys, mut reserved) = (Vec::new(), Vec::new(), HashSet::<u64>::new());
    let mut later = VecDeque::new();
    while let Some(next) = waiting.pop_front() {
        let free = next.keys.iter().all(|key| !taken.contains(key) && !reserved.contains(key));
        if free && batch.len() < limit {
            taken.extend(&next.keys);
            keys.extend(&next.keys);
            batch.push(next);
        } else {
            reserved.extend(&next.keys);
            later.push_back(next);
        }
    }
    *waiting = later;
    (batch, keys)
}
