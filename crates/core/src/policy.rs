//! Who may have a second factor, who must, and from when on. A judgement is a pure function of the rules, the account and the time.
//!
//! Every rule that fits a user counts: the strictest policy wins, and of those that require a factor the shortest grace period. So a group
//! can only tighten what the server says, and no mistake in one weakens another. A confirmed factor is asked for under every policy until
//! it is removed: neither `disallowed` nor an exemption changes what a login needs.

mod duty;
mod group;

pub use duty::{Demand, Duty, Exemption};
pub use group::{BadPattern, Group, Localparts, Members};

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::{account::Account, time::Timestamp};

/// A policy, in the order of strictness.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Policy {
    /// Nobody can enroll a new factor.
    Disallowed,
    /// Everybody may.
    #[default]
    OptIn,
    /// Everybody must: the last factor cannot be removed, and who has none can do nothing but enroll one, once the grace period is over.
    Required,
}

impl Policy {
    /// The name in settings and answers.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Disallowed => "disallowed",
            Self::OptIn => "opt-in",
            Self::Required => "required",
        }
    }
}

/// A policy with the time that it leaves.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Rule {
    /// The policy.
    pub policy: Policy,
    /// How long a user of whom a factor becomes required may go on without. Nothing unless the policy is [`Policy::Required`].
    #[serde(rename = "grace_seconds", serialize_with = "in_seconds")]
    pub grace: Duration,
}

fn in_seconds<S: serde::Serializer>(grace: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_u64(grace.as_secs())
}

/// The rules of a server.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Rules {
    /// For everybody.
    pub server: Rule,
    /// For some.
    pub groups: Vec<Group>,
}

impl From<Policy> for Rules {
    /// For everybody, without a grace period.
    fn from(policy: Policy) -> Self {
        Self { server: Rule { policy, grace: Duration::ZERO }, groups: Vec::new() }
    }
}

/// How one user stands now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Standing {
    /// What holds for this user, an exemption considered.
    pub policy: Policy,
    /// Whose rule that is: groups by their names, [`SERVER`], [`ADMINISTRATOR`]. Several may say the same.
    pub by: Vec<String>,
    /// If a factor is required and there is none: until when the user may go on without; a moment in the past if that is over.
    pub grace_until: Option<Timestamp>,
    /// May do nothing but enroll, ask who they are, and log out.
    pub barred: bool,
    /// The exemption that is in force.
    pub exemption: Option<Exemption>,
    /// The grace period begins with this judgement: [`Account::begin_grace`] makes it durable.
    pub begins: bool,
}

/// In [`Standing::by`]: the rule for everybody.
pub const SERVER: &str = "server";
/// In [`Standing::by`]: an administrator who requires it of this user.
pub const ADMINISTRATOR: &str = "administrator";

impl Rules {
    /// Must somebody find out who administrates the homeserver before a user can be judged?
    pub fn ask_for_admins(&self) -> bool {
        self.groups.iter().any(|group| group.members.admins)
    }

    /// Judges a user. `admin`: the homeserver says that the user administrates it.
    pub fn judge(&self, user: &str, admin: bool, account: &Account, now: Timestamp) -> Standing {
        let duty = account.duty();
        let fitting = self.fitting(user, admin, duty, now);
        let strictest = fitting.iter().map(|(_, rule)| rule.policy).max().unwrap_or(self.server.policy);
        let winning = || fitting.iter().filter(|(_, rule)| rule.policy == strictest);
        let exemption = duty.exemption.as_ref().filter(|exemption| exemption.holds(now)).cloned();
        let policy = if exemption.is_some() { strictest.min(Policy::OptIn) } else { strictest };
        let owes = policy == Policy::Required && !account.is_enrolled();
        let ends = winning().map(|(_, rule)| match rule.since {
            Since::Duty => duty.began(now).unwrap_or(now).plus(rule.grace),
            Since::At(moment) => moment.plus(rule.grace),
        });
        let grace_until = if owes { ends.min() } else { None };
        Standing {
            policy,
            by: winning().map(|(name, _)| (*name).to_owned()).collect(),
            barred: grace_until.is_some_and(|until| until <= now),
            grace_until,
            exemption,
            begins: owes && duty.since.is_none(),
        }
    }

    fn fitting<'a>(&'a self, user: &str, admin: bool, duty: &Duty, now: Timestamp) -> Vec<(&'a str, Fitting)> {
        let rule = |rule: Rule| Fitting { policy: rule.policy, grace: rule.grace, since: Since::Duty };
        let groups = self.groups.iter().filter(|group| group.members.contains(user, admin));
        let demand = duty.demanded.as_ref().map(|demand| {
            let grace = demand.until.since(demand.at);
            let since = Since::At(demand.at.min(now));
            (ADMINISTRATOR, Fitting { policy: Policy::Required, grace, since })
        });
        let groups = groups.map(|group| (group.name.as_str(), rule(group.rule)));
        std::iter::once((SERVER, rule(self.server))).chain(groups).chain(demand).collect()
    }
}

/// A rule that holds for a user.
struct Fitting {
    policy: Policy,
    grace: Duration,
    since: Since,
}

/// From when its grace period counts.
enum Since {
    /// From the day that a factor first was required of this user.
    Duty,
    /// From its own.
    At(Timestamp),
}
