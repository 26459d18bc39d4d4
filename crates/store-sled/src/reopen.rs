//! What an error of the disk has poisoned is opened again in the running process: sled writes nothing any more after the first error, also
//! when there is space again. Until then commits are unavailable; what is read afterwards is what is on disk.

use std::{
    fs::{self, File},
    io::{self, Write},
    panic::{AssertUnwindSafe, catch_unwind},
    path::PathBuf,
    sync::{Arc, PoisonError, RwLock},
    thread,
    time::Duration,
};

use matrix_2fa_store::StoreError;
use tokio::sync::mpsc::{self, error::TryRecvError};

use crate::{
    OpenError, Options,
    committer::{self, Command},
    open::Opened,
    shared::Shared,
};

/// The first pause before the store is opened again; each further one is twice as long.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// What must fit on the disk before it is worth a try.
const PROBE_BYTES: usize = 1024 * 1024;

/// The open store, or the place where it will be again.
pub struct Slot {
    path: PathBuf,
    options: Options,
    /// `None` while it is opened again.
    current: RwLock<Option<Arc<Shared>>>,
    lock: Arc<File>,
}

impl Slot {
    pub fn open(path: PathBuf, options: Options) -> Result<(Self, u32), OpenError> {
        let (opened, lock) = Opened::new(&path, &options)?;
        let lock = Arc::new(lock);
        let starts = opened.starts;
        let current = RwLock::new(Some(Arc::new(Shared::new(opened, Arc::clone(&lock)))));
        Ok((Self { path, options, current, lock }, starts))
    }

    pub fn shared(&self) -> Result<Arc<Shared>, StoreError> {
        let current = self.current.read().unwrap_or_else(PoisonError::into_inner);
        current.clone().ok_or_else(|| StoreError::Unavailable("the store failed and is being opened again".into()))
    }

    fn set(&self, shared: Option<Arc<Shared>>) {
        *self.current.write().unwrap_or_else(PoisonError::into_inner) = shared;
    }

    /// Opens the store again once the disk can be written. What is whole in memory can be read until then.
    fn try_again(&self) -> Result<u32, OpenError> {
        let folder = |source| OpenError::Folder { path: self.path.clone(), source };
        self.probe().map_err(folder)?;
        self.set(None);
        let opened = Opened::locked(&self.path, &self.options)?;
        let starts = opened.starts;
        self.set(Some(Arc::new(Shared::new(opened, Arc::clone(&self.lock)))));
        Ok(starts)
    }

    fn probe(&self) -> io::Result<()> {
        let path = self.path.join("probe");
        let written = File::create(&path).and_then(|mut file| {
            file.write_all(&vec![0; PROBE_BYTES])?;
            file.sync_data()
        });
        fs::remove_file(&path).and(written)
    }
}

/// Serves until every sender is gone and the queue is empty.
pub fn serve(slot: &Slot, mut starts: u32, mut queue: mpsc::Receiver<Command>) {
    while let Ok(shared) = slot.shared() {
        // A panic inside sled has marked the store as failed, and must not be the end of it.
        let ended = catch_unwind(AssertUnwindSafe(|| committer::run(&shared, starts, &mut queue)));
        drop(shared);
        if ended.is_ok_and(|ended| ended == committer::Ended::Closed) {
            return;
        }
        match open_again(slot, &mut queue) {
            Some(again) => starts = again,
            None => return,
        }
    }
}

/// Tries with growing pauses. `None`: nobody wants the store any more.
fn open_again(slot: &Slot, queue: &mut mpsc::Receiver<Command>) -> Option<u32> {
    let mut pause = FIRST_PAUSE;
    loop {
        // Whoever drops the store wakes this thread.
        thread::park_timeout(pause);
        loop {
            match queue.try_recv() {
                // Its answer goes with it, and who waits for that is told that the store is unavailable.
                Ok(command) => drop(command),
                Err(TryRecvError::Empty) => break,
                Err(TryRecvError::Disconnected) => return None,
            }
        }
        match slot.try_again() {
            Ok(starts) => {
                tracing::warn!("the store is open again");
                return Some(starts);
            }
            Err(error) => {
                let cause = std::error::Error::source(&error).map(ToString::to_string).unwrap_or_default();
                tracing::error!(%error, cause, "the store cannot be opened again yet");
            }
        }
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
}
