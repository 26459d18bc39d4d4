//! `matrix-2fa admin`: for the day when somebody lost the phone and the recovery codes. Every act is audited.

use clap::Subcommand;
use matrix_2fa::homeserver::Homeserver;
use matrix_2fa_engine::Origination;

use crate::{
    console,
    data::Data,
    failure::{Failure, chain},
    settings::{DataFlags, Settings},
};

/// What an administrator can do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Remove every second factor of a user, who then logs in with the password alone and can enroll anew
    ///
    /// A server with its store in the data folder must be stopped, because it has it locked; with a database servers may go on. Make sure that you are talking to the owner of the account.
    Reset {
        /// The user: @user:localhost, or the part before the colon
        user: String,
        #[command(flatten)]
        flags: DataFlags,
    },
}

/// Runs one command.
pub fn run(command: &Command) -> Result<(), Failure> {
    let Command::Reset { user, flags } = command;
    let mut settings = Settings::load(&flags.into())?;
    // A full id says itself to which server it belongs.
    if let Some((_, server)) = user.split_once(':') {
        server.clone_into(&mut settings.server_name);
    }
    let runtime = tokio::runtime::Runtime::new().map_err(|error| Failure::because(&error))?;
    runtime.block_on(reset(user, &settings))
}

async fn reset(user: &str, settings: &Settings) -> Result<(), Failure> {
    let Data { engine, host, .. } = Data::open_existing(settings).await?;
    let id = host
        .canonical_user(user)
        .ok_or_else(|| Failure::start(format!("{user} is not a Matrix id; write @user:server")))?;
    if !host.exists(&id).await.map_err(|error| Failure::run(chain(&error)))? {
        return Err(Failure::run(format!("there is no user {id} in {}", settings.place())));
    }
    let enrolled = engine.account(&id).await.map_err(|error| Failure::run(chain(&error)))?.is_enrolled();
    let from = Origination { operation: Some("admin reset".to_owned()), ..Origination::default() };
    engine.reset(&id, &from).await.map_err(|error| Failure::run(chain(&error)))?;
    if enrolled {
        console::say(&format!("{id} has no second factor any more and logs in with the password alone"));
    } else {
        console::say(&format!("{id} had no second factor; pending enrollments and counters are gone"));
    }
    Ok(())
}
