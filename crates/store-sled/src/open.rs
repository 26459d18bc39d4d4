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
    keys, mover,
    overlay::Changes,
    redo::{
        self, Mark, Redo, Secret,
        chain::{self, BrokenChain},
    },
    settle,
};

pub use settle::doubt;

/// The format that this version writes. Format 1 had no redo log, and is brought up to it when it is opened.
const FORMAT: u32 = 2;

/// It is there once acknowledged commits were found to be missing. Only a person may take that away.
const LOST: &str = "lost";

/// sled's log is cut into segments; what is larger than a quarter of one goes to a file of its own.
pub const SEGMENT_BYTES: usize = 8 * 1024 * 1024;

pub const LOCK_TRIES: u32 = 200;
pub const LOCK_PAUSE: Duration = Duration::from_millis(10);

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
    /// The disk lost what it had synced.
    #[error(
        "the store folder {path} has lost commits that were acknowledged: put it back from a backup, or remove {path}/{LOST} to go on with what is left",
        path = .path.display()
    )]
    Lost {
        /// The folder.
        path: PathBuf,
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
    /// A second handle of sled's file.
    pub file: File,
    pub journal: Journal,
    pub writer: Writer,
}

/// What the committing thread alone has.
pub struct Writer {
    pub redo: Redo,
    /// How often this store was opened, this time included.
    pub starts: u32,
    /// What the redo log may have before it turns to its other file.
    pub turn: u64,
}

/// Makes the folder if it does not exist, and takes the lock that makes it ours.
pub fn own(path: &Path) -> Result<File, OpenError> {
    create(path).map_err(unusable(path))?;
    lock(path)
}

impl Opened {
    /// Opens the folder, whose lock the caller has. What was `acknowledged` in this process must be there.
    pub fn new(path: &Path, options: &Options, acknowledged: Mark) -> Result<Self, OpenError> {
        let database = |source| match source {
            sled::Error::Io(source) => OpenError::Folder { path: path.to_owned(), source },
            source => OpenError::Database { path: path.to_owned(), source },
        };

        if path.join(LOST).try_exists().map_err(unusable(path))? {
            return Err(OpenError::Lost { path: path.to_owned() });
        }
        let log = path.join("db");
        settle::settle(path).map_err(unusable(&log))?;
        drop_half_snapshots(path).map_err(unusable(path))?;
        let db = database_of(path, options, &database)?;
        let file = File::options().read(true).write(true).open(&log).map_err(unusable(&log))?;
        let Start { starts, secret, group, new } = start(path, &db, &database)?;
        let (redo, changes) = read_redo(path, secret, group, new, acknowledged)?;
        mover::move_into_tree(&db, &file, changes.iter(), redo.last().group).map_err(database)?;
        let journal = replay(path, options, &db, &database)?;

        file.sync_all().map_err(unusable(&log))?;
        // A synced file in a folder that is not may still be lost.
        for place in [&path.join("conf"), path, path.parent().filter(|parent| *parent != "").unwrap_or(Path::new("."))]
        {
            File::open(place).and_then(|place| place.sync_all()).map_err(unusable(place))?;
        }
        settle::settled(path).map_err(unusable(path))?;
        Ok(Self { db, file, journal, writer: Writer { redo, starts, turn: options.redo_bytes } })
    }
}

/// What the tree lacks, and the log behind it, ready to go on.
fn read_redo(
    path: &Path,
    secret: Secret,
    group: u64,
    new: bool,
    acknowledged: Mark,
) -> Result<(Redo, Changes), OpenError> {
    let damaged = |source: Box<dyn std::error::Error + Send + Sync>| OpenError::Damaged {
        path: path.to_owned(),
        source: StoreError::Corrupt { what: "redo log", source },
    };
    let mut files = redo::open(path, new).map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => damaged(Box::new(error)),
        _ => unusable(path)(error),
    })?;
    let chain = chain::read(&mut files, &secret, group).map_err(|error| match error {
        BrokenChain::Io(error) => unusable(path)(error),
        error => damaged(Box::new(error)),
    })?;
    if !chain.has(acknowledged, group) {
        let marked = File::create(path.join(LOST)).and_then(|file| file.sync_all());
        tracing::error!(group = acknowledged.group, found = chain.last.group, ?marked, "acknowledged commits are lost");
        return Err(OpenError::Lost { path: path.to_owned() });
    }
    let next = chain.file.map_or(0, |file| 1 - file);
    Ok((Redo::new(files, next, secret, chain.last), chain.changes.into_iter().collect()))
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
    let config = sled::Config::new().path(path).cache_capacity(options.page_bytes()).segment_size(SEGMENT_BYTES);
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

/// What a store says about itself.
struct Start {
    starts: u32,
    secret: Secret,
    /// The last group that the tree has.
    group: u64,
    /// It has no redo log yet.
    new: bool,
}

/// Checks the format, writes it in a store that is new or older, and counts this start.
fn start(path: &Path, db: &Db, database: &impl Fn(sled::Error) -> OpenError) -> Result<Start, OpenError> {
    let foreign = || OpenError::Foreign { path: path.to_owned() };
    let format = fact::<4>(db, keys::FORMAT, database, foreign)?.map(u32::from_be_bytes);
    let logged = redo::has_any(path).map_err(unusable(path))?;
    let new = match format {
        Some(FORMAT) => false,
        // A log that the tree knows nothing of means that it lost everything, or is an older one.
        Some(1) if !logged => true,
        None if db.is_empty() && !logged => true,
        Some(found) if found > FORMAT => return Err(OpenError::Newer { path: path.to_owned(), found }),
        _ => return Err(foreign()),
    };
    let starts = fact::<4>(db, keys::STARTS, database, foreign)?.map_or(0, u32::from_be_bytes).saturating_add(1);
    let mut facts = sled::Batch::default();
    facts.insert(keys::STARTS, &starts.to_be_bytes());
    if !new {
        let secret = fact(db, keys::SECRET, database, foreign)?.ok_or_else(foreign)?;
        let group = fact::<8>(db, keys::GROUP, database, foreign)?.map(u64::from_be_bytes).ok_or_else(foreign)?;
        db.apply_batch(facts).map_err(database)?;
        return Ok(Start { starts, secret, group, new });
    }
    let mut secret = Secret::default();
    getrandom::fill(&mut secret).map_err(|error| unusable(path)(io::Error::other(error)))?;
    // They must be there before the tree says that they are.
    redo::open(path, true).and_then(|_| File::open(path)?.sync_all()).map_err(unusable(path))?;
    facts.insert(keys::SECRET, &secret);
    facts.insert(keys::GROUP, &0u64.to_be_bytes());
    facts.insert(keys::FORMAT, &FORMAT.to_be_bytes());
    db.apply_batch(facts).map_err(database)?;
    Ok(Start { starts, secret, group: 0, new })
}

fn fact<const N: usize>(
    db: &Db,
    key: &[u8],
    database: &impl Fn(sled::Error) -> OpenError,
    foreign: impl Fn() -> OpenError,
) -> Result<Option<[u8; N]>, OpenError> {
    let Some(value) = db.get(key).map_err(database)? else { return Ok(None) };
    <[u8; N]>::try_from(&*value).map(Some).map_err(|_| foreign())
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
