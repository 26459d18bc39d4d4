//! Files that are made from the code and committed for people: a test compares them, and writes them if `UPDATE_DOCUMENTS` is set.

use std::{fs, path::Path};

/// Fails if the file of the repository is another.
#[track_caller]
pub fn compare(file: &str, made: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(file);
    if std::env::var_os("UPDATE_DOCUMENTS").is_some() {
        fs::write(&path, made).expect("the repository can be written");
    }
    let committed = fs::read_to_string(&path).unwrap_or_default();
    assert!(committed == made, "{file} is not what the code says: UPDATE_DOCUMENTS=1 cargo test -p matrix-2fa-cli");
}
