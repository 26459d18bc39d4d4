//! What an administrator is answered: the same over the socket, over HTTP, and with `--json`. Moments are milliseconds since 1970. There is no
//! seed and no recovery code in any of it, by construction: nothing here has room for one.

use matrix_2fa_core::{
    Account, Authenticator, Standing, Timestamp,
    policy::{Demand, Exemption},
};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// A user in a list.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct UserRow {
    /// Full Matrix id.
    pub user: String,
    /// Has a confirmed second factor, locked or not.
    pub enrolled: bool,
    /// Confirmed authenticators.
    pub authenticators: usize,
    /// Recovery codes that are left.
    pub recovery_codes: usize,
    /// All authenticators are locked by wrong codes.
    pub locked: bool,
    /// `disallowed`, `opt-in` or `required`, an exemption considered.
    pub policy: String,
    /// Must have a factor, has none, and may do nothing but enroll.
    pub barred: bool,
    /// Until when a user who must have a factor and has none may go on.
    #[schema(value_type = Option<u64>)]
    pub grace_until: Option<Timestamp>,
    /// Until when an exemption holds.
    #[schema(value_type = Option<u64>)]
    pub exempt_until: Option<Timestamp>,
    /// When a code was last right.
    #[schema(value_type = Option<u64>)]
    pub last_used_at: Option<Timestamp>,
}

/// A page of a list.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct Users {
    /// In the order of their ids. There may be none on a page before the last one.
    pub users: Vec<UserRow>,
    /// Go on after this; null: that was the last page.
    pub next: Option<String>,
}

/// One user.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct UserStatus {
    /// As in a list.
    #[serde(flatten)]
    pub row: UserRow,
    /// Whose rule the policy is: `server`, groups by their names, `administrator`.
    pub rules: Vec<String>,
    /// What they use.
    pub devices: Vec<AuthenticatorRow>,
    /// Wrong codes of authenticators in a row.
    pub wrong_codes: u32,
    /// Wrong codes of authenticators in thirty days.
    pub wrong_codes_month: usize,
    /// Wrong recovery codes in a row.
    pub wrong_recovery_codes: u32,
    /// The exemption, if one is in force.
    pub exemption: Option<Grant>,
    /// The factor that an administrator requires, if one does.
    pub demand: Option<Grant>,
    /// Until when an issued code that was not used can be.
    #[schema(value_type = Option<u64>)]
    pub issued_code_until: Option<Timestamp>,
    /// Until when an enrollment that was begun can be confirmed.
    #[schema(value_type = Option<u64>)]
    pub pending_until: Option<Timestamp>,
}

/// An authenticator.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct AuthenticatorRow {
    /// Its id.
    pub id: String,
    /// What its user calls it.
    pub name: String,
    /// When it was confirmed.
    #[schema(value_type = u64)]
    pub created_at: Timestamp,
    /// When a code of it was last right.
    #[schema(value_type = Option<u64>)]
    pub last_used_at: Option<Timestamp>,
    /// Since when it is locked.
    #[schema(value_type = Option<u64>)]
    pub locked_at: Option<Timestamp>,
}

/// What an administrator decided about a user.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct Grant {
    /// Who.
    pub author: String,
    /// When.
    #[schema(value_type = u64)]
    pub at: Timestamp,
    /// Until when.
    #[schema(value_type = u64)]
    pub until: Timestamp,
    /// What for.
    pub reason: Option<String>,
}

/// That something was done.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct Done {
    /// What, in one line.
    pub done: String,
}

/// An issued code, shown this once.
#[derive(Clone, Serialize, Deserialize, ToSchema)]
pub struct CodeIssued {
    /// Whose.
    pub user: String,
    /// It stands for a recovery code, once.
    pub code: String,
    /// When it dies.
    #[schema(value_type = u64)]
    pub expires_at: Timestamp,
}

/// How many users have what.
#[derive(Clone, Debug, Default, Serialize, Deserialize, ToSchema)]
pub struct Stats {
    /// All of them, deactivated ones not counted.
    pub users: u64,
    /// With a second factor.
    pub enrolled: u64,
    /// Of those: locked by wrong codes.
    pub locked: u64,
    /// Of those: with three recovery codes or fewer.
    pub few_recovery_codes: u64,
    /// Exempt now.
    pub exempt: u64,
    /// Must have a factor, have none, and may still go on.
    pub in_grace: u64,
    /// Must have a factor, have none, and may do nothing else.
    pub barred: u64,
}

/// Audited things.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct Events {
    /// Oldest first.
    #[schema(value_type = Vec<Object>)]
    pub events: Vec<matrix_2fa_core::Event>,
}

impl UserRow {
    pub fn of(user: &str, account: &Account, standing: &Standing) -> Self {
        Self {
            user: user.to_owned(),
            enrolled: account.is_enrolled(),
            authenticators: account.authenticators().len(),
            recovery_codes: account.recovery_remaining(),
            locked: account.is_locked(),
            policy: standing.policy.as_str().to_owned(),
            barred: standing.barred,
            grace_until: standing.grace_until,
            exempt_until: standing.exemption.as_ref().map(|exemption| exemption.until),
            last_used_at: account.authenticators().iter().filter_map(|one| one.last_used_at).max(),
        }
    }
}

impl UserStatus {
    pub fn of(user: &str, account: &Account, standing: &Standing, now: Timestamp) -> Self {
        Self {
            row: UserRow::of(user, account, standing),
            rules: standing.by.clone(),
            devices: account.authenticators().iter().map(AuthenticatorRow::from).collect(),
            wrong_codes: account.totp_throttle().run(),
            wrong_codes_month: account.totp_throttle().recent(),
            wrong_recovery_codes: account.recovery_throttle().run(),
            exemption: standing.exemption.as_ref().map(Grant::from),
            demand: account.duty().demanded.as_ref().map(Grant::from),
            issued_code_until: account.issued(now).map(|issued| issued.expires_at),
            pending_until: account.pending(now).map(|pending| pending.expires_at),
        }
    }
}

impl From<&Authenticator> for AuthenticatorRow {
    fn from(one: &Authenticator) -> Self {
        let Authenticator { id, name, created_at, last_used_at, locked_at, .. } = one.clone();
        Self { id, name, created_at, last_used_at, locked_at }
    }
}

impl From<&Exemption> for Grant {
    fn from(exemption: &Exemption) -> Self {
        let Exemption { reason, author, at, until } = exemption.clone();
        Self { author, at, until, reason: Some(reason) }
    }
}

impl From<&Demand> for Grant {
    fn from(demand: &Demand) -> Self {
        let Demand { author, at, until } = demand.clone();
        Self { author, at, until, reason: None }
    }
}

impl std::fmt::Debug for CodeIssued {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("CodeIssued").field("user", &self.user).finish_non_exhaustive()
    }
}
