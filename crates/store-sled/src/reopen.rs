//! What an error of the disk has poisoned is opened again in the running process: sled writes nothing any more after the first error, also
//! when there is space again. Until then commits are unavailable; what is read afterwards is what is on disk, and that must have everything
//! that was acknowledged, or the store stays shut.

use std::{
    fs::{self, File},
    io::{self, Write},
    panic::{AssertUnwindSafe, catch_unwind},
    path::Path,
    sync::{Arc, PoisonError, RwLock},
    thread,
    time::Duration,
};

use matrix_2fa_store::StoreError;
use tokio::sync::mpsc::{self, error::TryRecvError};

use crate::{
    OpenError, Options,
    committer::{self, Command},
    open::{self, Opened, Writer},
    redo::Mark,
    rows::Rows,
    shared::{Folder, Shared},
};

/// The first pause before the store is opened again; each further one is twice as long.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// What must fit on the disk before it is worth a try.
const PROBE_BYTES: usize = 1024 * 1024;

/// The open store, or the place where it will be again.
pub struct Slot {
    options: Options,
    /// `None` while it is opened again.
    current: RwLock<Option<Arc<Shared>>>,
    folder: Arc<Folder>,
}

impl Slot {
    pub fn open(path: &Path, options: Options, wake: mpsc::WeakSender<Command>) -> Result<(Self, Writer), OpenError> {
        let lock = open::own(path)?;
        let folder = Arc::new(Folder { path: path.to_owned(), wake, lock });
        let slot = Self { options, current: RwLock::new(None), folder };
        let writer = slot.open_files(Mark::default())?;
        Ok((slot, writer))
    }

    fn open_files(&self, acknowledged: Mark) -> Result<Writer, OpenError> {
        let Opened { db, file, journal, writer } = Opened::new(&self.folder.path, &self.options, acknowledged)?;
        // Empty: what an earlier opening had read may not be what is there now.
        let rows = Rows::new(self.options.row_bytes());
        self.set(Some(Arc::new(Shared::new(db, file, journal, rows, Arc::clone(&self.folder)))));
        Ok(writer)
    }

    pub fn shared(&self) -> Result<Arc<Shared>, StoreError> {
        let current = self.current.read().unwrap_or_else(PoisonError::into_inner);
        current.clone().ok_or_else(|| StoreError::Unavailable("the store failed and is being opened again".into()))
    }

    fn set(&self, shared: Option<Arc<Shared>>) {
        *self.current.write().unwrap_or_else(PoisonError::into_inner) = shared;
    }

    /// Opens the store again once the disk can be written. What is whole in memory can be read until then.
    fn try_again(&self, acknowledged: Mark) -> Result<Writer, OpenError> {
        self.probe().map_err(|source| OpenError::Folder { path: self.folder.path.clone(), source })?;
        self.set(None);
        self.open_files(acknowledged)
    }

    fn probe(&self) -> io::Result<()> {
        let path = self.folder.path.join("probe");
        let written = File::create(&path).and_then(|mut file| {
            file.write_all(&vec![0; PROBE_BYTES])?;
            file.sync_data()
        });
        fs::remove_file(&path).and(written)
    }
}

/// Serves until every sender is gone and the queue is empty.
pub fn serve(slot: &Slot, mut writer: Writer, mut queue: mpsc::Receiver<Command>) {
    while let Ok(shared) = slot.shared() {
        // A panic inside sled has marked the store as failed, and must not be the end of it.
        let ended = catch_unwind(AssertUnwindSafe(|| committer::run(&shared, &mut writer, &mut queue)));
        drop(shared);
        if ended.is_ok_and(|ended| ended == committer::Ended::Closed) {
            return;
        }
        match open_again(slot, writer.redo.last(), &mut queue) {
            Some(again) => writer = again,
            None => return,
        }
    }
}

/// Tries with growing pauses. `None`: nobody wants the store any more.
fn open_again(slot: &Slot, acknowledged: Mark, queue: &mut mpsc::Receiver<Command>) -> Option<Writer> {
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
        match slot.try_again(acknowledged) {
            Ok(writer) => {
                tracing::warn!("the store is open again");
                return Some(writer);
            }
            Err(error) => {
                let cause = std::error::Error::source(&error).map(ToString::to_string).unwrap_or_default();
                tracing::error!(%error, cause, "the store cannot be opened again yet");
            }
        }
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
}
