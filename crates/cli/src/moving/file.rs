//! An export: lines of JSON inside a file of age, the first says what it is, the last how many users there were. Neither a line nor what is
//! wrong with it is ever shown: every one of them holds seeds.

use std::{
    fs::File,
    io::{self, BufRead, BufReader, BufWriter, Read, Write},
    path::{Path, PathBuf},
};

use age::{
    Decryptor, Encryptor, Identity, IdentityFile,
    armor::ArmoredReader,
    stream::{StreamReader, StreamWriter},
    x25519::Recipient,
};
use matrix_2fa_core::{Timestamp, account::moving::Moved};
use serde::{Deserialize, Serialize};
use tempfile::NamedTempFile;
use zeroize::Zeroizing;

use crate::{failure::Failure, new_file};

/// The only format so far.
pub const FORMAT: u32 = 1;
/// No line is longer: ten authenticators and their names are a few thousand bytes.
const LONGEST_LINE: u64 = 1 << 20;

/// A line.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Line {
    /// What this is: always the first.
    #[serde(rename = "matrix-2fa export")]
    Header(Header),
    /// A user.
    User { id: String, factors: Box<Moved> },
    /// How many there were: always the last.
    End { users: u64 },
}

/// What the file is.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Header {
    format: u32,
    made_at: Timestamp,
    server: String,
}

impl Header {
    pub fn new(made_at: Timestamp, server: &str) -> Self {
        Self { format: FORMAT, made_at, server: server.to_owned() }
    }
}

/// The public keys. What was given instead of one is not shown: it could be a secret key.
pub fn recipients(given: &[String]) -> Result<Vec<Recipient>, Failure> {
    let read = |(place, key): (usize, &String)| {
        let wrong = |_reason| {
            let place = place + 1;
            Failure::start(format!(
                "--recipient: number {place} is no public key of age; age-keygen shows yours (age1...)"
            ))
        };
        key.trim().parse().map_err(wrong)
    };
    given.iter().enumerate().map(read).collect()
}

/// Writes one.
pub struct Writer {
    out: StreamWriter<BufWriter<NamedTempFile>>,
    to: PathBuf,
    users: u64,
}

impl Writer {
    pub fn create(to: &Path, recipients: &[Recipient], header: Header) -> io::Result<Self> {
        let file = BufWriter::new(new_file::begin(to)?);
        let recipients = recipients.iter().map(|recipient| recipient as &dyn age::Recipient);
        let encryptor = Encryptor::with_recipients(recipients).map_err(io::Error::other)?;
        let mut new = Self { out: encryptor.wrap_output(file)?, to: to.to_owned(), users: 0 };
        new.line(&Line::Header(header))?;
        Ok(new)
    }

    pub fn user(&mut self, user: &str, moved: &Moved) -> io::Result<()> {
        self.users += 1;
        self.line(&Line::User { id: user.to_owned(), factors: Box::new(moved.clone()) })
    }

    pub fn finish(mut self) -> io::Result<()> {
        self.line(&Line::End { users: self.users })?;
        let file = self.out.finish()?.into_inner().map_err(io::IntoInnerError::into_error)?;
        new_file::finish(file, &self.to)
    }

    fn line(&mut self, line: &Line) -> io::Result<()> {
        // Roomy, so that no half of it is left behind when it grows.
        let mut bytes = Zeroizing::new(Vec::with_capacity(16 * 1024));
        serde_json::to_writer(&mut *bytes, line)?;
        bytes.push(b'\n');
        self.out.write_all(&bytes)
    }
}

/// Reads one.
pub struct Reader {
    lines: BufReader<StreamReader<ArmoredReader<BufReader<File>>>>,
    /// The line that was read last.
    pub line: usize,
    users: u64,
}

impl Reader {
    pub fn open(file: &Path, identity: &Path) -> Result<Self, Failure> {
        let shown = file.display();
        let identities = IdentityFile::from_file(identity.display().to_string())
            .and_then(|identities| identities.into_identities().map_err(io::Error::other));
        let identities = identities
            .map_err(|error| Failure::start(format!("--identity: cannot read {}: {error}", identity.display())))?;
        let opened = File::open(file).map_err(|error| Failure::start(format!("cannot read {shown}: {error}")))?;
        let decryptor = Decryptor::new_buffered(ArmoredReader::new(opened))
            .map_err(|error| Failure::start(format!("{shown} is no file of age: {error}")))?;
        if decryptor.is_scrypt() {
            return Err(Failure::start(format!(
                "{shown} is sealed with a passphrase; seal it to a recipient (age -r)"
            )));
        }
        let identities = identities.iter().map(|identity| &**identity as &dyn Identity);
        let opened = decryptor
            .decrypt(identities)
            .map_err(|_not_for_it| Failure::start(format!("{shown} does not open with this identity")))?;
        let mut new = Self { lines: BufReader::new(opened), line: 0, users: 0 };
        match new.read()? {
            Some(Line::Header(header)) if header.format <= FORMAT => Ok(new),
            Some(Line::Header(Header { format, .. })) => Err(Failure::start(format!(
                "{shown} has format {format}, and this program knows no format above {FORMAT}: use a newer release"
            ))),
            _ => Err(Failure::start(format!("{shown} is no export of matrix-2fa"))),
        }
    }

    /// The next user. `None` comes after the last one of a file that is whole.
    pub fn next(&mut self) -> Result<Option<(String, Moved)>, Failure> {
        match self.read()? {
            Some(Line::User { id, factors }) => {
                self.users += 1;
                Ok(Some((id, *factors)))
            }
            Some(Line::End { users }) if users == self.users && self.read()?.is_none() => Ok(None),
            _ => Err(Failure::run(format!("the export ends where it should not, after line {}", self.line))),
        }
    }

    fn read(&mut self) -> Result<Option<Line>, Failure> {
        let mut bytes = Zeroizing::new(Vec::with_capacity(16 * 1024));
        let read = self.lines.by_ref().take(LONGEST_LINE).read_until(b'\n', &mut bytes);
        let damaged =
            |error| Failure::run(format!("the export is damaged or cut short after line {}: {error}", self.line));
        if read.map_err(damaged)? == 0 {
            return Ok(None);
        }
        self.line += 1;
        // The reader of JSON would show what it found.
        let line = serde_json::from_slice(&bytes);
        line.map(Some).map_err(|_shows_seeds| Failure::run(format!("line {} of the export cannot be read", self.line)))
    }
}
