//! The store driven alone: durable commits a second and their latency, so that figures over HTTP have something to be compared with.
//!
//! `cargo bench -p matrix-2fa-store-sled --bench commit -- --accounts 100000 --seconds 5 --records 1`
//!
//! One commit is what the end of a login writes: the account, one event, and a session that is consumed.

#![expect(
    clippy::disallowed_methods,
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a program that measures and prints"
)]

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use matrix_2fa_core::{
    Account, Context, Event, EventKind, Policy, Proof, SealedSeed, Timestamp,
    account::NewAuthenticator,
    event::Origin,
    stage::Stage,
    throttle::{ClientTag, TOTP},
};
use matrix_2fa_store::{AccountChange, Commit, Committed, Expected, Kind, NewRecord, RecordChange, Store};
use matrix_2fa_store_sled::{Options, SledStore};

const SESSIONS: Kind = Kind("session");

fn main() {
    let accounts = argument("--accounts").unwrap_or(10_000);
    let seconds = argument("--seconds").unwrap_or(5);
    let records = argument("--records").unwrap_or(1);
    let folder = tempfile::tempdir_in(".").unwrap();
    let store: Arc<dyn Store> = Arc::new(SledStore::open(folder.path(), Options::default()).unwrap());
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    runtime.block_on(async {
        fill(&store, accounts).await;
        println!("{:>4} {:>10} {:>9} {:>9} {:>9}", "c", "commits/s", "p50 ms", "p99 ms", "max ms");
        for concurrency in [1, 64] {
            measure(&store, accounts, records, concurrency, Duration::from_secs(seconds)).await;
        }
    });
    drop(runtime);
    drop(store);
    let size: u64 = std::fs::read_dir(folder.path()).unwrap().map(|file| file.unwrap().metadata().unwrap().len()).sum();
    let blobs = std::fs::read_dir(folder.path().join("blobs")).unwrap().count();
    println!("{accounts} accounts, {} MiB on disk, {blobs} blob files", size >> 20);
}

fn argument(name: &str) -> Option<u64> {
    let mut arguments = std::env::args().skip_while(|argument| argument != name);
    arguments.nth(1).map(|value| value.parse().unwrap())
}

async fn fill(store: &Arc<dyn Store>, accounts: u64) {
    let tasks: Vec<_> = (0..64)
        .map(|task| {
            let store = Arc::clone(store);
            tokio::spawn(async move {
                for number in (task..accounts).step_by(64) {
                    commit(&*store, number, 0).await;
                }
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
}

async fn measure(store: &Arc<dyn Store>, accounts: u64, records: u64, concurrency: u64, time: Duration) {
    let start = Instant::now();
    let tasks: Vec<_> = (0..concurrency)
        .map(|task| {
            let store = Arc::clone(store);
            tokio::spawn(async move {
                let mut latencies = Vec::new();
                let mut number = task;
                while start.elapsed() < time {
                    // Each task has accounts of its own, spread over all of them.
                    number = (number + concurrency * 7919) % (accounts - accounts % concurrency);
                    let begun = Instant::now();
                    commit(&*store, number, records).await;
                    latencies.push(begun.elapsed());
                }
                latencies
            })
        })
        .collect();
    let mut latencies = Vec::new();
    for task in tasks {
        latencies.extend(task.await.unwrap());
    }
    let rate = latencies.len() as f64 / start.elapsed().as_secs_f64();
    latencies.sort_unstable();
    let at = |share: f64| {
        let place = ((latencies.len() - 1) as f64 * share) as usize;
        latencies.get(place).unwrap().as_secs_f64() * 1e3
    };
    println!("{concurrency:>4} {rate:>10.0} {:>9.2} {:>9.2} {:>9.2}", at(0.5), at(0.99), at(1.0));
}

async fn commit(store: &dyn Store, number: u64, records: u64) {
    let user = format!("@user{number}:example.org");
    let stored = store.load(&user).await.unwrap();
    let account = if stored.version == 0 { enrolling(&user) } else { stored.account };
    let at = Timestamp::from_millis(1_700_000_000_000 + stored.version);
    let session = |place: u64| {
        let next = NewRecord { bytes: vec![7; 200], user: Some(user.clone()), expires_at: Some(at) };
        RecordChange::put(SESSIONS, format!("{number:016}{place:016}"), Expected::Any, next)
    };
    let commit = Commit {
        account: Some(AccountChange { user: user.clone(), expected: stored.version, account }),
        events: vec![Event {
            at,
            user: user.clone(),
            origin: Origin { device: None, ip: Some("192.0.2.7".to_owned()), operation: Some("login".to_owned()) },
            kind: EventKind::FactorVerified { stage: Stage::Totp, authenticators: vec!["abcdefghijkl".to_owned()] },
        }],
        records: (0..records).map(session).collect(),
    };
    assert_eq!(store.commit(commit).await.unwrap(), Committed::Done);
}

/// An account as large as that of a user with one authenticator.
fn enrolling(user: &str) -> Account {
    let cx = Context {
        user: user.to_owned(),
        now: Timestamp::from_millis(1_700_000_000_000),
        origin: Origin::default(),
        client: ClientTag(7),
        proof: Proof::FirstFactor,
        budget: TOTP,
    };
    let new = NewAuthenticator {
        id: "abcdefghijkl".to_owned(),
        name: "Phone".to_owned(),
        seed: SealedSeed { key_id: "0123456789abcdef".to_owned(), nonce: vec![1; 12], ciphertext: vec![2; 36] },
        bound_to: [3; 32],
    };
    Account::default().begin_enrollment(&cx, Policy::OptIn, new).account.unwrap()
}
