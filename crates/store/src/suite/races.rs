//! Cases that would find two winners, a lost update or half a commit.

use std::sync::Arc;

use tokio::{task::JoinSet, time::timeout};

use super::*;

async fn all<T: Send + 'static>(tasks: JoinSet<T>) -> Vec<T> {
    timeout(PATIENCE, tasks.join_all()).await.unwrap()
}

pub async fn of_equal_commits_exactly_one_is_done(store: Arc<dyn Store>) {
    for expected in 0..5 {
        let mut tasks = JoinSet::new();
        for task in 0..100 {
            let store = Arc::clone(&store);
            let name = format!("{expected} {task}");
            tasks.spawn(async move {
                let commit = Commit {
                    account: Some(change("@a:b", expected, &name)),
                    events: vec![event("@a:b", expected, &name)],
                    records: vec![put(&name, record(&name, Some("@a:b"), None))],
                };
                (name, store.commit(commit).await.unwrap())
            });
        }
        let results = all(tasks).await;
        let won: Vec<_> = results.into_iter().filter(|(_, result)| *result == Committed::Done).collect();
        let [(name, _)] = won.as_slice() else { unreachable!("{} winners", won.len()) };
        let stored = store.load("@a:b").await.unwrap();
        assert_eq!((stored.version, stored.account), (expected + 1, account(name)));
        assert_eq!(event_ids(&*store, "@a:b", expected, 10).await, [name.as_str()]);
        assert!(found(&*store, name).await.is_some());
    }
    assert_eq!(keys_of(&*store, SESSION, "@a:b").await.len(), 5);
}

pub async fn of_equal_record_creations_exactly_one_is_done(store: Arc<dyn Store>) {
    let mut tasks = JoinSet::new();
    for task in 0..100 {
        let store = Arc::clone(&store);
        tasks.spawn(async move {
            let next = record(&task.to_string(), Some("@a:b"), Some(5));
            let commit = records([RecordChange::put(SESSION, "key", Expected::Absent, next)]);
            store.commit(commit).await.unwrap() == Committed::Done
        });
    }
    assert_eq!(all(tasks).await.into_iter().filter(|done| *done).count(), 1);
    assert_eq!(version(&*store, "key").await, Some(1));
}

pub async fn no_increment_is_lost(store: Arc<dyn Store>) {
    const TASKS: u64 = 64;
    const EACH: u64 = 5;
    let mut tasks = JoinSet::new();
    for _ in 0..TASKS {
        let store = Arc::clone(&store);
        tasks.spawn(async move {
            for _ in 0..EACH {
                while !increment(&*store).await {}
            }
        });
    }
    all(tasks).await;
    let stored = found(&*store, "counter").await.unwrap();
    assert_eq!(stored.bytes, (TASKS * EACH).to_be_bytes());
    assert_eq!(stored.version, TASKS * EACH);
    assert_eq!(store.events("@a:b", at(0), usize::MAX).await.unwrap().len() as u64, TASKS * EACH);
}

async fn increment(store: &dyn Store) -> bool {
    let before = found(store, "counter").await;
    let expected = before.as_ref().map_or(Expected::Absent, |record| Expected::Version(record.version));
    let count = before.map_or(0, |record| u64::from_be_bytes(record.bytes.try_into().unwrap())) + 1;
    let next = NewRecord { bytes: count.to_be_bytes().to_vec(), ..NewRecord::default() };
    let mut commit = records([RecordChange::put(SESSION, "counter", expected, next)]);
    commit.events.push(event("@a:b", count, "counted"));
    store.commit(commit).await.unwrap() == Committed::Done
}

pub async fn commits_of_different_users_are_all_done(store: Arc<dyn Store>) {
    let mut tasks = JoinSet::new();
    for task in 0..200 {
        let store = Arc::clone(&store);
        tasks.spawn(async move {
            let user = format!("@user{task}:b");
            for expected in 0..3 {
                let commit = Commit {
                    account: Some(change(&user, expected, &user)),
                    events: vec![event(&user, expected, &user)],
                    records: vec![put(&user, record(&user, Some(&user), None))],
                };
                done(&*store, commit).await;
            }
            assert_eq!(store.load(&user).await.unwrap().account, account(&user));
            assert_eq!(version(&*store, &user).await, Some(3));
            assert_eq!(store.events(&user, at(0), 10).await.unwrap().len(), 3);
        });
    }
    all(tasks).await;
}

/// A token that is renewed moves from key to key. Who lists a user's tokens at that moment, to log them all out, must find it.
pub async fn a_scan_never_sees_half_a_commit(store: Arc<dyn Store>) {
    done(&*store, records([put("000", record("token", Some("@a:b"), None))])).await;
    let mover = {
        let store = Arc::clone(&store);
        tokio::spawn(async move {
            for n in 0..300 {
                // Both directions: a scan goes upwards.
                let (from, to) = (key(n), key(n + 1));
                let delete = RecordChange::delete(SESSION, from, Expected::Any);
                done(&*store, records([delete, put(&to, record("token", Some("@a:b"), None))])).await;
            }
        })
    };
    while !mover.is_finished() {
        let listed = keys_of(&*store, SESSION, "@a:b").await;
        assert_eq!(listed.len(), 1, "{listed:?}");
    }
    mover.await.unwrap();

    fn key(n: u32) -> String {
        format!("{:03}", n * 37 % 101)
    }
}

/// A record that lives on is never swept, whatever its expiry was.
pub async fn sweeping_and_renewing_do_not_cross(store: Arc<dyn Store>) {
    done(&*store, records([put("key", record("x", Some("@a:b"), Some(1)))])).await;
    let sweeper = {
        let store = Arc::clone(&store);
        tokio::spawn(async move {
            let mut swept = 0;
            for now in 0..200 {
                swept += store.sweep(at(now), 10).await.unwrap();
            }
            swept
        })
    };
    for now in 0..200 {
        done(&*store, records([put("key", record("x", Some("@a:b"), Some(1000 + now)))])).await;
    }
    assert!(timeout(PATIENCE, sweeper).await.unwrap().unwrap() <= 1);
    assert!(found(&*store, "key").await.is_some());
    assert_eq!(store.sweep(at(2000), 10).await.unwrap(), 1);
    assert_eq!(store.sweep(at(2000), 10).await.unwrap(), 0);
}
