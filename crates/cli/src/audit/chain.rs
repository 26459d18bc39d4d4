//! The lines, and what they prove.
//!
//! An event line has a `digest` of its salted event, and a `chain` of the line before and this digest. So an event can be blacked out (`event`
//! and `salt` to null: erasure, or the end of a retention time) and everything still holds; one that was changed, put in, moved or taken
//! out shows. Who can write the file could make the whole chain anew, but not the checkpoints: their `mac` needs this server's key. What no
//! checkpoint of its writer follows is counted as open. A file may begin at a checkpoint: what was before it was archived. Lines cut off at
//! the end do not show in the file; a checkpoint follows a second after the last event, and a clean end says `end`.

use std::{collections::BTreeMap, io::BufRead};

use matrix_2fa_core::{Event, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use sha2::{Digest, Sha256};

/// SHA-256.
pub type Hash = [u8; 32];

/// Proves that a checkpoint is this server's.
pub type Mac<'a> = dyn Fn(&[u8]) -> Hash + Send + 'a;

/// Where a chain is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Head {
    /// Whose chain.
    pub writer: String,
    /// Its events so far.
    pub seq: u64,
    /// What holds them together.
    pub chain: Hash,
}

/// A line as it is read; what it is, its keys say. Nothing else may stand in it: whoever reads the file would take it for proved.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ReadLine<'a> {
    pub writer: &'a str,
    pub seq: u64,
    pub chain: &'a str,
    /// A hint of the writer's, on which nothing rests.
    #[serde(default, rename = "late")]
    _late: bool,
    #[serde(default)]
    pub digest: Option<&'a str>,
    #[serde(default)]
    pub salt: Option<&'a str>,
    #[serde(borrow, default)]
    pub event: Option<&'a RawValue>,
    #[serde(default)]
    pub at: u64,
    /// Everything before this moment is in the log.
    #[serde(default)]
    pub whole: u64,
    #[serde(default)]
    pub mac: Option<&'a str>,
    #[serde(default)]
    pub end: bool,
}

#[derive(Serialize)]
struct EventLine<'a> {
    writer: &'a str,
    seq: u64,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    late: bool,
    salt: &'a str,
    digest: &'a str,
    chain: &'a str,
    event: &'a RawValue,
}

#[derive(Serialize)]
struct CheckpointLine<'a> {
    writer: &'a str,
    seq: u64,
    chain: &'a str,
    at: u64,
    whole: u64,
    mac: &'a str,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    end: bool,
}

/// What was found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Verified {
    /// Events that are as they were written.
    pub events: u64,
    /// Events that were blacked out.
    pub erased: u64,
    /// Checkpoints.
    pub checkpoints: u64,
    /// Of each writer: its events so far, and those after its last checkpoint, for which no key vouches.
    pub writers: BTreeMap<String, Written>,
    /// Who wrote the last line.
    pub last: Option<String>,
}

/// What a writer has written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Written {
    /// Its events so far.
    pub seq: u64,
    /// Those of them that follow its last checkpoint.
    pub open: u64,
}

/// What is wrong, and in which line of the file.
#[derive(Debug, thiserror::Error)]
pub enum Broken {
    /// It cannot be read.
    #[error("line {0}: it cannot be read")]
    Read(u64, #[source] std::io::Error),
    /// Not one of ours.
    #[error("line {0}: it is no line of an audit log")]
    Line(u64, #[source] serde_json::Error),
    /// An event and a checkpoint in one.
    #[error("line {0}: something was put into this line")]
    Mixed(u64),
    /// The event is not the one that was written.
    #[error("line {0}: this event was changed")]
    Changed(u64),
    /// Something before it is missing, or was put in, moved or changed.
    #[error("line {0}: lines before it are missing, or were put in, moved or changed")]
    Chain(u64),
    /// It was not made with a key of this server.
    #[error("line {0}: this checkpoint was not made by this server")]
    Checkpoint(u64),
    /// A file begins with the first event of a writer or with a checkpoint.
    #[error("line {0}: what came before it is missing, and there is no checkpoint")]
    Beginning(u64),
}

impl Head {
    /// The chain of a new writer.
    pub fn new(writer: String) -> Self {
        let chain = Sha256::new().chain_update("matrix-2fa audit\0").chain_update(&writer).finalize().into();
        Self { writer, seq: 0, chain }
    }

    /// Appends an event, and gives its line.
    pub fn append(&mut self, event: &Event, salt: &[u8; 16], late: bool) -> serde_json::Result<String> {
        let event = serde_json::value::to_raw_value(event)?;
        let digest = digest(salt, event.get());
        self.link(&digest);
        let line = EventLine {
            writer: &self.writer,
            seq: self.seq,
            late,
            salt: &hex(salt),
            digest: &hex(&digest),
            chain: &hex(&self.chain),
            event: &event,
        };
        serde_json::to_string(&line)
    }

    /// The line that vouches for everything up to here. Everything before the moment `whole` is in the log.
    pub fn checkpoint(&self, at: Timestamp, whole: Timestamp, end: bool, mac: &Mac<'_>) -> serde_json::Result<String> {
        let (at, whole, chain) = (at.as_millis(), whole.as_millis(), hex(&self.chain));
        let mac = hex(&mac(&self.vouched(at, whole, end)));
        let Self { writer, seq, .. } = self;
        serde_json::to_string(&CheckpointLine { writer, seq: *seq, chain: &chain, at, whole, mac: &mac, end })
    }

    fn link(&mut self, digest: &Hash) {
        self.seq += 1;
        let chained = Sha256::new().chain_update(self.chain).chain_update(self.seq.to_be_bytes()).chain_update(digest);
        self.chain = chained.finalize().into();
    }

    fn vouched(&self, at: u64, whole: u64, end: bool) -> Vec<u8> {
        let Self { writer, seq, chain } = self;
        let numbers = [seq.to_be_bytes(), at.to_be_bytes(), whole.to_be_bytes()].concat();
        [&numbers[..], &[u8::from(end)], chain, writer.as_bytes()].concat()
    }
}

impl ReadLine<'_> {
    /// Does it have what only lines of the other kind have?
    fn is_mixed(&self) -> bool {
        let event = self.digest.is_some() || self.salt.is_some() || self.event.is_some();
        let checkpoint = self.mac.is_some() || self.end || (self.at, self.whole) != (0, 0);
        event && checkpoint
    }
}

/// Verifies a file, line by line, in the order of the file. Several writers may have written to it, one after the other.
pub fn verify(file: impl BufRead, mac: &Mac<'_>) -> Result<Verified, Broken> {
    // A writer who comes back goes on where it was, or something between is missing.
    let (mut found, mut heads) = (Verified::default(), BTreeMap::<String, Head>::new());
    for (number, line) in (1..).zip(file.lines()) {
        let line = line.map_err(|error| Broken::Read(number, error))?;
        // What a server says of itself on the same stdout.
        if !line.starts_with('{') {
            continue;
        }
        let line: ReadLine<'_> = serde_json::from_str(&line).map_err(|error| Broken::Line(number, error))?;
        if line.is_mixed() {
            return Err(Broken::Mixed(number));
        }
        let chain = unhex(line.chain).ok_or(Broken::Chain(number))?;
        let known = heads.remove(line.writer);
        let written = found.writers.entry(line.writer.to_owned()).or_default();
        let head = match line.mac {
            Some(given) => {
                let told = Head { writer: line.writer.to_owned(), seq: line.seq, chain };
                if unhex(given) != Some(mac(&told.vouched(line.at, line.whole, line.end))) {
                    return Err(Broken::Checkpoint(number));
                }
                if known.is_some_and(|known| known != told) {
                    return Err(Broken::Chain(number));
                }
                found.checkpoints += 1;
                written.open = 0;
                told
            }
            None => {
                let mut known = match known {
                    Some(known) => known,
                    None if line.seq == 1 => Head::new(line.writer.to_owned()),
                    None => return Err(Broken::Beginning(number)),
                };
                let digest = line.digest.and_then(unhex).ok_or(Broken::Changed(number))?;
                match (line.salt, line.event) {
                    (None, None) => found.erased += 1,
                    (Some(salt), Some(event)) if is_digest(&digest, salt, event.get()) => found.events += 1,
                    _ => return Err(Broken::Changed(number)),
                }
                known.link(&digest);
                if (known.seq, known.chain) != (line.seq, chain) {
                    return Err(Broken::Chain(number));
                }
                written.open += 1;
                known
            }
        };
        written.seq = head.seq;
        found.last = Some(line.writer.to_owned());
        heads.insert(line.writer.to_owned(), head);
    }
    Ok(found)
}

/// Tells whether two events are the same, in a file and in the store.
pub fn identity(event: &Event) -> Hash {
    serde_json::to_string(event).map(|event| identity_of(&event)).unwrap_or_default()
}

/// The same of an event in a line.
pub fn identity_of(event: &str) -> Hash {
    Sha256::digest(event).into()
}

fn is_digest(given: &Hash, salt: &str, event: &str) -> bool {
    data_encoding::HEXLOWER.decode(salt.as_bytes()).is_ok_and(|salt| digest(&salt, event) == *given)
}

fn digest(salt: &[u8], event: &str) -> Hash {
    let salted = Sha256::new().chain_update("matrix-2fa event\0").chain_update((salt.len() as u64).to_be_bytes());
    salted.chain_update(salt).chain_update(event).finalize().into()
}

fn hex(bytes: &[u8]) -> String {
    data_encoding::HEXLOWER.encode(bytes)
}

/// 32 bytes.
pub fn unhex(text: &str) -> Option<Hash> {
    data_encoding::HEXLOWER.decode(text.as_bytes()).ok()?.try_into().ok()
}

#[cfg(test)]
mod tests;
