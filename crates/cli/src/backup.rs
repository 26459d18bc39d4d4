//! `matrix-2fa backup`: everything in the store as of one moment, while everybody logs in.

use std::{
    fs, io,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
};

use clap::Args;
use matrix_2fa_core::Timestamp;
use matrix_2fa_store::Store;

use crate::{
    archive::Writer,
    control::{self, Act},
    failure::{Failure, chain},
    new_file,
    settings::{Flags, Settings},
};

/// Entries between two signs of life.
const TELL_EVERY: u64 = 50_000;

/// What the command is told.
#[derive(Debug, Args)]
pub struct Arguments {
    /// The file to make; one that exists is never overwritten
    file: PathBuf,
    /// Put the key files into it too; then guard it like the keys
    #[arg(long)]
    with_keys: bool,
    #[command(flatten)]
    flags: Flags,
}

/// Runs the command.
pub fn run(arguments: &Arguments) -> Result<(), Failure> {
    let settings = Settings::load(&arguments.flags)?;
    // The server may run in another folder than this command.
    let file = std::path::absolute(&arguments.file).map_err(|error| Failure::because(&error))?;
    control::run(Act::Backup { file, with_keys: arguments.with_keys }, &settings, |_nothing| Ok(()))
}

/// Writes the file; `keys` is the folder of the key files, if they shall be in it. Returns what to say.
pub async fn write(
    store: &Arc<dyn Store>,
    now: Timestamp,
    file: &Path,
    keys: Option<&Path>,
    tell: impl Fn(u64) + Send + 'static,
) -> Result<String, Failure> {
    let failed =
        |error: &io::Error| Failure::run(format!("cannot write {}: {}", file.display(), new_file::reason(error)));
    let mut writer = Writer::create(file, now).map_err(|error| failed(&error))?;
    if let Some(keys) = keys {
        put_keys(&mut writer, keys).map_err(|error| failed(&error))?;
    }
    // The store gives its entries on another thread, and gives nothing back.
    let writer = Arc::new(Mutex::new(Some(writer)));
    let each = {
        let writer = Arc::clone(&writer);
        move |entry| {
            let mut writer = writer.lock().unwrap_or_else(PoisonError::into_inner);
            let writer = writer.as_mut().ok_or_else(|| io::Error::other("the file is finished"))?;
            let entries = writer.entry(entry)?;
            if entries.is_multiple_of(TELL_EVERY) {
                tell(entries);
            }
            Ok(())
        }
    };
    let exported = store.export(Box::new(each)).await;
    exported.map_err(|error| Failure::run(format!("cannot write {}: {}", file.display(), chain(&error))))?;
    let writer = writer.lock().unwrap_or_else(PoisonError::into_inner).take();
    let entries = match writer {
        Some(writer) => writer.finish().map_err(|error| failed(&error))?,
        None => return Err(Failure::run("the backup was lost")),
    };
    let keys = if keys.is_some() {
        "WITH the key files: who has it can make everybody's codes"
    } else {
        "WITHOUT the key files: it is worth nothing without them; keep a copy of them in another place"
    };
    Ok(format!("{} has {entries} entries, {keys}", file.display()))
}

fn put_keys(writer: &mut Writer, folder: &Path) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        let name = path.file_name().and_then(|name| name.to_str()).filter(|name| name.ends_with(".key"));
        if let Some(name) = name {
            writer.key(name, &fs::read_to_string(&path)?)?;
        }
    }
    Ok(())
}
