//! What is refused at the start, and that several may start at once.

#![expect(clippy::unwrap_used, reason = "tests")]

use std::{error::Error, process::Command, sync::LazyLock, time::Duration};

use matrix_2fa_store::{Commit, Committed, Expected, Kind, NewRecord, RecordChange, Store, StoreError};
use matrix_2fa_store_postgres::{
    MAX_KEY_BYTES, MAX_VALUE_BYTES, OpenError, Options, PostgresStore,
    cluster::{Cluster, PASSWORD},
};

static CLUSTER: LazyLock<Cluster> = LazyLock::new(Cluster::start);
const SESSION: Kind = Kind("session");

async fn open(address: &str) -> Result<PostgresStore, OpenError> {
    PostgresStore::open(&address.parse().unwrap(), Options { connections: 4, ..Options::default() }).await
}

/// The whole story of an error, which never has the password in it.
async fn refused(address: &str) -> String {
    let error = open(address).await.err().unwrap();
    let causes = std::iter::successors(error.source(), |&cause| cause.source());
    let story = causes.fold(error.to_string(), |story, cause| format!("{story}: {cause}"));
    assert!(!story.contains(PASSWORD) && !format!("{error:?}").contains(PASSWORD), "{story}");
    story
}

fn name(address: &str) -> &str {
    address.rsplit('/').next().unwrap()
}

fn put(key: &str, bytes: usize) -> Commit {
    let next = NewRecord { bytes: vec![7; bytes], ..NewRecord::default() };
    Commit { records: vec![RecordChange::put(SESSION, key, Expected::Any, next)], ..Commit::default() }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn several_servers_may_start_at_once_and_again() {
    let address = CLUSTER.database();
    let stores = [open(&address), open(&address), open(&address), open(&address)];
    let stores = futures_util::future::try_join_all(stores).await.unwrap();
    assert_eq!(stores[0].commit(put("key", 1)).await.unwrap(), Committed::Done);
    let again = open(&CLUSTER.socket_address(name(&address))).await.unwrap();
    assert!(again.record(SESSION, "key").await.unwrap().is_some());
}

/// A server that starts together with its database, on a busy machine, once gave up after the patience that a request has.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_first_connection_may_take_longer_than_others() {
    let (address, patience) = (CLUSTER.database().parse().unwrap(), Duration::ZERO);
    let hasty = Options { patience, opening: Duration::ZERO, ..Options::default() };
    assert!(matches!(PostgresStore::open(&address, hasty).await, Err(OpenError::Unreachable(_))));
    PostgresStore::open(&address, Options { patience, ..Options::default() }).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn r69_newer_tables_are_refused_and_left_alone() {
    let address = CLUSTER.database();
    drop(open(&address).await.unwrap());
    let newer = "INSERT INTO refinery_schema_history (version, name, applied_on, checksum) \
                 VALUES (99, 'later', '2030-01-01T00:00:00Z', '1')";
    CLUSTER.sql(name(&address), newer);
    assert!(matches!(open(&address).await, Err(OpenError::Newer { found: 99, .. })));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_cannot_be_used_is_named() {
    let address = CLUSTER.database();
    CLUSTER.sql("postgres", "CREATE DATABASE ascii ENCODING 'SQL_ASCII' TEMPLATE template0");
    assert!(refused(&CLUSTER.address("ascii")).await.contains("UTF8"));
    assert!(refused(&CLUSTER.address("nowhere")).await.contains("nowhere"));
    assert!(
        refused(&address.replace("postgres:open", "postgres:shut")).await.contains("password authentication failed")
    );
    assert!(refused(&address.replace(&format!(":{}/", CLUSTER.port()), ":1/")).await.contains("refused"));
    CLUSTER.sql("postgres", "CREATE ROLE guest LOGIN PASSWORD 'guest'");
    assert!(refused(&address.replace("postgres:open%20sesame", "guest:guest")).await.contains("set up"));
}

/// Whatever the database says: what is answered is durable.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn commits_are_synchronous_even_where_the_default_is_not() {
    let address = CLUSTER.database();
    CLUSTER.sql(name(&address), &format!("ALTER DATABASE {} SET synchronous_commit = off", name(&address)));
    let store = open(&address).await.unwrap();
    let spy = "CREATE TABLE seen (setting text); \
               CREATE FUNCTION spy() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN \
               INSERT INTO seen VALUES (current_setting('synchronous_commit')); RETURN NEW; END $$; \
               CREATE TRIGGER spy BEFORE INSERT ON records_other FOR EACH ROW EXECUTE FUNCTION spy()";
    CLUSTER.sql(name(&address), spy);
    assert_eq!(store.commit(put("key", 1)).await.unwrap(), Committed::Done);
    assert_eq!(CLUSTER.sql(name(&address), "SELECT * FROM seen"), "on");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_too_large_is_refused_before_it_is_sent() {
    let store = open(&CLUSTER.database()).await.unwrap();
    let long = "x".repeat(MAX_KEY_BYTES + 1);
    for commit in [put("key", MAX_VALUE_BYTES + 1), put(&long, 1), put("a\0b", 1)] {
        assert!(matches!(store.commit(commit).await, Err(StoreError::Corrupt { .. })));
    }
    // Not compressible, so that the index has to take all of it.
    let longest: String = (0..MAX_KEY_BYTES).map(|n| char::from(b'!' + u8::try_from(n * n % 89).unwrap())).collect();
    assert_eq!(store.commit(put(&longest, MAX_VALUE_BYTES)).await.unwrap(), Committed::Done);
    assert!(store.record(SESSION, &longest).await.unwrap().is_some());
    assert_eq!(store.record(SESSION, "a\0b").await.unwrap(), None);
    assert_eq!(store.load(&long).await.unwrap().version, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tls_is_checked_and_never_given_up() {
    let cluster = Cluster::start();
    let address = cluster.database();
    let plain = refused(&format!("{address}?sslmode=require")).await;
    assert!(plain.contains("TLS"), "a server without TLS must not be talked to in the clear: {plain}");

    let folder = tempfile::tempdir().unwrap();
    let (key, certificate) = (folder.path().join("server.key"), folder.path().join("server.crt"));
    let made = Command::new("openssl")
        .args(["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2"])
        .args([
            "-subj",
            "/CN=test",
            "-addext",
            "subjectAltName=IP:127.0.0.1",
            "-addext",
            "basicConstraints=critical,CA:FALSE",
        ])
        .arg("-keyout")
        .arg(&key)
        .arg("-out")
        .arg(&certificate)
        .output()
        .unwrap();
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    cluster.install("server.key", &std::fs::read(&key).unwrap());
    cluster.install("server.crt", &std::fs::read(&certificate).unwrap());
    cluster.sql("postgres", "ALTER SYSTEM SET ssl = on");
    cluster.crash();
    cluster.recover();

    let trusted = format!("{address}?sslmode=verify-full&sslrootcert={}", certificate.display());
    let store = open(&trusted).await.unwrap();
    assert_eq!(store.commit(put("key", 1)).await.unwrap(), Committed::Done);
    let protected =
        "SELECT bool_and(ssl) FROM pg_stat_ssl JOIN pg_stat_activity USING (pid) WHERE application_name = 'matrix-2fa'";
    assert_eq!(cluster.sql("postgres", protected), "t");
    for bad in [format!("{address}?sslmode=require"), trusted.replace("127.0.0.1", "localhost")] {
        let story = refused(&bad).await;
        assert!(story.contains("certificate"), "{story}");
    }
}
