//! Tables for the events of the months to come, made ahead: a table that is missing is made only by moving what has come for it meanwhile.
//! Tables that are old enough are the operator's to drop.

use std::{
    sync::{Arc, Weak},
    time::Duration,
};

use crate::database::Database;

/// This month and the two after it.
const MAKE: &str = "SELECT events_month(now() + make_interval(months => n)) FROM generate_series(0, 2) AS n";

/// Often enough, and long before a month that is not there yet.
const INTERVAL: Duration = Duration::from_secs(24 * 60 * 60);

/// Makes what is missing. That it failed (a long read, a role that may not) loses nothing: what has no table of its own lies in the default one.
pub async fn make(database: &Database) {
    if let Err(error) = database.rows(MAKE, &[]).await {
        let error = &error as &(dyn std::error::Error + 'static);
        tracing::warn!(error, "the tables for the events of the next months cannot be made");
    }
}

/// Does so for as long as the store is used.
pub fn watch(database: &Arc<Database>) {
    tokio::spawn(go_on(Arc::downgrade(database)));
}

async fn go_on(database: Weak<Database>) {
    loop {
        tokio::time::sleep(INTERVAL).await;
        let Some(database) = Weak::upgrade(&database) else { return };
        make(&database).await;
    }
}
