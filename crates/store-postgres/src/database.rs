//! The connections: a bounded pool, how each is set up, and one more try when one is lost.

use std::time::Duration;

use deadpool_postgres::{Hook, HookError, Manager, ManagerConfig, Object, Pool, RecyclingMethod, Runtime, Timeouts};
use matrix_2fa_store::StoreError;
use tokio::time::{Instant, timeout_at};
use tokio_postgres::{Row, error::SqlState, types::ToSql};

use crate::{
    Options,
    address::Address,
    failure::{Cause, Failure},
};

/// Between two tries.
const PAUSE: Duration = Duration::from_millis(50);

/// * Commits are durable before they are answered, whatever the server's default is; a stronger setting stays.
/// * No lock is waited for without end, and a server of ours that froze within a transaction does not hold its locks for long.
///   (No `statement_timeout`, whatever the role's is: it would end the wait for a synchronous standby and call the commit done.)
/// * Every statement finds its rows by key, in the order in which they are given: two batches lock the same rows in the same order.
const SESSION: &str = "\
SELECT set_config('synchronous_commit', 'on', false)
    WHERE current_setting('synchronous_commit') NOT IN ('on', 'remote_apply');
SET statement_timeout = 0;
SET lock_timeout = '5s';
SET idle_in_transaction_session_timeout = '10s';
SET enable_hashjoin = off; SET enable_mergejoin = off; SET enable_seqscan = off; SET jit = off;
SET plan_cache_mode = force_generic_plan;
SET client_min_messages = error;
SET TIME ZONE 'UTC'";

/// A pool of connections to one database.
pub struct Database {
    pool: Pool,
    patience: Duration,
}

impl Database {
    pub fn new(address: &Address, options: &Options) -> Result<Self, Cause> {
        let config = ManagerConfig { recycling_method: RecyclingMethod::Fast };
        let manager = Manager::from_config(address.config.clone(), address.tls.clone(), config);
        let set_up = Hook::async_fn(|client: &mut deadpool_postgres::ClientWrapper, _| {
            Box::pin(async move { client.batch_execute(SESSION).await.map_err(HookError::Backend) })
        });
        let patience = Some(options.patience);
        let pool = Pool::builder(manager)
            .max_size(options.connections.max(1))
            .timeouts(Timeouts { wait: patience, create: patience, recycle: patience })
            .runtime(Runtime::Tokio1)
            .post_create(set_up)
            .build()?;
        Ok(Self { pool, patience: options.patience })
    }

    /// A connection that was set up.
    pub async fn connection(&self) -> Result<Object, Failure> {
        Ok(self.pool.get().await?)
    }

    /// The first connection: the database may be starting, and so may everything else on its machine. A database that refuses us, or that
    /// is not there, says so at once.
    pub async fn first_connection(&self, opening: Duration) -> Result<Object, Failure> {
        let deadline = Instant::now() + opening;
        let limits = Timeouts { create: Some(opening), ..self.pool.timeouts() };
        loop {
            match within(deadline, async { Ok(self.pool.timeout_get(&limits).await?) }).await {
                Err(failure) if failure.code() == Some(&SqlState::CANNOT_CONNECT_NOW) => {
                    self.pause_after(failure, deadline).await?;
                }
                done => return done,
            }
        }
    }

    /// Until when something that begins now may be tried.
    pub fn deadline(&self) -> Instant {
        Instant::now() + self.patience
    }

    /// One statement that may be repeated: a read, or what does the same the second time.
    pub async fn rows(&self, sql: &'static str, parameters: &[&(dyn ToSql + Sync)]) -> Result<Vec<Row>, StoreError> {
        let deadline = self.deadline();
        loop {
            match self.rows_once(sql, parameters, deadline).await {
                Ok(rows) => return Ok(rows),
                Err(failure) => self.pause_after(failure, deadline).await?,
            }
        }
    }

    async fn rows_once(
        &self,
        sql: &'static str,
        parameters: &[&(dyn ToSql + Sync)],
        deadline: Instant,
    ) -> Result<Vec<Row>, Failure> {
        let connection = Held::new(within(deadline, self.connection()).await?);
        let rows = within(deadline, async {
            let statement = connection.client().prepare_cached(sql).await?;
            Ok(connection.client().query(&statement, parameters).await?)
        });
        let rows = rows.await?;
        connection.give_back();
        Ok(rows)
    }

    /// Waits a moment if it makes sense to try again, and gives up if not.
    pub async fn pause_after(&self, failure: Failure, deadline: Instant) -> Result<(), Failure> {
        match failure {
            Failure::Again(cause) if Instant::now() + PAUSE < deadline => {
                tracing::debug!(error = %cause, "the database is asked again");
                tokio::time::sleep(PAUSE).await;
                Ok(())
            }
            failure => Err(failure),
        }
    }
}

/// The same with an end.
pub async fn within<T>(deadline: Instant, work: impl Future<Output = Result<T, Failure>>) -> Result<T, Failure> {
    timeout_at(deadline, work).await.unwrap_or_else(|elapsed| Err(Failure::Again(Box::new(elapsed))))
}

/// A connection that goes back to the pool only if everything went well: after an error or a time-out nobody knows what is still under way
/// on it.
pub struct Held(Option<Object>);

impl Held {
    pub fn new(object: Object) -> Self {
        Self(Some(object))
    }

    pub fn client(&self) -> &Object {
        #[expect(clippy::expect_used, reason = "only `give_back` and `drop` take it, and both end this value")]
        self.0.as_ref().expect("held")
    }

    pub fn client_mut(&mut self) -> &mut Object {
        #[expect(clippy::expect_used, reason = "only `give_back` and `drop` take it, and both end this value")]
        self.0.as_mut().expect("held")
    }

    pub fn give_back(mut self) {
        drop(self.0.take());
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        if let Some(object) = self.0.take() {
            drop(Object::take(object));
        }
    }
}
