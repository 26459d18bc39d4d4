//! An observer that sees what is stored and what is answered, believes nothing that the code says about itself, and notes what was broken.

use std::collections::BTreeSet;

use matrix_2fa::{
    core::{Account, TimeStep},
    store::Kind,
};

use crate::{
    clients::{Code, Door, at},
    replica::Next,
    shared::Disk,
    world::{Flight, State},
};

/// What must hold always.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Promise {
    TokenNeedsFactor,
    ChangeNeedsFactor,
    CodeOnce,
    StepsRise,
    PaperStaysDead,
    SessionOnce,
    CountersStay,
    GuessesCost,
    PendingIsNothing,
}

/// What the observer remembers.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Ghost {
    pub broken: BTreeSet<Promise>,
    /// Codes that led to something.
    pub used: BTreeSet<Code>,
    /// Sessions that led to something.
    sessions: BTreeSet<String>,
    /// Requests before the exploration began.
    pub numbered: u8,
}

const SESSION: Kind = Kind("auth_session");

impl State {
    fn demand(&mut self, promise: Promise, kept: bool) {
        if !kept {
            self.ghost.broken.insert(promise);
        }
    }

    /// A device and a token are about to be made.
    pub fn judge_login(&mut self, replica: usize) {
        let Some(flight) = self.flights[replica].clone() else { return };
        // Who was without a factor at some moment of the request may log in without one: the login came before the enrollment.
        self.demand(Promise::TokenNeedsFactor, flight.spent || flight.seen_bare);
        self.came_to_something(&flight);
    }

    /// A request had its effect.
    fn came_to_something(&mut self, flight: &Flight) {
        if let Some(code) = flight.attempt.code {
            let fresh = self.ghost.used.insert(code);
            self.demand(Promise::CodeOnce, fresh);
        }
        if let Some(session) = flight.attempt.session.and_then(|place| self.learnt.sessions.get(place)).cloned() {
            let consumed = flight.consumed.as_ref() == Some(&session);
            let once = self.ghost.sessions.insert(session);
            self.demand(Promise::SessionOnce, once && consumed && flight.attempt.door == Door::Finish);
        }
    }

    /// A commit of this request is done.
    pub fn judge_commit(&mut self, replica: usize, before: &Disk) {
        let Some(mut flight) = self.flights[replica].take() else { return };
        let after = self.disk.clone();
        let ended = before.records.keys().find(|place| place.0 == SESSION && !after.records.contains_key(*place));
        flight.consumed = flight.consumed.take().or_else(|| ended.map(|(_, id)| id.clone()));

        let (old, new) = (&before.account.account, &after.account.account);
        let spent_now = self.judge_steps(&flight, old, new) | self.judge_papers(&flight, old, new);
        flight.spent |= spent_now;
        self.judge_counters(&mut flight, old, new, spent_now);
        self.judge_changes(&mut flight, old, new);
        self.flights[replica] = Some(flight);
    }

    /// The last step of an authenticator rises, and only to that of the code which the request carries.
    fn judge_steps(&mut self, flight: &Flight, old: &Account, new: &Account) -> bool {
        let mut spent = false;
        for authenticator in new.authenticators() {
            let Some(was) = old.authenticators().iter().find(|a| a.id == authenticator.id) else { continue };
            if was.last_step == authenticator.last_step {
                continue;
            }
            let carried = match flight.attempt.code {
                Some(Code::Of { phone, step }) => {
                    let step = TimeStep(at(step).as_secs() / 30);
                    self.learnt.phones[phone].0 == authenticator.id && step == authenticator.last_step
                }
                _ => false,
            };
            self.demand(Promise::StepsRise, carried && was.last_step < authenticator.last_step);
            spent |= carried;
        }
        spent
    }

    /// Of one set only fewer and fewer codes remain, and only by a request that carries one of this very set.
    fn judge_papers(&mut self, flight: &Flight, old: &Account, new: &Account) -> bool {
        let (Some(was), Some(is)) = (old.recovery(), new.recovery()) else { return false };
        if was.salt != is.salt || was.remaining() == is.remaining() {
            return false;
        }
        let carried =
            matches!(flight.attempt.code, Some(Code::On { paper, .. }) if self.learnt.papers[paper].0 == is.salt);
        self.demand(Promise::PaperStaysDead, carried && is.remaining() + 1 == was.remaining());
        carried
    }

    fn judge_counters(&mut self, flight: &mut Flight, old: &Account, new: &Account, spent_now: bool) {
        let (was, is) = (old.totp_throttle(), new.totp_throttle());
        let forgiven = spent_now && matches!(flight.attempt.code, Some(Code::Of { .. }));
        self.demand(Promise::CountersStay, forgiven || is.run() >= was.run() && is.recent() >= was.recent());
        // Five are free; nobody waits in the time that these models have.
        self.demand(Promise::GuessesCost, is.run() <= 5);
        flight.charged |= is.run() > was.run();

        let (was, is) = (old.recovery_throttle(), new.recovery_throttle());
        let forgiven = spent_now && matches!(flight.attempt.code, Some(Code::On { .. }));
        // A try that could not be decided is taken back by the request that made it.
        let refunded = flight.charged && is.run() + 1 == was.run();
        self.demand(Promise::CountersStay, forgiven || refunded || is.run() >= was.run());
        flight.charged |= is.run() > was.run();
    }

    /// Factors change only for a request that proved one, or that began when there was none.
    fn judge_changes(&mut self, flight: &mut Flight, old: &Account, new: &Account) {
        let ids = |account: &Account| account.authenticators().iter().map(|a| a.id.clone()).collect::<Vec<_>>();
        let salt = |account: &Account| account.recovery().map(|set| set.salt);
        if salt(old) != salt(new) {
            flight.made = salt(new);
        }
        let changed = ids(old) != ids(new) || salt(old) != salt(new);
        let now = at(self.step);
        let pending = |account: &Account| account.pending(now).map(|pending| pending.id.clone());
        let begun = pending(old) != pending(new) && pending(new).is_some();
        if begun {
            let same = !changed && old.authenticators() == new.authenticators() && old.stages() == new.stages();
            let counters = old.totp_throttle() == new.totp_throttle();
            self.demand(Promise::PendingIsNothing, same && counters);
        }
        // A confirmation rests on what its beginning proved; it must be of what was pending.
        let confirmed = flight.attempt.door == Door::Confirm && ids(new).last() == pending(old).as_ref();
        let proved = flight.spent || !old.is_enrolled();
        self.demand(Promise::ChangeNeedsFactor, !(changed || begun) || confirmed || proved);
    }

    /// An answer leaves.
    pub fn judge_answer(&mut self, replica: usize) {
        let Some(flight) = self.flights[replica].clone() else { return };
        let Next::Answers { status, .. } = *flight.run.next() else { return };
        let guess = flight.attempt.code == Some(Code::Wrong);
        if guess && matches!(status, 401 | 403) && flight.attempt.door != Door::Confirm {
            self.demand(Promise::GuessesCost, flight.charged || flight.seen_bare);
        }
        let login = matches!(flight.attempt.door, Door::Password | Door::OneField | Door::Finish);
        if status == 200 && !login {
            self.demand(
                Promise::ChangeNeedsFactor,
                flight.spent || flight.seen_bare || flight.attempt.door == Door::Confirm,
            );
            self.came_to_something(&flight);
        }
    }
}
