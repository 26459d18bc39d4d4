//! A file that is there whole or not at all. Others may be able to write into the folder, and may want the content: until it is finished it has
//! a random name, is its owner's alone, and no link is followed. A file that is there already is never overwritten.

use std::{
    fs::File,
    io,
    path::{Path, PathBuf},
};

use tempfile::NamedTempFile;

/// Begins one.
pub fn begin(to: &Path) -> io::Result<NamedTempFile> {
    // Asked again at the end, by whoever gives the name; asked now, so that nobody waits for nothing.
    if to.symlink_metadata().is_ok() {
        return Err(io::ErrorKind::AlreadyExists.into());
    }
    let name = to.file_name().ok_or(io::ErrorKind::InvalidFilename)?;
    let prefix = [".".as_ref(), name, "-".as_ref()].join("".as_ref());
    // With mode 0600.
    tempfile::Builder::new().prefix(&prefix).suffix(".partial").tempfile_in(folder(to))
}

/// Gives it its name, once it is on disk, if nobody else has the name by now.
pub fn finish(file: NamedTempFile, to: &Path) -> io::Result<()> {
    file.as_file().sync_all()?;
    file.persist_noclobber(to).map_err(|error| error.error)?;
    File::open(folder(to))?.sync_all()
}

/// Why it was not made.
pub fn reason(error: &io::Error) -> String {
    let exists = error.kind() == io::ErrorKind::AlreadyExists;
    if exists { "it exists already; name another".to_owned() } else { error.to_string() }
}

fn folder(of: &Path) -> PathBuf {
    of.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new(".")).to_owned()
}
