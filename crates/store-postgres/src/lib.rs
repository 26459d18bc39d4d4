//! The store for many replicas: [`PostgresStore`], a PostgreSQL database that any number of servers share.
//!
//! * **Atomic**: concurrent commits are batched into one transaction of a few statements, in which every row is changed only if it is as
//!   the commit expects (`UPDATE .. WHERE version = ..`). A commit that lost is a conflict; the others of its batch are not held up by it.
//! * **Concurrent reads** share statements in the same way.
//! * **Durable**: `synchronous_commit` is on for every connection, whatever the server's default.
//! * **One clock**: [`PostgresStore::clock`] is the database's, read along with every load. What the servers' own clocks show decides nothing.
//! * **A lost connection** is made again, within a bound; then it is [`StoreError::Unavailable`]. If it is lost while a commit is under way,
//!   the next connection finds out whether it happened; what cannot be found out is unavailable, never done and never tried again.
//! * **Migrations** (`migrations/`) run at the start, one server at a time. Newer tables than this program knows are refused.
//! * **Events** lie in a table for each month, made ahead. An operator who need not keep them for ever drops old ones:
//!   `DROP TABLE events_2026_01`.

mod address;
mod batch;
mod clock;
#[cfg(feature = "cluster")]
pub mod cluster;
mod committer;
mod database;
mod export;
mod failure;
mod gather;
mod look;
mod migrations;
mod months;
mod prepared;
mod reader;
mod tls;
mod values;

pub use address::{Address, AddressError};
pub use clock::DatabaseClock;
pub use look::Look;
pub use tls::TlsError;
pub use values::{MAX_KEY_BYTES, MAX_VALUE_BYTES};

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use matrix_2fa_core::{Event, Timestamp};
use matrix_2fa_store::{
    Commit, Committed, KeyedRecord, Kind, Record, Store, StoreError, StoredAccount, codec, export::EachEntry,
};
use tokio::sync::{mpsc, oneshot};
use tokio_postgres::Row;

use clock::Asked;
use committer::Waiting;
use database::Database;
use failure::{Cause, Failure};
use prepared::Prepared;
use reader::Reader;

/// How to use a database.
#[derive(Clone, Debug)]
pub struct Options {
    /// Connections of this process, at most.
    pub connections: usize,
    /// How long a lost or busy database is tried again before the answer is that it is unavailable.
    pub patience: Duration,
    /// How long the first connection may take when the database is starting or slow; one that is not there is an error at once.
    pub opening: Duration,
    /// Batches of commits under way at the same time.
    pub lanes: usize,
    /// Commits in one batch, at most.
    pub batch: usize,
    /// Commits that may wait for a batch; more than these wait for a place.
    pub queue: usize,
}

impl Default for Options {
    /// 16 connections, 5 seconds and a minute, 2 lanes of 256 commits, 1,024 waiting commits.
    fn default() -> Self {
        let (patience, opening) = (Duration::from_secs(5), Duration::from_secs(60));
        Self { connections: 16, patience, opening, lanes: 2, batch: 256, queue: 1024 }
    }
}

/// Why a database cannot be used. None of them shows a password.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// It cannot be reached, or refuses us.
    #[error("the database cannot be reached")]
    Unreachable(#[source] Cause),
    /// It was reached, and then failed.
    #[error("the database failed while it was set up")]
    Database(#[source] tokio_postgres::Error),
    /// It is not one that this program can use.
    #[error("{0}")]
    Server(String),
    /// Its tables are of a later version.
    #[error("the tables are of version {found}, and this program knows them up to {newest}: use the newer program")]
    Newer {
        /// Theirs.
        found: i64,
        /// Ours.
        newest: i64,
    },
    /// The tables cannot be brought to this version.
    #[error("the tables cannot be set up")]
    Migration(#[source] Cause),
}

/// A store in a PostgreSQL database. Dropping it finishes what was begun.
pub struct PostgresStore {
    database: Arc<Database>,
    queue: mpsc::Sender<Waiting>,
    accounts: Reader,
    records: Reader,
    clock: Arc<DatabaseClock>,
}

const NOW: &str = "SELECT gen_random_uuid()::text, (extract(epoch FROM clock_timestamp()) * 1000)::bigint";

/// The clock is looked at once, before the first row.
const LOAD: &str = "\
SELECT (SELECT (extract(epoch FROM clock_timestamp()) * 1000)::bigint), a.version, a.account
FROM unnest($1::text[], $2::text[]) WITH ORDINALITY AS n(kind, key, place) LEFT JOIN accounts a ON a.user_id = n.key
ORDER BY n.place";

const RECORD: &str = "\
SELECT (SELECT (extract(epoch FROM clock_timestamp()) * 1000)::bigint), r.version, r.bytes, r.user_id, r.expires_at
FROM unnest($1::text[], $2::text[]) WITH ORDINALITY AS n(kind, key, place)
LEFT JOIN records r ON r.kind = n.kind AND r.key = n.key
ORDER BY n.place";

const RECORDS_OF: &str = "\
SELECT key, version, bytes, user_id, expires_at FROM records WHERE user_id = $1 AND kind = $2 ORDER BY key";

/// Of two replicas that sweep at once each takes what the other has not. The expiry is asked again of the row that is locked.
const SWEEP: &str = "\
WITH expired AS (
    SELECT kind, key FROM records WHERE expires_at <= $1 ORDER BY expires_at, kind, key LIMIT $2 FOR UPDATE SKIP LOCKED
), swept AS (
    DELETE FROM records r USING expired e WHERE r.kind = e.kind AND r.key = e.key AND r.expires_at <= $1 RETURNING 1
), abandoned AS (
    DELETE FROM lanes WHERE used_at < now() - interval '7 days'
)
SELECT count(*) FROM swept";

const EVENTS: &str = "\
SELECT event FROM (
    SELECT at, seq, event FROM events WHERE user_id = $1 AND at >= $2 ORDER BY at DESC, seq DESC LIMIT $3
) AS newest ORDER BY at, seq";

/// The index begins where the page before ended; the empty id may be one.
const USERS: &str = "\
SELECT user_id FROM accounts WHERE user_id >= coalesce($1::text, '') AND ($1 IS NULL OR user_id > $1) ORDER BY user_id LIMIT $2";

const RECORDS: &str = "\
SELECT key, version, bytes, user_id, expires_at FROM records
WHERE kind = $1 AND key >= coalesce($2::text, '') AND ($2 IS NULL OR key > $2) ORDER BY key LIMIT $3";

impl PostgresStore {
    /// Connects, sets up the tables if they are missing or older, and starts to commit on this runtime.
    pub async fn open(address: &Address, options: Options) -> Result<Self, OpenError> {
        let database = Arc::new(Database::new(address, &options).map_err(OpenError::Unreachable)?);
        let unreachable = |failure: Failure| OpenError::Unreachable(failure.into_cause());
        let mut connection = database.first_connection(options.opening).await.map_err(unreachable)?;
        migrations::run(&mut connection).await?;
        let row = connection.query_one(NOW, &[]).await.map_err(OpenError::Database)?;
        drop(connection);
        months::make(&database).await;
        let clock = Arc::new(DatabaseClock::new(values::time_from_sql(row.get(1))));
        let (queue, commits) = mpsc::channel(options.queue.max(1));
        months::watch(&database);
        tokio::spawn(committer::run(Arc::clone(&database), row.get(0), options, commits));
        let (accounts, records) =
            (Reader::new(Arc::clone(&database), LOAD), Reader::new(Arc::clone(&database), RECORD));
        Ok(Self { database, queue, accounts, records, clock })
    }

    /// The database's clock.
    pub fn clock(&self) -> Arc<DatabaseClock> {
        Arc::clone(&self.clock)
    }

    /// A point read, which brings the database's time along.
    async fn point(&self, reader: &Reader, kind: &'static str, key: &str) -> Result<Row, StoreError> {
        let asked = Asked::now();
        let row = reader.row(kind, key).await?;
        self.clock.observe(asked, values::time_from_sql(row.get(0)));
        Ok(row)
    }
}

#[async_trait]
impl Store for PostgresStore {
    async fn load(&self, user: &str) -> Result<StoredAccount, StoreError> {
        if !values::is_storable(user) {
            return Ok(StoredAccount::default());
        }
        let row = self.point(&self.accounts, "", user).await?;
        let version = row.get::<_, Option<i64>>(1).unwrap_or(0);
        let version = values::version_from_sql("account", version)?;
        let account = match row.get::<_, Option<&[u8]>>(2) {
            Some(bytes) if version > 0 => codec::decode("account", bytes)?,
            _ => Default::default(),
        };
        Ok(StoredAccount { version, account })
    }

    async fn commit(&self, commit: Commit) -> Result<Committed, StoreError> {
        let Some(commit) = Prepared::new(commit)? else { return Ok(Committed::Conflict) };
        if commit.is_empty() {
            return Ok(Committed::Done);
        }
        let (answer, answered) = oneshot::channel();
        let keys = commit.keys();
        self.queue.send(Waiting { commit, keys, answer }).await.map_err(|_| stopped())?;
        answered.await.map_err(|_| stopped())?
    }

    async fn record(&self, kind: Kind, key: &str) -> Result<Option<Record>, StoreError> {
        if !values::is_storable(key) {
            return Ok(None);
        }
        let row = self.point(&self.records, kind.0, key).await?;
        row.get::<_, Option<i64>>(1).map(|_| record_of(&row)).transpose()
    }

    async fn records_of(&self, kind: Kind, user: &str) -> Result<Vec<KeyedRecord>, StoreError> {
        if !values::is_storable(user) {
            return Ok(Vec::new());
        }
        let rows = self.database.rows(RECORDS_OF, &[&user, &kind.0]).await?;
        rows.iter().map(|row| Ok((row.get(0), record_of(row)?))).collect()
    }

    async fn sweep(&self, now: Timestamp, limit: usize) -> Result<usize, StoreError> {
        let rows = self.database.rows(SWEEP, &[&values::time_to_sql(now), &limit_of(limit)]).await?;
        let swept: i64 = rows.first().ok_or_else(no_answer)?.get(0);
        Ok(usize::try_from(swept).unwrap_or(0))
    }

    async fn events(&self, user: &str, since: Timestamp, limit: usize) -> Result<Vec<Event>, StoreError> {
        if !values::is_storable(user) {
            return Ok(Vec::new());
        }
        let since = values::time_to_sql(since);
        let rows = self.database.rows(EVENTS, &[&user, &since, &limit_of(limit)]).await?;
        rows.iter().map(|row| codec::decode("event", row.get(0))).collect()
    }

    async fn users(&self, after: Option<&str>, limit: usize) -> Result<Vec<String>, StoreError> {
        let rows = self.database.rows(USERS, &[&after, &limit_of(limit)]).await?;
        Ok(rows.iter().map(|row| row.get(0)).collect())
    }

    async fn records(&self, kind: Kind, after: Option<&str>, limit: usize) -> Result<Vec<KeyedRecord>, StoreError> {
        let rows = self.database.rows(RECORDS, &[&kind.0, &after, &limit_of(limit)]).await?;
        rows.iter().map(|row| Ok((row.get(0), record_of(row)?))).collect()
    }

    async fn export(&self, each: EachEntry) -> Result<(), StoreError> {
        export::export(&self.database, each).await
    }
}

/// Version, bytes, user and expiry, from the second column on.
fn record_of(row: &Row) -> Result<Record, StoreError> {
    Ok(Record {
        version: values::version_from_sql("record", row.get(1))?,
        bytes: row.get(2),
        user: row.get(3),
        expires_at: row.get::<_, Option<i64>>(4).map(values::time_from_sql),
    })
}

fn limit_of(limit: usize) -> i64 {
    i64::try_from(limit).unwrap_or(i64::MAX)
}

fn no_answer() -> StoreError {
    StoreError::Unavailable("the database answered with nothing".into())
}

fn stopped() -> StoreError {
    StoreError::Unavailable("the committing lanes have stopped".into())
}
