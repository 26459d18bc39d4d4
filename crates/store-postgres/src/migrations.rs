//! The tables, brought to this version when a server starts. Several may start at once: the first one does it, the others wait.

use deadpool_postgres::Object;
use tokio_postgres::Client;

use crate::OpenError;

mod embedded {
    refinery::embed_migrations!("migrations");
}

/// The oldest server that this was made for.
const OLDEST_SERVER: i32 = 140_000;

/// Taken while the tables are changed: "matrix2f" as a number.
const LOCK: i64 = 0x6d61_7472_6978_3266;

/// Checks the server and migrates.
pub async fn run(connection: &mut Object) -> Result<(), OpenError> {
    let client: &mut Client = connection;
    check_server(client).await?;
    client.batch_execute("SET lock_timeout = '60s'").await.map_err(OpenError::Database)?;
    client.execute("SELECT pg_advisory_lock($1)", &[&LOCK]).await.map_err(OpenError::Database)?;
    // If this fails the connection is given up, and the lock with it.
    migrate(client).await?;
    client.execute("SELECT pg_advisory_unlock($1)", &[&LOCK]).await.map_err(OpenError::Database)?;
    client.batch_execute("SET lock_timeout = '5s'").await.map_err(OpenError::Database)
}

async fn migrate(client: &mut Client) -> Result<(), OpenError> {
    let runner = embedded::migrations::runner();
    let newest = runner.get_migrations().iter().map(|migration| i64::from(migration.version())).max().unwrap_or(0);
    let known = client.query_one("SELECT to_regclass('refinery_schema_history') IS NOT NULL", &[]).await;
    if known.map_err(OpenError::Database)?.get(0) {
        let last = "SELECT coalesce(max(version), 0)::bigint FROM refinery_schema_history";
        let found: i64 = client.query_one(last, &[]).await.map_err(OpenError::Database)?.get(0);
        if found > newest {
            return Err(OpenError::Newer { found, newest });
        }
    }
    runner.run_async(client).await.map_err(|error| OpenError::Migration(Box::new(error)))?;
    Ok(())
}

async fn check_server(client: &Client) -> Result<(), OpenError> {
    let sql = "SELECT current_setting('server_version_num')::int, current_setting('server_encoding'), \
                      current_setting('fsync')::bool, current_setting('server_version')";
    let row = client.query_one(sql, &[]).await.map_err(OpenError::Database)?;
    let (version, encoding): (i32, String) = (row.get(0), row.get(1));
    if version < OLDEST_SERVER {
        return Err(OpenError::Server(format!(
            "PostgreSQL {} is too old: 14 or newer is needed",
            row.get::<_, &str>(3)
        )));
    }
    if encoding != "UTF8" {
        return Err(OpenError::Server(format!(
            "the database's encoding is {encoding}: make it anew with ENCODING 'UTF8'"
        )));
    }
    if !row.get::<_, bool>(2) {
        tracing::warn!("the database runs with fsync = off: a power cut can bring back used codes");
    }
    Ok(())
}

#[cfg(feature = "cluster")]
#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use matrix_2fa_core::{Event, EventKind, Timestamp, event::Origin};
    use matrix_2fa_store::{Commit, Committed, Store};

    use super::*;
    use crate::{Options, PostgresStore, cluster::Cluster, database::Database, months};

    const USER: &str = "@a:b";
    const DAY: u64 = 24 * 60 * 60 * 1000;

    async fn append(store: &PostgresStore, at: u64) {
        let kind = EventKind::EnrollmentStarted { id: at.to_string() };
        let at = Timestamp::from_millis(at);
        let event = Event { at, user: USER.to_owned(), origin: Origin::default(), kind };
        let commit = Commit { events: vec![event], ..Commit::default() };
        assert_eq!(store.commit(commit).await.expect("commits"), Committed::Done);
    }

    async fn times(store: &PostgresStore) -> Vec<u64> {
        let events = store.events(USER, Timestamp::from_millis(0), 100).await.expect("events");
        events.iter().map(|event| event.at.as_millis()).collect()
    }

    /// Tables of the first version, with events of long ago, of just now and of a time to come.
    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn r69_events_of_the_first_version_move_to_the_tables_of_their_months() {
        let cluster = Cluster::start();
        let url = cluster.database();
        let address = url.parse().expect("an address");
        let options = Options { connections: 4, ..Options::default() };
        let sql = |sql: &str| cluster.sql("test_0", sql);
        let now: u64 = sql("SELECT floor(extract(epoch FROM now()) * 1000)").parse().expect("a number");
        let database = Arc::new(Database::new(&address, &options).expect("an address"));
        let mut connection = database.connection().await.expect("connects");
        let client: &mut Client = &mut connection;
        let first = embedded::migrations::runner().set_target(refinery::Target::Version(1));
        first.run_async(client).await.expect("migrates");
        for (seq, at) in [now, now - 400 * DAY, now + 25 * DAY, now + 200 * DAY].into_iter().enumerate() {
            let kind = EventKind::EnrollmentStarted { id: seq.to_string() };
            let at = Timestamp::from_millis(at);
            let event = Event { at, user: USER.to_owned(), origin: Origin::default(), kind };
            let bytes = matrix_2fa_store::codec::encode("event", &event).expect("encodes");
            let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
            let at = at.as_millis();
            sql(&format!("INSERT INTO events (at, user_id, event) VALUES ({at}, '{USER}', '\\x{hex}')"));
        }
        drop(connection);

        let store = PostgresStore::open(&address, options).await.expect("opens and migrates");
        let all = [now - 400 * DAY, now, now + 25 * DAY, now + 200 * DAY];
        assert_eq!(times(&store).await, all);
        let count = |table: &str| sql(&format!("SELECT count(*) FROM {table}"));
        assert_eq!((count("events_before").as_str(), count("events_other").as_str()), ("1", "1"));
        let month = |of: u64| {
            sql(&format!("SELECT 'events_' || to_char(to_timestamp({of} / 1000) AT TIME ZONE 'UTC', 'YYYY_MM')"))
        };
        assert_ne!(count(&month(now)), "0");

        // Made ahead, and new ones go there; what waited for its month moves when that is made.
        append(&store, now + 26 * DAY).await;
        assert_ne!(count(&month(now + 26 * DAY)), "0");
        sql(&format!("SELECT events_month(to_timestamp({} / 1000))", now + 200 * DAY));
        assert_eq!((count("events_other").as_str(), count(&month(now + 200 * DAY)).as_str()), ("0", "1"));
        // Again, with nothing to do.
        months::make(&database).await;

        // Kept long enough.
        sql("DROP TABLE events_before");
        assert_eq!(times(&store).await, [now, now + 25 * DAY, now + 26 * DAY, now + 200 * DAY]);
        let again = PostgresStore::open(&address, Options { connections: 4, ..Options::default() }).await;
        append(&again.expect("opens"), now - 400 * DAY).await;
        assert_eq!(count("events_other"), "1", "what has no table lies in the default one");
    }
}
