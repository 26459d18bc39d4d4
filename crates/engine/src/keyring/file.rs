//! Key files: `<id>.key` in the key folder, one key each, made once and never rewritten or removed by this program. JSON with two strings.

use std::{
    fs, io,
    io::Write,
    os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt},
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::{KeyError, cipher::Key};
use crate::Random;

const EXTENSION: &str = "key";

/// What stands in the file.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct KeyFile {
    id: String,
    /// 32 bytes, base64.
    key: Zeroizing<String>,
}

/// Where the file of this key is.
pub(super) fn path(folder: &Path, id: &str) -> PathBuf {
    folder.join(format!("{id}.{EXTENSION}"))
}

/// Could this be an id? It becomes the name of a file.
pub(super) fn is_id(id: &str) -> bool {
    (1..=64).contains(&id.len()) && id.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
}

/// The ids of all key files in the folder.
pub(super) fn list(folder: &Path) -> Result<Vec<String>, KeyError> {
    let io_error = |source| KeyError::Io { path: folder.to_owned(), source };
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(io_error(error)),
    };
    let mut ids = Vec::new();
    for entry in entries {
        let path = entry.map_err(io_error)?.path();
        let stem = path.file_stem().and_then(|stem| stem.to_str());
        if let Some(id) = stem.filter(|id| is_id(id) && path.extension().is_some_and(|end| end == EXTENSION)) {
            ids.push(id.to_owned());
        }
    }
    ids.sort();
    Ok(ids)
}

/// Reads the file of one key; `None` if there is none.
pub(super) fn read(folder: &Path, id: &str) -> Result<Option<Key>, KeyError> {
    if !is_id(id) {
        return Ok(None);
    }
    let path = path(folder, id);
    let io_error = |source| KeyError::Io { path: path.clone(), source };
    let unreadable = |reason: String| KeyError::Unreadable { path: path.clone(), reason };
    let text = match fs::read_to_string(&path) {
        Ok(text) => Zeroizing::new(text),
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(io_error(error)),
    };
    let mode = fs::metadata(&path).map_err(io_error)?.permissions().mode() & 0o777;
    if mode & 0o077 != 0 {
        return Err(KeyError::Exposed { path, mode });
    }
    // serde_json quotes no input in its errors, so the key cannot leak through one.
    let file: KeyFile = serde_json::from_str(&text).map_err(|error| unreadable(error.to_string()))?;
    if file.id != id {
        return Err(unreadable("the key in it has another id than the name of the file says".to_owned()));
    }
    let bytes = data_encoding::BASE64.decode(file.key.as_bytes()).map(Zeroizing::new);
    let bytes = bytes.map_err(|_position| unreadable("its key is not base64".to_owned()))?;
    let key: &[u8; 32] =
        bytes.as_slice().try_into().map_err(|_length| unreadable("its key does not have 32 bytes".to_owned()))?;
    Ok(Some(Key::new(file.id, key)))
}

/// Makes a key and its file.
pub(super) fn create(folder: &Path, random: &dyn Random) -> Result<Key, KeyError> {
    let mut key = Zeroizing::new([0; 32]);
    let mut id = [0; 8];
    random.fill(key.as_mut());
    random.fill(&mut id);
    let file = KeyFile {
        id: data_encoding::HEXLOWER.encode(&id),
        key: Zeroizing::new(data_encoding::BASE64.encode(key.as_ref())),
    };
    let path = path(folder, &file.id);
    write_durably(folder, &path, &file).map_err(|source| KeyError::Io { path, source })?;
    Ok(Key::new(file.id, &key))
}

/// `create_new`: a file that appeared meanwhile is never overwritten. The folders are synced too, or a power cut could keep what was
/// sealed and lose the key.
fn write_durably(folder: &Path, path: &Path, file: &KeyFile) -> io::Result<()> {
    fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
    let text = Zeroizing::new(serde_json::to_string_pretty(file)?);
    let mut out = fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    out.write_all(text.as_bytes())?;
    out.write_all(b"\n")?;
    out.sync_all()?;
    let parent = folder.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    fs::File::open(folder)?.sync_all()?;
    fs::File::open(parent)?.sync_all()
}
