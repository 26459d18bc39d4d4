//! A disk that cannot be read just when the store is opened again. `strace` makes reads of the database fail: those that look whether it can
//! be read, which are `read`, and sled's own, which are `pread64`.

#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "tests, whose child process reports on stdout")]

use std::{env, path::Path, process::Command, time::Duration};

use matrix_2fa_store::{Commit, Expected, Kind, NewRecord, RecordChange, Store};
use matrix_2fa_store_sled::{OpenError, Options, SledStore};

const TEST: &str = "r66_a_disk_that_cannot_be_read_costs_nothing_acknowledged";
const OTHER: &str = "r66_whatever_sled_makes_of_a_failed_read_is_never_taken_for_the_store";
const FOLDER: &str = "STORE_READ_FOLDER";
const STATE: Kind = Kind("state");
/// The child's store is tried to be opened again after 100, 200, 400 and 800 ms; it looks at it so often, 10 ms apart.
const LOOKS: usize = 250;
const COMMITS: usize = 40;

/// Everything moves to the tree at once, so that what is acknowledged depends on sled's file.
fn open(folder: &Path) -> Result<SledStore, OpenError> {
    SledStore::open(folder, Options { redo_bytes: 0, ..Options::default() })
}

#[tokio::test]
async fn r66_a_disk_that_cannot_be_read_costs_nothing_acknowledged() {
    if let Some(folder) = env::var_os(FOLDER) {
        return commit_through_an_error(Path::new(&folder)).await;
    }
    let folder = tempfile::tempdir().unwrap();
    let (failed, acknowledged) = under_strace(TEST, folder.path(), "inject=read:error=EIO:when=1..3");
    assert_eq!(failed, 3);
    for _ in 0..2 {
        assert_all_there(&open(folder.path()).unwrap(), &acknowledged).await;
    }
}

/// It takes that for the end of its log, or for an empty one, and writes over what is there.
#[tokio::test]
async fn r66_whatever_sled_makes_of_a_failed_read_is_never_taken_for_the_store() {
    if let Some(folder) = env::var_os(FOLDER) {
        return commit_through_an_error(Path::new(&folder)).await;
    }
    for when in ["1", "2"] {
        let folder = tempfile::tempdir().unwrap();
        // Each thread counts for itself.
        let inject = format!("inject=pread64:error=EIO:when={when}");
        let (failed, acknowledged) = under_strace(OTHER, folder.path(), &inject);
        assert!(failed > 0);
        match open(folder.path()) {
            Ok(store) => assert_all_there(&store, &acknowledged).await,
            Err(error) => println!("{error}"),
        }
    }
}

async fn assert_all_there(store: &SledStore, acknowledged: &[String]) {
    for number in acknowledged {
        assert!(store.record(STATE, number).await.unwrap().is_some(), "commit {number} is gone");
    }
}

/// Runs this test again on a folder: how many reads failed, and what was acknowledged.
fn under_strace(test: &str, folder: &Path, inject: &str) -> (usize, Vec<String>) {
    let trace = tempfile::NamedTempFile::new().unwrap();
    let output = Command::new("strace")
        .args(["-f", "-qq", "-s", "1", "-e", "signal=none", "-e", "trace=read,pread64,fdatasync", "-P"])
        .arg(folder.join("db"))
        // The thirtieth sync, when a group moves to the tree, is the failure that the store is opened again for.
        .args(["-e", "inject=fdatasync:error=EIO:when=30", "-e", inject, "-o"])
        .arg(trace.path())
        .arg(env::current_exe().unwrap())
        .args([test, "--exact", "--nocapture"])
        .env(FOLDER, folder)
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{said}{}", String::from_utf8_lossy(&output.stderr));
    let trace = std::fs::read_to_string(trace.path()).unwrap();
    let failed = trace.lines().filter(|line| line.contains("read") && line.contains("INJECTED")).count();
    let acknowledged: Vec<_> = said.lines().filter_map(|line| line.strip_prefix("ack ")).map(str::to_owned).collect();
    assert!(acknowledged.len() > 10, "{said}");
    (failed, acknowledged)
}

/// Commits, and goes on for a while when the store is shut.
async fn commit_through_an_error(folder: &Path) {
    let store = open(folder).unwrap();
    let mut looks = tokio::time::interval(Duration::from_millis(10));
    let mut shut = 0;
    for number in 0..COMMITS {
        let next = NewRecord { bytes: vec![7; 3000], ..NewRecord::default() };
        let records = vec![RecordChange::put(STATE, number.to_string(), Expected::Any, next)];
        while let Err(_shut) = store.commit(Commit { records: records.clone(), ..Commit::default() }).await {
            shut += 1;
            if shut >= LOOKS {
                return;
            }
            looks.tick().await;
        }
        println!("ack {number}");
    }
}
