//! `matrix-2fa manual` and `matrix-2fa completions`: what the definition of the command line says, for `man` and for shells.

use std::{fs, io::Write, path::PathBuf};

use clap::{Args, CommandFactory};
use clap_complete::Shell;

use crate::{Arguments, failure::Failure};

/// Where to.
#[derive(Debug, Args)]
pub struct Manual {
    /// Folder for the pages: matrix-2fa.1 and one for each command
    folder: PathBuf,
}

/// For which shell.
#[derive(Debug, Args)]
pub struct Completions {
    /// The shell
    shell: Shell,
}

/// Writes the pages.
pub fn write(manual: &Manual) -> Result<(), Failure> {
    let failed = |error: std::io::Error| Failure::run(format!("{}: {error}", manual.folder.display()));
    fs::create_dir_all(&manual.folder).map_err(failed)?;
    clap_mangen::generate_to(Arguments::command(), &manual.folder).map_err(failed)
}

/// Prints what the shell is to source.
pub fn complete(completions: &Completions) -> Result<(), Failure> {
    let mut script = Vec::new();
    clap_complete::generate(completions.shell, &mut Arguments::command(), "matrix-2fa", &mut script);
    std::io::stdout().lock().write_all(&script).map_err(|error| Failure::because(&error))
}
