//! The thread that writes.

use std::{
    collections::HashMap,
    fs::{File, OpenOptions},
    io::{self, BufRead, BufReader, Read, Seek, SeekFrom, Write},
    os::unix::fs::{MetadataExt, OpenOptionsExt},
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
        mpsc::{Receiver, RecvTimeoutError},
    },
    time::Duration,
};

use matrix_2fa_core::{Clock, Event, Timestamp};
use matrix_2fa_engine::{Keyring, OsRandom, Random, SystemClock};

use super::chain::{Hash, Head, ReadLine, identity_of, unhex};

/// A checkpoint follows this long after an event,
const REST: Duration = Duration::from_secs(1);

/// or after so many.
const MANY: u64 = 1000;

/// Of a file of a process before this one, so much is read.
const TAIL: u64 = 64 * 1024 * 1024;

/// What is to be written.
pub struct Line {
    pub event: Event,
    /// Added later, from the store.
    pub late: bool,
}

type MacFn = Box<dyn Fn(&[u8]) -> Hash + Send>;

/// What a file had before, if there is anything to look for: since when something may be missing, and which events it has.
type Last = Option<(Timestamp, HashMap<Hash, usize>)>;

pub struct Writer {
    head: Head,
    mac: MacFn,
    /// None: stdout.
    file: Option<(PathBuf, File)>,
    /// Lines that could not be written yet, and where in the chain they end.
    unwritten: Vec<u8>,
    /// Events since the last checkpoint.
    open: u64,
    /// Since when something may be missing, if anything may.
    missing: Missing,
    /// Something is.
    missed: Arc<AtomicBool>,
    /// What is in the file, for whoever verifies it.
    written: Written,
}

/// The writer, and how many events of it are written.
pub type Written = Arc<Mutex<(String, u64)>>;

/// Since when something may be missing in the log that the store has.
pub type Missing = Arc<Mutex<Option<Timestamp>>>;

/// Bytes that may wait for a disk that is full. What is more than that is found in the store later.
const PATIENCE: usize = 1024 * 1024;

impl Writer {
    pub fn to_stdout(keys: &Keyring) -> Self {
        Self::new(Head::new(fresh()), keys, None, None)
    }

    /// Goes on with what is there.
    pub fn to_file(path: &Path, keys: &Keyring) -> io::Result<(Self, Last)> {
        let mut file = open(path)?;
        let (head, last) = continued(&mut file)?;
        let since = last.as_ref().map(|(since, _)| *since);
        let head = head.unwrap_or_else(|| Head::new(fresh()));
        let mut writer = Self::new(head, keys, Some((path.to_owned(), file)), since);
        // From here on the file says that somebody writes.
        writer.checkpoint(false);
        Ok((writer, last))
    }

    fn new(head: Head, keys: &Keyring, file: Option<(PathBuf, File)>, since: Option<Timestamp>) -> Self {
        let (mac, missing) = (mac(keys), Arc::new(Mutex::new(since)));
        Self {
            head,
            mac,
            file,
            unwritten: Vec::new(),
            open: 0,
            missing,
            missed: Arc::default(),
            written: Written::default(),
        }
    }

    /// Shared with whoever finds what is missing.
    pub fn missing(&self) -> Missing {
        Arc::clone(&self.missing)
    }

    /// Shared with whoever looks for it.
    pub fn missed(&self) -> Arc<AtomicBool> {
        Arc::clone(&self.missed)
    }

    /// Shared with whoever verifies.
    pub fn written(&self) -> Written {
        Arc::clone(&self.written)
    }

    /// Writes until nobody sends any more.
    pub fn run(mut self, lines: &Receiver<Line>) {
        loop {
            let next = if self.open == 0 && self.unwritten.is_empty() {
                lines.recv().map_err(|_| RecvTimeoutError::Disconnected)
            } else {
                lines.recv_timeout(REST)
            };
            match next {
                Err(RecvTimeoutError::Timeout) if !self.unwritten.is_empty() => self.write(),
                Ok(line) => {
                    let more: Vec<Line> = lines.try_iter().take(1000).collect();
                    if self.unwritten.len() > PATIENCE {
                        self.pass_over(&line);
                        more.iter().for_each(|line| self.pass_over(line));
                        continue;
                    }
                    let batch: Vec<String> =
                        std::iter::once(line).chain(more).filter_map(|line| self.append(&line)).collect();
                    self.put(&batch);
                    if self.open >= MANY {
                        self.checkpoint(false);
                    }
                }
                Err(RecvTimeoutError::Timeout) => self.checkpoint(false),
                Err(RecvTimeoutError::Disconnected) => return self.checkpoint(true),
            }
        }
    }

    /// It is in the store, and found there when the disk takes something again.
    fn pass_over(&self, line: &Line) {
        let mut missing = self.missing.lock().unwrap_or_else(PoisonError::into_inner);
        *missing = Some(missing.map_or(line.event.at, |since| since.min(line.event.at)));
        self.missed.store(true, Ordering::Relaxed);
    }

    fn append(&mut self, line: &Line) -> Option<String> {
        let mut salt = [0; 16];
        OsRandom.fill(&mut salt);
        self.open += 1;
        let written = self.head.append(&line.event, &salt, line.late);
        written.inspect_err(|error| tracing::error!(%error, "an audited thing cannot be written")).ok()
    }

    fn checkpoint(&mut self, end: bool) {
        self.open = 0;
        match self.checkpoint_line(end) {
            Ok(line) => self.put(std::slice::from_ref(&line)),
            Err(error) => return tracing::error!(%error, "a checkpoint cannot be written"),
        }
        if !end && let Err(error) = self.follow() {
            tracing::error!(%error, "the file for audited things cannot be opened anew");
        }
    }

    /// It is an end only if nothing is missing.
    fn checkpoint_line(&self, end: bool) -> serde_json::Result<String> {
        let missing = *self.missing.lock().unwrap_or_else(PoisonError::into_inner);
        let now = SystemClock.now();
        self.head.checkpoint(now, missing.unwrap_or(now), end && missing.is_none(), &*self.mac)
    }

    /// Somebody moved the file away (to archive it): a new one begins, with a checkpoint.
    fn follow(&mut self) -> io::Result<()> {
        let Some((path, file)) = &self.file else { return Ok(()) };
        let ours = file.metadata()?;
        if path.metadata().is_ok_and(|found| (found.dev(), found.ino()) == (ours.dev(), ours.ino())) {
            return Ok(());
        }
        let file = open(path)?;
        self.file = Some((path.clone(), file));
        if let Ok(line) = self.checkpoint_line(false) {
            self.put(&[line]);
        }
        Ok(())
    }

    fn put(&mut self, lines: &[String]) {
        for line in lines {
            self.unwritten.extend_from_slice(line.as_bytes());
            self.unwritten.push(b'\n');
        }
        self.write();
    }

    /// Writes what waits. Half of it is none of it: the file is cut back, and all of it waits for the next time.
    fn write(&mut self) {
        let written = match &mut self.file {
            Some((_, file)) => file.metadata().and_then(|before| {
                file.write_all(&self.unwritten).inspect_err(|_| {
                    if let Err(error) = file.set_len(before.len()) {
                        tracing::error!(%error, "half a line stays in the file of audited things");
                    }
                })
            }),
            None => io::stdout().lock().write_all(&self.unwritten),
        };
        match written {
            Ok(()) => {
                self.unwritten.clear();
                *self.written.lock().unwrap_or_else(PoisonError::into_inner) =
                    (self.head.writer.clone(), self.head.seq);
            }
            Err(error) => {
                tracing::error!(%error, "audited things are not written; they are in the store, and it is tried again");
                // What a pipe took of them cannot be taken back.
                if self.file.is_none() {
                    self.unwritten.clear();
                }
            }
        }
    }
}

fn mac(keys: &Keyring) -> MacFn {
    let keys = keys.digester("audit checkpoint");
    Box::new(move |bytes| keys(bytes))
}

fn fresh() -> String {
    let mut bytes = [0; 8];
    OsRandom.fill(&mut bytes);
    data_encoding::HEXLOWER.encode(&bytes)
}

/// For its owner alone, and for one process at a time.
fn open(path: &Path) -> io::Result<File> {
    let file = OpenOptions::new().read(true).append(true).create(true).mode(0o600).open(path)?;
    file.try_lock().map_err(|_| io::Error::other("another server writes to it; give each one a file of its own"))?;
    Ok(file)
}

/// Where the chain in this file is, and what may be missing after it. A line that was cut short is cut off.
fn continued(file: &mut File) -> io::Result<(Option<Head>, Last)> {
    let length = file.metadata()?.len();
    let begin = length.saturating_sub(TAIL);
    file.seek(SeekFrom::Start(begin))?;
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes)?;
    let whole = bytes.iter().rposition(|byte| *byte == b'\n').map_or(0, |end| end + 1);
    if whole < bytes.len() {
        file.set_len(begin + u64::try_from(whole).unwrap_or_default())?;
    }
    let (mut head, mut last, mut seen, mut ended) = (None, None::<Timestamp>, HashMap::new(), true);
    for line in BufReader::new(bytes.get(..whole).unwrap_or_default()).lines() {
        let line = line?;
        // The first one of a tail may be half a line.
        let Ok(read) = serde_json::from_str::<ReadLine<'_>>(&line) else { continue };
        if let Some(chain) = unhex(read.chain) {
            head = Some(Head { writer: read.writer.to_owned(), seq: read.seq, chain });
        }
        ended = read.end;
        if let Some(event) = read.event {
            *seen.entry(identity_of(event.get())).or_default() += 1;
            // A file that somebody cut before its first checkpoint.
            let at = || serde_json::from_str::<Event>(event.get()).map(|event| event.at).unwrap_or_default();
            last = last.or_else(|| Some(at()));
        } else if read.mac.is_some() {
            last = Some(Timestamp::from_millis(read.whole));
        }
    }
    Ok((head, last.filter(|_| !ended).map(|at| (at, seen))))
}

#[cfg(test)]
mod tests;
