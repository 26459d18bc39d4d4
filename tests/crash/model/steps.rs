//! The rules: what a confirmation, a session and a code do to a [`State`].

use std::collections::BTreeSet;

use super::{
    Code, Codes, Counter, Factor, Name, Pending, Proof, Purpose, RESERVED_MS, SESSION_MS, Saw, Session, State, Steps,
};
use crate::harness::{MINUTE_MS, STEP_MS};

impl State {
    pub(super) fn confirm(&mut self, seed: Name, code: Code, fresh: Name, now: u64) -> Saw {
        let Some(pending) = self.alive(now).filter(|pending| pending.seed == seed).cloned() else {
            return Saw::Unknown;
        };
        match code {
            Code::Step(step) if in_window(step, now) => {
                self.pending = None;
                self.factor = Some(Factor { seed, last_step: step });
                self.codes = Some(Codes { set: fresh, spent: BTreeSet::new() });
                self.reserved_at = None;
                Saw::Done
            }
            _ => {
                let fails = pending.fails + 1;
                self.pending = (fails < 5).then_some(Pending { fails, ..pending });
                Saw::Refused
            }
        }
    }

    pub(super) fn log_in(&mut self) -> Saw {
        self.devices += 1;
        Saw::Done
    }

    pub(super) fn open(&mut self, fresh: Name, purpose: Purpose, now: u64) -> Saw {
        let password_passed = purpose == Purpose::Login;
        let recovery_offered = self.remaining() > 0;
        self.sessions.insert(fresh, Session { purpose, password_passed, recovery_offered, opened_at: now });
        // A login says what to do; a change has only been asked for.
        if password_passed { Saw::Wrong } else { Saw::GoOn { password_passed } }
    }

    /// The session, if it serves here now.
    pub(super) fn session(&self, name: Name, purpose: Purpose, now: u64) -> Result<&Session, Saw> {
        if purpose != Purpose::Login && self.factor.is_none() {
            return Err(Saw::Bad);
        }
        let session = self.sessions.get(&name).filter(|session| now < session.opened_at + SESSION_MS);
        let session = session.ok_or(Saw::Bad)?;
        if session.purpose == purpose { Ok(session) } else { Err(Saw::Refused) }
    }

    /// The last stage of a session, and what it was opened for.
    pub(super) fn finish(&self, name: Name, purpose: Purpose, proof: Proof, fresh: Name, now: u64) -> Steps {
        let session = match self.session(name, purpose, now) {
            Ok(session) => session,
            Err(refused) => return (Vec::new(), refused, self.clone()),
        };
        let offered = session.recovery_offered || matches!(proof, Proof::Totp(..));
        if !session.password_passed || !offered {
            return (Vec::new(), Saw::Wrong, self.clone());
        }
        let (mut midway, saw, mut proved) = match proof {
            Proof::Totp(seed, code) => self.check_totp(seed, code, now),
            Proof::Recovery(set, place) => self.check_recovery(set, place, now),
        };
        if saw != Saw::Done {
            return (midway, saw, proved);
        }
        proved.sessions.remove(&name);
        midway.push(proved.clone());
        match purpose {
            Purpose::Login => drop(proved.log_in()),
            Purpose::Regenerate => {
                proved.codes = Some(Codes { set: fresh, spent: BTreeSet::new() });
                proved.reserved_at = None;
            }
            // The counters stay: only a right code, an administrator or time lowers them.
            Purpose::Disable => {
                (proved.factor, proved.pending, proved.codes, proved.reserved_at) = (None, None, None, None);
            }
        }
        (midway, Saw::Done, proved)
    }

    fn check_totp(&self, seed: Name, code: Code, now: u64) -> Steps {
        let unchanged = |saw| (Vec::new(), saw, self.clone());
        let Some(factor) = &self.factor else { return unchanged(Saw::Wrong) };
        if let Some(ms) = self.totp.wait(60 * MINUTE_MS, now) {
            return unchanged(Saw::Wait(ms));
        }
        let mut next = self.clone();
        match code {
            Code::Step(step) if in_window(step, now) && factor.seed == seed => {
                if step <= factor.last_step {
                    return unchanged(Saw::Wrong);
                }
                next.factor = Some(Factor { seed, last_step: step });
                next.totp = Counter::default();
                (Vec::new(), Saw::Done, next)
            }
            _ => {
                next.totp.count(now);
                (Vec::new(), Saw::Wrong, next)
            }
        }
    }

    /// Two steps: the try is counted, then judged.
    fn check_recovery(&self, set: Name, place: Option<usize>, now: u64) -> Steps {
        let unchanged = |saw| (Vec::new(), saw, self.clone());
        let Some(codes) = self.codes.as_ref().filter(|_| self.factor.is_some() && self.remaining() > 0) else {
            return unchanged(Saw::Wrong);
        };
        let reserved = self.reserved_at.and_then(|at| (at + RESERVED_MS).checked_sub(now)).filter(|ms| *ms > 0);
        if let Some(ms) = self.recovery.wait(MINUTE_MS, now).or(reserved) {
            return unchanged(Saw::Wait(ms));
        }
        let mut counted = self.clone();
        counted.recovery.count(now);
        let mut next = counted.clone();
        counted.reserved_at = Some(now);
        next.reserved_at = None;
        let place = place.filter(|place| codes.set == set && !codes.spent.contains(place));
        let Some(place) = place else { return (vec![counted], Saw::Wrong, next) };
        next.recovery = Counter::default();
        next.codes.as_mut().expect("checked above").spent.insert(place);
        (vec![counted], Saw::Done, next)
    }
}

fn in_window(step: u64, now: u64) -> bool {
    step.abs_diff(now / STEP_MS) <= 1
}
