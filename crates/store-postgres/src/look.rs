//! A look at a database that changes nothing in it.

use matrix_2fa_core::Timestamp;

use crate::{Address, OpenError, Options, database::Database, failure::Failure, values};

const LOOK: &str = "\
SELECT current_setting('server_version'), current_setting('fsync') = 'on' AND current_setting('full_page_writes') = 'on',
       (extract(epoch FROM clock_timestamp()) * 1000)::bigint";

/// What is known of a database before it is used.
#[derive(Clone, Debug)]
pub struct Look {
    /// The version of PostgreSQL, in its own words.
    pub version: String,
    /// Does it write so that a power cut loses nothing? (`fsync` and `full_page_writes`; what the disk promises is not seen.)
    pub durable: bool,
    /// Its clock, which is the one that counts.
    pub clock: Timestamp,
}

impl Look {
    /// Connects once.
    pub async fn at(address: &Address) -> Result<Self, OpenError> {
        let database = Database::new(address, &Options::default()).map_err(OpenError::Unreachable)?;
        let unreachable = |failure: Failure| OpenError::Unreachable(failure.into_cause());
        let connection = database.connection().await.map_err(unreachable)?;
        let row = connection.query_one(LOOK, &[]).await.map_err(OpenError::Database)?;
        Ok(Self { version: row.get(0), durable: row.get(1), clock: values::time_from_sql(row.get(2)) })
    }
}
