//! A code that an administrator issued: another way to prove the second factor, once. It shares the budget of the recovery codes.

use super::{Account, ChangeRefused, Context, Transition};
use crate::{
    event::EventKind,
    issued::Issued,
    secret::RecoveryDigest,
    stage::Stage,
    throttle::{self, Decision},
    time::Timestamp,
};

use super::verification::RESERVATION_LIFETIME;

/// What an issued code led to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IssuedOutcome {
    /// Right, and spent by this commit.
    Verified,
    /// Wrong, spent, or too late: charged.
    Wrong,
    /// Not evaluated, not charged.
    Wait(Timestamp),
    /// There is no second factor that it could stand for.
    NotEnrolled,
}

impl Account {
    /// The issued code that waits for its use.
    pub fn issued(&self, now: Timestamp) -> Option<&Issued> {
        self.issued.as_ref().filter(|issued| issued.is_live(now))
    }

    /// An administrator issues a code. One that was issued before is worth nothing any more.
    pub fn issue_code(&self, cx: &Context, issued: Issued) -> Transition<Result<(), ChangeRefused>> {
        if !self.is_enrolled() {
            return Transition::unchanged(Err(ChangeRefused::NotEnrolled));
        }
        let event = cx.event(EventKind::CodeIssued { author: issued.author.clone(), expires_at: issued.expires_at });
        let mut next = self.clone();
        next.issued = Some(issued);
        Transition::changed(next, Ok(()), vec![event])
    }

    /// Checks an issued code. Whatever is no longer good is charged like a wrong one, in the same commit that decides it.
    pub fn verify_issued(&self, cx: &Context, digest: &RecoveryDigest) -> Transition<IssuedOutcome> {
        if !self.is_enrolled() {
            return Transition::unchanged(IssuedOutcome::NotEnrolled);
        }
        if let Decision::Wait(until) = self.recovery_throttle.decide(&throttle::RECOVERY, cx.now, cx.client) {
            return Transition::unchanged(IssuedOutcome::Wait(until));
        }
        // One try of this budget is in flight: what it may take back must not be ours.
        if let Some(reserved) = self.reservation.as_ref().filter(|reserved| reserved.is_live(cx.now)) {
            return Transition::unchanged(IssuedOutcome::Wait(reserved.at.plus(RESERVATION_LIFETIME)));
        }
        let mut next = self.clone();
        let stage = Stage::Recovery;
        if self.issued(cx.now).is_some_and(|issued| issued.digest == *digest) {
            next.issued = None;
            next.recovery_throttle.clear(cx.now, cx.client);
            let events = vec![
                cx.event(EventKind::FactorVerified { stage, authenticators: Vec::new() }),
                cx.event(EventKind::IssuedCodeUsed),
            ];
            return Transition::changed(next, IssuedOutcome::Verified, events);
        }
        if self.issued(cx.now).is_none() {
            next.issued = None;
        }
        let _never_locks = next.recovery_throttle.charge(&throttle::RECOVERY, cx.now, cx.client, 1);
        let event = cx.event(EventKind::FactorFailed { stage, run: next.recovery_throttle.run() });
        Transition::changed(next, IssuedOutcome::Wrong, vec![event])
    }
}
