//! The suite over [`MemoryStore`].

use std::sync::Arc;

use matrix_2fa_store::{MemoryStore, Store, store_tests};

fn open() -> (Arc<dyn Store>, ()) {
    (Arc::new(MemoryStore::default()), ())
}

store_tests!(open);
matrix_2fa_store::export_tests!(open);
