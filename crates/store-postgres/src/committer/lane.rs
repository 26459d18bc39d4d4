//! A lane runs one batch after the other, and finds out what became of one if the connection breaks while it commits.

use std::sync::Arc;

use matrix_2fa_store::{Committed, StoreError};
use tokio::{sync::oneshot, time::Instant};

use super::Waiting;
use crate::{
    batch::{Batch, Place, Prepares},
    database::{Database, Held, within},
    failure::{Cause, Failure},
    prepared::Prepared,
};

/// The number of the batch that this lane committed last. It waits until a transaction of the lane that is still under way has ended, one
/// way or the other; and being a write, it is durable only after what it tells of is.
const LAST: &str = "\
INSERT INTO lanes AS l (id, batch) VALUES ($1::text, 0) ON CONFLICT (id) DO UPDATE SET used_at = now() RETURNING l.batch";

pub struct Lane {
    database: Arc<Database>,
    id: String,
    /// Counts the tries.
    batch: i64,
}

/// How a try ended.
enum Tried {
    Committed,
    /// Nothing happened, because of these.
    Lost(Vec<Place>),
    /// The connection broke while it committed.
    Unclear(Cause),
}

impl Lane {
    pub fn new(database: Arc<Database>, server: &str, number: usize) -> Self {
        Self { database, id: format!("{server}/{number}"), batch: 0 }
    }

    /// Commits, answers everybody, and returns what happened. Drops `way` when all that is left is the wait for the disk.
    pub async fn run(&mut self, mut waiting: Vec<Waiting>, way: oneshot::Sender<()>) -> Vec<Prepared> {
        let deadline = self.database.deadline();
        let mut way = Some(way);
        while !waiting.is_empty() {
            match self.attempt(&waiting, deadline, &mut way).await {
                Ok(Tried::Committed) => return done(waiting),
                Ok(Tried::Lost(lost)) => {
                    let mut place = 0;
                    let losers = waiting.extract_if(.., |_| {
                        place += 1;
                        lost.contains(&(place - 1))
                    });
                    answer(losers, || Ok(Committed::Conflict));
                }
                Ok(Tried::Unclear(cause)) => match self.find_out().await {
                    Ok(true) => return done(waiting),
                    Ok(false) => {
                        tracing::warn!(error = %cause, "the database was lost during a commit, which did not happen")
                    }
                    Err(failure) => {
                        tracing::error!(error = %cause, "the database was lost during a commit, and nobody can tell whether it happened");
                        unavailable(waiting.drain(..), failure);
                    }
                },
                Err(Failure::Refused(cause)) if waiting.len() > 1 => {
                    tracing::error!(error = %cause, "the database refused a batch; its commits are tried one by one");
                    let mut done = Vec::new();
                    for alone in waiting {
                        done.extend(Box::pin(self.run(vec![alone], oneshot::channel().0)).await);
                    }
                    return done;
                }
                Err(failure) => {
                    if let Err(failure) = self.database.pause_after(failure, deadline).await {
                        unavailable(waiting.drain(..), failure);
                    }
                }
            }
        }
        Vec::new()
    }

    async fn attempt(
        &mut self,
        waiting: &[Waiting],
        deadline: Instant,
        way: &mut Option<oneshot::Sender<()>>,
    ) -> Result<Tried, Failure> {
        self.batch += 1;
        let (lane, number) = (self.id.as_str(), self.batch);
        let commits: Vec<&Prepared> = waiting.iter().map(|waiting| &waiting.commit).collect();
        let batch = Batch::new(&commits);
        let mut connection = Held::new(within(deadline, self.database.connection()).await?);
        let prepares = within(deadline, async { Ok(Prepares::new(connection.client(), &batch).await?) }).await?;
        let client = connection.client_mut();
        let transaction = within(deadline, async { Ok(client.transaction().await?) }).await?;
        let lost = within(deadline, async { Ok(batch.write(&transaction, &prepares, lane, number).await?) }).await?;
        if !lost.is_empty() {
            within(deadline, async { Ok(transaction.rollback().await?) }).await?;
            connection.give_back();
            return Ok(Tried::Lost(lost));
        }
        drop(way.take());
        match within(deadline, async { Ok(transaction.commit().await?) }).await {
            Ok(()) => {
                connection.give_back();
                Ok(Tried::Committed)
            }
            Err(failure) => Ok(Tried::Unclear(failure.into_cause())),
        }
    }

    /// Did the last batch of this lane happen?
    async fn find_out(&self) -> Result<bool, StoreError> {
        let rows = self.database.rows(LAST, &[&self.id]).await?;
        let last: i64 = rows.first().map_or(0, |row| row.get(0));
        Ok(last == self.batch)
    }
}

fn done(waiting: Vec<Waiting>) -> Vec<Prepared> {
    let done = |waiting: Waiting| {
        // Who no longer listens does not matter.
        let _ = waiting.answer.send(Ok(Committed::Done));
        waiting.commit
    };
    waiting.into_iter().map(done).collect()
}

fn answer(waiting: impl Iterator<Item = Waiting>, result: impl Fn() -> Result<Committed, StoreError>) {
    waiting.for_each(|waiting| drop(waiting.answer.send(result())));
}

/// One cause, told to everybody.
fn unavailable(waiting: impl Iterator<Item = Waiting>, failure: impl Into<StoreError>) {
    let cause: Arc<StoreError> = Arc::new(failure.into());
    answer(waiting, || Err(StoreError::Unavailable(Box::new(Arc::clone(&cause)))));
}
