//! A disk that is full, cannot be written, or lost the end of what was written last.
//!
//! The full one is a small tmpfs in a mount namespace of its own: this binary runs itself in it, and it is gone with the process.

#![expect(clippy::unwrap_used, reason = "tests")]

use std::{
    env,
    fs::{self, File},
    io::Write,
    path::Path,
    process::Command,
    time::Duration,
};

use matrix_2fa_core::{Account, Timestamp};
use matrix_2fa_store::{AccountChange, Commit, Committed, Expected, Kind, NewRecord, RecordChange, Store, StoreError};
use matrix_2fa_store_sled::{OpenError, Options, SledStore};

const STATE: Kind = Kind("state");
const FOLDER: &str = "STORE_DISK_FOLDER";

/// Longer than the longest pause between two tries to open again.
const PATIENCE: Duration = Duration::from_secs(60);

fn open(folder: &Path) -> Result<SledStore, OpenError> {
    SledStore::open(folder, Options::default())
}

/// A commit of about 20 KiB: account, and a record with a number.
fn numbered(number: u64) -> Commit {
    let bytes = number.to_be_bytes().repeat(2500);
    let user = format!("@{number}:b");
    let record = NewRecord { bytes, user: Some(user.clone()), expires_at: None };
    Commit {
        account: Some(AccountChange { user, expected: 0, account: Account::default() }),
        records: vec![RecordChange::put(STATE, number.to_string(), Expected::Absent, record)],
        ..Commit::default()
    }
}

/// Whole or not there at all.
async fn is_there(store: &SledStore, number: u64) -> bool {
    let user = format!("@{number}:b");
    let version = store.load(&user).await.unwrap().version;
    let record = store.record(STATE, &number.to_string()).await.unwrap();
    assert_eq!(version == 1, record.is_some(), "half of commit {number}");
    assert_eq!(store.records_of(STATE, &user).await.unwrap().len() as u64, version);
    record.is_some_and(|record| record.bytes == number.to_be_bytes().repeat(2500))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn r66_a_full_disk_is_unavailable_and_recovers_without_a_restart() {
    let test = "r66_a_full_disk_is_unavailable_and_recovers_without_a_restart";
    let Some(folder) = env::var_os(FOLDER) else { return in_a_small_disk(test) };
    let folder = Path::new(&folder);
    let store = open(&folder.join("store")).unwrap();
    let (mut next, mut acknowledged) = (0, Vec::new());
    for round in 0..3 {
        for _ in 0..20 {
            assert_eq!(store.commit(numbered(next)).await.unwrap(), Committed::Done);
            acknowledged.push(next);
            next += 1;
        }
        fill(folder);
        let failed = loop {
            let answer = store.commit(numbered(next)).await;
            next += 1;
            match answer {
                Ok(_) => acknowledged.push(next - 1),
                Err(error) => break error,
            }
        };
        assert!(matches!(failed, StoreError::Unavailable(_)), "round {round}: {failed:?}");
        for _ in 0..10 {
            let refused = store.commit(numbered(u64::MAX)).await;
            assert!(matches!(refused, Err(StoreError::Unavailable(_))), "round {round}: {refused:?}");
            assert!(matches!(store.sweep(Timestamp::default(), 1).await, Err(StoreError::Unavailable(_))));
        }

        fs::remove_file(folder.join("filler")).unwrap();
        let again = async {
            let mut tries = tokio::time::interval(Duration::from_millis(10));
            loop {
                tries.tick().await;
                next += 1;
                if store.commit(numbered(next)).await.is_ok() {
                    break;
                }
            }
        };
        tokio::time::timeout(PATIENCE, again).await.unwrap();
        acknowledged.push(next);
        next += 1;
        for number in &acknowledged {
            assert!(is_there(&store, *number).await, "round {round}: commit {number} is gone");
        }
        assert!(!is_there(&store, u64::MAX).await);
    }
    drop(store);
    let store = open(&folder.join("store")).unwrap();
    for number in acknowledged {
        assert!(is_there(&store, number).await, "commit {number} is gone");
    }
}

/// Runs this test again in a mount namespace with a small tmpfs. Root is not needed where user namespaces are allowed.
fn in_a_small_disk(test: &str) {
    let folder = tempfile::tempdir().unwrap();
    let script = r#"mount -t tmpfs -o size=40m none "$0" && exec "$1" "$2" --exact --nocapture"#;
    let output = Command::new("unshare")
        .args(["--map-root-user", "--mount", "sh", "-c", script])
        .args([folder.path().as_os_str(), env::current_exe().unwrap().as_os_str(), test.as_ref()])
        .env(FOLDER, folder.path())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && said.contains("1 passed"), "{said}");
}

fn fill(folder: &Path) {
    let mut file = File::create(folder.join("filler")).unwrap();
    for size in [1024 * 1024, 4096, 1] {
        while file.write_all(&vec![0; size]).is_ok() {}
    }
}

#[tokio::test]
async fn r66_a_store_that_cannot_be_written_is_refused_by_name() {
    let test = "r66_a_store_that_cannot_be_written_is_refused_by_name";
    let Some(folder) = env::var_os(FOLDER) else { return in_a_small_disk(test) };
    let folder = Path::new(&folder);
    let store = open(&folder.join("store")).unwrap();
    assert_eq!(store.commit(numbered(1)).await.unwrap(), Committed::Done);
    drop(store);
    let mount = |options: &str| {
        assert!(Command::new("mount").args(["-o", options]).arg(folder).status().unwrap().success());
    };
    mount("remount,ro");
    for _ in 0..2 {
        let error = open(&folder.join("store")).err().unwrap();
        assert!(matches!(error, OpenError::Folder { .. }), "{error:?}");
        assert!(error.to_string().contains("writable disk"), "{error}");
    }
    mount("remount,rw");
    assert!(is_there(&open(&folder.join("store")).unwrap(), 1).await);
}

/// What was written last and never synced may be cut anywhere. Everything synced before it is there.
#[tokio::test]
async fn r66_a_truncated_last_write_takes_nothing_else_with_it() {
    let folder = tempfile::tempdir().unwrap();
    let log = folder.path().join("db");
    let store = open(folder.path()).unwrap();
    for number in 0..5 {
        assert_eq!(store.commit(numbered(number)).await.unwrap(), Committed::Done);
    }
    let synced = fs::read(&log).unwrap();
    assert_eq!(store.commit(numbered(5)).await.unwrap(), Committed::Done);
    let all = fs::read(&log).unwrap();
    drop(store);
    let first = synced.iter().zip(&all).position(|(a, b)| a != b).unwrap_or(synced.len());
    let last = all.iter().rposition(|byte| *byte != 0).unwrap();
    for cut in (first..=last).step_by((last - first) / 40 + 1) {
        let copy = tempfile::tempdir().unwrap();
        fs::copy(folder.path().join("conf"), copy.path().join("conf")).unwrap();
        fs::write(copy.path().join("db"), all.get(..cut).unwrap()).unwrap();
        let store = open(copy.path()).unwrap();
        for number in 0..5 {
            assert!(is_there(&store, number).await, "cut at {cut}: commit {number} is gone");
        }
        is_there(&store, 5).await;
        assert_eq!(store.commit(numbered(6)).await.unwrap(), Committed::Done);
    }
}
