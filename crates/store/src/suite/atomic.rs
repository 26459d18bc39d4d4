//! Accounts, and what joins their commit.

use std::sync::Arc;

use super::*;

pub async fn an_empty_store_has_nothing(store: Arc<dyn Store>) {
    for user in SIMILAR_USERS {
        let stored = store.load(user).await.unwrap();
        assert_eq!((stored.version, stored.account), (0, Account::default()));
        assert_eq!(store.records_of(SESSION, user).await.unwrap(), []);
        assert_eq!(store.events(user, at(0), 10).await.unwrap(), []);
    }
    assert_eq!(found(&*store, "key").await, None);
    assert_eq!(store.sweep(at(u64::MAX), 10).await.unwrap(), 0);
}

pub async fn a_committed_account_is_loaded(store: Arc<dyn Store>) {
    for expected in 0..5 {
        let name = format!("name {expected}");
        done(&*store, Commit { account: Some(change("@a:b", expected, &name)), ..Commit::default() }).await;
        let stored = store.load("@a:b").await.unwrap();
        assert_eq!((stored.version, stored.account), (expected + 1, account(&name)));
    }
}

pub async fn accounts_of_similar_users_are_apart(store: Arc<dyn Store>) {
    for user in SIMILAR_USERS {
        done(&*store, Commit { account: Some(change(user, 0, user)), ..Commit::default() }).await;
    }
    for user in SIMILAR_USERS {
        let stored = store.load(user).await.unwrap();
        assert_eq!((stored.version, stored.account), (1, account(user)), "{user:?}");
    }
}

pub async fn a_stale_account_version_changes_nothing(store: Arc<dyn Store>) {
    done(&*store, Commit { account: Some(change("@a:b", 0, "first")), ..Commit::default() }).await;
    for stale in [0, 2, u64::MAX] {
        let commit = Commit {
            account: Some(change("@a:b", stale, "second")),
            events: vec![event("@a:b", 5, "second")],
            records: vec![put("key", record("second", Some("@a:b"), Some(9)))],
        };
        conflict(&*store, commit).await;
    }
    assert_eq!(store.load("@a:b").await.unwrap().account, account("first"));
    nothing_but_accounts(&*store).await;
}

pub async fn a_stale_record_version_changes_nothing(store: Arc<dyn Store>) {
    let stale = RecordChange::put(SESSION, "last", Expected::Version(1), record("x", None, None));
    let commit = Commit {
        account: Some(change("@a:b", 0, "first")),
        events: vec![event("@a:b", 5, "first")],
        records: vec![put("key", record("first", Some("@a:b"), Some(9))), stale],
    };
    conflict(&*store, commit).await;
    assert_eq!(store.load("@a:b").await.unwrap().version, 0);
    nothing_but_accounts(&*store).await;
}

async fn nothing_but_accounts(store: &dyn Store) {
    assert_eq!(found(store, "key").await, None);
    assert_eq!(store.records_of(SESSION, "@a:b").await.unwrap(), []);
    assert_eq!(store.events("@a:b", at(0), 10).await.unwrap(), []);
    assert_eq!(store.sweep(at(u64::MAX), 10).await.unwrap(), 0);
}

pub async fn account_events_and_records_are_one_step(store: Arc<dyn Store>) {
    done(&*store, records([put("old", record("old", Some("@a:b"), None))])).await;
    let commit = Commit {
        account: Some(change("@a:b", 0, "first")),
        events: vec![event("@a:b", 5, "one"), event("@c:d", 5, "two")],
        records: vec![
            RecordChange::put(SESSION, "new", Expected::Absent, record("new", Some("@a:b"), Some(9))),
            RecordChange::delete(SESSION, "old", Expected::Version(1)),
            RecordChange::put(SESSIONS, "new", Expected::Any, record("other kind", None, None)),
        ],
    };
    done(&*store, commit.clone()).await;
    assert_eq!(store.load("@a:b").await.unwrap().version, 1);
    assert_eq!(keys_of(&*store, SESSION, "@a:b").await, ["new"]);
    assert_eq!(store.record(SESSIONS, "new").await.unwrap().unwrap().bytes, b"other kind");
    assert_eq!(event_ids(&*store, "@a:b", 0, 10).await, ["one"]);
    assert_eq!(event_ids(&*store, "@c:d", 0, 10).await, ["two"]);

    conflict(&*store, commit).await;
    assert_eq!(event_ids(&*store, "@a:b", 0, 10).await, ["one"]);
}

pub async fn an_empty_commit_is_done(store: Arc<dyn Store>) {
    done(&*store, Commit::default()).await;
}

pub async fn users_are_listed_page_by_page(store: Arc<dyn Store>) {
    assert_eq!(store.users(None, 10).await.unwrap(), [""; 0]);
    for user in SIMILAR_USERS {
        done(&*store, Commit { account: Some(change(user, 0, user)), ..Commit::default() }).await;
    }
    done(&*store, Commit { events: vec![event("@z:only an event", 1, "id")], ..Commit::default() }).await;
    let mut all: Vec<_> = SIMILAR_USERS.into_iter().chain(["@z:only an event"]).map(str::to_owned).collect();
    all.sort();
    assert_eq!(store.users(None, usize::MAX).await.unwrap(), all);
    for limit in [1, 5, all.len(), 100] {
        let mut listed: Vec<String> = Vec::new();
        loop {
            let page = store.users(listed.last().map(String::as_str), limit).await.unwrap();
            assert!(page.len() <= limit);
            if page.is_empty() {
                break;
            }
            listed.extend(page);
        }
        assert_eq!(listed, all, "in pages of {limit}");
    }
    assert_eq!(store.users(Some("@a:bb"), 1).await.unwrap(), ["@a:bc"], "after a user who is not there");
    assert_eq!(store.users(None, 0).await.unwrap(), [""; 0]);
}
