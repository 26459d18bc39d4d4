use matrix_2fa_core::{Event, EventKind, event::Origin};
use matrix_2fa_store::{Expected, NewRecord, RecordChange};

use super::*;
use crate::shared::Damage;

/// A store that failed cannot try whether the disk can be written: it is not opened again until this is gone.
fn keep_shut(folder: &Path) {
    std::fs::create_dir(folder.join("probe")).unwrap();
}

async fn failed(damage: Damage) -> (SledStore, tempfile::TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let store = SledStore::open(folder.path(), Options::default()).unwrap();
    assert_eq!(store.commit(Commit::default()).await.unwrap(), Committed::Done);
    keep_shut(folder.path());
    store.slot.shared().unwrap().fail(damage, sled::Error::Unsupported("the disk".to_owned()));
    assert!(matches!(store.commit(Commit::default()).await, Err(StoreError::Unavailable(_))));
    assert!(matches!(store.sweep(Timestamp::default(), 1).await, Err(StoreError::Unavailable(_))));
    (store, folder)
}

#[tokio::test]
async fn after_a_failed_sync_nothing_is_written_and_what_is_whole_is_read() {
    let (store, _folder) = failed(Damage::NotDurable).await;
    assert_eq!(store.load("@a:b").await.unwrap(), StoredAccount::default());
    assert_eq!(store.records_of(Kind("session"), "@a:b").await.unwrap(), []);
}

#[tokio::test]
async fn after_a_failed_batch_nothing_is_read_either() {
    let (store, _folder) = failed(Damage::Unknown).await;
    assert!(matches!(store.load("@a:b").await, Err(StoreError::Unavailable(_))));
    assert!(matches!(store.record(Kind("session"), "key").await, Err(StoreError::Unavailable(_))));
    assert!(matches!(store.records_of(Kind("session"), "@a:b").await, Err(StoreError::Unavailable(_))));
    assert!(matches!(store.events("@a:b", Timestamp::default(), 1).await, Err(StoreError::Unavailable(_))));
}

/// Longer than the longest pause between two tries to open again.
const PATIENCE: std::time::Duration = std::time::Duration::from_secs(60);

async fn open_again(store: &SledStore, folder: &Path) {
    std::fs::remove_dir(folder.join("probe")).unwrap();
    let again = async {
        while store.slot.shared().is_err() || store.slot.shared().unwrap().writable().is_err() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(PATIENCE, again).await.unwrap();
}

fn put(key: &str) -> Commit {
    let records = vec![RecordChange::put(Kind("state"), key, Expected::Any, NewRecord::default())];
    Commit { records, ..Commit::default() }
}

/// Nobody commits to a store that refuses commits: so the thread that opens it again must be woken by who found the error.
#[tokio::test]
async fn a_failure_that_a_reader_found_is_mended_without_a_commit() {
    for damage in [Damage::NotDurable, Damage::Unknown] {
        let (store, folder) = failed(damage).await;
        open_again(&store, folder.path()).await;
        assert_eq!(store.commit(put("after")).await.unwrap(), Committed::Done);
        assert!(!folder.path().join("unsynced").exists());
    }
}

/// The disk forgets what it had synced, while the store is shut: here an older copy of everything is put in its place.
#[tokio::test]
async fn acknowledged_commits_that_are_missing_keep_the_store_shut() {
    let folder = tempfile::tempdir().unwrap();
    let old = tempfile::tempdir().unwrap();
    let store = SledStore::open(folder.path(), Options::default()).unwrap();
    let copy = |from: &Path, to: &Path| {
        for name in ["db", "redo.0", "redo.1"] {
            std::fs::copy(from.join(name), to.join(name)).unwrap();
        }
    };
    assert_eq!(store.commit(put("old")).await.unwrap(), Committed::Done);
    copy(folder.path(), old.path());
    assert_eq!(store.commit(put("new")).await.unwrap(), Committed::Done);
    keep_shut(folder.path());
    store.slot.shared().unwrap().fail(Damage::NotDurable, sled::Error::Unsupported("the disk".to_owned()));
    copy(old.path(), folder.path());
    std::fs::remove_dir(folder.path().join("probe")).unwrap();
    let found = async {
        while !folder.path().join("lost").exists() {
            assert!(matches!(store.commit(put("other")).await, Err(StoreError::Unavailable(_))));
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(PATIENCE, found).await.unwrap();
    assert!(matches!(store.commit(put("other")).await, Err(StoreError::Unavailable(_))));
    assert!(matches!(store.record(Kind("state"), "old").await, Err(StoreError::Unavailable(_))));
    drop(store);
    // Nor does a restart pass over it, until a person has said so.
    for _ in 0..2 {
        let refused = SledStore::open(folder.path(), Options::default()).err().unwrap();
        assert!(matches!(refused, OpenError::Lost { .. }), "{refused}");
    }
    std::fs::remove_file(folder.path().join("lost")).unwrap();
    let store = SledStore::open(folder.path(), Options::default()).unwrap();
    assert!(store.record(Kind("state"), "old").await.unwrap().is_some());
    assert!(store.record(Kind("state"), "new").await.unwrap().is_none());
}

/// What it gave may not be on disk, or half a batch; and in the store that is opened next nobody kept the past for it.
#[tokio::test]
async fn an_export_ends_when_the_store_fails_under_it() {
    for damage in [Damage::NotDurable, Damage::Unknown] {
        let folder = tempfile::tempdir().unwrap();
        let store = SledStore::open(folder.path(), Options::default()).unwrap();
        let next = NewRecord { expires_at: Some(Timestamp::from_millis(1)), ..NewRecord::default() };
        let records = vec![RecordChange::put(Kind("session"), "one", Expected::Any, next)];
        assert_eq!(store.commit(Commit { records, ..Commit::default() }).await.unwrap(), Committed::Done);
        let shared = store.slot.shared().unwrap();
        let each: EachEntry = Box::new(move |_| {
            shared.fail(damage, sled::Error::Unsupported("the disk".to_owned()));
            Ok(())
        });
        assert!(matches!(store.export(each).await, Err(StoreError::Unavailable(_))));
    }
}

/// Whoever has a factor can make events all day; a page that shows the last ones must not read them all.
#[tokio::test]
async fn r22_the_last_events_are_read_without_the_first_ones() {
    let folder = tempfile::tempdir().unwrap();
    let store = SledStore::open(folder.path(), Options::default()).unwrap();
    let kind = EventKind::EnrollmentStarted { id: "x".repeat(1000) };
    let at = |ms| Event {
        at: Timestamp::from_millis(ms),
        user: "@a:b".to_owned(),
        origin: Origin::default(),
        kind: kind.clone(),
    };
    for ms in 0..300 {
        assert_eq!(store.commit(Commit { events: vec![at(ms)], ..Commit::default() }).await.unwrap(), Committed::Done);
    }
    // The block of the first events is lost: who reads it hears of it, and who needs the last ones does not come that far.
    let shared = store.slot.shared().unwrap();
    let [(first, _)] = shared.range(&crate::overlay::prefixed(crate::keys::EVENTS), 1).unwrap().try_into().unwrap();
    shared.overlay_mut().apply(vec![(first, None)], 0);
    assert_eq!(store.events("@a:b", Timestamp::default(), 30).await.unwrap(), (270..300).map(at).collect::<Vec<_>>());
    assert!(matches!(store.events("@a:b", Timestamp::default(), 300).await, Err(StoreError::Corrupt { .. })));
}
