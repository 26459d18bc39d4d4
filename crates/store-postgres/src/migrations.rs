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
