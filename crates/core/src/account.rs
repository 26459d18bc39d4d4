//! The unit of atomicity. One value holds everything about one user's second factors; its transitions are pure and return the next value.
//!
//! * [`enrollment`](self): `begin_enrollment`, `confirm` — a pending authenticator changes nothing until a right code confirms it.
//! * `verification`: `verify_totp`, `reserve_recovery`, `settle_recovery` — a try is charged in the same commit that decides it.
//! * `issued`: `issue_code`, `verify_issued` — a code of an administrator.
//! * `change`: `rename`, `remove`, `disable`, `regenerate`, and the administrator's `reset` and `unlock`.
//! * [`moving`]: what an account is on its way to another server.
//! * `upkeep`: `reseal` and `restored`, which the operator does to every account.

mod change;
mod enrollment;
mod issued;
pub mod moving;
mod upkeep;
mod verification;

pub use change::{ChangeRefused, Removal};
pub use enrollment::{BeginRefused, Confirmation, MAX_AUTHENTICATORS, NewAuthenticator};
pub use issued::IssuedOutcome;
pub use verification::{OpenedSeed, Reservation, ReserveOutcome, SettleOutcome, TotpOutcome};

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::{
    event::{Event, EventKind, Origin},
    issued::Issued,
    policy::Duty,
    recovery::RecoverySet,
    secret::SealedSeed,
    stage::Stage,
    throttle::{Budget, ClientTag, Throttle},
    time::Timestamp,
    totp::{Params, TimeStep},
};

/// Everything about one user's second factors. The default value is a user who has none.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Account {
    authenticators: Vec<Authenticator>,
    pending: Option<PendingAuthenticator>,
    recovery: Option<RecoverySet>,
    totp_throttle: Throttle,
    recovery_throttle: Throttle,
    reservation: Option<Reservation>,
    enabled_at: Option<Timestamp>,
    changed_at: Option<Timestamp>,
    #[serde(default)]
    pub(crate) duty: Duty,
    #[serde(default)]
    issued: Option<Issued>,
}

/// A confirmed authenticator: a device or an app that holds a seed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Authenticator {
    /// Names it in every endpoint; random.
    pub id: String,
    /// What its user calls it.
    pub name: String,
    /// How it makes codes.
    pub params: Params,
    /// The sealed seed.
    pub seed: SealedSeed,
    /// When it was confirmed.
    pub created_at: Timestamp,
    /// When a code of it was last accepted at a login or another operation.
    pub last_used_at: Option<Timestamp>,
    /// The highest step ever accepted: codes of it and of every earlier step are refused.
    pub last_step: TimeStep,
    /// The last step whose replay was audited, so that repeating it writes nothing more.
    pub replayed_step: Option<TimeStep>,
    /// Set by too many wrong codes. It still counts as enrolled; it accepts nothing.
    pub locked_at: Option<Timestamp>,
}

/// An authenticator that waits for its first right code.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PendingAuthenticator {
    /// Becomes the authenticator's id.
    pub id: String,
    /// Becomes its name.
    pub name: String,
    /// Becomes its parameters.
    pub params: Params,
    /// The sealed seed.
    pub seed: SealedSeed,
    /// Keyed digest of the access token that made it; no other token can confirm it.
    #[serde(with = "serde_bytes")]
    pub bound_to: [u8; 32],
    /// When it dies.
    pub expires_at: Timestamp,
    /// Wrong confirmations so far.
    pub fails: u32,
}

/// What every transition is told about its circumstances.
#[derive(Clone, Debug)]
pub struct Context {
    /// Whose account.
    pub user: String,
    /// Now.
    pub now: Timestamp,
    /// From where, for the audit.
    pub origin: Origin,
    /// The client address, as a tag.
    pub client: ClientTag,
    /// What the request proved.
    pub proof: Proof,
    /// The limits for wrong TOTP codes; [`throttle::TOTP`](crate::throttle::TOTP) unless the operator chose others.
    pub budget: Budget,
}

/// What a request proved beside its access token. Changes judge it in the same value that they change: between the proof and the change
/// somebody else may have enrolled, and a password alone must then not be enough any more.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Proof {
    /// The first factor, or nothing at all: enough only for an account without a second factor.
    #[default]
    FirstFactor,
    /// The first factor, by a login that was made with a recovery code less than ten minutes ago: may replace authenticators and renew
    /// codes, and nothing else.
    RecoveryLogin,
    /// The first and a second factor, for this very request.
    SecondFactor,
}

impl Context {
    pub(crate) fn event(&self, kind: EventKind) -> Event {
        Event { at: self.now, user: self.user.clone(), origin: self.origin.clone(), kind }
    }
}

/// What a transition gives back: the next value, what to tell the caller, and what to audit. If `account` is `None` nothing changed
/// and nothing must be written.
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use = "a transition has no effect until it is committed"]
pub struct Transition<O> {
    /// The next value, or `None` if nothing changed.
    pub account: Option<Account>,
    /// What happened.
    pub outcome: O,
    /// To be committed together with the value.
    pub events: Vec<Event>,
}

impl<O> Transition<O> {
    pub(crate) fn changed(account: Account, outcome: O, events: Vec<Event>) -> Self {
        Self { account: Some(account), outcome, events }
    }

    pub(crate) fn unchanged(outcome: O) -> Self {
        Self { account: None, outcome, events: Vec::new() }
    }
}

impl Account {
    /// Confirmed authenticators, oldest first.
    pub fn authenticators(&self) -> &[Authenticator] {
        &self.authenticators
    }

    /// The pending authenticator, if it lives at `now`. A clock that was set back does not lengthen its life.
    pub fn pending(&self, now: Timestamp) -> Option<&PendingAuthenticator> {
        let lives = |pending: &&PendingAuthenticator| {
            now < pending.expires_at && pending.expires_at.since(now) <= enrollment::PENDING_LIFETIME
        };
        self.pending.as_ref().filter(lives)
    }

    /// The recovery codes.
    pub fn recovery(&self) -> Option<&RecoverySet> {
        self.recovery.as_ref()
    }

    /// Recovery codes that can still be used.
    pub fn recovery_remaining(&self) -> usize {
        self.recovery.as_ref().map_or(0, RecoverySet::remaining)
    }

    /// Does this user have a confirmed second factor? A locked one counts: locked is never "not enrolled".
    pub fn is_enrolled(&self) -> bool {
        !self.authenticators.is_empty()
    }

    /// Are there authenticators, and are all of them locked?
    pub fn is_locked(&self) -> bool {
        self.is_enrolled() && self.active().next().is_none()
    }

    /// The second-factor stages that this user can be asked for, in the order in which flows name them. Empty: not enrolled.
    pub fn stages(&self) -> Vec<Stage> {
        if !self.is_enrolled() {
            return Vec::new();
        }
        let mut stages = vec![Stage::Totp];
        // An issued code too, also one that is over: flows must not change while somebody goes through them.
        if self.recovery_remaining() > 0 || self.issued.is_some() {
            stages.push(Stage::Recovery);
        }
        stages
    }

    /// When the first of the present factors was confirmed.
    pub fn enabled_at(&self) -> Option<Timestamp> {
        self.enabled_at
    }

    /// When the set of factors last changed; what they are called is no part of it. Every change has a moment of its own.
    pub fn changed_at(&self) -> Option<Timestamp> {
        self.changed_at
    }

    /// When a change at `now` happens, so that no two have one moment: two in one millisecond, or after the clock was set back, would look
    /// like one to who remembers the moment.
    fn changing_at(&self, now: Timestamp) -> Timestamp {
        self.changed_at.map_or(now, |last| now.max(last.plus(Duration::from_millis(1))))
    }

    /// Wrong TOTP codes.
    pub fn totp_throttle(&self) -> &Throttle {
        &self.totp_throttle
    }

    /// Wrong recovery codes.
    pub fn recovery_throttle(&self) -> &Throttle {
        &self.recovery_throttle
    }

    /// Authenticators that are not locked.
    fn active(&self) -> impl Iterator<Item = &Authenticator> {
        self.authenticators.iter().filter(|authenticator| authenticator.locked_at.is_none())
    }

    /// What is left of an account without factors: the counters of wrong codes, which nothing but a right code, an administrator or
    /// time may lower (otherwise removing and enrolling again would be a way round the throttle), and what the policy knows of the user.
    fn without_factors(&self) -> Self {
        Self {
            totp_throttle: self.totp_throttle.clone(),
            recovery_throttle: self.recovery_throttle.clone(),
            duty: self.duty.clone(),
            ..Self::default()
        }
    }
}
