//! The writer when the disk takes nothing, and what the next one makes of it.

use std::fs;

use matrix_2fa_core::{EventKind, Stage, event::Origin};
use matrix_2fa_store::MemoryStore;
use tempfile::TempDir;

use super::{super::chain, *};

fn line(n: u64) -> Line {
    let kind = EventKind::FactorFailed { stage: Stage::Totp, run: 1 };
    let event =
        Event { at: Timestamp::from_millis(n), user: "@alice:example.org".to_owned(), origin: Origin::default(), kind };
    Line { event, late: false }
}

async fn keys(folder: &Path) -> Keyring {
    Keyring::open_or_create(&folder.join("keys"), &MemoryStore::default(), &OsRandom).await.unwrap()
}

#[tokio::test]
async fn what_a_full_disk_did_not_take_is_written_later_and_once() {
    let folder = TempDir::new().unwrap();
    let (path, keys) = (folder.path().join("audit.jsonl"), keys(folder.path()).await);
    let (mut writer, last) = Writer::to_file(&path, &keys).unwrap();
    assert!(last.is_none(), "nothing was there");
    let works = writer.file.take();
    // A file that takes nothing.
    writer.file = Some((path.clone(), File::open(&path).unwrap()));
    for n in 1..=3 {
        let text = writer.append(&line(n)).unwrap();
        writer.put(&[text]);
    }
    assert_eq!(writer.written().lock().unwrap().1, 0, "nothing is written yet");
    writer.file = works;
    writer.write();
    writer.checkpoint(true);
    assert_eq!(writer.written().lock().unwrap().1, 3);
    let found = chain::verify(fs::read(&path).unwrap().as_slice(), &*writer.mac).unwrap();
    assert_eq!((found.events, found.writers.len()), (3, 1));
    drop(writer);
    assert!(Writer::to_file(&path, &keys).unwrap().1.is_none(), "it has an end");
}

#[tokio::test]
async fn a_process_that_did_not_look_leaves_it_to_the_next() {
    let folder = TempDir::new().unwrap();
    let (path, keys) = (folder.path().join("audit.jsonl"), keys(folder.path()).await);
    let (mut writer, _) = Writer::to_file(&path, &keys).unwrap();
    let text = writer.append(&line(1)).unwrap();
    writer.put(&[text]);
    let since = SystemClock.now();
    // Killed. The next one ends without having looked for what is missing.
    drop(writer);
    let (mut writer, last) = Writer::to_file(&path, &keys).unwrap();
    let (found, seen) = last.expect("it has no end");
    assert!(found <= since && seen.len() == 1);
    writer.checkpoint(true);
    drop(writer);
    let (mut writer, last) = Writer::to_file(&path, &keys).unwrap();
    assert_eq!(last.expect("it has no end either").0, found);
    // This one looks.
    *writer.missing().lock().unwrap() = None;
    writer.checkpoint(true);
    drop(writer);
    assert!(Writer::to_file(&path, &keys).unwrap().1.is_none());
}
