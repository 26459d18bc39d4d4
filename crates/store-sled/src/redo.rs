//! The redo log: what a group of commits changes in the tree, in one piece that is synced before anybody is answered. The tree follows later
//! (`mover.rs`), and opening a store brings it up to date first. So whatever sled loses, doubles or does by halves is done again from here.
//!
//! Two files take turns. Each begins again at its start when everything in it is in the tree, and never before; nothing is cut off, so that a
//! file that has its size needs no more of the disk. A group begins at a sector, so that writing it touches nothing that was acknowledged:
//!
//! | bytes | what |
//! |---|---|
//! | 16 | the store's secret: nobody who only chooses what is stored can make up a group out of what he stores |
//! | 8 | number; each group has the next one, over both files |
//! | 4 | length of the changes |
//! | 4 | CRC-32 of number, length and changes |
//! | | changes: see `change.rs` |
//!
//! A group is written after the one before it is durable. So only the very last one may be broken; see [`chain`].

pub mod chain;
mod change;

use std::{fs::File, io, os::unix::fs::FileExt, path::Path};

use matrix_2fa_store::fault::{self, Fault};

pub use change::Change;

/// The secret of a store.
pub type Secret = [u8; 16];

/// Where groups begin: a multiple of this.
const SECTOR: usize = 512;
const HEADER: usize = 32;

const NAMES: [&str; 2] = ["redo.0", "redo.1"];

/// What was written last: enough to tell whether it is still there.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Mark {
    /// Its number.
    pub group: u64,
    /// Its checksum.
    pub sum: u32,
}

/// The log, as the committing thread writes it.
pub struct Redo {
    files: [File; 2],
    /// The one that is written.
    current: usize,
    secret: Secret,
    last: Mark,
    /// Where the next group goes.
    end: u64,
    /// Kept for its allocation.
    buffer: Vec<u8>,
}

/// Opens both files, and makes them if they may be new.
pub fn open(folder: &Path, may_be_new: bool) -> io::Result<[File; 2]> {
    let open = |name| File::options().read(true).write(true).create(may_be_new).truncate(false).open(folder.join(name));
    let [first, second] = NAMES.map(open);
    Ok([first?, second?])
}

/// Was anything ever written to the log in this folder?
pub fn has_any(folder: &Path) -> io::Result<bool> {
    for name in NAMES {
        match folder.join(name).metadata() {
            Ok(file) if file.len() > 0 => return Ok(true),
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
    }
    Ok(false)
}

impl Redo {
    /// Goes on after group `last`, at the start of file `current`; nothing in that may be needed any more.
    pub fn new(files: [File; 2], current: usize, secret: Secret, last: Mark) -> Self {
        Self { files, current, secret, last, end: 0, buffer: Vec::new() }
    }

    /// Writes a group, and returns when it is durable. After an error nothing more may be written: part of it may be there.
    pub fn append(&mut self, changes: &[Change]) -> io::Result<()> {
        if fault::is(Fault::NoFlush) {
            return Ok(());
        }
        let group = self.last.group + 1;
        let sum = encode(&mut self.buffer, &self.secret, group, changes)?;
        let [first, second] = &self.files;
        let file = if self.current == 0 { first } else { second };
        file.write_all_at(&self.buffer, self.end)?;
        file.sync_data()?;
        self.last = Mark { group, sum };
        self.end += self.buffer.len() as u64;
        Ok(())
    }

    /// The last group that is durable.
    pub fn last(&self) -> Mark {
        self.last
    }

    /// What the present file has.
    pub fn bytes(&self) -> u64 {
        self.end
    }

    /// Goes on in the other file. Everything in that must be in the tree.
    pub fn turn(&mut self) {
        self.current = 1 - self.current;
        self.end = 0;
    }
}

fn encode(buffer: &mut Vec<u8>, secret: &Secret, group: u64, changes: &[Change]) -> io::Result<u32> {
    buffer.clear();
    buffer.extend_from_slice(secret);
    buffer.extend_from_slice(&group.to_be_bytes());
    buffer.extend_from_slice(&[0; 8]);
    changes.iter().for_each(|change| change::write(buffer, change));
    let length = u32::try_from(buffer.len() - HEADER).map_err(|_| io::ErrorKind::FileTooLarge)?.to_be_bytes();
    let sum = sum(group, length, buffer.get(HEADER..).unwrap_or_default());
    let tail = length.into_iter().chain(sum.to_be_bytes());
    buffer.iter_mut().skip(HEADER - 8).zip(tail).for_each(|(to, from)| *to = from);
    buffer.resize(buffer.len().next_multiple_of(SECTOR), 0);
    Ok(sum)
}

fn sum(group: u64, length: [u8; 4], changes: &[u8]) -> u32 {
    let mut sum = crc32fast::Hasher::new();
    sum.update(&group.to_be_bytes());
    sum.update(&length);
    sum.update(changes);
    sum.finalize()
}
