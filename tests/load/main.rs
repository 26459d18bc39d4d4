//! What `tests/load/run.sh` measures with: a bare echo server, the module alone over the embedded store, the store alone, and a folder
//! full of users who are one code away from a login.
//!
//! ```text
//! load seed DATA USERS FILE     users, sessions and one body a line for wrk
//! load echo                     a JSON echo on a free port
//! load verify DATA              the module with a host that makes logins out of thin air
//! load store DATA FILE          the same loads and commits, without HTTP
//! ```

#![expect(clippy::print_stdout, reason = "a tool that prints figures")]

mod seed;
mod serve;
mod store;

use std::{path::Path, sync::Arc};

use matrix_2fa_core::Clock;
use matrix_2fa_engine::{Engine, EngineSettings, Keyring, OsRandom, SystemClock};
use matrix_2fa_store_sled::{Options, SledStore};

type Failure = Box<dyn std::error::Error + Send + Sync>;

/// The store and the keys where `matrix-2fa serve --data DATA` has them.
struct Bench {
    store: Arc<SledStore>,
    engine: Engine,
}

impl Bench {
    async fn open(data: &Path) -> Result<Self, Failure> {
        std::fs::create_dir_all(data)?;
        let options = Options { cache_bytes: 1 << 30, ..Options::default() };
        let store = Arc::new(SledStore::open(&data.join("store"), options)?);
        let keys = Keyring::open_or_create(&data.join("matrix-2fa.key"), &*store, &OsRandom).await?;
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        let engine = Engine::new(store.clone(), keys, clock, Arc::new(OsRandom), EngineSettings::default());
        Ok(Self { store, engine })
    }
}

#[tokio::main]
async fn main() -> Result<(), Failure> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match arguments.as_slice() {
        ["seed", data, users, file] => {
            seed::run(Bench::open(Path::new(data)).await?, users.parse()?, Path::new(file)).await
        }
        ["echo"] => serve::echo().await,
        ["verify", data] => serve::verify(Bench::open(Path::new(data)).await?).await,
        ["store", data, file] => store::run(Bench::open(Path::new(data)).await?, Path::new(file)).await,
        _ => Err("usage: load seed DATA USERS FILE | echo | verify DATA | store DATA FILE".into()),
    }
}
