//! `matrix-2fa admin`: for the day when somebody lost the phone and the recovery codes, or the server its newest data. Every act is audited.
//!
//! [`act`] is what can be asked for, [`answer`] does it, [`answers`] is what comes of it, [`show`] makes tables, and [`api`] is the same over
//! HTTP. `restored` alone needs all servers to be stopped.

mod act;
mod answer;
mod answers;
pub mod api;
mod restored;
mod show;

pub use act::AdminAct;
pub use answer::{AdminError, Desk};
pub use show::printable;

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use act::Filter;
use clap::{Args, Subcommand};
use matrix_2fa_core::Timestamp;
use serde_json::Value;

use crate::{
    console,
    control::{self, Act},
    failure::Failure,
    moving,
    settings::{DataFlags, Flags, Settings},
};

/// What an administrator can do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// How one user stands: factors, locks, wrong codes, policy
    Status(#[command(flatten)] OneUser),
    /// Users, all of them or those who fit
    List {
        /// Only users like this
        #[arg(value_enum, long, default_value_t)]
        filter: Filter,
        /// Short for --filter without-factor
        #[arg(long, conflicts_with = "filter")]
        without_factor: bool,
        /// Short for --filter locked: whose authenticators are all locked by wrong codes
        #[arg(long, visible_alias = "disabled", conflicts_with_all = ["filter", "without_factor"])]
        locked: bool,
        /// Short for --filter exempt
        #[arg(long, conflicts_with_all = ["filter", "without_factor", "locked"])]
        exempt: bool,
        /// At most so many, and say after whom to go on; without it all of them
        #[arg(long, value_name = "NUMBER")]
        limit: Option<usize>,
        /// Go on after this user
        #[arg(long, value_name = "USER")]
        after: Option<String>,
        #[command(flatten)]
        common: Common,
    },
    /// Remove every second factor of a user, who then logs in with the password alone and can enroll anew
    ///
    /// Make sure that you are talking to the owner of the account.
    Reset(#[command(flatten)] OneUser),
    /// Lift the lock that a hundred wrong codes set, and forget the wrong codes
    Unlock(#[command(flatten)] OneUser),
    /// Issue a code that stands for a recovery code, once: for a user who lost every factor but should keep them
    IssueCode {
        #[command(flatten)]
        user: OneUser,
        /// How long it is good, 24h at most
        #[arg(long, value_name = "TIME", default_value = "24h", value_parser = humantime::parse_duration)]
        valid_for: Duration,
    },
    /// Require a second factor of a user, whatever the policy says
    RequireEnrollment {
        #[command(flatten)]
        user: OneUser,
        /// How long the user may go on without
        #[arg(long, value_name = "TIME", default_value = "0s", value_parser = humantime::parse_duration)]
        grace: Duration,
        /// Take it back
        #[arg(long, conflicts_with = "grace")]
        withdraw: bool,
    },
    /// Exempt a user from having to have a second factor: a bot, a bridge. One that is there is asked for all the same
    Exempt {
        #[command(flatten)]
        user: OneUser,
        /// What for; required unless --end
        #[arg(long, value_name = "TEXT", required_unless_present = "end")]
        reason: Option<String>,
        /// Until when, for example 2027-01-31 or 90d; required unless --end
        #[arg(long, value_name = "TIME", value_parser = until, required_unless_present = "end")]
        until: Option<SystemTime>,
        /// End the exemption now
        #[arg(long, conflicts_with_all = ["reason", "until"])]
        end: bool,
    },
    /// The policy in force, and to read it again from the settings
    #[command(subcommand)]
    Policy(PolicyCommand),
    /// What was audited, of one user or of all, oldest first
    Events {
        /// Of this user alone
        user: Option<String>,
        /// At or after this moment, for example 2026-01-31T22:00:00Z, 2026-01-31, or 2h for two hours ago
        #[arg(long, value_name = "TIME", value_parser = since)]
        since: Option<SystemTime>,
        /// The newest so many of them, 1000 at most
        #[arg(long, value_name = "NUMBER", default_value_t = 100)]
        limit: usize,
        /// And whatever this server audits from now on, until it is stopped
        #[arg(long)]
        follow: bool,
        #[command(flatten)]
        common: Common,
    },
    /// Put everybody's second factors into a file that only its recipient can read, for another server
    ///
    /// It holds the seeds: whoever opens it can make everybody's codes. It is audited as a disclosure, for each user. The running server writes
    /// the file, so name a folder that it can write to.
    Export(moving::ExportArguments),
    /// Bring second factors from an export, or from a list of otpauth URIs
    ///
    /// Users are not made by it, and who has other factors already is left alone. Each user comes whole or not at all; cut short, run it again.
    Import(moving::ImportArguments),
    /// How many users have what
    Stats(#[command(flatten)] Common),
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

/// About the policy.
#[derive(Debug, Subcommand)]
pub enum PolicyCommand {
    /// The rules in force
    Show(#[command(flatten)] Common),
    /// Read the settings again and put their policy in force, as SIGHUP does
    Reload(#[command(flatten)] Common),
}

/// One user, and where they are.
#[derive(Debug, Args)]
pub struct OneUser {
    /// The user: @user:localhost, or the part before the colon
    user: String,
    #[command(flatten)]
    common: Common,
}

/// What every command is told.
#[derive(Debug, Args)]
pub struct Common {
    /// Answer in JSON, for programs
    #[arg(long)]
    pub json: bool,
    /// Who does it, for the audit [default: the name of the account on this machine]
    #[arg(long, value_name = "NAME")]
    author: Option<String>,
    #[command(flatten)]
    flags: DataFlags,
}

/// Runs one command.
pub fn run(command: &Command) -> Result<(), Failure> {
    match command {
        Command::Status(user) => user.ask(|user| AdminAct::Status { user }),
        Command::List { filter, without_factor, locked, exempt, limit, after, common } => {
            let short = [(without_factor, Filter::WithoutFactor), (locked, Filter::Locked), (exempt, Filter::Exempt)];
            let filter = short.into_iter().find(|(given, _)| **given).map_or(*filter, |(_, filter)| filter);
            list(filter, after.clone(), *limit, common)
        }
        Command::Reset(user) => user.ask(|user| AdminAct::Reset { user }),
        Command::Unlock(user) => user.ask(|user| AdminAct::Unlock { user }),
        Command::IssueCode { user, valid_for } => user.ask(|user| AdminAct::IssueCode { user, valid_for: *valid_for }),
        Command::RequireEnrollment { user, withdraw: true, .. } => user.ask(|user| AdminAct::Withdraw { user }),
        Command::RequireEnrollment { user, grace, .. } => user.ask(|user| AdminAct::Require { user, grace: *grace }),
        Command::Exempt { user, reason: Some(reason), until: Some(until), .. } => {
            let (reason, until) = (reason.clone(), timestamp(*until));
            user.ask(|user| AdminAct::Exempt { user, reason, until })
        }
        Command::Exempt { user, .. } => user.ask(|user| AdminAct::EndExemption { user }),
        Command::Policy(PolicyCommand::Show(common)) => common.ask(AdminAct::Policy, None),
        Command::Policy(PolicyCommand::Reload(common)) => common.ask(AdminAct::ReloadPolicy, None),
        Command::Events { user, since, limit, follow, common } => {
            let (user, since) = (user.clone(), since.map(timestamp));
            if *follow {
                return follow_events(user, since, *limit, common);
            }
            let named = user.clone();
            common.ask(AdminAct::Events { user, since, limit: Some(*limit) }, named.as_deref())
        }
        Command::Export(arguments) => arguments.run(),
        Command::Import(arguments) => arguments.run(),
        Command::Stats(common) => common.ask(AdminAct::Stats, None),
        Command::Restored { since, flags } => restored::run(timestamp(*since), flags),
    }
}

impl OneUser {
    fn ask(&self, act: impl FnOnce(String) -> AdminAct) -> Result<(), Failure> {
        self.common.ask(act(self.user.clone()), Some(&self.user))
    }
}

impl Common {
    fn ask(&self, act: AdminAct, user: Option<&str>) -> Result<(), Failure> {
        control::run(self.act(act.clone()), &self.settings(user)?, |answer| self.show(&act, answer))
    }

    fn act(&self, act: AdminAct) -> Act {
        Act::Admin { act, author: self.author() }
    }

    fn show(&self, act: &AdminAct, answer: Value) -> Result<(), Failure> {
        if !self.json {
            return show::show(act, answer);
        }
        console::say(&answer.to_string());
        Ok(())
    }

    pub fn settings(&self, user: Option<&str>) -> Result<Settings, Failure> {
        let mut settings = Settings::load(&(&self.flags).into())?;
        // A full id says itself to which server it belongs.
        if let Some((_, server)) = user.and_then(|user| user.split_once(':')) {
            server.clone_into(&mut settings.server_name);
        }
        Ok(settings)
    }

    /// Whoever reaches the socket rules the server, so this is a note and no proof.
    pub fn author(&self) -> String {
        let account = || ["SUDO_USER", "USER", "LOGNAME"].into_iter().find_map(|name| std::env::var(name).ok());
        let name = self.author.clone().or_else(account).unwrap_or_default();
        let name: String = name.chars().filter(|c| !c.is_control()).take(100).collect();
        if name.is_empty() { "an administrator".to_owned() } else { name }
    }
}

/// Page after page, so that nobody holds a million users at once.
fn list(filter: Filter, after: Option<String>, limit: Option<usize>, common: &Common) -> Result<(), Failure> {
    let settings = common.settings(None)?;
    let (mut next, mut left) = (after, limit.unwrap_or(usize::MAX));
    if !common.json {
        show::head();
    }
    loop {
        let act = AdminAct::List { filter, after: next.take(), limit: Some(left.clamp(1, 500)) };
        control::run(common.act(act.clone()), &settings, |answer| {
            next = answer.get("next").and_then(Value::as_str).map(str::to_owned);
            left = left.saturating_sub(answer.get("users").and_then(Value::as_array).map_or(0, Vec::len));
            common.show(&act, answer)
        })?;
        match &next {
            None => return Ok(()),
            Some(user) if left == 0 => {
                console::progress(&format!("there may be more: --after {user}"));
                return Ok(());
            }
            Some(_) => {}
        }
    }
}

fn follow_events(user: Option<String>, since: Option<Timestamp>, limit: usize, common: &Common) -> Result<(), Failure> {
    let settings = common.settings(user.as_deref())?;
    let before = AdminAct::Events { user: user.clone(), since, limit: Some(limit) };
    control::run(Act::Follow { user, since, limit }, &settings, |answer| common.show(&before, answer))
}

fn timestamp(moment: SystemTime) -> Timestamp {
    let since = moment.duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO);
    Timestamp::from_millis(u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
}

/// A day alone is its begin.
fn moment(text: &str) -> Result<SystemTime, humantime::TimestampError> {
    humantime::parse_rfc3339_weak(text)
        .or_else(|error| humantime::parse_rfc3339_weak(&format!("{text}T00:00:00Z")).map_err(|_not_a_day_either| error))
}

/// A moment, or how long ago.
fn since(text: &str) -> Result<SystemTime, humantime::TimestampError> {
    match humantime::parse_duration(text) {
        Ok(ago) => Ok(now().checked_sub(ago).unwrap_or(UNIX_EPOCH)),
        Err(_) => moment(text),
    }
}

/// A moment, or in how long.
fn until(text: &str) -> Result<SystemTime, humantime::TimestampError> {
    match humantime::parse_duration(text) {
        Ok(span) => Ok(now().checked_add(span).unwrap_or(UNIX_EPOCH)),
        Err(_) => moment(text),
    }
}

fn now() -> SystemTime {
    use matrix_2fa_core::Clock;
    UNIX_EPOCH + Duration::from_millis(matrix_2fa_engine::SystemClock.now().as_millis())
}
