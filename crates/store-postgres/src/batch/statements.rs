//! The statements of a batch. Columns go as arrays: one statement, however many rows.

use std::{future::Future, pin::Pin};

use deadpool_postgres::Transaction;
use tokio_postgres::{Error, Row, types::ToSql};

use super::{ANY, Batch, Place, Prepares, Put};
use crate::values::time_to_sql;

const MARK: &str = "\
INSERT INTO lanes AS l (id, batch) VALUES ($1::text, $2::bigint)
ON CONFLICT (id) DO UPDATE SET batch = excluded.batch, used_at = now()";

const UPDATE_ACCOUNTS: &str = "\
UPDATE accounts AS a SET version = n.expected + 1, account = n.account
FROM unnest($1::text[], $2::bigint[], $3::bytea[], $4::int[]) AS n(user_id, expected, account, place)
WHERE a.user_id = n.user_id AND a.version = n.expected
RETURNING n.place";

/// Version 0 may be there already, left by an event; version 0 as the new one leaves everything as it is.
const INSERT_ACCOUNTS: &str = "\
INSERT INTO accounts AS a (user_id, version, account)
SELECT n.user_id, n.version, n.account FROM unnest($1::text[], $2::bigint[], $3::bytea[]) AS n(user_id, version, account)
ON CONFLICT (user_id) DO UPDATE SET version = excluded.version, account = excluded.account
WHERE a.version = 0 AND excluded.version = 1
RETURNING a.user_id";

const DELETE_RECORDS: &str = "\
DELETE FROM records AS r
USING unnest($1::text[], $2::text[], $3::bigint[], $4::int[]) AS n(kind, key, expected, place)
WHERE r.kind = n.kind AND r.key = n.key AND (n.expected = -1 OR r.version = n.expected)
RETURNING CASE WHEN n.expected = -1 THEN -1 ELSE n.place END";

const REPLACE_RECORDS: &str = "\
UPDATE records AS r SET version = n.version, bytes = n.bytes, user_id = n.user_id, expires_at = n.expires_at
FROM unnest($1::text[], $2::text[], $3::bigint[], $4::bytea[], $5::text[], $6::bigint[], $7::bigint[], $8::int[])
    AS n(kind, key, version, bytes, user_id, expires_at, expected, place)
WHERE r.kind = n.kind AND r.key = n.key AND r.version = n.expected
RETURNING n.place";

/// What is there already does not come back.
const MAKE_RECORDS: &str = "\
INSERT INTO records AS r (kind, key, version, bytes, user_id, expires_at)
SELECT * FROM unnest($1::text[], $2::text[], $3::bigint[], $4::bytea[], $5::text[], $6::bigint[])
ON CONFLICT (kind, key) DO NOTHING
RETURNING r.kind, r.key";

const PUT_RECORDS: &str = "\
INSERT INTO records AS r (kind, key, version, bytes, user_id, expires_at)
SELECT * FROM unnest($1::text[], $2::text[], $3::bigint[], $4::bytea[], $5::text[], $6::bigint[])
ON CONFLICT (kind, key) DO UPDATE SET version = r.version + 1, bytes = excluded.bytes,
    user_id = excluded.user_id, expires_at = excluded.expires_at";

const APPEND_EVENTS: &str = "\
INSERT INTO events (at, user_id, event)
SELECT n.at, n.user_id, n.event
FROM unnest($1::bigint[], $2::text[], $3::bytea[]) WITH ORDINALITY AS n(at, user_id, event, place) ORDER BY n.place";

/// A statement under way, and in the end the commits of which it met a condition.
type Running<'b> = Pin<Box<dyn Future<Output = Result<Vec<Place>, Error>> + Send + 'b>>;

impl<'a> Batch<'a> {
    /// What must be prepared.
    pub fn needed(&self) -> impl Iterator<Item = &'static str> {
        [
            (MARK, true),
            (UPDATE_ACCOUNTS, !self.accounts.is_empty()),
            (INSERT_ACCOUNTS, !self.new_users.is_empty()),
            (DELETE_RECORDS, !self.deleted.is_empty() || !self.vacant.is_empty()),
            (REPLACE_RECORDS, !self.replaced.is_empty()),
            (MAKE_RECORDS, !self.made.is_empty()),
            (PUT_RECORDS, !self.put.is_empty()),
            (APPEND_EVENTS, !self.events.is_empty()),
        ]
        .into_iter()
        .filter_map(|(sql, needed)| needed.then_some(sql))
    }

    /// All statements, in the order in which they must run: deleting makes room for putting.
    pub(super) fn statements<'b>(
        &'b self,
        transaction: &'b Transaction<'b>,
        prepared: &'b Prepares,
        lane: &'b str,
        number: i64,
    ) -> Vec<Running<'b>> {
        let run = Run { transaction, prepared };
        let mut running: Vec<Running<'b>> = vec![Box::pin(run.mark(lane, number))];
        if !self.accounts.is_empty() {
            running.push(Box::pin(run.update_accounts(self)));
        }
        if !self.new_users.is_empty() {
            running.push(Box::pin(run.insert_accounts(self)));
        }
        if !self.deleted.is_empty() {
            running.push(Box::pin(run.delete(&self.deleted, true)));
        }
        if !self.replaced.is_empty() {
            running.push(Box::pin(run.replace(self)));
        }
        if !self.made.is_empty() {
            running.push(Box::pin(run.make(self)));
        }
        if !self.put.is_empty() {
            running.push(Box::pin(run.put(self)));
        }
        if !self.vacant.is_empty() {
            running.push(Box::pin(run.delete(&self.vacant, false)));
        }
        if !self.events.is_empty() {
            running.push(Box::pin(run.append(self)));
        }
        running
    }
}

#[derive(Clone, Copy)]
struct Run<'b> {
    transaction: &'b Transaction<'b>,
    prepared: &'b Prepares,
}

impl<'b> Run<'b> {
    async fn query(self, sql: &'static str, parameters: &[&(dyn ToSql + Sync)]) -> Result<Vec<Row>, Error> {
        match self.prepared.0.get(sql) {
            Some(statement) => self.transaction.query(statement, parameters).await,
            None => self.transaction.query(sql, parameters).await,
        }
    }

    async fn mark(self, lane: &'b str, number: i64) -> Result<Vec<Place>, Error> {
        self.query(MARK, &[&lane, &number]).await.map(|_| Vec::new())
    }

    async fn update_accounts(self, batch: &'b Batch<'_>) -> Result<Vec<Place>, Error> {
        let users: Vec<&str> = batch.accounts.iter().map(|(account, _)| account.user.as_str()).collect();
        let expected: Vec<i64> = batch.accounts.iter().map(|(account, _)| account.expected).collect();
        let values: Vec<&[u8]> = batch.accounts.iter().map(|(account, _)| account.bytes.as_slice()).collect();
        let places: Vec<i32> = batch.accounts.iter().map(|(_, place)| number(*place)).collect();
        self.query(UPDATE_ACCOUNTS, &[&users, &expected, &values, &places]).await.map(places_of)
    }

    async fn insert_accounts(self, batch: &'b Batch<'_>) -> Result<Vec<Place>, Error> {
        let users: Vec<&str> = batch.new_users.keys().copied().collect();
        let versions: Vec<i64> = batch.new_users.values().map(|account| i64::from(account.is_some())).collect();
        let value = |account: &Option<(&'b crate::prepared::PreparedAccount, Place)>| {
            account.map_or(&[][..], |(account, _)| account.bytes.as_slice())
        };
        let values: Vec<&[u8]> = batch.new_users.values().map(value).collect();
        let rows = self.query(INSERT_ACCOUNTS, &[&users, &versions, &values]).await?;
        let met = |row: &Row| batch.new_users.get(row.get::<_, &str>(0)).copied().flatten().map(|(_, place)| place);
        Ok(rows.iter().filter_map(met).collect())
    }

    async fn delete(
        self,
        changes: &'b [(&'b crate::prepared::NetChange, Place)],
        conditional: bool,
    ) -> Result<Vec<Place>, Error> {
        let kinds: Vec<&str> = changes.iter().map(|(change, _)| change.kind).collect();
        let keys: Vec<&str> = changes.iter().map(|(change, _)| change.key.as_str()).collect();
        let expected: Vec<i64> = changes
            .iter()
            .map(|(change, _)| match change.expected {
                matrix_2fa_store::Expected::Version(version) if conditional => {
                    i64::try_from(version).unwrap_or(i64::MAX)
                }
                _ => ANY,
            })
            .collect();
        let places: Vec<i32> = changes.iter().map(|(_, place)| number(*place)).collect();
        self.query(DELETE_RECORDS, &[&kinds, &keys, &expected, &places]).await.map(places_of)
    }

    async fn replace(self, batch: &'b Batch<'_>) -> Result<Vec<Place>, Error> {
        let columns =
            Columns::new(&batch.replaced, |put| put.expected.saturating_add(put.put.map_or(1, |next| next.puts)));
        let expected: Vec<i64> = batch.replaced.iter().map(|put| put.expected).collect();
        let places: Vec<i32> = batch.replaced.iter().map(|put| number(put.place)).collect();
        let Columns { kinds, keys, versions, values, users, expiries } = columns;
        let all: [&(dyn ToSql + Sync); 8] = [&kinds, &keys, &versions, &values, &users, &expiries, &expected, &places];
        self.query(REPLACE_RECORDS, &all).await.map(places_of)
    }

    async fn make(self, batch: &'b Batch<'_>) -> Result<Vec<Place>, Error> {
        let rows = self.write(MAKE_RECORDS, &batch.made).await?;
        let makers = batch.makers();
        Ok(rows.iter().filter_map(|row| makers.get(&(row.get(0), row.get(1))).copied()).collect())
    }

    async fn put(self, batch: &'b Batch<'_>) -> Result<Vec<Place>, Error> {
        self.write(PUT_RECORDS, &batch.put).await.map(|_| Vec::new())
    }

    async fn write(self, sql: &'static str, puts: &'b [Put<'_>]) -> Result<Vec<Row>, Error> {
        let Columns { kinds, keys, versions, values, users, expiries } =
            Columns::new(puts, |put| put.put.map_or(1, |next| next.made));
        self.query(sql, &[&kinds, &keys, &versions, &values, &users, &expiries]).await
    }

    async fn append(self, batch: &'b Batch<'_>) -> Result<Vec<Place>, Error> {
        let times: Vec<i64> = batch.events.iter().map(|event| event.at).collect();
        let users: Vec<&str> = batch.events.iter().map(|event| event.user.as_str()).collect();
        let values: Vec<&[u8]> = batch.events.iter().map(|event| event.bytes.as_slice()).collect();
        self.query(APPEND_EVENTS, &[&times, &users, &values]).await.map(|_| Vec::new())
    }
}

/// The columns of records that are written.
struct Columns<'b> {
    kinds: Vec<&'b str>,
    keys: Vec<&'b str>,
    versions: Vec<i64>,
    values: Vec<&'b [u8]>,
    users: Vec<Option<&'b str>>,
    expiries: Vec<Option<i64>>,
}

impl<'b> Columns<'b> {
    fn new(puts: &'b [Put<'_>], version: impl Fn(&Put<'_>) -> i64) -> Self {
        let record = |put: &'b Put<'_>| put.put.map(|put| &put.record);
        Self {
            kinds: puts.iter().map(|put| put.change.kind).collect(),
            keys: puts.iter().map(|put| put.change.key.as_str()).collect(),
            versions: puts.iter().map(version).collect(),
            values: puts.iter().map(|put| record(put).map_or(&[][..], |record| &record.bytes)).collect(),
            users: puts.iter().map(|put| record(put).and_then(|record| record.user.as_deref())).collect(),
            expiries: puts
                .iter()
                .map(|put| record(put).and_then(|record| record.expires_at).map(time_to_sql))
                .collect(),
        }
    }
}

fn number(place: Place) -> i32 {
    i32::try_from(place).unwrap_or(i32::MAX)
}

fn places_of(rows: Vec<Row>) -> Vec<Place> {
    rows.iter().filter_map(|row| Place::try_from(row.get::<_, i32>(0)).ok()).collect()
}
