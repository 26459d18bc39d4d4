//! What the operator does to every account: sealing its seeds with another key, and making good what a restored backup forgot.

use super::{Account, Context, Transition};
use crate::{
    event::EventKind,
    secret::SealedSeed,
    time::Timestamp,
    totp::{SKEW, TimeStep},
};

impl Account {
    /// Every sealed seed with the id of its authenticator: confirmed, locked and pending ones, dead or alive.
    pub fn sealed_seeds(&self) -> impl Iterator<Item = (&str, &SealedSeed)> {
        let confirmed =
            self.authenticators.iter().map(|authenticator| (authenticator.id.as_str(), &authenticator.seed));
        confirmed.chain(self.pending.iter().map(|pending| (pending.id.as_str(), &pending.seed)))
    }

    /// Replaces sealed seeds and nothing else; the outcome is how many. `reseal` gets an authenticator's id and its sealed seed, and gives
    /// the one to keep instead, or `None` to leave it. No event: the rotation is audited once, for the whole server.
    pub fn reseal(&self, mut reseal: impl FnMut(&str, &SealedSeed) -> Option<SealedSeed>) -> Transition<usize> {
        let mut next = self.clone();
        let confirmed =
            next.authenticators.iter_mut().map(|authenticator| (&authenticator.id, &mut authenticator.seed));
        let pending = next.pending.iter_mut().map(|pending| (&pending.id, &mut pending.seed));
        let mut resealed = 0;
        for (id, seed) in confirmed.chain(pending) {
            if let Some(fresh) = reseal(id, seed) {
                *seed = fresh;
                resealed += 1;
            }
        }
        if resealed == 0 { Transition::unchanged(0) } else { Transition::changed(next, resealed, Vec::new()) }
    }

    /// The store is a backup, and what was used after it was made is unknown: every recovery code may have been spent, every code up to
    /// `at` may have been used, and a pending enrollment may have been confirmed or refused. None of them counts any more. Authenticators
    /// stay, and so do locks and counters. Doing it twice changes nothing more.
    pub fn restored(&self, cx: &Context, at: Timestamp) -> Transition<()> {
        let mut next = self.clone();
        next.recovery = None;
        next.issued = None;
        next.reservation = None;
        next.pending = None;
        for authenticator in &mut next.authenticators {
            // A fast phone's code of the step after the present one is accepted too, so it too may have been used.
            let TimeStep(present) = TimeStep::at(at, authenticator.params);
            authenticator.last_step = authenticator.last_step.max(TimeStep(present.saturating_add(SKEW)));
        }
        if next == *self {
            return Transition::unchanged(());
        }
        let event =
            cx.event(EventKind::Restored { recovery: self.recovery.is_some(), pending: self.pending.is_some() });
        Transition::changed(next, (), vec![event])
    }
}
