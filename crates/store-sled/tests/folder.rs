//! The folder of a store: kept over a restart, owned by one process, refused with a reason.

#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "tests, whose child processes report on stdout")]

use std::{
    env,
    error::Error,
    fs,
    io::{BufRead, BufReader},
    os::unix::{fs::PermissionsExt, process::CommandExt},
    path::Path,
    process::{Command, Stdio},
};

use matrix_2fa_core::{Account, Event, EventKind, Timestamp, event::Origin};
use matrix_2fa_store::{AccountChange, Commit, Committed, Expected, Kind, NewRecord, RecordChange, Store, StoreError};
use matrix_2fa_store_sled::{MAX_VALUE_BYTES, OpenError, Options, SledStore};

const SESSION: Kind = Kind("session");
const USER: &str = "@a:b";
/// Tells the child process which folder to open.
const FOLDER: &str = "STORE_TEST_FOLDER";

fn open(folder: &Path) -> Result<SledStore, OpenError> {
    SledStore::open(folder, Options::default())
}

fn refused(folder: &Path) -> OpenError {
    open(folder).err().unwrap()
}

fn put(key: &str, bytes: Vec<u8>, expires_at: Option<Timestamp>) -> RecordChange {
    RecordChange::put(SESSION, key, Expected::Any, NewRecord { bytes, user: Some(USER.to_owned()), expires_at })
}

fn event() -> Event {
    Event { at: Timestamp::from_millis(5), user: USER.to_owned(), origin: Origin::default(), kind: EventKind::Disabled }
}

#[tokio::test]
async fn reopening_keeps_everything() {
    let folder = tempfile::tempdir().unwrap();
    let expiry = Some(Timestamp::from_millis(7));
    for opened in 0..5 {
        let store = open(folder.path()).unwrap();
        let stored = store.load(USER).await.unwrap();
        assert_eq!(stored.version, opened);
        assert_eq!(store.events(USER, Timestamp::default(), 100).await.unwrap().len() as u64, opened);
        let listed = store.records_of(SESSION, USER).await.unwrap();
        assert_eq!(listed.len() as u64, opened);
        assert!(listed.iter().all(|(key, record)| record.bytes == key.as_bytes() && record.expires_at == expiry));
        let key = opened.to_string();
        let commit = Commit {
            account: Some(AccountChange { user: USER.to_owned(), expected: opened, account: Account::default() }),
            events: vec![event()],
            records: vec![put(&key, key.clone().into_bytes(), expiry)],
        };
        assert_eq!(store.commit(commit).await.unwrap(), Committed::Done);
    }
    let store = open(folder.path()).unwrap();
    assert_eq!(store.sweep(Timestamp::from_millis(7), 100).await.unwrap(), 5);
    drop(store);
    assert_eq!(open(folder.path()).unwrap().records_of(SESSION, USER).await.unwrap(), []);
}

/// A process that is killed while it opens leaves half a snapshot, which sled would take for the newest one.
#[test]
fn half_a_snapshot_does_not_keep_a_store_shut() {
    let folder = tempfile::tempdir().unwrap();
    drop(open(folder.path()).unwrap());
    for (half, bytes) in
        [("snap.00000000000000F0.generating", &b""[..]), ("snap.FFFFFFFFFFFFFFF0.generating", &[7; 99])]
    {
        fs::write(folder.path().join(half), bytes).unwrap();
        drop(open(folder.path()).unwrap());
        assert!(!folder.path().join(half).exists());
    }
}

#[test]
fn the_folder_is_free_as_soon_as_the_store_is_dropped() {
    let folder = tempfile::tempdir().unwrap();
    for _ in 0..50 {
        drop(open(folder.path()).unwrap());
    }
}

#[test]
fn a_second_process_is_told_that_the_folder_is_in_use() {
    if let Some(folder) = env::var_os(FOLDER) {
        let _store = open(Path::new(&folder)).unwrap();
        println!("open");
        std::io::stdin().lines().next();
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let mut child = Command::new(env::current_exe().unwrap())
        .args(["a_second_process_is_told_that_the_folder_is_in_use", "--exact", "--nocapture"])
        .env(FOLDER, folder.path())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap()).lines();
    assert!(lines.map(Result::unwrap).any(|line| line.contains("open")));

    let error = refused(folder.path());
    assert!(matches!(error, OpenError::Locked { .. }), "{error:?}");
    assert!(error.to_string().contains("in use by another process"));
    assert!(error.to_string().contains(folder.path().to_str().unwrap()));

    child.kill().unwrap();
    child.wait().unwrap();
    let _store = open(folder.path()).unwrap();
    assert!(matches!(refused(folder.path()), OpenError::Locked { .. }), "the same process counts too");
}

#[test]
fn a_newer_format_is_refused_and_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    drop(open(folder.path()).unwrap());
    with_sled(folder.path(), |db| drop(db.insert("mformat", &3u32.to_be_bytes()).unwrap()));
    for _ in 0..2 {
        let error = refused(folder.path());
        assert!(matches!(error, OpenError::Newer { found: 3, .. }), "{error:?}");
        assert!(error.to_string().contains("format 3"), "{error}");
    }
    with_sled(folder.path(), |db| assert_eq!(&*db.get("mstarts").unwrap().unwrap(), 1u32.to_be_bytes()));
}

#[test]
fn the_database_of_another_program_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    with_sled(folder.path(), |db| drop(db.insert("theirs", "data").unwrap()));
    let error = refused(folder.path());
    assert!(matches!(error, OpenError::Foreign { .. }), "{error:?}");

    let folder = tempfile::tempdir().unwrap();
    drop(sled::open(folder.path()).unwrap());
    let error = refused(folder.path());
    assert!(matches!(error, OpenError::Database { .. }), "{error:?}");
    assert!(error.source().is_some());
}

fn with_sled(folder: &Path, work: impl FnOnce(&sled::Db)) {
    let config = sled::Config::new().path(folder).segment_size(8 * 1024 * 1024);
    // sled's own lock outlives a dropped database by a moment.
    let db = std::iter::repeat_with(|| config.open()).take(1_000_000).find_map(Result::ok).unwrap();
    work(&db);
    db.flush().unwrap();
}

#[test]
fn a_path_that_cannot_be_a_store_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("file");
    fs::write(&file, "").unwrap();
    let store = folder.path().join("store");
    fs::create_dir_all(store.join("db")).unwrap();
    for path in [&file, &file.join("below"), &store] {
        let error = refused(path);
        assert!(matches!(error, OpenError::Folder { .. }), "{error:?}");
        assert!(error.to_string().contains(path.to_str().unwrap()), "{error}");
        assert!(error.source().is_some());
    }
}

#[test]
fn a_folder_that_may_not_be_written_is_refused() {
    if let Some(folder) = env::var_os(FOLDER) {
        let error = refused(Path::new(&folder));
        assert!(matches!(error, OpenError::Folder { .. }), "{error:?}");
        println!("{error}: {}", error.source().unwrap());
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let fresh = folder.path().join("fresh");
    let used = folder.path().join("used");
    fs::create_dir(&fresh).unwrap();
    drop(open(&used).unwrap());
    let binary = folder.path().join("child");
    fs::copy(env::current_exe().unwrap(), &binary).unwrap();
    for path in [&fresh, &used, &used.join("db"), &used.join("lock"), &used.join("conf"), &binary] {
        let mode = if path.is_dir() || *path == binary { 0o555 } else { 0o444 };
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    }
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).unwrap();
    for path in [fresh, used] {
        let mut child = Command::new(&binary);
        child.args(["a_folder_that_may_not_be_written_is_refused", "--exact", "--nocapture"]).env(FOLDER, &path);
        if fs::write(folder.path().join("fresh/probe"), "").is_ok() {
            // Root writes everywhere: somebody else has to try.
            fs::remove_file(folder.path().join("fresh/probe")).unwrap();
            child.uid(65_534).gid(65_534);
        }
        let output = child.output().unwrap();
        let said = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success(), "{said} {}", String::from_utf8_lossy(&output.stderr));
        assert!(said.contains(path.to_str().unwrap()) && said.contains("Permission denied"), "{said}");
    }
}

#[cfg(unix)]
#[test]
fn a_new_folder_is_for_its_owner_only() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a/b");
    drop(open(&path).unwrap());
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o700);
}

/// What sled puts into `blobs/` is never synced.
#[tokio::test]
async fn the_largest_values_stay_in_the_log() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path()).unwrap();
    let largest = MAX_VALUE_BYTES - 100;
    for round in 0..3u8 {
        for n in 0..100 {
            let change = put(&format!("{n:03}"), vec![round; largest], None);
            let commit = Commit { records: vec![change], ..Commit::default() };
            assert_eq!(store.commit(commit).await.unwrap(), Committed::Done);
        }
    }
    assert_eq!(fs::read_dir(folder.path().join("blobs")).unwrap().count(), 0);
    drop(store);
    let store = open(folder.path()).unwrap();
    let listed = store.records_of(SESSION, USER).await.unwrap();
    assert_eq!(listed.len(), 100);
    assert!(listed.iter().all(|(_, record)| record.version == 3 && record.bytes == vec![2; largest]));
    assert_eq!(fs::read_dir(folder.path().join("blobs")).unwrap().count(), 0);
}

#[tokio::test]
async fn a_value_that_is_too_large_is_refused_with_its_whole_commit() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path()).unwrap();
    let records = vec![put("small", vec![1], None), put("large", vec![1; MAX_VALUE_BYTES + 1], None)];
    let commit = Commit { events: vec![event()], records, ..Commit::default() };
    assert!(matches!(store.commit(commit).await, Err(StoreError::Corrupt { what: "record", .. })));
    assert_eq!(store.records_of(SESSION, USER).await.unwrap(), []);
    assert_eq!(store.events(USER, Timestamp::default(), 10).await.unwrap(), []);
}

/// Records that expire are a journal with an index in memory: opening the store must find each of them as it was.
#[tokio::test]
async fn what_expires_keeps_its_version_over_a_restart_and_can_be_used_up_once() {
    let folder = tempfile::tempdir().unwrap();
    let expiry = Some(Timestamp::from_millis(1000));
    for journal_bytes in [usize::MAX, 0, usize::MAX] {
        let options = || Options { journal_bytes, ..Options::default() };
        let store = SledStore::open(folder.path(), options()).unwrap();
        for bytes in [vec![1], vec![2]] {
            let records = vec![put("used", bytes.clone(), expiry), put("kept", bytes, expiry)];
            assert_eq!(store.commit(Commit { records, ..Commit::default() }).await.unwrap(), Committed::Done);
        }
        drop(store);
        let use_up = || Commit {
            records: vec![RecordChange::delete(SESSION, "used", Expected::Version(2))],
            ..Commit::default()
        };
        for expected in [Committed::Done, Committed::Conflict, Committed::Conflict] {
            let store = SledStore::open(folder.path(), options()).unwrap();
            assert_eq!(store.commit(use_up()).await.unwrap(), expected);
            let listed = store.records_of(SESSION, USER).await.unwrap();
            assert!(
                matches!(listed.as_slice(), [(key, record)] if key == "kept" && record.version == 2 && record.bytes == [2])
            );
        }
        let store = SledStore::open(folder.path(), options()).unwrap();
        assert_eq!(store.sweep(Timestamp::from_millis(1000), 10).await.unwrap(), 1);
        drop(store);
        let store = SledStore::open(folder.path(), options()).unwrap();
        assert_eq!(store.record(SESSION, "kept").await.unwrap(), None);
        assert_eq!(store.sweep(Timestamp::from_millis(u64::MAX), 10).await.unwrap(), 0);
    }
}

#[tokio::test]
async fn blocks_of_the_journal_go_when_nothing_in_them_matters() {
    let blocks = |folder: &Path| {
        let mut count = 0;
        with_sled(folder, |db| count = db.scan_prefix("j").count());
        count
    };
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path()).unwrap();
    let commit = async |change| {
        let commit = Commit { records: vec![change], ..Commit::default() };
        assert_eq!(store.commit(commit).await.unwrap(), Committed::Done);
    };
    let key = |n: u64| n.to_string();
    for n in 0..300 {
        commit(put(&key(n), vec![1; 400], Some(Timestamp::from_millis(n)))).await;
        if n >= 3 {
            commit(RecordChange::delete(SESSION, key(n - 3), Expected::Version(1))).await;
        }
    }
    assert_eq!(store.sweep(Timestamp::from_millis(298), 10).await.unwrap(), 2);
    commit(put("last", vec![1], None)).await;
    drop(store);
    assert!(blocks(folder.path()) <= 4, "one session is left, and {} blocks", blocks(folder.path()));
    let store = open(folder.path()).unwrap();
    assert_eq!(store.sweep(Timestamp::from_millis(u64::MAX), 10).await.unwrap(), 1);
}
