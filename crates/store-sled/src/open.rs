//! Opening a store folder: one owner, a known format, and nothing of it left in a cache of the system.

use std::{
    fs::{self, File, TryLockError},
    io,
    path::{Path, PathBuf},
    thread,
    time::Duration,
};

use matrix_2fa_store::StoreError;
use sled::Db;

use crate::{
    Options,
    journal::{self, Journal},
    keys,
};

/// The format that this version writes.
const FORMAT: u32 = 1;

/// sled's log is cut into segments; what is larger than a quarter of one goes to a file of its own.
pub const SEGMENT_BYTES: usize = 8 * 1024 * 1024;

const LOCK_TRIES: u32 = 200;
const LOCK_PAUSE: Duration = Duration::from_millis(10);

/// Why a store cannot be opened. Each names the folder and says what to do.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Another process, or this one, has it open.
    #[error("the store folder {} is in use by another process: stop that one first", .path.display())]
    Locked {
        /// The folder.
        path: PathBuf,
    },
    /// The folder, or a file in it, cannot be made, read or written.
    #[error("{} cannot be opened for reading and writing: check that it is a folder of this user's on a writable disk", .path.display())]
    Folder {
        /// The folder or file.
        path: PathBuf,
        /// What the system says.
        #[source]
        source: io::Error,
    },
    /// A newer version wrote it.
    #[error("the store folder {} has format {found}, and this program knows no format above {FORMAT}: use a newer release", .path.display())]
    Newer {
        /// The folder.
        path: PathBuf,
        /// The format found.
        found: u32,
    },
    /// It has data, but not of ours.
    #[error("the store folder {} has no format mark of matrix-2fa: it belongs to another program, or is damaged", .path.display())]
    Foreign {
        /// The folder.
        path: PathBuf,
    },
    /// What it says about sessions and tokens cannot be read.
    #[error("the store folder {} is damaged: put it back from a backup", .path.display())]
    Damaged {
        /// The folder.
        path: PathBuf,
        /// What cannot be read.
        #[source]
        source: StoreError,
    },
    /// sled cannot open it.
    #[error("the database in {} cannot be opened: it is damaged, or of another version of sled", .path.display())]
    Database {
        /// The folder.
        path: PathBuf,
        /// What sled says.
        #[source]
        source: sled::Error,
    },
    /// The committing thread cannot be started.
    #[error("the committing thread cannot be started")]
    Thread {
        /// What the system says.
        #[source]
        source: io::Error,
    },
}

/// The files of one open store.
pub struct Opened {
    pub db: Db,
    /// A second handle of sled's file, to sync it: sled's own flush does not reach the disk (`sync_file_range` only).
    pub file: File,
    /// How often this store was opened, this time included.
    pub starts: u32,
    pub journal: Journal,
}

impl Opened {
    /// Makes the folder if it does not exist, and opens it with the lock that makes it ours.
    pub fn new(path: &Path, options: &Options) -> Result<(Self, File), OpenError> {
        create(path).map_err(unusable(path))?;
        let lock = lock(path)?;
        Ok((Self::locked(path, options)?, lock))
    }

    /// Opens the folder, whose lock the caller has.
    pub fn locked(path: &Path, options: &Options) -> Result<Self, OpenError> {
        let database = |source| match source {
            sled::Error::Io(source) => OpenError::Folder { path: path.to_owned(), source },
            source => OpenError::Database { path: path.to_owned(), source },
        };

        drop_half_snapshots(path).map_err(unusable(path))?;
        let db = database_of(path, options, &database)?;
        let starts = start(path, &db, &database)?;
        let journal = replay(path, options, &db, &database)?;
        db.flush().map_err(database)?;

        let log = path.join("db");
        let file = File::options().read(true).write(true).open(&log).map_err(unusable(&log))?;
        file.sync_all().map_err(unusable(&log))?;
        // A synced file in a folder that is not may still be lost.
        for place in [&path.join("conf"), path, path.parent().filter(|parent| *parent != "").unwrap_or(Path::new("."))]
        {
            File::open(place).and_then(|place| place.sync_all()).map_err(unusable(place))?;
        }
        Ok(Self { db, file, starts, journal })
    }
}

fn unusable(path: &Path) -> impl FnOnce(io::Error) -> OpenError {
    let path = path.to_owned();
    move |source| OpenError::Folder { path, source }
}

/// Password hashes and sealed seeds are nobody else's business, whatever the umask says.
fn create(path: &Path) -> io::Result<()> {
    let mut folder = fs::DirBuilder::new();
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut folder, 0o700);
    folder.recursive(true).create(path)
}

/// The lock that counts. sled locks its own file too, but says so in words that only a person can tell from any other error.
fn lock(path: &Path) -> Result<File, OpenError> {
    let at = path.join("lock");
    let file = File::options().create(true).truncate(false).write(true).open(&at).map_err(unusable(&at))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(OpenError::Locked { path: path.to_owned() }),
        Err(TryLockError::Error(source)) => Err(unusable(&at)(source)),
    }
}

/// While it opens, sled writes a snapshot of what it read from its log, for the next time. Killed in the middle it leaves half of one, which it
/// then takes for the newest, and refuses to open for ever (it looks for `.in___motion` and writes `.generating`). The log has everything.
fn drop_half_snapshots(path: &Path) -> io::Result<()> {
    for entry in fs::read_dir(path)? {
        let entry = entry?;
        let name = entry.file_name();
        let name = name.to_string_lossy();
        if name.starts_with("snap.") && name.ends_with(".generating") {
            tracing::info!("an earlier start was cut short; its half snapshot is dropped");
            fs::remove_file(entry.path())?;
        }
    }
    Ok(())
}

/// Opens sled. Its own lock outlives a dropped database by a moment, since its background threads hold the file too: who reopens a store
/// in one process has to wait for them, and nothing tells when they are gone.
#[expect(clippy::disallowed_methods, reason = "a bounded wait for threads that cannot be joined; see above")]
fn database_of(path: &Path, options: &Options, error: &impl Fn(sled::Error) -> OpenError) -> Result<Db, OpenError> {
    let config = sled::Config::new().path(path).cache_capacity(options.cache_bytes).segment_size(SEGMENT_BYTES);
    for _ in 0..LOCK_TRIES {
        match config.open() {
            Err(sled::Error::Io(busy)) if is_lock(&busy) => thread::sleep(LOCK_PAUSE),
            opened => return opened.map_err(error),
        }
    }
    Err(OpenError::Locked { path: path.to_owned() })
}

fn is_lock(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::Other && error.to_string().starts_with("could not acquire lock")
}

/// Checks the format, writes it in a new store, and counts this start.
fn start(path: &Path, db: &Db, database: &impl Fn(sled::Error) -> OpenError) -> Result<u32, OpenError> {
    let number = |key: &[u8]| -> Result<Option<u32>, OpenError> {
        let Some(value) = db.get(key).map_err(database)? else { return Ok(None) };
        let bytes = <[u8; 4]>::try_from(&*value).map_err(|_| OpenError::Foreign { path: path.to_owned() })?;
        Ok(Some(u32::from_be_bytes(bytes)))
    };
    match number(keys::FORMAT)? {
        Some(FORMAT) => {}
        Some(found) => return Err(OpenError::Newer { path: path.to_owned(), found }),
        None if db.is_empty() => {}
        None => return Err(OpenError::Foreign { path: path.to_owned() }),
    }
    let starts = number(keys::STARTS)?.unwrap_or(0).saturating_add(1);
    let mut batch = sled::Batch::default();
    batch.insert(keys::FORMAT, &FORMAT.to_be_bytes());
    batch.insert(keys::STARTS, &starts.to_be_bytes());
    db.apply_batch(batch).map_err(database)?;
    Ok(starts)
}

/// Reads the journal from its first block to its last.
fn replay(
    path: &Path,
    options: &Options,
    db: &Db,
    database: &impl Fn(sled::Error) -> OpenError,
) -> Result<Journal, OpenError> {
    let mut journal = Journal::new(options.journal_bytes);
    for block in db.scan_prefix([keys::JOURNAL]) {
        let (key, bytes) = block.map_err(database)?;
        let damaged = |source| OpenError::Damaged { path: path.to_owned(), source };
        let seq = keys::journal_seq(&key).ok_or_else(|| OpenError::Foreign { path: path.to_owned() })?;
        journal.add(seq, bytes.len());
        for item in journal::items(seq, &bytes).map_err(damaged)? {
            journal.apply(item.change().map_err(damaged)?);
        }
    }
    Ok(journal)
}
