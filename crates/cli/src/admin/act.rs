//! What an administrator can ask for. The command line, the socket in the data folder and the HTTP API are three ways to the same acts.

use std::time::Duration;

use clap::ValueEnum;
use matrix_2fa_core::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// One act.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AdminAct {
    /// How one user stands.
    Status { user: String },
    /// Users, a page of them.
    List { filter: Filter, after: Option<String>, limit: Option<usize> },
    /// Remove every second factor of a user.
    Reset { user: String },
    /// Lift a lock, and clear the counters of wrong codes.
    Unlock { user: String },
    /// Require a factor of a user, whatever the rules say.
    Require { user: String, grace: Duration },
    /// Take that back.
    Withdraw { user: String },
    /// Issue a code that is good once.
    IssueCode { user: String, valid_for: Duration },
    /// Exempt a user from having to have a factor.
    Exempt { user: String, reason: String, until: Timestamp },
    /// End that before its time.
    EndExemption { user: String },
    /// The rules in force.
    Policy,
    /// Read the settings again and put their policy in force.
    ReloadPolicy,
    /// The newest audited things, of one user or of all.
    Events { user: Option<String>, since: Option<Timestamp>, limit: Option<usize> },
    /// How many users have what.
    Stats,
}

/// Which users.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ValueEnum, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Filter {
    /// All of them.
    #[default]
    All,
    /// Who has no second factor.
    WithoutFactor,
    /// Whose authenticators are all locked by wrong codes.
    Locked,
    /// Who is exempt now.
    Exempt,
    /// Who must have a factor, has none, and may do nothing else any more.
    Barred,
}
