//! `matrix-2fa keys`: the keys that seal the secrets in the store.

use clap::Subcommand;

use crate::{
    control::{self, Act},
    failure::Failure,
    settings::{Flags, Settings},
};

/// What can be done with keys.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Seal everything anew with another key, while the server runs and everybody logs in
    ///
    /// Takes the one unused key file in the key folder, or makes one. A rotation that was cut short goes on: by itself at the next start, or
    /// with this command. The old key stays until keys remove. Servers that share a store: keys new first, then copy the file to each.
    Rotate {
        /// The id of the new key, if there are several unused ones
        #[arg(long, value_name = "ID")]
        to: Option<String>,
        #[command(flatten)]
        flags: Flags,
    },
    /// Prove that every sealed secret opens, and count them by key
    ///
    /// Exit code 1 if one does not: a wrong key, a damaged row, or one that was copied from another user.
    Check {
        #[command(flatten)]
        flags: Flags,
    },
    /// Take an old key out of use, if nothing is sealed with it any more
    ///
    /// The file stays where it is: backups from before the rotation need it.
    Remove {
        /// The key's id: the name of its file, without .key
        id: String,
        #[command(flatten)]
        flags: Flags,
    },
    /// Make a key file for the next rotation, to be copied to every server that shares the store
    New {
        #[command(flatten)]
        flags: Flags,
    },
}

/// Runs one command.
pub fn run(command: &Command) -> Result<(), Failure> {
    let (act, flags) = match command {
        Command::Rotate { to, flags } => (Act::RotateKeys { to: to.clone() }, flags),
        Command::Check { flags } => (Act::CheckKeys, flags),
        Command::Remove { id, flags } => (Act::RemoveKey { id: id.clone() }, flags),
        Command::New { flags } => (Act::NewKey, flags),
    };
    control::run(act, &Settings::load(flags)?, |_nothing| Ok(()))
}
