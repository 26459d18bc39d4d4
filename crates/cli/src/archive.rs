//! A backup file: MessagePack values one after the other ([`Item`]), then the SHA-256 of all of them. It names no backend: what was written
//! from one kind of store can be brought into another.

use std::{
    fs::{self, File},
    io::{self, BufReader, BufWriter, Read, Write},
    path::{Path, PathBuf},
};

use matrix_2fa_core::Timestamp;
use matrix_2fa_store::export::Entry;
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use sha2::{Digest, Sha256};
use tempfile::NamedTempFile;

use crate::new_file;

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

/// Writes under another name, until everything is on disk: see [`new_file`].
pub struct Writer {
    out: BufWriter<NamedTempFile>,
    sum: Sha256,
    entries: u64,
    to: PathBuf,
}

impl Writer {
    /// Begins a file, for its owner alone. One that is there already is never overwritten.
    pub fn create(to: &Path, made_at: Timestamp) -> io::Result<Self> {
        let file = new_file::begin(to)?;
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

    /// Finishes the file and gives it its name, if nobody else has it by now. Returns how many entries it has.
    pub fn finish(mut self) -> io::Result<u64> {
        self.write(&Item::End { entries: self.entries })?;
        let sum = std::mem::take(&mut self.sum).finalize();
        self.out.write_all(&sum)?;
        let file = self.out.into_inner().map_err(io::IntoInnerError::into_error)?;
        new_file::finish(file, &self.to)?;
        Ok(self.entries)
    }
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

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{PermissionsExt, symlink};

    use super::*;

    fn begin(to: &Path) -> io::Result<Writer> {
        Writer::create(to, Timestamp::from_millis(1))
    }

    fn names(folder: &Path) -> Vec<String> {
        let files = fs::read_dir(folder).expect("a folder").flatten();
        files.map(|file| file.file_name().into_string().expect("UTF-8")).collect()
    }

    /// They used to share one unfinished file, and each wrote into what the other had.
    #[test]
    fn of_two_backups_to_one_name_one_is_made_and_is_whole() {
        let folder = tempfile::tempdir().expect("a folder");
        let to = folder.path().join("backup");
        let (mut one, mut other) = (begin(&to).expect("begins"), begin(&to).expect("begins"));
        for _ in 0..3 {
            one.key("1.key", "text").expect("writes");
            other.key("2.key", "text").expect("writes");
        }
        other.finish().expect("the first to finish has the name");
        assert_eq!(one.finish().expect_err("it is taken").kind(), io::ErrorKind::AlreadyExists);
        let mut reader = Reader::open(&to).expect("whole");
        for _ in 0..3 {
            assert!(matches!(reader.next(), Ok(Item::Key { name, .. }) if name == "2.key"));
        }
        assert!(matches!(reader.next(), Ok(Item::End { entries: 0 })));
        assert_eq!(names(folder.path()), ["backup"], "nothing unfinished is left");
        assert_eq!(fs::metadata(&to).expect("there").permissions().mode() & 0o777, 0o600);
    }

    /// In a folder that others can write somebody put a link, or a file of their own, where the unfinished backup would go.
    #[test]
    fn what_others_planted_is_neither_followed_nor_written() {
        let folder = tempfile::tempdir().expect("a folder");
        let to = folder.path().join("backup");
        let theirs = folder.path().join("theirs");
        fs::write(&theirs, "theirs").expect("writes");
        fs::set_permissions(&theirs, fs::Permissions::from_mode(0o666)).expect("ours");
        for trap in ["backup.partial", ".backup-.partial"] {
            symlink(&theirs, folder.path().join(trap)).expect("links");
        }
        begin(&to).expect("begins").finish().expect("finishes");
        assert_eq!(fs::read_to_string(&theirs).expect("there"), "theirs");
        assert!(to.symlink_metadata().expect("there").is_file());

        // The name itself, too, also if it leads nowhere; and also if it comes while the backup is made.
        fs::remove_file(&to).expect("ours");
        let late = begin(&to).expect("begins");
        symlink(folder.path().join("nowhere"), &to).expect("links");
        for refused in [begin(&to).map(drop), late.finish().map(drop)] {
            assert_eq!(refused.expect_err("it is taken").kind(), io::ErrorKind::AlreadyExists);
        }
        assert!(!folder.path().join("nowhere").exists());
    }

    #[test]
    fn an_unfinished_backup_is_for_its_owner_alone_and_does_not_stay() {
        let folder = tempfile::tempdir().expect("a folder");
        let writer = begin(&folder.path().join("backup")).expect("begins");
        let names_now = names(folder.path());
        let [unfinished] = names_now.as_slice() else { unreachable!("{names_now:?}") };
        let mode = fs::metadata(folder.path().join(unfinished)).expect("there").permissions().mode();
        assert_eq!((mode & 0o777, unfinished.ends_with(".partial")), (0o600, true), "{unfinished}");
        drop(writer);
        assert_eq!(names(folder.path()), [""; 0]);
    }
}
