//! Checking a second factor. The charge for a wrong code is part of the value that the same commit writes.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{Account, Context, Transition};
use crate::{
    event::EventKind,
    recovery::Match,
    secret::{RecoveryDigest, Seed},
    stage::Stage,
    throttle::{self, Decision},
    time::Timestamp,
    totp::{TimeStep, TotpCode, matching_step},
};

/// A reserved recovery try that nobody settled (the process died) stops blocking the next one after this long. Its charge stays.
pub const RESERVATION_LIFETIME: Duration = Duration::from_secs(10);

/// An authenticator's seed, opened by the engine for one decision.
#[derive(Clone, Debug)]
pub struct OpenedSeed {
    /// Whose.
    pub id: String,
    /// The seed.
    pub seed: Seed,
}

/// What a TOTP code led to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TotpOutcome {
    /// Right, and never used before.
    Verified,
    /// Wrong and charged, or of a shape that no authenticator makes (not charged).
    Wrong,
    /// Right once and already used, or older than a used one: the same answer as wrong, but not charged.
    Replayed,
    /// Not evaluated, not charged, not consumed.
    Wait(Timestamp),
    /// Every authenticator is locked; nothing was evaluated.
    Locked,
    /// There is no authenticator.
    NotEnrolled,
}

/// A recovery try that was charged and is being hashed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reservation {
    /// Random; settles only itself.
    pub id: u64,
    /// When it was made.
    pub at: Timestamp,
    /// When the wrong code before it was counted, for the case that it is taken back.
    pub failed_at: Option<Timestamp>,
}

/// May a recovery code be hashed?
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReserveOutcome {
    /// Yes: the try is charged. Hash it and settle.
    Reserved,
    /// Not before this moment.
    Wait(Timestamp),
    /// The account has no recovery codes left.
    NotEnrolled,
}

/// What a hashed recovery code led to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SettleOutcome {
    /// Right, and spent by this commit.
    Verified {
        /// Codes left.
        remaining: usize,
    },
    /// Wrong; it was charged when it was reserved.
    Wrong,
    /// Spent before; it was charged when it was reserved, because it cost a hash.
    Replayed,
    /// The reservation or the set is not the one that was hashed: nothing was decided, ask again.
    Stale,
}

impl Account {
    /// Checks a TOTP code against every authenticator that is not locked, and burns every step it matches.
    ///
    /// `seeds` are the opened seeds of this account's authenticators. `code` is `None` if what was typed cannot be a code.
    pub fn verify_totp(&self, cx: &Context, code: Option<&TotpCode>, seeds: &[OpenedSeed]) -> Transition<TotpOutcome> {
        if !self.is_enrolled() {
            return Transition::unchanged(TotpOutcome::NotEnrolled);
        }
        if self.is_locked() {
            return Transition::unchanged(TotpOutcome::Locked);
        }
        let budget = cx.budget.shared_by(self.active().count());
        if let Decision::Wait(until) = self.totp_throttle.decide(&budget, cx.now, cx.client) {
            return Transition::unchanged(TotpOutcome::Wait(until));
        }
        // Another number of digits than any authenticator has is never evaluated and says nothing about the seed: free.
        let Some(code) = code.filter(|code| self.active().any(|a| usize::from(a.params.digits) == code.len())) else {
            return Transition::unchanged(TotpOutcome::Wrong);
        };
        let matches = self.matches(cx, code, seeds);
        if matches.is_empty() {
            self.totp_failed(cx)
        } else if matches.iter().any(|found| found.fresh) {
            self.totp_verified(cx, &matches)
        } else {
            self.totp_replayed(cx, &matches)
        }
    }

    fn matches(&self, cx: &Context, code: &TotpCode, seeds: &[OpenedSeed]) -> Vec<Found> {
        let mut found = Vec::new();
        for authenticator in self.active() {
            let Some(opened) = seeds.iter().find(|seed| seed.id == authenticator.id) else { continue };
            if let Some(step) = matching_step(authenticator.params, &opened.seed, code, cx.now) {
                found.push(Found { id: authenticator.id.clone(), step, fresh: step > authenticator.last_step });
            }
        }
        found
    }

    fn totp_verified(&self, cx: &Context, matches: &[Found]) -> Transition<TotpOutcome> {
        let mut next = self.clone();
        for authenticator in &mut next.authenticators {
            let Some(found) = matches.iter().find(|found| found.id == authenticator.id) else { continue };
            authenticator.last_step = authenticator.last_step.max(found.step);
            if found.fresh {
                authenticator.last_used_at = Some(cx.now);
            }
        }
        next.totp_throttle.clear(cx.now, cx.client);
        let authenticators = matches.iter().map(|found| found.id.clone()).collect();
        let event = cx.event(EventKind::FactorVerified { stage: Stage::Totp, authenticators });
        Transition::changed(next, TotpOutcome::Verified, vec![event])
    }

    /// A replay is audited once a step and not charged. Repeating it writes nothing more.
    fn totp_replayed(&self, cx: &Context, matches: &[Found]) -> Transition<TotpOutcome> {
        let mut next = self.clone();
        for authenticator in &mut next.authenticators {
            if let Some(found) = matches.iter().find(|found| found.id == authenticator.id) {
                authenticator.replayed_step = authenticator.replayed_step.max(Some(found.step));
            }
        }
        if next == *self {
            return Transition::unchanged(TotpOutcome::Replayed);
        }
        let authenticators = matches.iter().map(|found| found.id.clone()).collect();
        let event = cx.event(EventKind::FactorReplayed { stage: Stage::Totp, authenticators });
        Transition::changed(next, TotpOutcome::Replayed, vec![event])
    }

    fn totp_failed(&self, cx: &Context) -> Transition<TotpOutcome> {
        let mut next = self.clone();
        let active = self.active().count();
        let lock = next.totp_throttle.charge(&cx.budget, cx.now, cx.client, active);
        let mut events = vec![cx.event(EventKind::FactorFailed { stage: Stage::Totp, run: next.totp_throttle.run() })];
        if lock {
            let authenticators = self.active().map(|a| a.id.clone()).collect();
            for authenticator in &mut next.authenticators {
                authenticator.locked_at.get_or_insert(cx.now);
            }
            events.push(cx.event(EventKind::Locked { authenticators }));
        }
        Transition::changed(next, TotpOutcome::Wrong, events)
    }

    /// Charges a recovery try before it is hashed: one in flight an account.
    pub fn reserve_recovery(&self, cx: &Context, id: u64) -> Transition<ReserveOutcome> {
        if !self.is_enrolled() || self.recovery_remaining() == 0 {
            return Transition::unchanged(ReserveOutcome::NotEnrolled);
        }
        if let Decision::Wait(until) = self.recovery_throttle.decide(&throttle::RECOVERY, cx.now, cx.client) {
            return Transition::unchanged(ReserveOutcome::Wait(until));
        }
        if let Some(reserved) = self.reservation.as_ref().filter(|reserved| reserved.is_live(cx.now)) {
            return Transition::unchanged(ReserveOutcome::Wait(reserved.at.plus(RESERVATION_LIFETIME)));
        }
        let mut next = self.clone();
        let _never_locks = next.recovery_throttle.charge(&throttle::RECOVERY, cx.now, cx.client, 1);
        next.reservation = Some(Reservation { id, at: cx.now, failed_at: self.recovery_throttle.failed_at() });
        Transition::changed(next, ReserveOutcome::Reserved, Vec::new())
    }

    /// Decides a reserved try. `salt` is that of the set with which `digest` was made.
    pub fn settle_recovery(
        &self,
        cx: &Context,
        id: u64,
        salt: &[u8; 16],
        digest: &RecoveryDigest,
    ) -> Transition<SettleOutcome> {
        let reserved = self.reservation.as_ref().is_some_and(|reserved| reserved.id == id);
        let Some(set) = self.recovery.as_ref().filter(|set| reserved && set.salt == *salt) else {
            return Transition::unchanged(SettleOutcome::Stale);
        };
        let mut next = self.clone();
        next.reservation = None;
        let stage = Stage::Recovery;
        match set.find(digest) {
            Match::Fresh(place) => {
                let remaining = next.recovery.as_mut().map_or(0, |set| set.spend(place, cx.now));
                next.recovery_throttle.clear(cx.now, cx.client);
                let events = vec![
                    cx.event(EventKind::FactorVerified { stage, authenticators: Vec::new() }),
                    cx.event(EventKind::RecoveryCodeUsed { remaining }),
                ];
                Transition::changed(next, SettleOutcome::Verified { remaining }, events)
            }
            Match::Spent => {
                let event = cx.event(EventKind::FactorReplayed { stage, authenticators: Vec::new() });
                Transition::changed(next, SettleOutcome::Replayed, vec![event])
            }
            Match::None => {
                let event = cx.event(EventKind::FactorFailed { stage, run: next.recovery_throttle.run() });
                Transition::changed(next, SettleOutcome::Wrong, vec![event])
            }
        }
    }

    /// Takes a reservation back without a decision: the hash could not be made (overload).
    pub fn abandon_recovery(&self, id: u64) -> Transition<()> {
        let Some(reserved) = self.reservation.as_ref().filter(|reserved| reserved.id == id) else {
            return Transition::unchanged(());
        };
        let mut next = self.clone();
        next.reservation = None;
        next.recovery_throttle.refund(reserved.failed_at);
        Transition::changed(next, (), Vec::new())
    }
}

impl Reservation {
    pub(super) fn is_live(&self, now: Timestamp) -> bool {
        // A reservation from the future (the clock was set back) must not block for ever.
        now >= self.at && now.since(self.at) < RESERVATION_LIFETIME
    }
}

struct Found {
    id: String,
    step: TimeStep,
    fresh: bool,
}
