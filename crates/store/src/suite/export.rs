//! Everything, as of one moment.

use std::{
    io,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
};

use super::*;
use crate::{
    MemoryStore, StoreError,
    export::{EachEntry, Entry},
};

async fn exported(store: &dyn Store) -> Vec<Entry> {
    let entries = Arc::new(Mutex::new(Vec::new()));
    let each: EachEntry = {
        let entries = Arc::clone(&entries);
        Box::new(move |entry| {
            entries.lock().unwrap().push(entry);
            Ok(())
        })
    };
    store.export(each).await.unwrap();
    let mut entries = entries.lock().unwrap();
    std::mem::take(&mut entries)
}

pub async fn an_export_brought_into_another_store_is_the_same(store: Arc<dyn Store>) {
    assert_eq!(exported(&*store).await, []);
    let copy = MemoryStore::default();
    for (number, user) in SIMILAR_USERS.into_iter().enumerate() {
        let commit = Commit {
            account: (number % 3 != 0).then(|| change(user, 0, user)),
            // The clock goes backwards: the order of the commits counts.
            events: vec![event(user, 100 - number as u64, "one"), event("@all:b", 50 - number as u64, user)],
            records: vec![
                put(&format!("key {number}"), record(user, Some(user), Some(7))),
                RecordChange::put(SESSIONS, "same", Expected::Any, record(user, None, None)),
            ],
        };
        done(&*store, commit.clone()).await;
        done(&copy, commit).await;
    }
    let gone = || records([RecordChange::delete(SESSION, "key 3", Expected::Any)]);
    done(&*store, gone()).await;
    done(&copy, gone()).await;

    let (ours, theirs) = (exported(&*store).await, exported(&copy).await);
    let of_kind = |entries: &[Entry], kind: fn(&Entry) -> bool| {
        let mut some: Vec<_> = entries.iter().filter(|entry| kind(entry)).map(|entry| format!("{entry:?}")).collect();
        some.sort();
        some
    };
    let kinds: [fn(&Entry) -> bool; 3] = [
        |entry| matches!(entry, Entry::Account { account, .. } if **account != Account::default()),
        |entry| matches!(entry, Entry::Event(_)),
        |entry| matches!(entry, Entry::Record { .. }),
    ];
    for kind in kinds {
        assert_eq!(of_kind(&ours, kind), of_kind(&theirs, kind));
    }
    assert!(ours.is_sorted_by_key(|entry| match entry {
        Entry::Account { .. } => 0,
        Entry::Event(_) => 1,
        Entry::Record { .. } => 2,
    }));
    let of_all = |entries: &[Entry]| -> Vec<String> {
        let events = entries.iter().filter_map(|entry| match entry {
            Entry::Event(event) if event.user == "@all:b" => Some(id(event).to_owned()),
            _ => None,
        });
        events.collect()
    };
    assert_eq!(of_all(&ours), SIMILAR_USERS, "in the order of the commits");
}

/// Three things that every commit changes together, while an export reads them one after the other.
pub async fn an_export_is_of_one_moment(store: Arc<dyn Store>) {
    // Enough that an export takes a while: what changes lies at both ends of what is read.
    for n in 0..3000 {
        let filler = format!("@m{n:04}:b");
        done(&*store, Commit { account: Some(change(&filler, 0, &filler)), ..Commit::default() }).await;
    }
    let stop = Arc::new(AtomicBool::new(false));
    let writer = {
        let (store, stop) = (Arc::clone(&store), Arc::clone(&stop));
        tokio::spawn(async move {
            let mut n = 0;
            while !stop.load(Ordering::SeqCst) {
                write(&*store, n).await;
                n += 1;
            }
            n
        })
    };
    while store.load("@a:b").await.unwrap().version == 0 {
        tokio::task::yield_now().await;
    }
    let mut last = 0;
    for _ in 0..10 {
        let entries = exported(&*store).await;
        let (mut first, mut events, mut moving) = (None, 0, Vec::new());
        for entry in &entries {
            match entry {
                Entry::Account { user, account } if user == "@a:b" => first = Some(account.as_ref().clone()),
                Entry::Event(_) => events += 1,
                Entry::Record { key, bytes, .. } => {
                    moving.push((key.clone(), String::from_utf8(bytes.clone()).unwrap()))
                }
                Entry::Account { .. } => {}
            }
        }
        let n = events - 1;
        assert_eq!(first, Some(account(&n.to_string())));
        // A record that moves from key to key is there once, and so is one that expires now and then.
        moving.sort();
        let mut expected: Vec<_> =
            ["sometimes", "soon"].into_iter().map(|key| (key.to_owned(), n.to_string())).collect();
        expected.insert(0, (place(n), n.to_string()));
        assert_eq!(moving, expected);
        assert!(n >= last && entries.len() == 3000 + 1 + events + 3);
        last = n;
    }
    stop.store(true, Ordering::SeqCst);
    let written = writer.await.unwrap();
    assert!(written > last && last > 0, "{written} were written, the last export had {last}: nothing was going on");

    async fn write(store: &dyn Store, n: usize) {
        let name = n.to_string();
        let commit = Commit {
            account: Some(change("@a:b", n as u64, &name)),
            events: vec![event("@a:b", 1, &name)],
            records: vec![
                RecordChange::delete(SESSION, place(n + 49), Expected::Any),
                put(&place(n), record(&name, Some("@a:b"), n.is_multiple_of(3).then_some(9))),
                put("sometimes", record(&name, Some("@a:b"), n.is_multiple_of(2).then_some(9))),
                put("soon", record(&name, None, Some(9))),
            ],
        };
        done(store, commit).await;
    }

    fn place(n: usize) -> String {
        format!("{:02}", n % 50)
    }
}

pub async fn an_export_ends_with_the_error_of_its_taker(store: Arc<dyn Store>) {
    for user in SIMILAR_USERS {
        done(&*store, Commit { account: Some(change(user, 0, user)), ..Commit::default() }).await;
    }
    let taken = Arc::new(Mutex::new(0));
    let each: EachEntry = {
        let taken = Arc::clone(&taken);
        Box::new(move |_| {
            *taken.lock().unwrap() += 1;
            if *taken.lock().unwrap() == 3 { Err(io::Error::other("no space left")) } else { Ok(()) }
        })
    };
    assert!(matches!(store.export(each).await, Err(StoreError::Unavailable(_))));
    assert_eq!(*taken.lock().unwrap(), 3);
    assert_eq!(exported(&*store).await.len(), SIMILAR_USERS.len(), "and the next one is whole");
}
