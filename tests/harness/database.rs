//! PostgreSQL for the suite: one cluster, started when the first test needs it; every server gets a database of its own.

use std::sync::LazyLock;

use matrix_2fa_store_postgres::cluster::Cluster;

/// The cluster of this run.
pub fn cluster() -> &'static Cluster {
    static CLUSTER: LazyLock<Cluster> = LazyLock::new(Cluster::start);
    &CLUSTER
}
