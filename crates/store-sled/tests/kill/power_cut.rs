//! A power cut at any moment, replayed: the disk keeps what was synced, and of what was written since then any sectors or none.
//!
//! `strace` writes down every write, sync and acknowledgement of the child, in order and with all bytes. From that a database file is made
//! for a cut anywhere: everything that a finished `fdatasync` (or `fsync`) covers, and of each later write every 512-byte sector by chance.
//! A sync that fails (strace makes it fail) is one after which what was to be synced is lost, unless it is written again: the system calls
//! its pages clean, and so the process itself still reads it. What is not modelled: a disk that lies about a sync, that tears sectors, or that a write damages beside itself; and losses in the folder
//! (names, not contents), which the store syncs before it says that it is open.

use std::{
    collections::BTreeMap,
    fs::{self, File},
    os::unix::fs::FileExt,
    path::Path,
    process::{Command, Stdio},
};

use rand::{RngExt, SeedableRng, rngs::StdRng};

use super::{FOLDER, JOURNAL, REDO, STOP, TEST, check};

const SECTOR: usize = 512;
/// Two lives of fifty cuts each: a new store, and one that is opened again.
const CUTS: usize = 50;
/// Acknowledgements in each life.
const LIFE: usize = 250;

/// The files that matter.
const FILES: [&str; 3] = ["db", "redo.0", "redo.1"];

/// A call, at the lines of the trace where it began and ended.
struct Call {
    begin: usize,
    end: usize,
    what: What,
}

enum What {
    Write { file: usize, offset: u64, bytes: Vec<u8> },
    Sync { file: usize, failed: bool },
    Said(String),
}

#[tokio::test]
async fn r65_a_hundred_power_cuts_lose_nothing_acknowledged() {
    let unsynced_losses = cuts(CUTS, LIFE, &[]).await;
    assert!(unsynced_losses > CUTS, "a disk that syncs nothing was noticed {unsynced_losses} times only");
}

/// Some of the syncs fail: of the redo log and of the tree, as it comes. The child opens the store again and goes on.
#[tokio::test]
async fn r66_a_sync_that_failed_is_not_forgotten() {
    cuts(CUTS / 2, LIFE / 2, &["-e", "inject=fdatasync:error=EIO:when=4+13"]).await;
}

/// Two lives, each with some cuts. How often a disk that ignores every sync was noticed.
async fn cuts(cuts: usize, life: usize, inject: &[&str]) -> usize {
    let folder = tempfile::tempdir().unwrap();
    let mut chance = StdRng::seed_from_u64(65);
    let mut acknowledged = BTreeMap::new();
    let mut unsynced_losses = 0;
    for _life in 0..2 {
        let before = FILES.map(|file| fs::read(folder.path().join(file)).unwrap_or_default());
        let calls = live(folder.path(), life, inject);
        let open = calls.iter().find(|call| matches!(&call.what, What::Said(line) if line == "open")).unwrap().end;
        let failed = calls.iter().filter(|call| matches!(call.what, What::Sync { failed: true, .. })).count();
        assert_eq!(failed > 1, !inject.is_empty(), "{failed} syncs failed");
        let last = calls.iter().map(|call| call.end).max().unwrap();
        for _ in 0..cuts {
            let cut = chance.random_range(open..=last);
            let promised = promised(&calls, cut, &acknowledged);
            let folder = folder.path();
            // Where the store is opened again, there are newer snapshots, and the log must do without.
            let snapshots = inject.is_empty();
            let disk = disk_after((folder, snapshots), &before, &calls, cut, true, &mut chance);
            check(disk.path(), &promised).await;
            // The control: a disk that ignores every sync must be caught.
            let disk = disk_after((folder, snapshots), &before, &calls, cut, false, &mut chance);
            let checked = tokio::spawn(async move { check(disk.path(), &promised).await });
            unsynced_losses += usize::from(checked.await.is_err());
        }
        acknowledged = promised(&calls, usize::MAX, &acknowledged);
    }
    unsynced_losses
}

/// Lets the child work under strace until it has had enough.
fn live(folder: &Path, life: usize, inject: &[&str]) -> Vec<Call> {
    let trace = tempfile::NamedTempFile::new().unwrap();
    let status = Command::new("strace")
        .args(["-f", "-qq", "-y", "-xx", "-s", "20000000", "-e", "signal=none"])
        .args(inject)
        .args(["-e", "trace=write,pwrite64,fdatasync,fsync", "-o"])
        .arg(trace.path())
        .arg(std::env::current_exe().unwrap())
        .args([TEST, "--exact", "--nocapture"])
        .env(FOLDER, folder)
        .env(STOP, life.to_string())
        // Little room, so that records also move from the journal to the tree, and from the redo log.
        .env(JOURNAL, "100000")
        .env(REDO, "60000")
        .stdout(Stdio::null())
        .status()
        .unwrap();
    assert!(status.success(), "strace (of the package strace) must be allowed to trace");
    read_trace(&fs::read_to_string(trace.path()).unwrap(), folder)
}

/// The calls on the files, and the lines on stdout.
fn read_trace(trace: &str, folder: &Path) -> Vec<Call> {
    let files = FILES.map(|file| hex(folder.join(file).to_str().unwrap()));
    let mut begun: BTreeMap<&str, (usize, &str)> = BTreeMap::new();
    let mut calls = Vec::new();
    for (line, text) in trace.lines().enumerate() {
        let (thread, text) = text.split_once(' ').unwrap();
        let text = text.trim_start();
        if let Some(start) = text.strip_suffix(" <unfinished ...>") {
            begun.insert(thread, (line, start));
            continue;
        }
        let (begin, call) = if text.starts_with("<... ") { begun.remove(thread).unwrap() } else { (line, text) };
        let failed = text.rsplit_once(" = ").is_some_and(|(_, result)| result.starts_with('-'));
        calls.extend(what(call, &files, failed).map(|what| Call { begin, end: line, what }));
    }
    // Calls in which the process ended may have happened.
    let open_ended = begun.values().filter_map(|(begin, text)| Some((*begin, what(text, &files, false)?)));
    calls.extend(open_ended.map(|(begin, what)| Call { begin, end: usize::MAX - 1, what }));
    calls.sort_by_key(|call| call.begin);
    calls
}

/// `pwrite64(11<path>, "bytes", length, offset`, `fdatasync(12<path>` or `write(1<path>, "line", length`.
fn what(call: &str, files: &[String; 3], failed: bool) -> Option<What> {
    let (name, rest) = call.split_once('(')?;
    let (file, rest) = rest.split_once('>')?;
    let (number, path) = file.split_once('<')?;
    let bytes = || rest.split('"').nth(1).map(unhex);
    let file = files.iter().position(|name| name == path);
    match (name, file) {
        ("pwrite64", Some(_)) if failed => unreachable!("no write was made to fail"),
        ("pwrite64", Some(file)) => {
            let offset = rest.rsplit_once('"')?.1.split(", ").nth(2)?;
            let offset = offset.split(')').next()?.trim().parse().ok()?;
            Some(What::Write { file, offset, bytes: bytes()? })
        }
        ("fdatasync" | "fsync", Some(file)) => Some(What::Sync { file, failed }),
        ("write", _) if number == "1" => Some(What::Said(String::from_utf8(bytes()?).ok()?.trim().to_owned())),
        ("write", Some(_)) => unreachable!("everything is written at a place"),
        _ => None,
    }
}

fn hex(text: &str) -> String {
    text.bytes().map(|byte| format!("\\x{byte:02x}")).collect()
}

fn unhex(text: &str) -> Vec<u8> {
    text.split("\\x").skip(1).map(|byte| u8::from_str_radix(byte, 16).unwrap()).collect()
}

/// What was acknowledged before the cut. A line that was begun may have been read.
fn promised(calls: &[Call], cut: usize, before: &BTreeMap<String, u64>) -> BTreeMap<String, u64> {
    let mut promised = before.clone();
    for call in calls.iter().filter(|call| call.begin <= cut) {
        let What::Said(line) = &call.what else { continue };
        if let Some((user, version)) = line.strip_prefix("ack ").and_then(|line| line.split_once(' ')) {
            promised.insert(user.to_owned(), version.parse().unwrap());
        }
    }
    promised
}

/// A folder as it may be found after a cut at this line.
fn disk_after(
    (folder, snapshots): (&Path, bool),
    before: &[Vec<u8>; 3],
    calls: &[Call],
    cut: usize,
    honest: bool,
    chance: &mut StdRng,
) -> tempfile::TempDir {
    // In memory if that is possible: the disk under it has no part in this.
    let disk = tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).unwrap();
    for entry in fs::read_dir(folder).unwrap() {
        let entry = entry.unwrap();
        let name = entry.file_name();
        // Neither changes once the store is open.
        if name == "conf" || snapshots && name.to_string_lossy().starts_with("snap.") {
            fs::copy(entry.path(), disk.path().join(name)).unwrap();
        }
    }
    // All, none, or by chance: each is a disk of its own kind.
    let kept = [0.0, 0.5, 1.0].get(chance.random_range(0..3)).copied().unwrap();
    let kept = if honest { kept } else { 0.5 };
    for ((name, before), number) in FILES.iter().zip(before).zip(0..) {
        let database = File::create(disk.path().join(name)).unwrap();
        database.write_all_at(before, 0).unwrap();
        for call in calls.iter().filter(|call| call.begin <= cut) {
            let What::Write { file, offset, bytes } = &call.what else { continue };
            if *file != number {
                continue;
            }
            let fate = if honest { fate(calls, number, call.end, cut) } else { Fate::Open };
            let mut at = 0;
            while at < bytes.len() {
                let place = offset + at as u64;
                let sector = (SECTOR - place as usize % SECTOR).min(bytes.len() - at);
                if fate == Fate::Durable || fate == Fate::Open && chance.random_bool(kept) {
                    database.write_all_at(bytes.get(at..at + sector).unwrap(), place).unwrap();
                }
                at += sector;
            }
        }
    }
    disk
}

#[derive(PartialEq, Eq)]
enum Fate {
    Durable,
    Lost,
    Open,
}

/// What became of a write that ended at this line: the first sync of its file that began afterwards tells.
fn fate(calls: &[Call], number: usize, written: usize, cut: usize) -> Fate {
    for call in calls.iter().skip_while(|call| call.begin <= written).take_while(|call| call.begin <= cut) {
        match call.what {
            What::Sync { file, failed: true } if file == number => return Fate::Lost,
            What::Sync { file, .. } if file == number && call.end <= cut => return Fate::Durable,
            _ => {}
        }
    }
    Fate::Open
}
