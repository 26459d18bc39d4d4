//! The program: `matrix-2fa serve` is a homeserver with second factors, `matrix-2fa gateway` stands before another one, `matrix-2fa admin` helps people who locked themselves out.
//!
//! This is the only crate that names a concrete store. `settings.rs` merges file, environment and flags · `data.rs` opens the data
//! folder, `storage.rs` the store in it or the database, and `guard.rs` asks whether that is an old copy · `serve.rs`, `admin.rs`,
//! `check.rs`, `keys.rs`, `backup.rs` and `restore.rs` are the commands, and `control.rs` has the running server do them ·
//! `notices.rs` delivers what users are told · `numbers.rs` is for whoever watches · `audit.rs` writes what
//! is audited, `events.rs` verifies it ·
//! `connections.rs` accepts connections · `proxies.rs` says whose they are · `clock.rs` is the wall clock, or the one that tests move ·
//! `time_source.rs` compares it with another.

mod admin;
mod archive;
mod audit;
mod backup;
mod check;
mod clock;
mod config;
mod connections;
mod console;
mod control;
mod data;
#[cfg(test)]
mod documents;
mod events;
mod failure;
#[cfg(feature = "faults")]
mod faulty;
mod guard;
mod keys;
mod manual;
mod moving;
mod new_file;
mod notices;
mod numbers;
mod proxies;
mod restore;
mod serve;
mod settings;
mod storage;
mod time_source;

use std::process::ExitCode;

use clap::{Parser, Subcommand, error::ErrorKind};

use failure::Failure;
use serve::Front;
use settings::Flags;

/// The embedded store frees on one thread what others allocate, which is glibc's weak side: nearly half of the requests a second.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// A Matrix homeserver whose users can have a second factor.
#[derive(Debug, Parser)]
#[command(name = "matrix-2fa", version, about, after_help = SETTINGS_HELP, arg_required_else_help = true)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

const SETTINGS_HELP: &str = "\
Try it:      matrix-2fa serve --open-registration
Settings:    matrix-2fa serve --help lists them all. Each is a flag (--server-name), a key of the TOML file (server_name)
             and a variable (MATRIX_2FA_SERVER_NAME). Flags win over variables, variables over the file.
Exit codes:  0 done; 1 it failed while it ran, or the database or homeserver that it needs was not there; 2 it did not start: a wrong
             flag, setting, key file or port.";

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the homeserver until SIGTERM or SIGINT
    #[command(after_help = SETTINGS_HELP)]
    Serve(#[command(flatten)] Box<Flags>),
    /// Stand before a homeserver (--upstream) and give its users second factors, until SIGTERM or SIGINT
    #[command(after_help = SETTINGS_HELP)]
    Gateway(#[command(flatten)] Box<Flags>),
    /// Help a user who is locked out, or a server that lost its newest data
    #[command(subcommand)]
    Admin(admin::Command),
    /// Look whether everything is as it should be: limits, folder, keys, seeds, clock
    ///
    /// Servers may go on: one that runs over the store looks into it itself.
    #[command(after_help = SETTINGS_HELP)]
    Check(#[command(flatten)] Box<Flags>),
    /// The settings in force, an example with all of them, and their schema
    #[command(subcommand)]
    Config(config::Command),
    /// Rotate and check the keys that seal the secrets in the store
    #[command(subcommand)]
    Keys(keys::Command),
    /// Verify what was written to the audit log
    #[command(subcommand)]
    Events(events::Command),
    /// Write everything but the keys into a file, while the server runs or while it does not
    ///
    /// A copy of the store's folder is worth nothing while the server runs: take this. The file holds password hashes and sealed secrets and
    /// is readable by its owner alone. The key files are kept apart from it: who has both can make everybody's codes.
    Backup(backup::Arguments),
    /// Write pages for man into a folder
    #[command(hide = true)]
    Manual(manual::Manual),
    /// Print completions for a shell
    Completions(manual::Completions),
    /// Bring a backup into an empty data folder, or into an empty database
    Restore(restore::Arguments),
}

fn main() -> ExitCode {
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(error) => return refuse_arguments(&error),
    };
    let done = match arguments.command {
        Command::Serve(flags) => serve::run(&flags, Front::Homeserver),
        Command::Gateway(flags) => serve::run(&flags, Front::Gateway),
        Command::Admin(command) => admin::run(&command),
        Command::Check(flags) => check::run(&flags),
        Command::Config(command) => config::run(&command),
        Command::Keys(command) => keys::run(&command),
        Command::Events(command) => events::run(&command),
        Command::Manual(folder) => manual::write(&folder),
        Command::Completions(shell) => manual::complete(&shell),
        Command::Backup(arguments) => backup::run(&arguments),
        Command::Restore(arguments) => restore::run(&arguments),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            console::complain(&failure);
            failure.exit_code()
        }
    }
}

/// Help and version are answers; everything else is one line, like every other reason not to start.
fn refuse_arguments(error: &clap::Error) -> ExitCode {
    use ErrorKind::{DisplayHelp, DisplayHelpOnMissingArgumentOrSubcommand, DisplayVersion};
    if matches!(error.kind(), DisplayHelp | DisplayVersion | DisplayHelpOnMissingArgumentOrSubcommand) {
        error.exit();
    }
    let text = error.render().to_string();
    let problem = text.split("\n\n").next().unwrap_or_default().trim_start_matches("error: ");
    let failure = Failure::start(format!("{problem}; see the --help of this command"));
    console::complain(&failure);
    failure.exit_code()
}
