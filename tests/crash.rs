//! The crash suite: a real server under mixed load, killed with SIGKILL at random moments, must never contradict what it answered; and so
//! must one whose PostgreSQL is killed.
//!
//! * [`campaign`] lets people work (enroll, confirm, verify right and wrong, recovery, regenerate, disable, the administrator's reset; some of
//!   it at once), kills the server, its database or both, sometimes the server again while it starts, brings them back over the same data and asks about everything ([`check`]).
//! * [`model`] says what every request does and answers. Each user is a set of states that explain all answers so far; what was in flight at
//!   a kill happened, or did not, or stopped half way where that is allowed. An answer that no state explains is a violation:
//!   something acknowledged is gone, something spent revived, a counter went down, a session gained a stage, an enrollment is half there.
//! * [`person`] speaks HTTP and holds the secrets; [`choice`] chooses the next request.
//! * [`faults`] shows that the suite would find what it is for: five faults on purpose, each found.
//!
//! `cargo xtask crash --kills 1000 --seed 7` is a longer run. What people do and when the kill comes follow from the seed, which is printed;
//! how far a request got by then is the machine's.

mod campaign;
mod check;
mod choice;
mod faults;
mod model;
mod person;

use std::{env, io::Write as _, time::UNIX_EPOCH};

use matrix_2fa_store_postgres::cluster::Cluster;

use crate::harness::server_binary;
use campaign::Campaign;

/// In CI; more on demand.
const KILLS: u32 = 200;

/// Three of five kills.
#[test]
fn r65_random_kills_lose_and_revive_nothing() {
    passes(None, kills() - kills() * 2 / 5);
}

/// The others: the server, PostgreSQL, or both at once.
#[test]
fn r65_random_kills_of_server_and_database_lose_and_revive_nothing() {
    passes(Some(&Cluster::start()), kills() * 2 / 5);
}

fn passes(cluster: Option<&Cluster>, kills: u32) {
    let seed = number("CRASH_SEED").unwrap_or_else(any_seed);
    let binary = server_binary("MATRIX_2FA_BIN_TEST_CLOCK");
    let over = if cluster.is_some() { "PostgreSQL" } else { "sled" };
    say(&format!("crash suite over {over}: {kills} kills with seed {seed}"));
    match (Campaign { binary: &binary, settings: &[], cluster, kills, seed }).run() {
        Ok(report) => say(&format!("crash suite over {over}: {report:?}, no violation")),
        Err((violation, kills)) => panic!("over {over}, seed {seed}, after {kills} kills: {}", violation.0),
    }
}

fn kills() -> u32 {
    number("CRASH_KILLS").map_or(KILLS, |kills| u32::try_from(kills).expect("fewer kills"))
}

fn number(variable: &str) -> Option<u64> {
    env::var(variable).ok().map(|value| value.parse().expect("a number"))
}

#[expect(clippy::disallowed_methods, reason = "every run shall kill at other moments; the seed is printed")]
fn any_seed() -> u64 {
    std::time::SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970").as_secs()
}

/// Past the capture of the test runner: who reads the log wants the seed.
fn say(line: &str) {
    let _ = writeln!(std::io::stderr(), "{line}");
}
