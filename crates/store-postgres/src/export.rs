//! Everything as of one moment: a transaction that only reads, over one snapshot, page by page.

use std::{io, time::Duration};

use deadpool_postgres::Transaction;
use matrix_2fa_store::{
    StoreError, codec,
    export::{EachEntry, Entry},
};
use tokio_postgres::{IsolationLevel, Row};

use crate::{
    database::{Database, Held, within},
    failure::Failure,
    record_of,
};

/// Rows of one page.
const PAGE: i32 = 1000;

/// How long a page may take on its way.
const PATIENCE: Duration = Duration::from_secs(300);

/// All of a table is read in one go here, and whoever takes it may write to a slow disk.
const SESSION: &str = "SET LOCAL enable_seqscan = on; SET LOCAL idle_in_transaction_session_timeout = '5min'";

const ACCOUNTS: &str = "SELECT user_id, account FROM accounts WHERE version > 0 ORDER BY user_id";

const EVENTS: &str = "SELECT event FROM events ORDER BY seq";

/// From the second column on as [`record_of`] reads it.
const RECORDS: &str = "SELECT key, version, bytes, user_id, expires_at, kind FROM records ORDER BY kind, key";

/// Gives everything to `each`.
pub async fn export(database: &Database, mut each: EachEntry) -> Result<(), StoreError> {
    let mut connection = Held::new(within(database.deadline(), database.connection()).await?);
    let begin = connection.client_mut().build_transaction();
    let begin = begin.isolation_level(IsolationLevel::RepeatableRead).read_only(true).start();
    let transaction = begin.await.map_err(Failure::from)?;
    transaction.batch_execute(SESSION).await.map_err(Failure::from)?;
    for (sql, entry) in
        [(ACCOUNTS, account as fn(&Row) -> Result<Entry, StoreError>), (EVENTS, event), (RECORDS, record)]
    {
        each = pages(&transaction, sql, entry, each).await?;
    }
    transaction.rollback().await.map_err(Failure::from)?;
    connection.give_back();
    Ok(())
}

async fn pages(
    transaction: &Transaction<'_>,
    sql: &'static str,
    entry: fn(&Row) -> Result<Entry, StoreError>,
    mut each: EachEntry,
) -> Result<EachEntry, StoreError> {
    let portal = transaction.bind(sql, &[]).await.map_err(Failure::from)?;
    loop {
        let page = async { Ok(transaction.query_portal(&portal, PAGE).await?) };
        let rows = within(tokio::time::Instant::now() + PATIENCE, page).await?;
        if rows.is_empty() {
            return Ok(each);
        }
        let entries = rows.iter().map(entry).collect::<Result<Vec<_>, _>>()?;
        each = give(entries, each).await?;
    }
}

/// On a thread of its own, since it may write to a disk.
async fn give(entries: Vec<Entry>, mut each: EachEntry) -> Result<EachEntry, StoreError> {
    let given = tokio::task::spawn_blocking(move || -> io::Result<EachEntry> {
        entries.into_iter().try_for_each(&mut each)?;
        Ok(each)
    });
    let given = given.await.map_err(|error| StoreError::Unavailable(Box::new(error)))?;
    given.map_err(|error| StoreError::Unavailable(Box::new(error)))
}

fn account(row: &Row) -> Result<Entry, StoreError> {
    Ok(Entry::Account { user: row.get(0), account: Box::new(codec::decode("account", row.get(1))?) })
}

fn event(row: &Row) -> Result<Entry, StoreError> {
    Ok(Entry::Event(codec::decode("event", row.get(0))?))
}

fn record(row: &Row) -> Result<Entry, StoreError> {
    let record = record_of(row)?;
    let (kind, key) = (row.get(5), row.get(0));
    Ok(Entry::Record { kind, key, bytes: record.bytes, user: record.user, expires_at: record.expires_at })
}
