//! `kill -9` at any moment: whatever was acknowledged is there, and every commit is there as a whole or not at all.
//!
//! And a power cut, replayed: see [`power_cut`].
//!
//! The child is this same binary. It commits in a loop and prints a line for each commit that returned.

#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "tests, whose child process reports on stdout")]

use std::{
    collections::BTreeMap,
    env,
    io::{BufRead, BufReader, Write},
    path::Path,
    process::{Command, Stdio},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use matrix_2fa_core::{Account, Event, EventKind, Timestamp, event::Origin};
use matrix_2fa_store::{AccountChange, Commit, Committed, Expected, Kind, NewRecord, RecordChange, Store};
use matrix_2fa_store_sled::{Options, SledStore};

#[path = "kill/power_cut.rs"]
mod power_cut;

const TEST: &str = "kill_9_loses_nothing_acknowledged_and_leaves_nothing_half_done";
const FOLDER: &str = "STORE_KILL_FOLDER";
const JOURNAL: &str = "STORE_KILL_JOURNAL";
const REDO: &str = "STORE_KILL_REDO";
/// After so many acknowledgements the child ends by itself, with everything else in flight.
const STOP: &str = "STORE_KILL_STOP";
const USERS: usize = 16;
const STATE: Kind = Kind("state");
const SESSION: Kind = Kind("session");
const PROOF: Kind = Kind("proof");

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn kill_9_loses_nothing_acknowledged_and_leaves_nothing_half_done() {
    if let Some(folder) = env::var_os(FOLDER) {
        return commit_until_killed(Path::new(&folder)).await;
    }
    let folder = tempfile::tempdir().unwrap();
    let mut acknowledged = BTreeMap::new();
    let acknowledgements = [0, 1, 2, 17, 40, 100, 333, 1000, 5, 2000];
    // With room in the journal and in the redo log and without, in turn.
    let room = [(usize::MAX, 1 << 30), (0, 50_000), (100_000, 0), (100_000, 50_000)];
    for (acknowledgements, room) in acknowledgements.into_iter().zip(room.into_iter().cycle()) {
        kill_after(acknowledgements, folder.path(), room, &mut acknowledged);
        check(folder.path(), &acknowledged).await;
    }
    assert_eq!(acknowledged.len(), USERS);
}

fn user(number: usize) -> String {
    format!("@user{number}:example.org")
}

async fn commit_until_killed(folder: &Path) {
    let journal_bytes = env::var(JOURNAL).unwrap().parse().unwrap();
    let redo_bytes = env::var(REDO).unwrap().parse().unwrap();
    let options = Options { journal_bytes, redo_bytes, ..Options::default() };
    let store = Arc::new(SledStore::open(folder, options).unwrap());
    println!("open");
    let left = env::var(STOP).map_or(usize::MAX, |stop| stop.parse().unwrap());
    let left = Arc::new(AtomicUsize::new(left));
    let mut tasks = tokio::task::JoinSet::new();
    for number in 0..USERS {
        let (store, left) = (Arc::clone(&store), Arc::clone(&left));
        tasks.spawn(async move {
            let user = user(number);
            let mut version = store.load(&user).await.unwrap().version;
            loop {
                match store.commit(step(&user, version)).await {
                    Ok(committed) => assert_eq!(committed, Committed::Done),
                    // A disk that failed on purpose. It may have happened, or not.
                    Err(_) => {
                        version = version_again(&store, &user).await;
                        continue;
                    }
                }
                version += 1;
                let line = format!("ack {user} {version}\n");
                std::io::stdout().lock().write_all(line.as_bytes()).unwrap();
                if left.fetch_sub(1, Ordering::SeqCst) == 1 {
                    std::process::exit(0);
                }
            }
        });
    }
    tasks.spawn(async move {
        for now in 0.. {
            // A disk that failed on purpose is none of its business.
            let _swept = store.sweep(Timestamp::from_millis(now / 4), 3).await;
            tokio::task::yield_now().await;
        }
    });
    while let Some(ended) = tasks.join_next().await {
        ended.unwrap();
    }
}

/// What a user's version is, as soon as the store is open again.
async fn version_again(store: &SledStore, user: &str) -> u64 {
    let mut tries = tokio::time::interval(std::time::Duration::from_millis(5));
    loop {
        tries.tick().await;
        // Commits tell more than reads, which go on while the store is shut for writing.
        if store.commit(Commit::default()).await.is_ok()
            && let Ok(stored) = store.load(user).await
        {
            return stored.version;
        }
    }
}

/// Account, event, a record that counts along, a record that moves from key to key, one that is going to be swept, and one that the next
/// step uses up: if a kill lost it or brought it back, the child's next commit would be a conflict.
fn step(user: &str, version: u64) -> Commit {
    let next = version + 1;
    let owned = |expires_at| NewRecord { bytes: next.to_be_bytes().to_vec(), user: Some(user.to_owned()), expires_at };
    let before = if version == 0 { Expected::Absent } else { Expected::Version(version) };
    Commit {
        account: Some(AccountChange { user: user.to_owned(), expected: version, account: Account::default() }),
        events: vec![Event {
            at: Timestamp::from_millis(next),
            user: user.to_owned(),
            origin: Origin::default(),
            kind: EventKind::EnrollmentStarted { id: next.to_string() },
        }],
        records: vec![
            RecordChange::put(STATE, user, before, NewRecord { user: None, ..owned(None) }),
            RecordChange::delete(STATE, format!("{user} {version}"), Expected::Any),
            RecordChange::put(STATE, format!("{user} {next}"), Expected::Absent, owned(None)),
            RecordChange::put(
                SESSION,
                format!("{user} {next}"),
                Expected::Absent,
                owned(Some(Timestamp::from_millis(next))),
            ),
            RecordChange::put(
                PROOF,
                format!("{user} {next}"),
                Expected::Absent,
                owned(Some(Timestamp::from_millis(u64::MAX))),
            ),
            RecordChange::delete(
                PROOF,
                format!("{user} {version}"),
                if version == 0 { Expected::Absent } else { Expected::Version(1) },
            ),
        ],
    }
}

/// Runs the child until it has acknowledged so many commits, and notes every acknowledgement that it managed to write before it died.
fn kill_after(
    acknowledgements: usize,
    folder: &Path,
    (journal_bytes, redo_bytes): (usize, u64),
    acknowledged: &mut BTreeMap<String, u64>,
) {
    let mut child = Command::new(env::current_exe().unwrap())
        .args([TEST, "--exact", "--nocapture"])
        .env(FOLDER, folder)
        .env(JOURNAL, journal_bytes.to_string())
        .env(REDO, redo_bytes.to_string())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap());
    let mut seen = 0;
    let mut open = false;
    let mut line = String::new();
    while lines.read_line(&mut line).unwrap() > 0 && line.ends_with('\n') {
        open |= line.contains("open");
        if let Some(acknowledgement) = line.trim_end().strip_prefix("ack ") {
            let (user, version) = acknowledgement.split_once(' ').unwrap();
            acknowledged.insert(user.to_owned(), version.parse().unwrap());
            seen += 1;
        }
        if open && seen >= acknowledgements {
            // From here on this drains what the child wrote before it died.
            child.kill().unwrap();
        }
        line.clear();
    }
    assert!(!child.wait().unwrap().success());
    assert!(open && seen >= acknowledgements, "the child died by itself after {seen} acknowledgements");
}

async fn check(folder: &Path, acknowledged: &BTreeMap<String, u64>) {
    let store = SledStore::open(folder, Options::default()).unwrap();
    let mut sessions = 0;
    for number in 0..USERS {
        let user = user(number);
        let version = store.load(&user).await.unwrap().version;
        let acknowledged = acknowledged.get(&user).copied().unwrap_or(0);
        // One commit may have been on disk, and not yet acknowledged, in each of the rounds since.
        assert!(version >= acknowledged, "{user} lost {acknowledged}, has {version}");

        let state = store.record(STATE, &user).await.unwrap();
        assert_eq!(state.map_or(0, |record| record.version), version);
        let moving: Vec<_> = store.records_of(STATE, &user).await.unwrap().into_iter().map(|(key, _)| key).collect();
        let expected = (version > 0).then(|| format!("{user} {version}"));
        assert_eq!(moving, expected.into_iter().collect::<Vec<_>>());
        let events = store.events(&user, Timestamp::default(), usize::MAX).await.unwrap();
        let times: Vec<_> = events.iter().map(|event| event.at.as_millis()).collect();
        assert_eq!(times, (1..=version).collect::<Vec<_>>());
        let proofs: Vec<_> = store.records_of(PROOF, &user).await.unwrap().into_iter().map(|(key, _)| key).collect();
        assert_eq!(proofs, moving);
        sessions += store.records_of(SESSION, &user).await.unwrap().len();
    }
    // Both indexes agree: what the index by user has is exactly what can be swept.
    assert_eq!(store.sweep(Timestamp::from_millis(u64::MAX - 1), usize::MAX).await.unwrap(), sessions);
    for number in 0..USERS {
        assert_eq!(store.records_of(SESSION, &user(number)).await.unwrap(), []);
    }
}
