//! What the disk really has, before sled is let near it.
//!
//! sled takes a part of its log that it cannot read for the end of it, and writes over what comes after. So everything is read first: a
//! disk that cannot be read keeps the store shut, and its data as they are.
//!
//! And after a failed sync the system calls pages clean that never reached the disk: whoever opens the file again reads them, builds on them,
//! and loses both at the next power cut. So when a sync may have failed, what is read is also written again, and synced. A file says that, for a
//! process that is started before the machine is.

use std::{
    fs::{self, File, TryLockError},
    io::{self, ErrorKind, Read},
    os::unix::fs::FileExt,
    path::Path,
    thread,
};

use crate::open::{LOCK_PAUSE, LOCK_TRIES};

/// It is there while sled's file may not be on disk as it is read.
const DOUBT: &str = "unsynced";
const BLOCK: usize = 1024 * 1024;

/// Notes that sled's file is in doubt. The error that led here goes on in any case.
pub fn doubt(folder: &Path) {
    if let Err(error) = File::create(folder.join(DOUBT)) {
        tracing::error!(%error, "it cannot be noted that the last sync failed: restart the machine before the server");
    }
}

/// Reads sled's file through, and makes it durable if that is in doubt.
pub fn settle(folder: &Path) -> io::Result<()> {
    let file = match File::options().read(true).write(true).open(folder.join("db")) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
        opened => opened?,
    };
    let in_doubt = folder.join(DOUBT).try_exists()?;
    if in_doubt {
        own(&file)?;
        tracing::warn!("the database's last sync failed: all of it is written again");
    }
    let (mut block, mut at) = (vec![0; BLOCK], 0);
    loop {
        let read = match (&file).read(&mut block) {
            Err(error) if error.kind() == ErrorKind::Interrupted => continue,
            read => read?,
        };
        let Some(bytes) = block.get(..read).filter(|bytes| !bytes.is_empty()) else { break };
        if in_doubt {
            file.write_all_at(bytes, at)?;
        }
        at += read as u64;
    }
    if in_doubt { file.sync_all() } else { Ok(()) }
}

/// Everything is durable again.
pub fn settled(folder: &Path) -> io::Result<()> {
    match fs::remove_file(folder.join(DOUBT)) {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// Waits for the threads of a sled that was dropped: as long as one of them lives, it has the lock of this file.
#[expect(clippy::disallowed_methods, reason = "a bounded wait for threads that cannot be joined; see `open.rs`")]
fn own(file: &File) -> io::Result<()> {
    for _ in 0..LOCK_TRIES {
        match file.try_lock() {
            Ok(()) => return Ok(()),
            Err(TryLockError::WouldBlock) => thread::sleep(LOCK_PAUSE),
            Err(TryLockError::Error(error)) => return Err(error),
        }
    }
    Err(ErrorKind::WouldBlock.into())
}
