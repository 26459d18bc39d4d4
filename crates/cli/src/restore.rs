//! `matrix-2fa restore`: a backup, brought into an empty store. Whether the server may then simply start is for the guard to say.

use std::{
    collections::BTreeMap,
    fs, io,
    io::Write,
    os::unix::fs::{DirBuilderExt, OpenOptionsExt},
    path::{Path, PathBuf},
    sync::Arc,
};

use clap::Args;
use matrix_2fa_store::{
    AccountChange, Commit, Committed, Expected, Kind, NewRecord, RecordChange, Store, codec, export::Entry,
};
use tokio::task::JoinSet;

use crate::{
    archive::{Item, Reader},
    console, data,
    failure::{Failure, chain},
    guard::{self, LIFE, Life, META, State},
    settings::{Flags, Settings},
    storage::Storage,
};

/// Commits under way at the same time, which share a flush; and events or records in one of them.
const AT_ONCE: usize = 256;
/// Entries between two signs of life.
const TELL_EVERY: u64 = 50_000;
/// A store has a dozen kinds of records. More come from no store of ours.
const KINDS: usize = 1000;

/// What the command is told.
#[derive(Debug, Args)]
pub struct Arguments {
    /// The file that matrix-2fa backup made
    file: PathBuf,
    #[command(flatten)]
    flags: Flags,
}

/// Runs the command.
pub fn run(arguments: &Arguments) -> Result<(), Failure> {
    let settings = Settings::load(&arguments.flags)?;
    let runtime = tokio::runtime::Runtime::new().map_err(|error| Failure::because(&error))?;
    runtime.block_on(restore(&arguments.file, &settings))
}

async fn restore(file: &Path, settings: &Settings) -> Result<(), Failure> {
    let unfit =
        |error: &(dyn std::error::Error + 'static)| Failure::start(format!("{}: {}", file.display(), chain(error)));
    let mut reader = Reader::open(file).map_err(|error| unfit(&error))?;
    data::make_folder(&settings.data)?;
    let Storage { store, .. } = Storage::open(settings).await?;
    let begun = begin(&*store, settings, reader.header.made_at).await?;

    let mut filling = Filling::new(Arc::clone(&store));
    let (mut life, mut keys) = (None, false);
    let entries = loop {
        match reader.next().map_err(|error| unfit(&error))? {
            Item::Key { name, text } => {
                put_key(&settings.key_folder(), &name, &text)?;
                keys = true;
            }
            Item::Entry(Entry::Record { kind, key, bytes, .. }) if kind == META.0 && key == LIFE => {
                life = Some(codec::decode::<Life>("life", &bytes).map_err(|error| unfit(&error))?);
            }
            Item::Entry(entry) => filling.put(entry).await?,
            Item::End { entries } => break entries,
        }
    };
    filling.finish().await?;

    let mut life =
        life.ok_or_else(|| Failure::start(format!("{}: it is of no store that ever ran", file.display())))?;
    let marker = guard::read_marker(&guard::marker_file(&settings.state_folder()))?;
    let nothing_ran_since = marker.is_some_and(|marker| marker.store == life.store && marker.count <= life.count);
    life.state = if nothing_ran_since { State::Whole } else { State::Restored(reader.header.made_at) };
    let finished = guard::save(&*store, Some(begun), &life, None).await?;
    if !finished {
        return Err(Failure::run("another process uses the store; nothing is finished"));
    }

    let made_at = guard::time(reader.header.made_at);
    console::say(&format!("{entries} entries of {made_at} are in {}", settings.place()));
    if !keys {
        console::say(&format!(
            "put the key files into {} before you start the server",
            settings.key_folder().display()
        ));
    }
    if nothing_ran_since {
        console::say("the marker says that nothing ran since: the server can start");
    } else {
        console::say(&format!(
            "before the server starts, say what was lost: matrix-2fa admin restored --since {made_at}"
        ));
    }
    Ok(())
}

/// Makes sure that the store is empty, and marks it as not to be used. Gives the version of the mark.
async fn begin(store: &dyn Store, settings: &Settings, at: matrix_2fa_core::Timestamp) -> Result<u64, Failure> {
    let place = settings.place();
    let full = || Failure::start(format!("{place} has a store already: restore into {}", empty(settings)));
    match guard::load(store).await? {
        Some((_, Life { state: State::Filling, .. })) => {
            return Err(Failure::start(format!(
                "a restore into {place} was cut short: {} and run it again",
                if settings.database.is_some() { "make it an empty database" } else { "remove the folder store in it" }
            )));
        }
        Some(_) => return Err(full()),
        None => {}
    }
    let users = store.users(None, 1).await.map_err(|error| Failure::because(&error))?;
    if !users.is_empty() {
        return Err(full());
    }
    let life = Life { store: "filling".to_owned(), count: 0, at, state: State::Filling };
    if guard::save(store, None, &life, None).await? {
        return Ok(1);
    }
    Err(Failure::start(format!("another process uses {place}")))
}

/// What a backup can be restored into.
fn empty(settings: &Settings) -> &'static str {
    if settings.database.is_some() { "an empty database (--database)" } else { "an empty folder (--data)" }
}

/// Commits entries as they come.
struct Filling {
    store: Arc<dyn Store>,
    under_way: JoinSet<Result<(), Failure>>,
    /// Events or records that share a commit.
    batch: Commit,
    kinds: BTreeMap<String, Kind>,
    entries: u64,
}

impl Filling {
    fn new(store: Arc<dyn Store>) -> Self {
        Self { store, under_way: JoinSet::new(), batch: Commit::default(), kinds: BTreeMap::new(), entries: 0 }
    }

    async fn put(&mut self, entry: Entry) -> Result<(), Failure> {
        self.entries += 1;
        if self.entries.is_multiple_of(TELL_EVERY) {
            console::progress(&format!("{} entries read", self.entries));
        }
        match entry {
            Entry::Account { user, account } => {
                let account = Some(AccountChange { user, expected: 0, account: *account });
                self.commit(Commit { account, ..Commit::default() }).await
            }
            Entry::Event(event) => {
                self.batch.events.push(event);
                self.commit_full().await
            }
            Entry::Record { kind, key, bytes, user, expires_at } => {
                let next = NewRecord { bytes, user, expires_at };
                let change = RecordChange::put(self.kind(kind)?, key, Expected::Absent, next);
                self.batch.records.push(change);
                self.commit_full().await
            }
        }
    }

    async fn commit_full(&mut self) -> Result<(), Failure> {
        if self.batch.events.len() + self.batch.records.len() < AT_ONCE {
            return Ok(());
        }
        // Events of one user must stay in their order: what was before them is in the store.
        self.wait(0).await?;
        let batch = std::mem::take(&mut self.batch);
        self.commit(batch).await
    }

    async fn commit(&mut self, commit: Commit) -> Result<(), Failure> {
        self.wait(AT_ONCE - 1).await?;
        let store = Arc::clone(&self.store);
        self.under_way.spawn(async move {
            match store.commit(commit).await {
                Ok(Committed::Done) => Ok(()),
                Ok(Committed::Conflict) => {
                    Err(Failure::run("the backup has something twice, or another process uses the store"))
                }
                Err(error) => Err(Failure::run(chain(&error))),
            }
        });
        Ok(())
    }

    /// Until no more than `left` commits are under way.
    async fn wait(&mut self, left: usize) -> Result<(), Failure> {
        while self.under_way.len() > left {
            if let Some(done) = self.under_way.join_next().await {
                done.map_err(|error| Failure::because(&error))??;
            }
        }
        Ok(())
    }

    async fn finish(mut self) -> Result<(), Failure> {
        self.wait(0).await?;
        let rest = std::mem::take(&mut self.batch);
        self.commit(rest).await?;
        self.wait(0).await
    }

    /// Kinds are constants of the program, so each that comes from a file becomes one.
    fn kind(&mut self, name: String) -> Result<Kind, Failure> {
        if let Some(kind) = self.kinds.get(&name) {
            return Ok(*kind);
        }
        let plausible = !name.is_empty() && name.bytes().all(|b| b.is_ascii_lowercase() || b == b'_');
        if !plausible || self.kinds.len() == KINDS {
            return Err(Failure::start(format!("the backup has records of a kind {name:?}, which cannot be")));
        }
        let kind = Kind(Box::leak(name.clone().into_boxed_str()));
        self.kinds.insert(name, kind);
        Ok(kind)
    }
}

/// Puts a key file where it belongs. One that is there already is never overwritten.
fn put_key(folder: &Path, name: &str, text: &str) -> Result<(), Failure> {
    let path = folder.join(name);
    let plain = Path::new(name).components().count() == 1 && name.ends_with(".key") && !name.starts_with('.');
    let write = || -> io::Result<()> {
        if !plain {
            return Err(io::Error::other("the backup names it in a way that cannot be"));
        }
        fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
        match fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path) {
            Ok(mut file) => {
                file.write_all(text.as_bytes())?;
                file.sync_all()?;
                fs::File::open(folder)?.sync_all()
            }
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
            Err(error) => Err(error),
        }
    };
    write().map_err(|error| Failure::run(format!("cannot write the key file {}: {error}", path.display())))
}
