//! A disk that cannot be read for a while, just when the store is opened again. `strace` makes the calls fail.

#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "tests, whose child process reports on stdout")]

use std::{
    env, fs,
    path::Path,
    process::{Command, Stdio},
    time::Duration,
};

use matrix_2fa_store::{Commit, Committed, Expected, Kind, NewRecord, RecordChange, Store};
use matrix_2fa_store_sled::{Options, SledStore};

const TEST: &str = "r66_a_disk_that_cannot_be_read_costs_nothing_acknowledged";
const FOLDER: &str = "STORE_READ_FOLDER";
/// The child opens the store a second time, as another process would.
const AGAIN: &str = "STORE_READ_AGAIN";
const STATE: Kind = Kind("state");
const COMMITS: u64 = 40;
/// Longer than the longest pause between two tries to open again.
const PATIENCE: Duration = Duration::from_secs(60);

/// Everything moves to the tree at once, so that what is acknowledged depends on sled's file.
fn open(folder: &Path) -> SledStore {
    SledStore::open(folder, Options { redo_bytes: 0, ..Options::default() }).unwrap()
}

#[tokio::test]
async fn r66_a_disk_that_cannot_be_read_costs_nothing_acknowledged() {
    if let Some(folder) = env::var_os(FOLDER) {
        return commit_through_an_error(Path::new(&folder)).await;
    }
    // How often sled's file is read before anything fails (a new one hardly is).
    let folder = tempfile::tempdir().unwrap();
    let reads = under_strace(folder.path(), &[]).lines().filter(|line| line.contains("pread64(")).count();

    // A sync fails; and while the store is opened again, three reads.
    let folder = tempfile::tempdir().unwrap();
    let failing = format!("inject=pread64:error=EIO:when={}..{}", reads + 1, reads + 3);
    let trace = under_strace(folder.path(), &["-e", "inject=fdatasync:error=EIO:when=30", "-e", &failing]);
    assert_eq!(trace.lines().filter(|line| line.contains("pread64(") && line.contains("INJECTED")).count(), 3, "{trace}");
}

/// Runs this test again on a folder, under strace; its calls on sled's file.
fn under_strace(folder: &Path, inject: &[&str]) -> String {
    let trace = tempfile::NamedTempFile::new().unwrap();
    let output = Command::new("strace")
        .args(["-f", "-qq", "-s", "1", "-e", "signal=none", "-e", "trace=pread64,fdatasync", "-P"])
        .arg(folder.join("db"))
        .args(inject)
        .arg("-o")
        .arg(trace.path())
        .arg(env::current_exe().unwrap())
        .args([TEST, "--exact", "--nocapture"])
        .env(FOLDER, folder)
        .env(AGAIN, if inject.is_empty() { "" } else { "yes" })
        .stdout(Stdio::piped())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && said.contains("all there"), "{said}{}", String::from_utf8_lossy(&output.stderr));
    fs::read_to_string(trace.path()).unwrap()
}

async fn commit_through_an_error(folder: &Path) {
    let store = open(folder);
    let mut acknowledged = Vec::new();
    for number in 0..COMMITS {
        let put = async || {
            let next = NewRecord { bytes: vec![7; 3000], ..NewRecord::default() };
            let records = vec![RecordChange::put(STATE, number.to_string(), Expected::Any, next)];
            store.commit(Commit { records, ..Commit::default() }).await
        };
        let until_it_is_done = async {
            let mut tries = tokio::time::interval(Duration::from_millis(5));
            while put().await.is_err() {
                tries.tick().await;
            }
        };
        tokio::time::timeout(PATIENCE, until_it_is_done).await.unwrap();
        acknowledged.push(number);
    }
    for number in &acknowledged {
        assert!(store.record(STATE, &number.to_string()).await.unwrap().is_some(), "commit {number} is gone");
    }
    assert_eq!(store.commit(Commit::default()).await.unwrap(), Committed::Done);
    drop(store);
    if env::var_os(AGAIN).is_some_and(|again| again.is_empty()) {
        return println!("all there");
    }
    let store = open(folder);
    for number in &acknowledged {
        assert!(store.record(STATE, &number.to_string()).await.unwrap().is_some(), "commit {number} is gone");
    }
    println!("all there");
}
