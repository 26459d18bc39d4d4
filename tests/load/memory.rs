//! What an account and a live session take of memory, over what the store may use as a cache and for its redo log: resident memory before
//! and after. Both are set so small that it does not matter how full they happen to be; and few make accounts and sessions at once, since what the
//! allocator keeps for each thread that ever read something is no account's and no session's.

use std::path::Path;

use matrix_2fa_engine::Engine;
use matrix_2fa_store_sled::Options;
use tokio::task::JoinSet;

use crate::{Bench, Failure, embedded, seed};

pub(crate) async fn run(data: &Path, users: usize) -> Result<(), Failure> {
    std::fs::create_dir_all(data)?;
    let options = Options { cache_bytes: 4 << 20, redo_bytes: 256 << 10, ..Options::default() };
    // Two files of the log, each of which may become twice as long, are in memory as well.
    let bounded = options.cache_bytes + 4 * options.redo_bytes;
    let (store, clock) = embedded(&data.join("store"), options)?;
    let bench = Bench::over(data, store, clock).await?;
    let empty = resident()?;
    make(&bench.engine, users, What::Account).await?;
    // What was read stays in memory too, as far as it may; a session is not to pay for that.
    make(&bench.engine, users, What::Reading).await?;
    let accounts = resident()?;
    make(&bench.engine, users, What::Session).await?;
    let sessions = resident()?;
    let each = |bytes: u64| bytes / users as u64;
    println!("{users} users; bounded: {} MiB for the cache and the log", bounded >> 20);
    println!("empty {} MiB, with accounts {} MiB, with sessions {} MiB", empty >> 20, accounts >> 20, sessions >> 20);
    println!("an account {} bytes over what is bounded", each(accounts.saturating_sub(empty + bounded)));
    println!("an account {} bytes in all", each(accounts.saturating_sub(empty)));
    println!("a live session {} bytes", each(sessions.saturating_sub(accounts)));
    Ok(())
}

#[derive(Clone, Copy)]
enum What {
    Account,
    Reading,
    Session,
}

/// Makers at once.
const MAKERS: usize = 4;

async fn make(engine: &Engine, users: usize, what: What) -> Result<(), Failure> {
    let mut tasks = JoinSet::new();
    for part in 0..MAKERS {
        let engine = engine.clone();
        tasks.spawn(async move {
            for number in (part..users).step_by(MAKERS) {
                let user = format!("@u{number}:localhost");
                match what {
                    What::Account => drop(seed::enroll(&engine, &user).await?),
                    What::Reading => seed::read(&engine, &user).await?,
                    What::Session => drop(seed::begin(&engine, &user).await?),
                }
            }
            Ok::<_, Failure>(())
        });
    }
    while let Some(part) = tasks.join_next().await {
        part??;
    }
    Ok(())
}

/// Resident memory of this process, in bytes.
fn resident() -> Result<u64, Failure> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).ok_or("no VmRSS")?;
    let kib: u64 = line.trim().trim_end_matches(" kB").trim().parse()?;
    Ok(kib * 1024)
}
