//! The suite over [`PostgresStore`].

#![expect(clippy::unwrap_used, reason = "tests")]

use std::sync::{Arc, LazyLock};

use matrix_2fa_store::{Store, export_tests, store_tests};
use matrix_2fa_store_postgres::{Options, PostgresStore, cluster::Cluster};

/// One for all of them, each with a database of its own. It goes when the process does.
static CLUSTER: LazyLock<Cluster> = LazyLock::new(Cluster::start);

fn open() -> (Arc<dyn Store>, ()) {
    let open = async {
        let address = CLUSTER.database().parse().unwrap();
        PostgresStore::open(&address, Options { connections: 8, ..Options::default() }).await.unwrap()
    };
    let store = tokio::task::block_in_place(|| tokio::runtime::Handle::current().block_on(open));
    (Arc::new(store), ())
}

store_tests!(open);
export_tests!(open);
