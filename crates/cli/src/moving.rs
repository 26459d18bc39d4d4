//! `matrix-2fa admin export` and `import`: everybody's second factors on their way to another server, and from one.
//!
//! [`file`](self): JSON lines sealed with age. `list`: otpauth URIs of other systems. `bring`: what becomes of each. Not over HTTP: whoever may
//! have everybody's seeds has the machine anyway, and a token of the API should be worth less than that.

mod bring;
mod file;
mod list;
mod told;

pub use bring::import;

use std::{
    io,
    path::{Path, PathBuf},
};

use clap::Args;
use matrix_2fa_core::account::moving::Moved;
use matrix_2fa_engine::EngineError;
use serde::{Deserialize, Serialize};
use told::Told;

use crate::{
    admin::Common,
    control::{self, Act, Teller},
    data::Data,
    failure::{Failure, chain},
    new_file,
};

/// What `export` is told.
#[derive(Debug, Args)]
pub struct ExportArguments {
    /// The file to make; one that exists is never overwritten
    file: PathBuf,
    /// For whom: a public key of age, as age-keygen shows it (age1...); may be given more than once
    #[arg(long = "recipient", value_name = "KEY", required = true)]
    recipients: Vec<String>,
    #[command(flatten)]
    common: Common,
}

/// What `import` is told.
#[derive(Debug, Args)]
pub struct ImportArguments {
    /// An export
    #[arg(required_unless_present = "otpauth", requires = "identity")]
    file: Option<PathBuf>,
    /// The file with the key of age that opens it (AGE-SECRET-KEY-1...)
    #[arg(long, value_name = "KEYFILE", requires = "file")]
    identity: Option<PathBuf>,
    /// A list instead: an otpauth://totp/ URI on each line
    #[arg(long, value_name = "LIST", conflicts_with = "file", requires = "map")]
    otpauth: Option<PathBuf>,
    /// Whose is what: a TOML file of lines "label" = "@user:server", or "line 3" = "@user:server"; of an export, "@old:server" = "@new:server"
    #[arg(long, value_name = "MAP")]
    map: Option<PathBuf>,
    /// Add to the factors of users who have other ones already, instead of leaving them alone
    #[arg(long)]
    add: bool,
    /// Leave bad lines out, instead of importing nothing
    #[arg(long)]
    skip_bad_lines: bool,
    /// Change nothing, and say what would become of it
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    common: Common,
}

/// What is to be brought.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Import {
    source: Source,
    map: Option<PathBuf>,
    add: bool,
    skip_bad_lines: bool,
    dry_run: bool,
}

/// From where.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Source {
    /// A file of ours.
    Export { file: PathBuf, identity: PathBuf },
    /// Lines of URIs.
    List { file: PathBuf },
}

impl ExportArguments {
    pub fn run(&self) -> Result<(), Failure> {
        let (recipients, author) = (self.recipients.clone(), self.common.author());
        ask(&self.common, Act::Export { file: absolute(&self.file)?, recipients, author })
    }
}

impl ImportArguments {
    pub fn run(&self) -> Result<(), Failure> {
        let source = match (&self.otpauth, &self.file, &self.identity) {
            (Some(list), ..) => Source::List { file: absolute(list)? },
            (None, Some(file), Some(identity)) => {
                Source::Export { file: absolute(file)?, identity: absolute(identity)? }
            }
            _ => return Err(Failure::start("name an export and --identity, or --otpauth and --map")),
        };
        let map = self.map.as_deref().map(absolute).transpose()?;
        let Self { add, skip_bad_lines, dry_run, .. } = *self;
        let import = Import { source, map, add, skip_bad_lines, dry_run };
        ask(&self.common, Act::Import { import, author: self.common.author() })
    }
}

fn ask(common: &Common, act: Act) -> Result<(), Failure> {
    control::run(act, &common.settings(None)?, |value| told::show(value, common.json))
}

/// The server may run in another folder than this command.
fn absolute(file: &Path) -> Result<PathBuf, Failure> {
    std::path::absolute(file).map_err(|error| Failure::because(&error))
}

/// Why an export was not made.
#[derive(Debug, thiserror::Error)]
enum ExportError {
    #[error(transparent)]
    Engine(#[from] EngineError),
    #[error(transparent)]
    File(#[from] io::Error),
}

/// Writes everybody's factors into a file for `recipients`.
pub async fn export(
    file: &Path,
    recipients: &[String],
    author: &str,
    data: &Data,
    teller: &Teller,
) -> Result<(), Failure> {
    let keys = file::recipients(recipients)?;
    let recipients: Vec<String> = keys.iter().map(ToString::to_string).collect();
    let failed =
        |error: &io::Error| Failure::run(format!("cannot write {}: {}", file.display(), new_file::reason(error)));
    let header = file::Header::new(data.engine.now(), &data.settings.server_name);
    let mut writer = file::Writer::create(file, &keys, header).map_err(|error| failed(&error))?;
    let (mut written, mut next) = (0, TELL_EVERY);
    let page = |users: Vec<(String, Moved)>| {
        written += users.len();
        users.iter().try_for_each(|(user, moved)| writer.user(user, moved))?;
        if written >= next {
            next = written + TELL_EVERY;
            teller.progress(format!("{written} users written"));
        }
        Ok::<_, ExportError>(())
    };
    let exported = data.engine.export_everybody(author, &recipients, page).await;
    let users = exported.map_err(|error| match error {
        ExportError::Engine(error @ EngineError::Sealed) => {
            Failure::run(format!("{}: matrix-2fa keys check says whose", chain(&error)))
        }
        ExportError::Engine(error) => Failure::run(chain(&error)),
        ExportError::File(error) => failed(&error),
    })?;
    writer.finish().map_err(|error| failed(&error))?;
    teller.value(Told::Exported { file: file.display().to_string(), users, recipients }.into_json());
    Ok(())
}

/// Users between two signs of life.
const TELL_EVERY: usize = 5_000;
