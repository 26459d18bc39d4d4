//! Is this the store that ran last, or an older copy of it?
//!
//! The store counts the starts of the server and every minute of its life; after each count a marker beside it is given the same number. A
//! store that is behind its marker was restored: it is not used before `admin restored` has made it safe. `restore` writes the same
//! into the store itself. Without a marker (a folder that was copied whole, marker and all) nothing can be noticed.

use std::{
    fs, io,
    io::Write,
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, UNIX_EPOCH},
};

use matrix_2fa_core::{Clock, Event, Timestamp};
use matrix_2fa_engine::{OsRandom, Random};
use matrix_2fa_store::{Commit, Committed, Expected, Kind, NewRecord, RecordChange, Store, Version, codec};
use serde::{Deserialize, Serialize};

use crate::{data::make_folder, failure::Failure};

pub const META: Kind = Kind("meta");
pub const LIFE: &str = "life";

/// The store's own account of its life.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Life {
    /// Random; a copy has the same.
    pub store: String,
    /// Only goes up.
    pub count: u64,
    /// When it last did.
    pub at: Timestamp,
    pub state: State,
}

/// May it be used?
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// Yes.
    Whole,
    /// No: a backup is being brought into it, or that was cut short.
    Filling,
    /// No: what happened after this moment is unknown, and nobody has made it safe.
    Restored(Timestamp),
}

/// What stands beside the store.
#[derive(Debug, Serialize, Deserialize)]
pub struct Marker {
    pub store: String,
    pub count: u64,
    at: Timestamp,
}

pub struct Guard {
    store: Arc<dyn Store>,
    clock: Arc<dyn Clock>,
    marker: PathBuf,
}

impl Guard {
    /// A store that was never opened gets its name here.
    pub async fn open(store: Arc<dyn Store>, clock: Arc<dyn Clock>, folder: PathBuf) -> Result<Self, Failure> {
        make_folder(&folder)?;
        let guard = Self { store, clock, marker: marker_file(&folder) };
        if guard.life().await?.is_none() {
            let mut id = [0; 16];
            OsRandom.fill(&mut id);
            let store = id.iter().map(|byte| format!("{byte:02x}")).collect();
            let life = Life { store, count: 0, at: guard.clock.now(), state: State::Whole };
            if !guard.save(None, &life, None).await? {
                // Another server over the same database was first, and named it.
                return Ok(guard);
            }
            if let Some(marker) = read_marker(&guard.marker)? {
                let marker = marker.store;
                tracing::warn!(marker, "this store is new; the marker of another one is replaced");
                write_marker(&guard.marker, &life)?;
            }
        }
        Ok(guard)
    }

    /// Lets the store be used, and counts it; or says why not and what to do.
    pub async fn admit(&self) -> Result<(), Failure> {
        self.judge().await?;
        self.beat().await
    }

    /// May the store be used? If not: why, and what to do.
    pub async fn judge(&self) -> Result<(), Failure> {
        let (_, life) = self.stored().await?;
        match life.state {
            State::Whole => {}
            State::Filling => {
                let reason = "the store is half restored: remove it (the folder store, or the database) and run matrix-2fa restore again";
                return Err(Failure::start(reason));
            }
            State::Restored(since) => return Err(restored("the store was restored from a backup", since)),
        }
        let file = self.marker.display();
        match read_marker(&self.marker)? {
            Some(marker) if marker.store != life.store => Err(Failure::start(format!(
                "the marker {file} belongs to another store than this one; \
                 if that is as it should be, remove the marker"
            ))),
            Some(marker) if marker.count > life.count => {
                let what = format!(
                    "the store is older than its last run (it counts {}, the marker {file} {}): it was restored from a backup",
                    life.count, marker.count
                );
                Err(restored(&what, life.at))
            }
            _ => Ok(()),
        }
    }

    /// Counts, in the store first.
    pub async fn beat(&self) -> Result<(), Failure> {
        self.update(None, |life| life.count += 1).await
    }

    /// The store is safe from now on, and ahead of every marker that it knows.
    pub async fn release(&self, event: Event) -> Result<(), Failure> {
        let marker = read_marker(&self.marker)?;
        let known =
            move |life: &Life| marker.as_ref().filter(|marker| marker.store == life.store).map(|marker| marker.count);
        self.update(Some(event), |life| {
            life.count = known(life).unwrap_or(0).max(life.count) + 1;
            life.state = State::Whole;
        })
        .await
    }

    /// The store may not be used before it was made safe.
    pub async fn withhold(&self, since: Timestamp) -> Result<(), Failure> {
        let (version, mut life) = self.stored().await?;
        if life.state == State::Filling {
            return Err(Failure::start("the store is half restored: run matrix-2fa restore again first"));
        }
        life.state = State::Restored(since);
        if self.save(Some(version), &life, None).await? {
            return Ok(());
        }
        Err(Failure::run("a server over this store is still running: stop all of them, then run this again"))
    }

    async fn update(&self, event: Option<Event>, change: impl Fn(&mut Life)) -> Result<(), Failure> {
        // Other servers over the same store count too.
        for _ in 0..100 {
            let (version, mut life) = self.stored().await?;
            let now = self.clock.now();
            change(&mut life);
            life.at = now;
            if self.save(Some(version), &life, event.clone()).await? {
                return write_marker(&self.marker, &life);
            }
        }
        Err(Failure::run("the store changes too fast to be counted"))
    }

    async fn stored(&self) -> Result<(Version, Life), Failure> {
        self.life().await?.ok_or_else(|| Failure::run("the store has lost the record of its life"))
    }

    async fn life(&self) -> Result<Option<(Version, Life)>, Failure> {
        load(&*self.store).await
    }

    async fn save(&self, version: Option<Version>, life: &Life, event: Option<Event>) -> Result<bool, Failure> {
        save(&*self.store, version, life, event).await
    }
}

/// Reads the record.
pub async fn load(store: &dyn Store) -> Result<Option<(Version, Life)>, Failure> {
    let record = store.record(META, LIFE).await.map_err(|error| Failure::because(&error))?;
    let Some(record) = record else { return Ok(None) };
    Ok(Some((record.version, codec::decode("life", &record.bytes).map_err(|error| Failure::because(&error))?)))
}

/// Writes it if nobody else did since. Returns whether it did.
pub async fn save(
    store: &dyn Store,
    version: Option<Version>,
    life: &Life,
    event: Option<Event>,
) -> Result<bool, Failure> {
    let bytes = codec::encode("life", life).map_err(|error| Failure::because(&error))?;
    let expected = version.map_or(Expected::Absent, Expected::Version);
    let records = vec![RecordChange::put(META, LIFE, expected, NewRecord { bytes, ..NewRecord::default() })];
    let commit = Commit { records, events: event.into_iter().collect(), ..Commit::default() };
    let committed = store.commit(commit).await.map_err(|error| Failure::because(&error))?;
    Ok(committed == Committed::Done)
}

fn restored(what: &str, since: Timestamp) -> Failure {
    let since = time(since);
    Failure::start(format!(
        "{what}. What happened after {since} is lost, and codes that were used since would work again. Run matrix-2fa admin restored \
         --since {since} (or an earlier time): it ends all recovery codes and logins"
    ))
}

/// A moment as people and `--since` write it.
pub fn time(at: Timestamp) -> String {
    humantime::format_rfc3339_seconds(UNIX_EPOCH + Duration::from_millis(at.as_millis())).to_string()
}

/// Where the marker lies.
pub fn marker_file(folder: &Path) -> PathBuf {
    folder.join("marker.json")
}

/// Reads the marker. One that cannot be read is no reason to go on without.
pub fn read_marker(file: &Path) -> Result<Option<Marker>, Failure> {
    let bad = |problem: String| Failure::start(format!("the marker {} cannot be read: {problem}", file.display()));
    match fs::read_to_string(file) {
        Ok(text) => serde_json::from_str(&text).map(Some).map_err(|error| bad(error.to_string())),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(bad(error.to_string())),
    }
}

/// Under another name first, so that a power cut leaves the old one or the new one.
fn write_marker(file: &Path, life: &Life) -> Result<(), Failure> {
    let marker = Marker { store: life.store.clone(), count: life.count, at: life.at };
    let write = || -> io::Result<()> {
        let new = file.with_extension("new");
        let mut out = fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&new)?;
        serde_json::to_writer(&mut out, &marker)?;
        out.flush()?;
        out.sync_all()?;
        fs::rename(&new, file)?;
        fs::File::open(file.parent().unwrap_or(Path::new(".")))?.sync_all()
    };
    write().map_err(|error| {
        Failure::start(format!(
            "the marker {} cannot be written: {error}; choose a folder with --state",
            file.display()
        ))
    })
}
