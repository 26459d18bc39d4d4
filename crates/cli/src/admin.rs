//! `matrix-2fa admin`: for the day when somebody lost the phone and the recovery codes, or the server its newest data. Every act is audited.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use clap::Subcommand;
use matrix_2fa_core::{Event, EventKind, Timestamp, event::Origin, event::SERVER};

use crate::{
    console,
    control::{self, Act},
    data::Data,
    failure::{Failure, chain},
    guard,
    settings::{DataFlags, Flags, Settings},
};

/// What an administrator can do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Remove every second factor of a user, who then logs in with the password alone and can enroll anew
    ///
    /// Make sure that you are talking to the owner of the account. Works while the server runs, and while it does not.
    Reset {
        /// The user: @user:localhost, or the part before the colon
        user: String,
        #[command(flatten)]
        flags: DataFlags,
    },
    /// Say that the store was restored from a backup, and make it safe; all servers must be stopped
    ///
    /// What was used after the backup was made is unknown, so all of it ends: every recovery code, every login, every enrollment that was not
    /// confirmed. Codes up to now are refused; authenticators stay, and the next code of each works. If it is cut short, run it again.
    Restored {
        /// Since when it is unknown what happened: when the backup was made, or earlier. For example 2026-01-31T22:00:00Z, or 2026-01-31
        #[arg(long, value_name = "TIME", value_parser = moment)]
        since: SystemTime,
        #[command(flatten)]
        flags: Box<Flags>,
    },
}

/// Runs one command.
pub fn run(command: &Command) -> Result<(), Failure> {
    match command {
        Command::Reset { user, flags } => {
            let mut settings = Settings::load(&flags.into())?;
            // A full id says itself to which server it belongs.
            if let Some((_, server)) = user.split_once(':') {
                server.clone_into(&mut settings.server_name);
            }
            control::run(Act::Reset { user: user.clone() }, &settings)
        }
        Command::Restored { since, flags } => {
            let since = since.duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO);
            let since = Timestamp::from_millis(u64::try_from(since.as_millis()).unwrap_or(u64::MAX));
            let runtime = tokio::runtime::Runtime::new().map_err(|error| Failure::because(&error))?;
            runtime.block_on(restored(since, &Settings::load(flags)?))
        }
    }
}

/// A day alone is its begin.
fn moment(text: &str) -> Result<SystemTime, humantime::TimestampError> {
    humantime::parse_rfc3339_weak(text)
        .or_else(|error| humantime::parse_rfc3339_weak(&format!("{text}T00:00:00Z")).map_err(|_not_a_day_either| error))
}

async fn restored(since: Timestamp, settings: &Settings) -> Result<(), Failure> {
    let Data { engine, host, guard, .. } = Data::open_unguarded(settings).await?;
    if since > engine.now() {
        return Err(Failure::start("--since: that moment is still to come"));
    }
    let failed = |error: &(dyn std::error::Error + 'static)| Failure::run(chain(error));
    // From here on the server does not start before this is done.
    guard.withhold(since).await?;
    let tell = |accounts| console::progress(&format!("{accounts} accounts made safe"));
    let found = engine.make_restored_safe(tell).await.map_err(|error| failed(&error))?;
    let users = host.end_all_sessions().await.map_err(|error| failed(&error))?;
    let kind = EventKind::RestoreFinished { since };
    guard.release(Event { at: engine.now(), user: SERVER.to_owned(), origin: Origin::default(), kind }).await?;

    let since = guard::time(since);
    console::say(&format!(
        "{} accounts, {} of them with a second factor: {} sets of recovery codes ended, codes up to now are refused",
        found.accounts, found.enrolled, found.recovery
    ));
    console::say(&format!("{users} users were signed out everywhere; each signs in again as the policy demands"));
    console::say(&format!("What nobody can know, and only their owners can tell, is what changed after {since}:"));
    console::say("  - second factors added since are gone: their owners log in without, or with what they had before");
    console::say("  - second factors removed or reset since are back, with the phone that was lost or sold");
    console::say(
        "  - passwords changed since are the old ones again; users who registered since are gone, who left are back",
    );
    console::say("  - wrong codes counted and locks set since are forgotten");
    for user in &found.pending {
        console::say(&format!("  - {user} was adding an authenticator at that time, and has to add it again"));
    }
    console::say(
        "Tell your users to look at their second factors, their password and their devices, and to make new recovery codes.",
    );
    Ok(())
}
