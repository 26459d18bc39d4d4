//! Concurrent point reads share statements: what is asked while the readers are busy becomes one question.

use std::{collections::VecDeque, sync::Arc};

use matrix_2fa_store::StoreError;
use tokio::sync::{Semaphore, mpsc, oneshot};
use tokio_postgres::Row;

use crate::{database::Database, gather::gather};

/// Questions under way at the same time: one that is on its way, and one that is worked on. With more of them each is about less, and what a
/// question costs the database and us is mostly the question.
const LANES: usize = 2;

/// Keys in one question, at most.
const KEYS: usize = 256;

/// Keys that may wait; more wait for a place.
const QUEUE: usize = 1024;

/// Asks for rows by kind and key.
pub struct Reader {
    queue: mpsc::Sender<Asked>,
}

struct Asked {
    kind: &'static str,
    key: String,
    answer: oneshot::Sender<Result<Row, StoreError>>,
}

impl Reader {
    /// `sql` takes an array of kinds and one of keys, and gives a row for each, in their order, whether there is something or not.
    pub fn new(database: Arc<Database>, sql: &'static str) -> Self {
        let (queue, asked) = mpsc::channel(QUEUE);
        tokio::spawn(run(database, sql, asked));
        Self { queue }
    }

    /// The row of one key.
    pub async fn row(&self, kind: &'static str, key: &str) -> Result<Row, StoreError> {
        let (answer, answered) = oneshot::channel();
        let stopped = || StoreError::Unavailable("the readers have stopped".into());
        self.queue.send(Asked { kind, key: key.to_owned(), answer }).await.map_err(|_| stopped())?;
        answered.await.map_err(|_| stopped())?
    }
}

async fn run(database: Arc<Database>, sql: &'static str, mut queue: mpsc::Receiver<Asked>) {
    let lanes = Arc::new(Semaphore::new(LANES));
    while let Ok(lane) = Arc::clone(&lanes).acquire_owned().await {
        let Some(first) = queue.recv().await else { return };
        let mut asked = VecDeque::from([first]);
        gather(&mut queue, &mut asked, KEYS).await;
        let database = Arc::clone(&database);
        tokio::spawn(async move {
            ask(&database, sql, asked).await;
            drop(lane);
        });
    }
}

async fn ask(database: &Database, sql: &'static str, asked: VecDeque<Asked>) {
    let kinds: Vec<&str> = asked.iter().map(|asked| asked.kind).collect();
    let keys: Vec<&str> = asked.iter().map(|asked| asked.key.as_str()).collect();
    match database.rows(sql, &[&kinds, &keys]).await {
        // Whoever would be left without a row is told that the readers stopped.
        Ok(rows) => asked.into_iter().zip(rows).for_each(|(asked, row)| drop(asked.answer.send(Ok(row)))),
        Err(error) => {
            let cause = Arc::new(error);
            for asked in asked {
                drop(asked.answer.send(Err(StoreError::Unavailable(Box::new(Arc::clone(&cause))))));
            }
        }
    }
}
