//! What becomes of commits and reads when connections break, at the worst moments too.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

#[path = "connections/proxy.rs"]
mod proxy;

use std::{
    sync::{Arc, LazyLock},
    time::Duration,
};

use matrix_2fa_core::{Account, Event, EventKind, Timestamp, event::Origin};
use matrix_2fa_store::{AccountChange, Commit, Committed, Expected, Kind, NewRecord, RecordChange, Store, StoreError};
use matrix_2fa_store_postgres::{Options, PostgresStore, cluster::Cluster};
use proxy::{Cut, Proxy};

static CLUSTER: LazyLock<Cluster> = LazyLock::new(Cluster::start);
const USER: &str = "@a:b";
const SESSION: Kind = Kind("session");

async fn store(address: &str) -> PostgresStore {
    let options = Options { patience: Duration::from_secs(3), ..Options::default() };
    PostgresStore::open(&address.parse().unwrap(), options).await.unwrap()
}

/// A store that reaches its database through a proxy.
async fn proxied() -> (PostgresStore, Proxy, String) {
    let address = CLUSTER.database();
    let name = address.rsplit('/').next().unwrap().to_owned();
    let proxy = Proxy::before(CLUSTER.port()).await;
    let through = address.replace(&format!(":{}/", CLUSTER.port()), &format!(":{}/", proxy.port));
    (store(&through).await, proxy, name)
}

/// The first version of the account, an event and a record.
fn first() -> Commit {
    let event = Event {
        at: Timestamp::from_millis(5),
        user: USER.to_owned(),
        origin: Origin::default(),
        kind: EventKind::Disabled,
    };
    Commit {
        account: Some(AccountChange { user: USER.to_owned(), expected: 0, account: Account::default() }),
        events: vec![event],
        records: vec![RecordChange::put(SESSION, "key", Expected::Absent, NewRecord::default())],
    }
}

/// What `first` left, seen from beside: it happened once.
fn happened(name: &str) -> String {
    CLUSTER.sql(
        name,
        "SELECT (SELECT sum(version) FROM accounts), (SELECT count(*) FROM events), (SELECT sum(version) FROM records)",
    )
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_commit_that_did_not_reach_the_database_is_done_again() {
    let (store, proxy, name) = proxied().await;
    proxy.cut(Cut::BeforeCommit);
    assert_eq!(store.commit(first()).await.unwrap(), Committed::Done);
    assert!(proxy.has_cut());
    assert_eq!(happened(&name), "1|1|1");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_commit_whose_answer_was_lost_is_found_out_and_not_done_again() {
    let (store, proxy, name) = proxied().await;
    proxy.cut(Cut::AfterCommit);
    assert_eq!(store.commit(first()).await.unwrap(), Committed::Done);
    assert!(proxy.has_cut());
    assert_eq!(happened(&name), "1|1|1");
}

/// The connection is gone here, and the commit still under way there: whoever looks too early would take it for undone.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_commit_that_is_still_under_way_is_waited_for() {
    let (store, proxy, name) = proxied().await;
    let store = Arc::new(store);
    let (go_on, held) = tokio::sync::oneshot::channel();
    proxy.cut(Cut::Hold(held));
    let commit = tokio::spawn({
        let store = Arc::clone(&store);
        async move { store.commit(first()).await.unwrap() }
    });
    let waits = format!(
        "SELECT count(*) FROM pg_stat_activity WHERE datname = '{name}' AND wait_event_type = 'Lock' AND query LIKE '%INTO lanes%'"
    );
    while tokio::task::block_in_place(|| CLUSTER.sql("postgres", &waits)) == "0" {
        assert!(!commit.is_finished(), "nobody may answer while nobody can know");
    }
    go_on.send(()).unwrap();
    assert_eq!(commit.await.unwrap(), Committed::Done);
    assert_eq!(happened(&name), "1|1|1");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_cannot_be_found_out_is_neither_done_nor_refused() {
    let (store, proxy, name) = proxied().await;
    proxy.cut(Cut::ForGood);
    assert!(matches!(store.commit(first()).await, Err(StoreError::Unavailable(_))));
    assert!(matches!(store.load(USER).await, Err(StoreError::Unavailable(_))));
    assert_eq!(happened(&name), "1|1|1");
    proxy.mend();
    assert_eq!(store.load(USER).await.unwrap().version, 1);
    assert_eq!(store.commit(first()).await.unwrap(), Committed::Conflict);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn terminated_connections_are_made_again() {
    let address = CLUSTER.database();
    let name = address.rsplit('/').next().unwrap();
    let store = store(&address).await;
    let end = format!("SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE datname = '{name}'");
    for expected in 0..5 {
        tokio::task::block_in_place(|| CLUSTER.sql("postgres", &end));
        assert_eq!(store.load(USER).await.unwrap().version, expected);
        let account = Some(AccountChange { user: USER.to_owned(), expected, account: Account::default() });
        tokio::task::block_in_place(|| CLUSTER.sql("postgres", &end));
        assert_eq!(store.commit(Commit { account, ..Commit::default() }).await.unwrap(), Committed::Done);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_the_database_refuses_does_not_hold_up_its_batch() {
    let address = CLUSTER.database();
    let name = address.rsplit('/').next().unwrap();
    let store = Arc::new(store(&address).await);
    let trap = "CREATE FUNCTION trap() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'no'; END $$; \
                CREATE TRIGGER trap BEFORE INSERT ON records_other FOR EACH ROW WHEN (NEW.key = 'key 7') EXECUTE FUNCTION trap()";
    CLUSTER.sql(name, trap);
    let mut tasks = tokio::task::JoinSet::new();
    for n in 0..50 {
        let store = Arc::clone(&store);
        tasks.spawn(async move {
            let put = RecordChange::put(SESSION, format!("key {n}"), Expected::Absent, NewRecord::default());
            (n, store.commit(Commit { records: vec![put], ..Commit::default() }).await)
        });
    }
    for (n, committed) in tasks.join_all().await {
        match committed {
            Ok(committed) => assert!(n != 7 && committed == Committed::Done),
            Err(error) => assert!(n == 7 && matches!(error, StoreError::Unavailable(_)), "{n}: {error}"),
        }
    }
}

/// Two servers of one process each queue for themselves; only the database is between them. Keys come in any order.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_stores_over_one_database_lose_nothing() {
    const TASKS: u64 = 16;
    const EACH: u64 = 10;
    let address = CLUSTER.database();
    let stores = [Arc::new(store(&address).await), Arc::new(store(&address).await)];
    let mut tasks = tokio::task::JoinSet::new();
    for task in 0..TASKS {
        let store = Arc::clone(&stores[usize::try_from(task).unwrap() % 2]);
        tasks.spawn(async move {
            for round in 0..EACH {
                while !increment_three(&*store, task + round).await {}
            }
        });
    }
    tasks.join_all().await;
    for key in 0..5 {
        let record = stores[0].record(SESSION, &format!("counter {key}")).await.unwrap().unwrap();
        assert_eq!(u64::from_be_bytes(record.bytes.try_into().unwrap()), record.version);
    }
    let name = address.rsplit('/').next().unwrap();
    assert_eq!(CLUSTER.sql(name, "SELECT sum(version) FROM records"), (3 * TASKS * EACH).to_string());
    assert_eq!(CLUSTER.sql(name, "SELECT count(*) FROM events"), (TASKS * EACH).to_string());
}

/// Three of five counters, in an order that depends on who asks.
async fn increment_three(store: &dyn Store, seed: u64) -> bool {
    let mut records = Vec::new();
    for step in 0..3 {
        let key = format!("counter {}", (seed + step * (1 + seed % 4)) % 5);
        let before = store.record(SESSION, &key).await.unwrap();
        let expected = before.as_ref().map_or(Expected::Absent, |record| Expected::Version(record.version));
        let count = before.map_or(0, |record| u64::from_be_bytes(record.bytes.try_into().unwrap())) + 1;
        let next = NewRecord { bytes: count.to_be_bytes().to_vec(), ..NewRecord::default() };
        records.push(RecordChange::put(SESSION, key, expected, next));
    }
    let event = Event {
        at: Timestamp::from_millis(seed),
        user: USER.to_owned(),
        origin: Origin::default(),
        kind: EventKind::Disabled,
    };
    store.commit(Commit { records, events: vec![event], ..Commit::default() }).await.unwrap() == Committed::Done
}
