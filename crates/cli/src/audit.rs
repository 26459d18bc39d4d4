//! Audited things as lines of JSON, for a file or for stdout, in a chain that shows what was changed or taken out of it.
//!
//! The events themselves are written in the commits of the changes that they tell of, and the store keeps them. This is a copy for whoever
//! collects logs: [`Tap`] sees every commit that is done, and a thread writes ([`writer`]), so that no commit waits for it. A process that was
//! killed may not have written the last ones; the next one finds them in the store and adds them, marked `late` ([`CatchUp`]).
//!
//! [`chain`] is the format, and how it is verified.

pub mod chain;
mod writer;

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
        mpsc::{SyncSender, TrySendError, sync_channel},
    },
    thread::JoinHandle,
    time::Duration,
};

use async_trait::async_trait;
use matrix_2fa_core::{Event, Timestamp};
use matrix_2fa_engine::{Engine, Keyring};
use matrix_2fa_store::{
    Commit, Committed, KeyedRecord, Kind, Record, Store, StoreError, StoredAccount, export::EachEntry,
};

use crate::{
    failure::{Failure, chain as causes},
    settings::{EventsOut, Settings},
};
use writer::{Line, Missing, Writer, Written};

/// Events that may wait for the thread. More are found in the store later.
const WAITING: usize = 65_536;

/// Before the last line of a process that was killed, so much is looked at once more: decisions take no time, but clocks differ.
const LOOK_BACK: Duration = Duration::from_secs(10 * 60);

/// Users and events that are looked at in one step.
const PAGE: usize = 500;
const EVENTS: usize = 10_000;

/// How often it is looked whether something was missed.
const LOOK: Duration = Duration::from_secs(30);

/// Between the store and the thread.
#[derive(Clone)]
pub struct Tap(Arc<Inner>);

struct Inner {
    /// None: at its end.
    lines: Mutex<Option<SyncSender<Line>>>,
    thread: Mutex<Option<JoinHandle<()>>>,
    /// More came than could wait.
    missed: Arc<AtomicBool>,
    /// What is left over from a process that was killed.
    left: Mutex<Option<CatchUp>>,
    /// Since when something may be missing. Until nothing is, the file has no end, so whoever comes next looks, too.
    missing: Missing,
    written: Written,
}

/// What a process before this one may not have written.
struct CatchUp {
    since: Timestamp,
    until: Timestamp,
    /// What is there already: digests of events, and how often.
    seen: HashMap<[u8; 32], usize>,
}

/// Begins to write, if the settings say where.
pub fn open(settings: &Settings, keys: &Keyring, now: Timestamp) -> Result<Option<Tap>, Failure> {
    let (writer, catch_up) = match &settings.events_out {
        EventsOut::Nowhere => return Ok(None),
        EventsOut::Stdout => (Writer::to_stdout(keys), None),
        EventsOut::File(file) => {
            let (writer, last) = Writer::to_file(file, keys)
                .map_err(|error| Failure::start(format!("events_out: {}: {error}", file.display())))?;
            let catch_up = last.map(|(at, seen)| CatchUp { since: at.minus(LOOK_BACK), until: now, seen });
            (writer, catch_up)
        }
    };
    let (sender, lines) = sync_channel(WAITING);
    let (written, missing, missed) = (writer.written(), writer.missing(), writer.missed());
    let thread = std::thread::Builder::new().name("audit".to_owned()).spawn(move || writer.run(&lines));
    let thread = thread.map_err(|error| Failure::because(&error))?;
    let inner = Inner {
        lines: Mutex::new(Some(sender)),
        thread: Mutex::new(Some(thread)),
        missed,
        left: Mutex::new(catch_up),
        missing,
        written,
    };
    Ok(Some(Tap(Arc::new(inner))))
}

impl Tap {
    /// This store, tapped.
    pub fn on(&self, store: Arc<dyn Store>) -> Arc<dyn Store> {
        Arc::new(Tapped { store, tap: self.clone() })
    }

    fn write(&self, line: Line) {
        let lines = self.0.lines.lock().unwrap_or_else(PoisonError::into_inner);
        let full = lines.as_ref().is_some_and(|lines| matches!(lines.try_send(line), Err(TrySendError::Full(_))));
        if full && !self.0.missed.swap(true, Ordering::Relaxed) {
            tracing::error!("audited things come faster than they are written; those that are missing are added later");
        }
    }

    /// The writer of this process, and how many events of it are written.
    pub fn written(&self) -> (String, u64) {
        self.0.written.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Adds what is missing, now and whenever something is missed.
    pub async fn catch_up(&self, engine: &Engine) {
        let mut first = self.0.left.lock().unwrap_or_else(PoisonError::into_inner).take();
        let mut whole_since = engine.now();
        loop {
            if let Some(missing) = first.take() {
                match self.add_missing(engine, missing).await {
                    Ok(late) => {
                        if late > 0 {
                            tracing::warn!(
                                late,
                                "audited things of a process that was cut short were added to the log"
                            );
                        }
                        // What was added may be more than could wait.
                        if !self.0.missed.load(Ordering::Relaxed) {
                            *self.missing() = None;
                        }
                    }
                    Err(error) => {
                        tracing::error!(
                            error = causes(&error),
                            "audited things may be missing in the log until the next start"
                        );
                    }
                }
            }
            tokio::time::sleep(LOOK).await;
            if self.0.missed.swap(false, Ordering::Relaxed) {
                // What was written meanwhile is not known here, so it may be there twice; missing would be worse.
                let now = engine.now();
                let since = *self.missing().get_or_insert(whole_since);
                first = Some(CatchUp { since: since.min(whole_since), until: now, seen: HashMap::new() });
                whole_since = now;
            }
        }
    }

    fn missing(&self) -> MutexGuard<'_, Option<Timestamp>> {
        self.0.missing.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn add_missing(&self, engine: &Engine, mut missing: CatchUp) -> Result<usize, StoreError> {
        let (mut after, mut late, store) = (None::<String>, 0, engine.store());
        loop {
            let users = store.users(after.as_deref(), PAGE).await?;
            let Some(last) = users.last() else { return Ok(late) };
            after = Some(last.clone());
            for user in &users {
                for event in store.events(user, missing.since, EVENTS).await? {
                    if event.at >= missing.until {
                        continue;
                    }
                    match missing.seen.get_mut(&chain::identity(&event)) {
                        Some(count) if *count > 0 => *count -= 1,
                        _ => {
                            late += 1;
                            self.write(Line { event, late: true });
                        }
                    }
                }
            }
            tokio::task::yield_now().await;
        }
    }
}

impl Drop for Inner {
    /// What waits is written, and the end.
    fn drop(&mut self) {
        drop(self.lines.lock().unwrap_or_else(PoisonError::into_inner).take());
        let thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner).take();
        if thread.is_some_and(|thread| thread.join().is_err()) {
            tracing::error!("the thread that writes audited things panicked");
        }
    }
}

/// A store whose events are also written elsewhere, once each, after they are durable.
struct Tapped {
    store: Arc<dyn Store>,
    tap: Tap,
}

#[async_trait]
impl Store for Tapped {
    async fn load(&self, user: &str) -> Result<StoredAccount, StoreError> {
        self.store.load(user).await
    }

    async fn commit(&self, commit: Commit) -> Result<Committed, StoreError> {
        if commit.events.is_empty() {
            return self.store.commit(commit).await;
        }
        let events: Vec<Event> = commit.events.clone();
        let committed = self.store.commit(commit).await?;
        if committed == Committed::Done {
            events.into_iter().for_each(|event| self.tap.write(Line { event, late: false }));
        }
        Ok(committed)
    }

    async fn record(&self, kind: Kind, key: &str) -> Result<Option<Record>, StoreError> {
        self.store.record(kind, key).await
    }

    async fn records_of(&self, kind: Kind, user: &str) -> Result<Vec<KeyedRecord>, StoreError> {
        self.store.records_of(kind, user).await
    }

    async fn sweep(&self, now: Timestamp, limit: usize) -> Result<usize, StoreError> {
        self.store.sweep(now, limit).await
    }

    async fn events(&self, user: &str, since: Timestamp, limit: usize) -> Result<Vec<Event>, StoreError> {
        self.store.events(user, since, limit).await
    }

    async fn users(&self, after: Option<&str>, limit: usize) -> Result<Vec<String>, StoreError> {
        self.store.users(after, limit).await
    }

    async fn records(&self, kind: Kind, after: Option<&str>, limit: usize) -> Result<Vec<KeyedRecord>, StoreError> {
        self.store.records(kind, after, limit).await
    }

    async fn export(&self, each: EachEntry) -> Result<(), StoreError> {
        self.store.export(each).await
    }
}
