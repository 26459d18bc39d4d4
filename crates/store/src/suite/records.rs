//! Records, their index by user, and sweeping.

use std::sync::Arc;

use super::*;

pub async fn what_a_record_change_expects_is_checked(store: Arc<dyn Store>) {
    let put = |expected| records([RecordChange::put(SESSION, "key", expected, record("x", None, None))]);
    let delete = |expected| records([RecordChange::delete(SESSION, "key", expected)]);

    conflict(&*store, put(Expected::Version(1))).await;
    conflict(&*store, put(Expected::Version(0))).await;
    conflict(&*store, delete(Expected::Version(1))).await;
    done(&*store, delete(Expected::Any)).await;
    done(&*store, delete(Expected::Absent)).await;
    assert_eq!(version(&*store, "key").await, None);

    done(&*store, put(Expected::Absent)).await;
    assert_eq!(version(&*store, "key").await, Some(1));
    conflict(&*store, put(Expected::Absent)).await;
    conflict(&*store, delete(Expected::Absent)).await;
    done(&*store, put(Expected::Any)).await;
    assert_eq!(version(&*store, "key").await, Some(2));
    conflict(&*store, put(Expected::Version(1))).await;
    conflict(&*store, put(Expected::Version(3))).await;
    done(&*store, put(Expected::Version(2))).await;
    assert_eq!(version(&*store, "key").await, Some(3));
    conflict(&*store, delete(Expected::Version(2))).await;
    done(&*store, delete(Expected::Version(3))).await;
    assert_eq!(version(&*store, "key").await, None);
}

pub async fn a_deleted_record_starts_again(store: Arc<dyn Store>) {
    for _ in 0..3 {
        done(&*store, records([put("key", record("x", Some("@a:b"), Some(1)))])).await;
        assert_eq!(version(&*store, "key").await, Some(1));
        done(&*store, records([RecordChange::delete(SESSION, "key", Expected::Any)])).await;
        assert_eq!(version(&*store, "key").await, None);
        assert_eq!(store.records_of(SESSION, "@a:b").await.unwrap(), []);
        assert_eq!(store.sweep(at(10), 10).await.unwrap(), 0);
    }
}

/// Devices, say: their ids are the clients' to choose, and come back after a logout. Who read the old one must not write over the new one.
pub async fn a_record_made_again_is_not_taken_for_the_old_one(store: Arc<dyn Store>) {
    for expires_at in [None, Some(1_000)] {
        let put = |expected, life| {
            records([RecordChange::put(SESSION, "key", expected, record("x", None, expires_at)).of_a_new_life(life)])
        };
        let mut seen = Vec::new();
        for life in [3 << 40, 1 << 20, u64::MAX, 0] {
            done(&*store, put(Expected::Absent, life)).await;
            for _ in 0..3 {
                let now = version(&*store, "key").await.unwrap();
                for before in &seen {
                    conflict(&*store, put(Expected::Version(*before), life)).await;
                    conflict(&*store, records([RecordChange::delete(SESSION, "key", Expected::Version(*before))]))
                        .await;
                }
                seen.push(now);
                conflict(&*store, put(Expected::Absent, life)).await;
                // A record that is there counts on, whatever life the change would begin.
                done(&*store, put(if now % 2 == 0 { Expected::Any } else { Expected::Version(now) }, life ^ 4)).await;
                assert_eq!(version(&*store, "key").await, Some(now + 1));
            }
            seen.push(version(&*store, "key").await.unwrap());
            done(&*store, records([RecordChange::delete(SESSION, "key", Expected::Any)])).await;
        }
    }
}

/// The same if it is deleted and made again by one commit, which no reader sees in between.
pub async fn a_record_replaced_by_another_life_is_not_taken_for_the_old_one(store: Arc<dyn Store>) {
    let put = |expected, life| RecordChange::put(SESSION, "key", expected, record("x", None, None)).of_a_new_life(life);
    let delete = |expected| RecordChange::delete(SESSION, "key", expected);
    done(&*store, records([put(Expected::Absent, 1 << 20)])).await;
    let mut seen = Vec::new();
    for life in [3 << 40, 1 << 30, u64::MAX, 0] {
        let old = version(&*store, "key").await.unwrap();
        seen.extend([old, old + 1]);
        let expected = if life % 2 == 0 { Expected::Version(old) } else { Expected::Any };
        done(&*store, records([delete(expected), put(Expected::Any, life), put(Expected::Any, life)])).await;
        for before in &seen {
            conflict(&*store, records([put(Expected::Version(*before), life)])).await;
            conflict(&*store, records([delete(Expected::Version(*before))])).await;
        }
    }
}

pub async fn changes_of_one_key_in_one_commit_run_in_order(store: Arc<dyn Store>) {
    let twice = [put("key", record("one", Some("@a:b"), Some(1))), put("key", record("two", Some("@c:d"), Some(20)))];
    done(&*store, records(twice)).await;
    let stored = found(&*store, "key").await.unwrap();
    assert_eq!((stored.version, stored.bytes.as_slice()), (2, b"two".as_slice()));
    assert_eq!(keys_of(&*store, SESSION, "@a:b").await, [""; 0]);
    assert_eq!(keys_of(&*store, SESSION, "@c:d").await, ["key"]);
    assert_eq!(store.sweep(at(1), 10).await.unwrap(), 0);

    let delete = || RecordChange::delete(SESSION, "key", Expected::Any);
    done(&*store, records([delete(), put("key", record("three", Some("@c:d"), Some(20)))])).await;
    assert_eq!(version(&*store, "key").await, Some(1));
    assert_eq!(keys_of(&*store, SESSION, "@c:d").await, ["key"]);
    done(&*store, records([put("key", record("four", Some("@a:b"), Some(30))), delete()])).await;
    assert_eq!(version(&*store, "key").await, None);
    assert_eq!(keys_of(&*store, SESSION, "@a:b").await, [""; 0]);
    assert_eq!(store.sweep(at(100), 10).await.unwrap(), 0);
}

pub async fn records_keep_everything_they_are_given(store: Arc<dyn Store>) {
    let big: Vec<u8> = (0..48 * 1024).map(|n: u32| n as u8).collect();
    for bytes in [Vec::new(), vec![0], vec![0xff; 300], big] {
        for user in [None, Some(""), Some("@a:b")] {
            for expires_at in [None, Some(at(0)), Some(at(u64::MAX))] {
                let next = NewRecord { bytes: bytes.clone(), user: user.map(str::to_owned), expires_at };
                done(&*store, records([put("key", next)])).await;
                let stored = found(&*store, "key").await.unwrap();
                assert_eq!((stored.user.as_deref(), stored.expires_at), (user, expires_at));
                assert!(stored.bytes == bytes);
            }
        }
    }
}

const ODD_KEYS: [&str; 12] =
    ["", ":", "/", " ", "a", "a:", "a:b", "a/b", "a b", "\u{1}", "schlüssel ☃ \u{10ffff}", "..\\../\"'%00"];

pub async fn keys_may_have_any_characters(store: Arc<dyn Store>) {
    for key in ODD_KEYS {
        done(&*store, records([put(key, record(key, Some("@a:b"), Some(5)))])).await;
    }
    let mut sorted = ODD_KEYS;
    sorted.sort_unstable();
    assert_eq!(keys_of(&*store, SESSION, "@a:b").await, sorted);
    for key in ODD_KEYS {
        assert_eq!(found(&*store, key).await.unwrap().bytes, key.as_bytes(), "{key:?}");
    }
    let long = "k".repeat(2000);
    done(&*store, records([put(&long, record("long", Some("@c:d"), Some(5)))])).await;
    assert_eq!(keys_of(&*store, SESSION, "@c:d").await, [long]);
    assert_eq!(store.sweep(at(5), 100).await.unwrap(), ODD_KEYS.len() + 1);
    assert_eq!(keys_of(&*store, SESSION, "@a:b").await, [""; 0]);
}

pub async fn kinds_are_not_mixed(store: Arc<dyn Store>) {
    // As bytes, `session` + `s_key` and `sessions` + `_key` are the same.
    let one = RecordChange::put(SESSION, "s_key", Expected::Absent, record("one", Some("@a:b"), Some(5)));
    let two = RecordChange::put(SESSIONS, "_key", Expected::Absent, record("two", Some("@a:b"), Some(5)));
    done(&*store, records([one, two])).await;
    assert_eq!(keys_of(&*store, SESSION, "@a:b").await, ["s_key"]);
    assert_eq!(keys_of(&*store, SESSIONS, "@a:b").await, ["_key"]);
    assert_eq!(store.record(SESSIONS, "s_key").await.unwrap(), None);
    done(&*store, records([RecordChange::delete(SESSION, "s_key", Expected::Version(1))])).await;
    assert_eq!(keys_of(&*store, SESSIONS, "@a:b").await, ["_key"]);
    assert_eq!(store.sweep(at(5), 10).await.unwrap(), 1);
}

pub async fn the_index_by_user_follows_every_change(store: Arc<dyn Store>) {
    let owners = [None, Some("@a:b"), Some("@a:b"), Some("@c:d"), None, Some("@a:b")];
    for (change, owner) in owners.into_iter().enumerate() {
        let bytes = format!("value {change}");
        done(&*store, records([put("key", record(&bytes, owner, None))])).await;
        for user in ["@a:b", "@c:d"] {
            let listed = store.records_of(SESSION, user).await.unwrap();
            let expected = found(&*store, "key").await.filter(|_| owner == Some(user));
            assert_eq!(listed, expected.map(|record| ("key".to_owned(), record)).into_iter().collect::<Vec<_>>());
        }
    }
    done(&*store, records([RecordChange::delete(SESSION, "key", Expected::Any)])).await;
    assert_eq!(store.records_of(SESSION, "@a:b").await.unwrap(), []);
}

pub async fn the_index_by_user_knows_users_apart(store: Arc<dyn Store>) {
    for (number, user) in SIMILAR_USERS.into_iter().enumerate() {
        for key in ["", "c", ":c", "key"] {
            done(&*store, records([put(&format!("{key}{number}"), record(user, Some(user), None))])).await;
        }
    }
    for user in SIMILAR_USERS {
        let listed = store.records_of(SESSION, user).await.unwrap();
        assert_eq!(listed.len(), 4, "{user:?}");
        assert!(
            listed.iter().all(|(_, record)| record.user.as_deref() == Some(user) && record.bytes == user.as_bytes())
        );
    }
}

/// A backend may find such records by their key; the index must not take the key for the owner.
pub async fn keys_may_begin_with_their_user(store: Arc<dyn Store>) {
    for expires_at in [None, Some(50)] {
        for owner in [Some("@a:b"), Some("@a:b/x"), Some("@c:d"), None, Some("@a:b"), Some("@a:b")] {
            for key in ["@a:b", "@a:b/", "@a:b/x", "@a:b/x/y", "@c:d/x", "z"] {
                done(&*store, records([put(key, record(key, owner, expires_at))])).await;
            }
            for user in ["@a:b", "@a:b/x", "@c:d", "@a"] {
                let all = ["@a:b", "@a:b/", "@a:b/x", "@a:b/x/y", "@c:d/x", "z"];
                let expected = if owner == Some(user) { all.to_vec() } else { Vec::new() };
                assert_eq!(keys_of(&*store, SESSION, user).await, expected, "{owner:?} has them");
            }
        }
    }
    for key in ["@a:b", "@a:b/x", "z"] {
        done(&*store, records([RecordChange::delete(SESSION, key, Expected::Any)])).await;
    }
    assert_eq!(keys_of(&*store, SESSION, "@a:b").await, ["@a:b/", "@a:b/x/y", "@c:d/x"]);
}

/// A backend may keep what expires somewhere else; a record that changes sides is the same record.
pub async fn records_may_begin_and_cease_to_expire(store: Arc<dyn Store>) {
    let mut version_now = 0;
    for (round, expires_at) in [Some(5), None, None, Some(7), Some(6), None, Some(9)].into_iter().enumerate() {
        let expected = if round == 0 { Expected::Absent } else { Expected::Version(version_now) };
        let bytes = format!("round {round}");
        let user = if round % 3 == 2 { "@c:d" } else { "@a:b" };
        let next = record(&bytes, Some(user), expires_at);
        done(&*store, records([RecordChange::put(SESSION, "key", expected, next.clone())])).await;
        version_now += 1;
        let stored = found(&*store, "key").await.unwrap();
        assert_eq!((stored.version, &stored.bytes, stored.expires_at), (version_now, &next.bytes, next.expires_at));
        assert_eq!(keys_of(&*store, SESSION, user).await, ["key"]);
        assert_eq!(keys_of(&*store, SESSION, if user == "@a:b" { "@c:d" } else { "@a:b" }).await, [""; 0]);
        conflict(&*store, records([RecordChange::put(SESSION, "key", expected, next)])).await;
        if expires_at.is_none() {
            assert_eq!(store.sweep(at(u64::MAX), 10).await.unwrap(), 0, "round {round}");
        }
    }
    assert_eq!(store.sweep(at(8), 10).await.unwrap(), 0, "an older expiry does not count");
    assert_eq!(store.sweep(at(9), 10).await.unwrap(), 1);
    assert_eq!(version(&*store, "key").await, None);
    assert_eq!(store.sweep(at(u64::MAX), 10).await.unwrap(), 0);
}

/// Sessions are made by one commit and used up by another; whatever a backend leaves lying about must not bring one back.
pub async fn a_record_that_was_used_up_does_not_come_back(store: Arc<dyn Store>) {
    for round in 0..40 {
        let names: Vec<_> = (0..4).map(|n| format!("{round} {n}")).collect();
        done(&*store, records(names.iter().map(|name| put(name, record(name, Some("@a:b"), Some(1000 + round))))))
            .await;
        for name in names.iter().skip(1) {
            done(&*store, records([RecordChange::delete(SESSION, name, Expected::Version(1))])).await;
            conflict(&*store, records([RecordChange::delete(SESSION, name, Expected::Version(1))])).await;
        }
        assert_eq!(keys_of(&*store, SESSION, "@a:b").await.len() as u64, round + 1);
    }
    assert_eq!(store.sweep(at(1009), 100).await.unwrap(), 10);
    assert_eq!(keys_of(&*store, SESSION, "@a:b").await.len(), 30);
    assert_eq!(store.sweep(at(u64::MAX), 100).await.unwrap(), 30);
    assert_eq!(keys_of(&*store, SESSION, "@a:b").await, [""; 0]);
}

pub async fn sweeping_takes_the_oldest_first(store: Arc<dyn Store>) {
    for expiry in [300, 100, 256, 255, 70_000, 200] {
        done(&*store, records([put(&expiry.to_string(), record("x", Some("@a:b"), Some(expiry)))])).await;
    }
    done(&*store, records([put("never", record("x", Some("@a:b"), None))])).await;
    assert_eq!(store.sweep(at(400), 0).await.unwrap(), 0);
    assert_eq!(store.sweep(at(400), 2).await.unwrap(), 2);
    assert_eq!(keys_of(&*store, SESSION, "@a:b").await, ["255", "256", "300", "70000", "never"]);
    assert_eq!(store.sweep(at(400), 2).await.unwrap(), 2);
    assert_eq!(keys_of(&*store, SESSION, "@a:b").await, ["300", "70000", "never"]);
    assert_eq!(store.sweep(at(400), 2).await.unwrap(), 1);
    assert_eq!(store.sweep(at(400), 2).await.unwrap(), 0);
    assert_eq!(keys_of(&*store, SESSION, "@a:b").await, ["70000", "never"]);
}

pub async fn sweeping_stops_exactly_at_now(store: Arc<dyn Store>) {
    let changes = [99, 100, 101].map(|expiry| put(&expiry.to_string(), record("x", None, Some(expiry))));
    done(&*store, records(changes)).await;
    assert_eq!(store.sweep(at(98), 10).await.unwrap(), 0);
    assert_eq!(store.sweep(at(100), 10).await.unwrap(), 2);
    assert!(found(&*store, "101").await.is_some(), "swept before its time");
    assert!(found(&*store, "100").await.is_none() && found(&*store, "99").await.is_none());
}

pub async fn a_record_put_again_is_not_swept_by_its_old_expiry(store: Arc<dyn Store>) {
    for (key, next) in [("later", Some(500)), ("never", None), ("same", Some(100)), ("earlier", Some(50))] {
        done(&*store, records([put(key, record("x", None, Some(100)))])).await;
        done(&*store, records([put(key, record("y", None, next))])).await;
    }
    assert_eq!(store.sweep(at(50), 10).await.unwrap(), 1);
    assert_eq!(store.sweep(at(100), 10).await.unwrap(), 1);
    assert_eq!(version(&*store, "later").await, Some(2));
    assert_eq!(version(&*store, "never").await, Some(2));
    assert_eq!(store.sweep(at(500), 10).await.unwrap(), 1);
    assert_eq!(store.sweep(at(u64::MAX), 10).await.unwrap(), 0);
    assert_eq!(version(&*store, "never").await, Some(2));
}

pub async fn sweeping_cleans_the_index_by_user(store: Arc<dyn Store>) {
    done(&*store, records([put("key", record("x", Some("@a:b"), Some(5)))])).await;
    assert_eq!(store.sweep(at(5), 10).await.unwrap(), 1);
    assert_eq!(store.records_of(SESSION, "@a:b").await.unwrap(), []);
    done(&*store, records([RecordChange::put(SESSION, "key", Expected::Absent, record("y", Some("@c:d"), None))]))
        .await;
    assert_eq!(keys_of(&*store, SESSION, "@a:b").await, [""; 0]);
    assert_eq!(keys_of(&*store, SESSION, "@c:d").await, ["key"]);
}

/// A backend may leave the traces of a deleted record to the sweeper; they must not touch what was made under the same key since.
pub async fn a_record_made_again_outlives_the_traces_of_the_old_one(store: Arc<dyn Store>) {
    let remake = [("same", Some("@a:b"), None), ("other", Some("@c:d"), None), ("later", Some("@a:b"), Some(90))];
    for (key, user, expires_at) in remake {
        done(&*store, records([put(key, record("x", Some("@a:b"), Some(5)))])).await;
        done(&*store, records([RecordChange::delete(SESSION, key, Expected::Any)])).await;
        assert_eq!(
            store.records_of(SESSION, "@a:b").await.unwrap().iter().filter(|(listed, _)| listed == key).count(),
            0
        );
        done(&*store, records([RecordChange::put(SESSION, key, Expected::Absent, record("y", user, expires_at))]))
            .await;
    }
    assert_eq!(store.sweep(at(50), 10).await.unwrap(), 0);
    assert_eq!(keys_of(&*store, SESSION, "@a:b").await, ["later", "same"]);
    assert_eq!(keys_of(&*store, SESSION, "@c:d").await, ["other"]);
    assert_eq!(store.sweep(at(90), 10).await.unwrap(), 1);
    assert_eq!(keys_of(&*store, SESSION, "@a:b").await, ["same"]);
}

pub async fn many_records_of_one_user(store: Arc<dyn Store>) {
    let all: Vec<_> = (0..1000).map(|n| format!("{n:04}")).collect();
    done(&*store, records(all.iter().map(|key| put(key, record(key, Some("@a:b"), Some(7)))))).await;
    assert_eq!(keys_of(&*store, SESSION, "@a:b").await, all);
    assert_eq!(store.sweep(at(7), 900).await.unwrap(), 900);
    assert_eq!(keys_of(&*store, SESSION, "@a:b").await.len(), 100);
    let rest = store.records_of(SESSION, "@a:b").await.unwrap();
    done(
        &*store,
        records(rest.into_iter().map(|(key, r)| RecordChange::delete(SESSION, key, Expected::Version(r.version)))),
    )
    .await;
    assert_eq!(keys_of(&*store, SESSION, "@a:b").await, [""; 0]);
    assert_eq!(store.sweep(at(7), 10).await.unwrap(), 0);
}

pub async fn records_are_listed_page_by_page(store: Arc<dyn Store>) {
    assert_eq!(store.records(SESSION, None, 10).await.unwrap(), []);
    for key in ODD_KEYS {
        done(&*store, records([put(key, record(key, Some("@a:b"), Some(5)))])).await;
        let other = RecordChange::put(SESSIONS, key, Expected::Absent, record("other kind", None, None));
        done(&*store, records([other])).await;
    }
    let mut sorted = ODD_KEYS;
    sorted.sort_unstable();
    for limit in [1, 5, 100] {
        let mut listed: Vec<String> = Vec::new();
        loop {
            let page = store.records(SESSION, listed.last().map(String::as_str), limit).await.unwrap();
            assert!(page.len() <= limit && page.iter().all(|(key, record)| record.bytes == key.as_bytes()));
            if page.is_empty() {
                break;
            }
            listed.extend(page.into_iter().map(|(key, _)| key));
        }
        assert_eq!(listed, sorted, "in pages of {limit}");
    }
}
