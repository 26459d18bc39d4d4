//! A new authenticator: pending until a right code confirms it.

use std::time::Duration;

use super::{Account, Authenticator, Context, OpenedSeed, PendingAuthenticator, Proof, Transition};
use crate::{
    event::EventKind,
    policy::Policy,
    recovery::RecoverySet,
    secret::SealedSeed,
    totp::{Params, TotpCode, matching_step},
};

/// A pending enrollment lives this long.
pub const PENDING_LIFETIME: Duration = Duration::from_secs(10 * 60);
/// Wrong confirmations that discard it.
pub const PENDING_FAILS: u32 = 5;
/// Authenticators that one account can have.
pub const MAX_AUTHENTICATORS: usize = 10;

/// What the engine made for a new authenticator.
#[derive(Clone, Debug)]
pub struct NewAuthenticator {
    /// A fresh random id.
    pub id: String,
    /// What the user calls it.
    pub name: String,
    /// The sealed seed.
    pub seed: SealedSeed,
    /// Keyed digest of the access token that asks.
    pub bound_to: [u8; 32],
}

/// Why an enrollment cannot begin.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BeginRefused {
    /// The policy is `disallowed`.
    #[error("the policy of this server does not allow second factors")]
    Disallowed,
    /// The account has a second factor meanwhile, and the request did not prove it.
    #[error("this account has a second factor, which this request did not prove")]
    Unproved,
    /// The account has [`MAX_AUTHENTICATORS`] already.
    #[error("this account has {MAX_AUTHENTICATORS} authenticators already")]
    TooMany,
}

/// What a confirmation led to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Confirmation {
    /// The authenticator counts from now on.
    Confirmed {
        /// As stored.
        authenticator: Box<Authenticator>,
        /// Was it the first factor? Then the recovery codes given to [`Account::confirm`] are now the account's.
        first: bool,
    },
    /// A wrong code, counted against this pending enrollment alone.
    Wrong {
        /// Was it the fifth? Then the pending enrollment is gone.
        discarded: bool,
    },
    /// No such pending enrollment, or a dead one, or another token's.
    Unknown,
}

impl Account {
    /// Starts an enrollment. It replaces a pending one, changes nothing at login, and never weakens a confirmed factor.
    pub fn begin_enrollment(
        &self,
        cx: &Context,
        policy: Policy,
        new: NewAuthenticator,
    ) -> Transition<Result<PendingAuthenticator, BeginRefused>> {
        if policy == Policy::Disallowed {
            return Transition::unchanged(Err(BeginRefused::Disallowed));
        }
        if self.is_enrolled() && cx.proof == Proof::FirstFactor {
            return Transition::unchanged(Err(BeginRefused::Unproved));
        }
        if self.authenticators.len() >= MAX_AUTHENTICATORS {
            return Transition::unchanged(Err(BeginRefused::TooMany));
        }
        let pending = PendingAuthenticator {
            id: new.id,
            name: new.name,
            params: Params::default(),
            seed: new.seed,
            bound_to: new.bound_to,
            expires_at: cx.now.plus(PENDING_LIFETIME),
            fails: 0,
        };
        let mut next = self.clone();
        next.pending = Some(pending.clone());
        if policy == Policy::Required {
            next.duty.since.get_or_insert(cx.now);
        }
        let event = cx.event(EventKind::EnrollmentStarted { id: pending.id.clone() });
        Transition::changed(next, Ok(pending), vec![event])
    }

    /// Takes back an enrollment of which nobody has heard.
    pub fn discard_enrollment(&self, id: &str) -> Transition<()> {
        if self.pending.as_ref().is_none_or(|pending| pending.id != id) {
            return Transition::unchanged(());
        }
        Transition::changed(Self { pending: None, ..self.clone() }, (), Vec::new())
    }

    /// The pending enrollment that a confirmation names, if this token may confirm it now.
    pub fn confirmable(&self, cx: &Context, id: &str, bound_to: &[u8; 32]) -> Option<&PendingAuthenticator> {
        use subtle::ConstantTimeEq;
        self.pending(cx.now).filter(|pending| pending.id == id && bool::from(pending.bound_to.ct_eq(bound_to)))
    }

    /// Confirms the pending authenticator `id` with a code of it. The code's step is burnt: it cannot log in.
    ///
    /// `seed` is the opened seed of the pending authenticator; `recovery` becomes the account's set if this is its first factor.
    /// `code` is `None` if what was typed cannot be a code; it counts as a wrong confirmation all the same.
    pub fn confirm(
        &self,
        cx: &Context,
        bound_to: &[u8; 32],
        seed: &OpenedSeed,
        code: Option<&TotpCode>,
        recovery: Option<RecoverySet>,
    ) -> Transition<Confirmation> {
        let Some(pending) = self.confirmable(cx, &seed.id, bound_to) else {
            return Transition::unchanged(Confirmation::Unknown);
        };
        match code.and_then(|code| matching_step(pending.params, &seed.seed, code, cx.now)) {
            Some(step) => self.confirmed(cx, pending, step, recovery),
            None => self.confirmation_failed(cx, pending),
        }
    }

    fn confirmed(
        &self,
        cx: &Context,
        pending: &PendingAuthenticator,
        step: crate::totp::TimeStep,
        recovery: Option<RecoverySet>,
    ) -> Transition<Confirmation> {
        let first = !self.is_enrolled();
        let authenticator = Authenticator {
            id: pending.id.clone(),
            name: pending.name.clone(),
            params: pending.params,
            seed: pending.seed.clone(),
            created_at: cx.now,
            last_used_at: None,
            last_step: step,
            replayed_step: None,
            locked_at: None,
        };
        let mut next = self.clone();
        next.pending = None;
        next.authenticators.push(authenticator.clone());
        next.changed_at = Some(self.changing_at(cx.now));
        if first {
            next.enabled_at = Some(cx.now);
            next.recovery = recovery;
            next.reservation = None;
        }
        let event = cx.event(EventKind::EnrollmentConfirmed { id: authenticator.id.clone(), first });
        let outcome = Confirmation::Confirmed { authenticator: Box::new(authenticator), first };
        Transition::changed(next, outcome, vec![event])
    }

    fn confirmation_failed(&self, cx: &Context, pending: &PendingAuthenticator) -> Transition<Confirmation> {
        let fails = pending.fails.saturating_add(1);
        let discarded = fails >= PENDING_FAILS;
        let mut next = self.clone();
        next.pending = (!discarded).then(|| PendingAuthenticator { fails, ..pending.clone() });
        let event = cx.event(EventKind::EnrollmentFailed { id: pending.id.clone(), discarded });
        Transition::changed(next, Confirmation::Wrong { discarded }, vec![event])
    }
}
