//! A backup file: MessagePack values one after the other ([`Item`]), then the SHA-256 of all of them. It names no backend: what was written
//! from one kind of store can be brought into another.

use std::{
    fs::{self, File},
    io::{self, BufReader, BufWriter, Read, Write},
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
};

use matrix_2fa_core::Timestamp;
use matrix_2fa_store::export::Entry;
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use sha2::{Digest, Sha256};

/// The only format so far.
pub const FORMAT: u32 = 1;
const MAGIC: &str = "matrix-2fa backup";
const CHECKSUM: u64 = 32;

/// The first value: what this is.
#[derive(Debug, Serialize, Deserialize)]
pub struct Header {
    magic: String,
    pub format: u32,
    /// When it was begun.
    pub made_at: Timestamp,
}

/// Every other value.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Item {
    /// A key file, if they were asked for.
    Key { name: String, text: String },
    /// Something in the store.
    Entry(Entry),
    /// The last value: how many entries there were.
    End { entries: u64 },
}

/// Writes under another name, until everything is on disk.
pub struct Writer {
    out: BufWriter<File>,
    sum: Sha256,
    entries: u64,
    to: PathBuf,
}

impl Writer {
    /// Begins a file, for its owner alone. One that is there already is never overwritten.
    pub fn create(to: &Path, made_at: Timestamp) -> io::Result<Self> {
        if to.exists() {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        let file = fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(partial(to))?;
        let mut new = Self { out: BufWriter::new(file), sum: Sha256::new(), entries: 0, to: to.to_owned() };
        new.write(&Header { magic: MAGIC.to_owned(), format: FORMAT, made_at })?;
        Ok(new)
    }

    pub fn key(&mut self, name: &str, text: &str) -> io::Result<()> {
        self.write(&Item::Key { name: name.to_owned(), text: text.to_owned() })
    }

    /// Returns how many there are now.
    pub fn entry(&mut self, entry: Entry) -> io::Result<u64> {
        self.write(&Item::Entry(entry))?;
        self.entries += 1;
        Ok(self.entries)
    }

    fn write(&mut self, value: &impl Serialize) -> io::Result<()> {
        let bytes = rmp_serde::to_vec_named(value).map_err(io::Error::other)?;
        self.sum.update(&bytes);
        self.out.write_all(&bytes)
    }

    /// Finishes the file and gives it its name. Returns how many entries it has.
    pub fn finish(mut self) -> io::Result<u64> {
        self.write(&Item::End { entries: self.entries })?;
        let sum = std::mem::take(&mut self.sum).finalize();
        self.out.write_all(&sum)?;
        self.out.flush()?;
        self.out.get_ref().sync_all()?;
        fs::rename(partial(&self.to), &self.to)?;
        let folder = self.to.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        File::open(folder)?.sync_all()?;
        Ok(self.entries)
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        // After `finish` there is none under this name.
        let _ = fs::remove_file(partial(&self.to));
    }
}

fn partial(to: &Path) -> PathBuf {
    let mut name = to.as_os_str().to_owned();
    name.push(".partial");
    name.into()
}

/// Why a file cannot be restored.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// It cannot be read.
    #[error("it cannot be read")]
    Io(#[from] io::Error),
    /// The checksum is wrong.
    #[error("it is damaged or cut short: its checksum is not that of its content")]
    Damaged,
    /// It is something else.
    #[error("it is not a backup of matrix-2fa")]
    Foreign,
    /// A newer program wrote it.
    #[error("it has format {0}, and this program knows no format above {FORMAT}: use a newer release")]
    Newer(u32),
    /// The checksum is right, but the content is not.
    #[error("its content cannot be read")]
    Content(#[from] rmp_serde::decode::Error),
}

/// Reads a file whose checksum was found right.
pub struct Reader {
    pub header: Header,
    values: BufReader<io::Take<File>>,
}

impl Reader {
    /// Reads the whole file once, for the checksum, before anything of it is believed.
    pub fn open(path: &Path) -> Result<Self, ReadError> {
        let length = fs::metadata(path)?.len().checked_sub(CHECKSUM).ok_or(ReadError::Foreign)?;
        let mut file = BufReader::new(File::open(path)?);
        let mut sum = Sha256::new();
        io::copy(&mut (&mut file).take(length), &mut Sum(&mut sum))?;
        let mut expected = Vec::new();
        file.read_to_end(&mut expected)?;

        let mut values = BufReader::new(File::open(path)?.take(length));
        let header: Header = read(&mut values).map_err(|_not_ours| ReadError::Foreign)?;
        if header.magic != MAGIC {
            return Err(ReadError::Foreign);
        }
        if sum.finalize().as_slice() != expected {
            return Err(ReadError::Damaged);
        }
        if header.format > FORMAT {
            return Err(ReadError::Newer(header.format));
        }
        Ok(Self { header, values })
    }

    /// The next value. The last is [`Item::End`].
    pub fn next(&mut self) -> Result<Item, ReadError> {
        Ok(read(&mut self.values)?)
    }
}

/// Values follow each other without a gap: nothing may be read ahead.
fn read<T: DeserializeOwned>(from: &mut impl Read) -> Result<T, rmp_serde::decode::Error> {
    T::deserialize(&mut rmp_serde::Deserializer::new(from))
}

struct Sum<'a>(&'a mut Sha256);

impl Write for Sum<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.update(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
