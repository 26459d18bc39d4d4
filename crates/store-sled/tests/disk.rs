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
    let log = folder.path().join("redo.0");
    let store = open(folder.path()).unwrap();
    for number in 0..5 {
        assert_eq!(store.commit(numbered(number)).await.unwrap(), Committed::Done);
    }
    let first = fs::read(&log).unwrap().len();
    assert_eq!(store.commit(numbered(5)).await.unwrap(), Committed::Done);
    let all = fs::read(&log).unwrap();
    let files = Files::read(folder.path());
    drop(store);
    for cut in (first..=all.len()).step_by((all.len() - first) / 40 + 1).chain([all.len() - 600, all.len()]) {
        for rest in [None, Some(0), Some(0x5a)] {
            let mut redo = all.get(..cut).unwrap().to_vec();
            rest.iter().for_each(|rest| redo.resize(all.len(), *rest));
            let copy = Files { redo: [redo, files.redo[1].clone()], ..files.clone() }.write();
            let store = open(copy.path()).unwrap();
            for number in 0..5 {
                assert!(is_there(&store, number).await, "cut at {cut}: commit {number} is gone");
            }
            assert_eq!(is_there(&store, 5).await, cut == all.len());
            assert_eq!(store.commit(numbered(6)).await.unwrap(), Committed::Done);
            drop(store);
            assert!(is_there(&open(copy.path()).unwrap(), 6).await);
        }
    }
}

/// The files of a store, while it is open or after that.
#[derive(Clone)]
struct Files {
    conf: Vec<u8>,
    db: Vec<u8>,
    redo: [Vec<u8>; 2],
}

impl Files {
    fn read(folder: &Path) -> Self {
        let [conf, db, first, second] =
            ["conf", "db", "redo.0", "redo.1"].map(|name| fs::read(folder.join(name)).unwrap());
        Self { conf, db, redo: [first, second] }
    }

    fn write(&self) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        let [first, second] = &self.redo;
        for (name, bytes) in [("conf", &self.conf), ("db", &self.db), ("redo.0", first), ("redo.1", second)] {
            fs::write(folder.path().join(name), bytes).unwrap();
        }
        folder
    }
}

fn damaged(files: &Files) -> String {
    let folder = files.write();
    let mut said = None;
    // However often it is tried.
    for _ in 0..2 {
        let error = open(folder.path()).err().unwrap();
        assert!(matches!(error, OpenError::Damaged { .. }), "{error:?}");
        said = Some(format!("{error:?}"));
    }
    said.unwrap()
}

/// Whoever is behind a broken group was acknowledged, and so was the broken one.
#[tokio::test]
async fn r66_a_redo_log_that_is_broken_in_the_middle_keeps_the_store_shut() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path()).unwrap();
    let mut ends = Vec::new();
    for number in 0..5 {
        assert_eq!(store.commit(numbered(number)).await.unwrap(), Committed::Done);
        ends.push(fs::read(folder.path().join("redo.0")).unwrap().len());
    }
    let files = Files::read(folder.path());
    for at in [0, 8, 24, 40, ends[0] / 2, ends[0] + 3, ends[2] + 500] {
        let mut broken = files.clone();
        broken.redo[0][at] ^= 1;
        assert!(damaged(&broken).contains("Hole"), "byte {at}");
    }
    // A sector that was never written.
    let mut broken = files.clone();
    broken.redo[0][ends[1]..ends[1] + 512].fill(0);
    assert!(damaged(&broken).contains("Hole"));
}

/// sled takes what it cannot read for the end of its log. What the tree lost by that is in the redo log, or known to be missing.
#[tokio::test]
async fn r66_a_tree_that_lost_its_end_is_brought_up_to_date_or_refused() {
    for (redo_bytes, whole) in [(u64::MAX, true), (50_000, false)] {
        let folder = tempfile::tempdir().unwrap();
        let store = SledStore::open(folder.path(), Options { redo_bytes, ..Options::default() }).unwrap();
        assert_eq!(store.commit(numbered(0)).await.unwrap(), Committed::Done);
        let db = fs::read(folder.path().join("db")).unwrap();
        for number in 1..20 {
            assert_eq!(store.commit(numbered(number)).await.unwrap(), Committed::Done);
        }
        drop(store);
        let files = Files { db, ..Files::read(folder.path()) };
        if !whole {
            assert!(damaged(&files).contains("Gap"));
            continue;
        }
        let folder = files.write();
        let store = open(folder.path()).unwrap();
        for number in 0..20 {
            assert!(is_there(&store, number).await, "commit {number} is gone");
        }
    }
}

#[tokio::test]
async fn r66_a_store_without_its_redo_log_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path()).unwrap();
    assert_eq!(store.commit(numbered(0)).await.unwrap(), Committed::Done);
    drop(store);
    for name in ["redo.0", "redo.1"] {
        let copy = Files::read(folder.path()).write();
        fs::remove_file(copy.path().join(name)).unwrap();
        let error = open(copy.path()).err().unwrap();
        assert!(matches!(error, OpenError::Damaged { .. }), "{error:?}");
    }
    let copy = Files::read(folder.path()).write();
    fs::remove_file(copy.path().join("db")).unwrap();
    fs::remove_file(copy.path().join("conf")).unwrap();
    let error = open(copy.path()).err().unwrap();
    assert!(matches!(error, OpenError::Foreign { .. }), "a log without a tree: {error:?}");
}

/// Before format 2 there was no redo log, and the tree had everything.
#[tokio::test]
async fn r69_a_store_of_format_1_opens_with_everything() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path()).unwrap();
    for number in 0..5 {
        assert_eq!(store.commit(numbered(number)).await.unwrap(), Committed::Done);
    }
    drop(store);
    let config = sled::Config::new().path(folder.path()).segment_size(8 * 1024 * 1024);
    // sled's own lock outlives a dropped database by a moment.
    let db = std::iter::repeat_with(|| config.open()).take(1_000_000).find_map(Result::ok).unwrap();
    db.insert("mformat", &1u32.to_be_bytes()).unwrap();
    db.remove("mgroup").unwrap();
    db.remove("msecret").unwrap();
    db.flush().unwrap();
    drop(db);
    for name in ["redo.0", "redo.1"] {
        fs::remove_file(folder.path().join(name)).unwrap();
    }
    for opened in 0..3 {
        let store = std::iter::repeat_with(|| open(folder.path())).find_map(Result::ok).unwrap();
        for number in 0..5 + opened {
            assert!(is_there(&store, number).await, "commit {number} is gone");
        }
        assert_eq!(store.commit(numbered(5 + opened)).await.unwrap(), Committed::Done);
    }
}
