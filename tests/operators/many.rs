//! A hundred thousand users: every page, every line and every event is there, and nobody holds all of them in memory. `MATRIX_2FA_ROWS` says
//! another number; how fast it is, [`tests/load/many.sh`] measures.

#[expect(dead_code, reason = "made for the load tool, which needs more of it")]
#[path = "../load/seed.rs"]
mod seed;

use std::{
    fs,
    io::{BufRead, BufReader, Read},
    process::{Child, Command, Stdio},
    sync::Arc,
};

use matrix_2fa_engine::{Engine, EngineSettings, Keyring, OsRandom, SystemClock};
use matrix_2fa_store_sled::{Options, SledStore};
use serde_json::Value;
use tempfile::TempDir;

use super::moving::Age;
use crate::harness::{clean_command, server_binary};

/// What a command that reads may take more for everybody than for a page, in KiB: the store's cache (64 MiB) and half of that.
const MORE: u64 = 96 * 1024;

/// What one that writes may take more: the cache, the rows kept beside it (16 MiB), and twice what two layers of the redo log (32 MiB) weigh.
const MORE_WRITING: u64 = (64 + 16 + 2 * 32) * 1024;

/// A data folder of users who have an authenticator each.
struct Many {
    folder: TempDir,
    users: usize,
}

impl Many {
    fn new() -> Self {
        let users = std::env::var("MATRIX_2FA_ROWS").map_or(100_000, |rows| rows.parse().expect("a number"));
        let folder = TempDir::new().unwrap();
        let data = folder.path().join("data");
        fs::create_dir(&data).unwrap();
        let runtime = tokio::runtime::Runtime::new().unwrap();
        runtime.block_on(async {
            let store = Arc::new(SledStore::open(&data.join("store"), Options::default()).unwrap());
            let keys = Keyring::open_or_create(&data.join("keys"), &*store, &OsRandom).await.unwrap();
            let settings = EngineSettings::default();
            let engine = Engine::new(store, keys, Arc::new(SystemClock), Arc::new(OsRandom), settings);
            seed::everybody(&engine, users).await.unwrap();
        });
        Self { folder, users }
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = clean_command(&server_binary("MATRIX_2FA_BIN_TEST_CLOCK"));
        command.args(arguments).arg("--data").arg(self.folder.path().join("data")).current_dir(self.folder.path());
        command.env("MATRIX_2FA_EVENTS_OUT", self.folder.path().join("audit"));
        command
    }

    /// Runs it to its end; `line` sees every line of its output. Returns the most memory that it had, in KiB, as far as it was seen.
    fn watch(&self, arguments: &[&str], mut line: impl FnMut(&str)) -> u64 {
        let mut child = self.command(arguments).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let mut peak = memory(&child);
        let (mut out, mut complaints) = (BufReader::new(child.stdout.take().unwrap()), child.stderr.take().unwrap());
        // Progress is told there, and a full pipe would hold it up.
        let telling = std::thread::spawn(move || {
            let mut told = String::new();
            complaints.read_to_string(&mut told).map(|_length| told)
        });
        let mut text = String::new();
        while out.read_line(&mut text).unwrap() > 0 {
            peak = peak.max(memory(&child));
            line(text.trim_end());
            text.clear();
        }
        let told = telling.join().unwrap().unwrap();
        assert!(child.wait().unwrap().success(), "{arguments:?}: {told}");
        peak
    }
}

/// The most resident memory so far, in KiB; 0 once it has ended.
fn memory(child: &Child) -> u64 {
    let status = fs::read_to_string(format!("/proc/{}/status", child.id())).unwrap_or_default();
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    peak.and_then(|peak| peak.trim().strip_suffix("kB")?.trim().parse().ok()).unwrap_or_default()
}

#[test]
fn many_users_are_listed_and_exported_in_little_memory_and_their_events_hold() {
    // Its users are in an embedded store, whatever the rest of the suite runs over.
    let elsewhere = ["CONFORMANCE_BASE_URL", "MATRIX_2FA_TEST_DATABASE", "MATRIX_2FA_TEST_GATEWAY"];
    if elsewhere.iter().any(|variable| std::env::var_os(variable).is_some()) {
        return;
    }
    let (many, age) = (Many::new(), Age::new());
    let users = many.users;
    let mut pages = Vec::new();
    let mut first = String::new();
    let little = many.watch(&["admin", "list", "--limit", "500", "--json"], |line| first = line.to_owned());
    let much = many.watch(&["admin", "list", "--json"], |line| pages.push(line.to_owned()));
    let rows = pages.iter().map(|page| serde_json::from_str::<Value>(page).unwrap());
    let rows: Vec<Value> = rows.flat_map(|page| page["users"].as_array().unwrap().clone()).collect();
    assert_eq!(pages[0], first);
    assert!(pages.len() >= users / 500 && pages.iter().all(|page| page.len() < 500 * 400), "pages are small");
    let names = (0..users).map(|number| format!("@u{number:07}:localhost"));
    assert!(names.eq(rows.iter().map(|row| row["user"].as_str().unwrap().to_owned())), "each once, in order");
    assert!(rows.iter().all(|row| row["authenticators"] == 1 && row["recovery_codes"] == 10));
    assert!(little > 0 && much < little + MORE, "a page took {little} KiB, everybody {much}");

    let file = age.path("export.age");
    let mut said = String::new();
    let most = many.watch(&["admin", "export", &file, "--recipient", &age.recipient], |line| said.push_str(line));
    assert!(said.contains(&format!("the second factors of {users} users")), "{said}");
    assert!(most < little + MORE_WRITING, "a page took {little} KiB, an export {most}");
    let mut dry = String::new();
    let import = ["admin", "import", &file, "--identity", &age.path("key"), "--dry-run"];
    let most = many.watch(&import, |line| dry.push_str(line));
    assert!(dry.contains(&format!("{users} were here already, 0 refused, 0 bad")), "{dry}");
    assert!(most < little + MORE, "a page took {little} KiB, an import {most}");

    // One for each user, and the begin and the end of the export.
    let audit = many.folder.path().join("audit");
    let mut said = String::new();
    let verify = ["events", "verify", audit.to_str().unwrap()];
    let most = many.watch(&verify, |line| said.push_str(line));
    assert!(said.contains(&format!("{} events are as they were written", users + 2)), "{said}");
    assert!(most < little + MORE, "a page took {little} KiB, verifying {most}");
}
