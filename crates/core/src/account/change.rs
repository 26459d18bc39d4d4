//! Changes by the user (with a fresh proof) and by an administrator.

use super::{Account, Authenticator, Context, Proof, Transition};
use crate::{event::EventKind, policy::Policy, recovery::RecoverySet, stage::Stage};

/// What a removal leaves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Removal {
    /// Stages that ended.
    pub disabled: Vec<Stage>,
    /// Stages that remain.
    pub enabled: Vec<Stage>,
}

/// Why a change is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ChangeRefused {
    /// No authenticator has this id.
    #[error("no authenticator of this account has this id")]
    Unknown,
    /// Under `required` the last factor cannot be removed.
    #[error(
        "the policy of this server requires a second factor: add another authenticator before you remove the last one"
    )]
    Required,
    /// The request did not prove enough for this change.
    #[error("this change needs a second factor, which this request did not prove")]
    Unproved,
    /// There are no recovery codes.
    #[error("this account has no recovery codes")]
    NoRecoveryCodes,
    /// There is nothing to change.
    #[error("this account has no second factor")]
    NotEnrolled,
}

impl Account {
    /// Gives an authenticator another name. That is no change of the factors: what was proved with them stays proved.
    pub fn rename(&self, cx: &Context, id: &str, name: &str) -> Transition<Result<Authenticator, ChangeRefused>> {
        let mut next = self.clone();
        let Some(authenticator) = next.authenticators.iter_mut().find(|authenticator| authenticator.id == id) else {
            return Transition::unchanged(Err(ChangeRefused::Unknown));
        };
        if authenticator.name == name {
            return Transition::unchanged(Ok(authenticator.clone()));
        }
        name.clone_into(&mut authenticator.name);
        let renamed = authenticator.clone();
        let event = cx.event(EventKind::AuthenticatorRenamed { id: id.to_owned() });
        Transition::changed(next, Ok(renamed), vec![event])
    }

    /// Removes one authenticator; never the last one on the strength of a recovery login. Recovery codes die with the last one, in the same value.
    pub fn remove(&self, cx: &Context, policy: Policy, id: &str) -> Transition<Result<Removal, ChangeRefused>> {
        if !self.authenticators.iter().any(|authenticator| authenticator.id == id) {
            return Transition::unchanged(Err(ChangeRefused::Unknown));
        }
        if self.authenticators.len() == 1 {
            return self.disable(cx, policy);
        }
        if cx.proof == Proof::FirstFactor {
            return Transition::unchanged(Err(ChangeRefused::Unproved));
        }
        let mut next = self.clone();
        next.authenticators.retain(|authenticator| authenticator.id != id);
        next.changed_at = Some(self.changing_at(cx.now));
        let removal = Removal { disabled: Vec::new(), enabled: next.stages() };
        let event = cx.event(EventKind::AuthenticatorRemoved { id: id.to_owned() });
        Transition::changed(next, Ok(removal), vec![event])
    }

    /// Turns every factor off: authenticators, recovery codes and a pending enrollment go in one value.
    pub fn disable(&self, cx: &Context, policy: Policy) -> Transition<Result<Removal, ChangeRefused>> {
        if !self.is_enrolled() {
            return Transition::unchanged(Err(ChangeRefused::NotEnrolled));
        }
        if policy == Policy::Required {
            return Transition::unchanged(Err(ChangeRefused::Required));
        }
        if cx.proof != Proof::SecondFactor {
            return Transition::unchanged(Err(ChangeRefused::Unproved));
        }
        let removal = Removal { disabled: self.stages(), enabled: Vec::new() };
        Transition::changed(self.without_factors(), Ok(removal), vec![cx.event(EventKind::Disabled)])
    }

    /// Drops the recovery codes alone; authenticators stay.
    pub fn drop_recovery(&self, cx: &Context) -> Transition<Result<Removal, ChangeRefused>> {
        if self.recovery.is_none() {
            return Transition::unchanged(Err(ChangeRefused::NoRecoveryCodes));
        }
        if cx.proof != Proof::SecondFactor {
            return Transition::unchanged(Err(ChangeRefused::Unproved));
        }
        let mut next = self.clone();
        next.recovery = None;
        next.reservation = None;
        next.changed_at = Some(self.changing_at(cx.now));
        let removal = Removal { disabled: vec![Stage::Recovery], enabled: next.stages() };
        Transition::changed(next, Ok(removal), vec![cx.event(EventKind::RecoveryCodesRemoved)])
    }

    /// Replaces the recovery codes: the old set dies with the value that has the new one.
    pub fn regenerate(&self, cx: &Context, set: RecoverySet) -> Transition<Result<(), ChangeRefused>> {
        if !self.is_enrolled() {
            return Transition::unchanged(Err(ChangeRefused::NotEnrolled));
        }
        if cx.proof == Proof::FirstFactor {
            return Transition::unchanged(Err(ChangeRefused::Unproved));
        }
        let mut next = self.clone();
        next.recovery = Some(set);
        // Who renews the codes has a way in.
        next.issued = None;
        next.reservation = None;
        next.changed_at = Some(self.changing_at(cx.now));
        Transition::changed(next, Ok(()), vec![cx.event(EventKind::RecoveryCodesRegenerated)])
    }

    /// An administrator removes every factor and every counter, whatever the policy. That a factor is required of this user, and since when,
    /// stays: a reset gives nobody a second grace period.
    pub fn reset(&self, cx: &Context) -> Transition<Removal> {
        let removal = Removal { disabled: self.stages(), enabled: Vec::new() };
        let next = Self { duty: self.duty.clone(), ..Self::default() };
        Transition::changed(next, removal, vec![cx.event(EventKind::Reset)])
    }

    /// An administrator lifts the lock and clears the counters. Seeds and spent steps stay.
    pub fn unlock(&self, cx: &Context) -> Transition<()> {
        let mut next = self.clone();
        for authenticator in &mut next.authenticators {
            authenticator.locked_at = None;
        }
        next.totp_throttle = crate::throttle::Throttle::default();
        next.recovery_throttle = crate::throttle::Throttle::default();
        Transition::changed(next, (), vec![cx.event(EventKind::Unlocked)])
    }

    /// The user is deactivated: nothing about them stays.
    pub fn forget(&self, cx: &Context) -> Transition<()> {
        Transition::changed(Self::default(), (), vec![cx.event(EventKind::Forgotten)])
    }
}
