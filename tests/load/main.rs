//! What `tests/load/run.sh` and `postgres.sh` measure with: a bare echo server, the module alone over the embedded store, the store alone, and a folder
//! full of users who are one code away from a login.
//!
//! ```text
//! load echo                       a JSON echo
//! load database                   a PostgreSQL; prints the address of an empty database for each line of its input
//! load verify DATA USERS FILE     the module with a host that makes logins out of thin air
//! load login DATA USERS FILE      the reference homeserver, which makes a device and a token
//! load store DATA USERS FILE      the same loads and commits, without HTTP
//! load many DATA USERS            users with an authenticator and nothing else, for tests/load/many.sh
//! load memory DATA USERS          what an account and a live session take of it, over the store's cache
//! ```
//!
//! With `LOAD_DATABASE=postgres://..` the store is that database, which must be empty, and DATA only holds the key; `LOAD_LANES` and `LOAD_BATCH`
//! say how many transactions run side by side and how many commits share one.
//!
//! All but the first make the users in an empty folder first and write a body a line for wrk. Servers take a free port and print their URL;
//! a line on standard input before it starts the measurement of `store`.

#![expect(clippy::print_stdout, reason = "a tool that prints figures")]

mod memory;
mod seed;
mod serve;
mod store;

use std::{env, path::Path, sync::Arc};

use matrix_2fa_core::Clock;
use matrix_2fa_engine::{Engine, EngineSettings, Keyring, OsRandom, SystemClock};
use matrix_2fa_store::Store;
use matrix_2fa_store_postgres::PostgresStore;
use matrix_2fa_store_sled::{Options, SledStore};

/// As the real server has it; the baseline has it too.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

use seed::Failure;

/// The store and the keys where `matrix-2fa serve --data DATA` has them.
struct Bench {
    store: Arc<dyn Store>,
    engine: Engine,
}

impl Bench {
    async fn open(data: &Path) -> Result<Self, Failure> {
        std::fs::create_dir_all(data)?;
        let (store, clock) = match env::var("LOAD_DATABASE") {
            Ok(address) => database(&address).await?,
            Err(_) => embedded(&data.join("store"), Options { cache_bytes: 1 << 30, ..Options::default() })?,
        };
        Self::over(data, store, clock).await
    }

    async fn over(data: &Path, store: Arc<dyn Store>, clock: Arc<dyn Clock>) -> Result<Self, Failure> {
        let keys = Keyring::open_or_create(&data.join("keys"), &*store, &OsRandom).await?;
        let engine = Engine::new(store.clone(), keys, clock, Arc::new(OsRandom), EngineSettings::default());
        Ok(Self { store, engine })
    }
}

type Opened = (Arc<dyn Store>, Arc<dyn Clock>);

fn embedded(folder: &Path, options: Options) -> Result<Opened, Failure> {
    Ok((Arc::new(SledStore::open(folder, options)?), Arc::new(SystemClock)))
}

async fn database(address: &str) -> Result<Opened, Failure> {
    let mut options = matrix_2fa_store_postgres::Options::default();
    let number = |variable| env::var(variable).ok().map(|number| number.parse::<usize>()).transpose();
    options.lanes = number("LOAD_LANES")?.unwrap_or(options.lanes);
    options.batch = number("LOAD_BATCH")?.unwrap_or(options.batch);
    let store = PostgresStore::open(&address.parse()?, options).await?;
    let clock = store.clock();
    Ok((Arc::new(store), clock))
}

fn databases() -> Result<(), Failure> {
    let cluster = matrix_2fa_store_postgres::cluster::Cluster::start();
    // As much room for what was read as the embedded store has here; a test's own is too small for these users.
    cluster.sql("postgres", "ALTER SYSTEM SET shared_buffers = '1GB'");
    cluster.crash();
    cluster.recover();
    for line in std::io::stdin().lines() {
        line?;
        println!("{}", cluster.database());
    }
    Ok(())
}

/// One worker: the server is measured on one core. The committing thread shares it.
#[tokio::main(flavor = "multi_thread", worker_threads = 1)]
async fn main() -> Result<(), Failure> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let (what, data, users, file) = match arguments.as_slice() {
        ["echo"] => return serve::echo().await,
        ["many", data, users] => {
            return seed::everybody(&Bench::open(Path::new(data)).await?.engine, users.parse()?).await;
        }
        ["memory", data, users] => return memory::run(Path::new(data), users.parse()?).await,
        [what, data, users, file] => (*what, Path::new(data), users.parse()?, Path::new(file)),
        ["database"] => return databases(),
        _ => {
            return Err(
                "usage: load echo | verify DATA USERS FILE | login DATA USERS FILE | store DATA USERS FILE | many DATA USERS | memory DATA USERS".into()
            );
        }
    };
    let bench = Bench::open(data).await?;
    let bodies = seed::run(&bench.engine, users).await?;
    std::fs::write(file, bodies.join("\n"))?;
    match what {
        "verify" => serve::verify(bench).await,
        "login" => serve::login(bench).await,
        "store" => store::run(bench, bodies).await,
        _ => Err(format!("there is nothing called {what} to measure").into()),
    }
}
