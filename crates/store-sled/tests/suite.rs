//! The contract, kept by a store in a folder: once as it is set by default, once with no room in the journal, so that whatever expires
//! moves to the tree with the next group of commits, and once with a redo log that is always full, so that every row goes to the tree while
//! others read it.

#![expect(clippy::unwrap_used, reason = "tests")]

use std::sync::Arc;

use matrix_2fa_store::Store;
use matrix_2fa_store_sled::{Options, SledStore};

fn open(options: Options) -> (Arc<dyn Store>, tempfile::TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let store = SledStore::open(folder.path(), options).unwrap();
    (Arc::new(store), folder)
}

mod by_default {
    matrix_2fa_store::store_tests!(|| super::open(super::Options::default()));
    matrix_2fa_store::export_tests!(|| super::open(super::Options::default()));
}

mod without_a_journal {
    matrix_2fa_store::store_tests!(|| super::open(super::Options { journal_bytes: 0, ..Default::default() }));
    matrix_2fa_store::export_tests!(|| super::open(super::Options { journal_bytes: 0, ..Default::default() }));
}

mod with_a_full_redo_log {
    matrix_2fa_store::store_tests!(|| super::open(super::Options { redo_bytes: 0, ..Default::default() }));
    matrix_2fa_store::export_tests!(|| super::open(super::Options { redo_bytes: 0, ..Default::default() }));
}
