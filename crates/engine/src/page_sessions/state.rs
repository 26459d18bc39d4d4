//! What a page session knows, and what that is worth.

use std::time::Duration;

use matrix_2fa_core::{Account, Stage, Timestamp, throttle::ClientTag};
use serde::{Deserialize, Serialize};

use super::{ACCOUNT_LIFETIME, LOGIN_LIFETIME};

/// Password and factor are good for changes for this long after the password. Nothing that is done meanwhile lengthens it.
pub const STEP_UP_LIFETIME: Duration = Duration::from_secs(10 * 60);

/// What a browser has proved, and what for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PageState {
    /// Where the person goes when everything is proved.
    pub purpose: Purpose,
    /// Whose password was right.
    pub user: Option<String>,
    /// The host's count of what ends logins in flight, read before the password was checked.
    pub epoch: u64,
    /// The second factor that was proved, and the last change of the factors that it knows of ([`Seen`]).
    pub factor: Option<(Stage, Seen)>,
    /// When this state dies. Whoever moves the session on decides whether that moves too.
    pub expires_at: Timestamp,
    /// When the password was right. What is proved lasts from here.
    #[serde(default)]
    pub proved_at: Option<Timestamp>,
    /// The client that gave the password.
    #[serde(default)]
    pub client: ClientTag,
    /// In this browser the user has proved a second factor before.
    #[serde(default)]
    pub known: bool,
}

/// The last change of an account's factors that a session knows of: one that somebody else made ends what was proved. No two changes have
/// one moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Seen(Timestamp);

impl Seen {
    /// This value of the account.
    pub fn of(account: &Account) -> Self {
        Self(account.changed_at().unwrap_or_default())
    }
}

/// What a page session is for. One made for one thing is never good for another.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Purpose {
    /// A login token for a client, given to this address.
    Login {
        /// Where the client waits for its token; judged when the session was opened.
        target: String,
    },
    /// On the way to the user's own factors.
    SignIn,
    /// The user's own factors.
    Account,
}

impl Purpose {
    /// How long a session for it lives at most.
    pub fn lifetime(&self) -> Duration {
        match self {
            Self::Login { .. } | Self::SignIn => LOGIN_LIFETIME,
            Self::Account => ACCOUNT_LIFETIME,
        }
    }
}

impl PageState {
    /// Are password and factor good for a change at `now`? A clock that was set back does not lengthen it.
    pub fn is_fresh(&self, now: Timestamp) -> bool {
        self.proved_at.is_some_and(|at| at <= now && now.since(at) < STEP_UP_LIFETIME)
    }

    /// Is what was proved worth nothing any more? A password, if there are factors now; a factor, if the factors are gone or were changed
    /// since by anybody but this session.
    pub fn is_outdated_by(&self, account: &Account) -> bool {
        match self.factor {
            None => account.is_enrolled(),
            Some((_, seen)) => !account.is_enrolled() || seen != Seen::of(account),
        }
    }

    /// Sessions make room for others of their kind only, so that whoever knows just the password pushes out nobody who has proved more, or
    /// proved it in that browser before.
    pub(super) fn crowd(&self) -> Crowd {
        match (&self.purpose, self.factor, self.known) {
            (Purpose::Account, ..) | (_, Some(_), _) => Crowd::Proved,
            (_, None, true) => Crowd::Known,
            (_, None, false) => Crowd::Strange,
        }
    }
}

/// Who makes room for whom.
#[derive(PartialEq)]
pub(super) enum Crowd {
    /// They know the password.
    Strange,
    /// The same, in a browser where the factor was proved before.
    Known,
    /// Everything was proved.
    Proved,
}
