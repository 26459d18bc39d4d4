//! The suite over [`SledStore`].

#![expect(clippy::unwrap_used, reason = "tests")]

use std::sync::Arc;

use matrix_2fa_store::{Store, store_tests};
use matrix_2fa_store_sled::{Options, SledStore};
use tempfile::TempDir;

fn open() -> (Arc<dyn Store>, TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let store = SledStore::open(folder.path(), Options::default()).unwrap();
    (Arc::new(store), folder)
}

store_tests!(open);
matrix_2fa_store::export_tests!(open);
