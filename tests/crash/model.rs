//! What a user's second factors must be like, written apart from the server: one [`State`], and what each request does to it.
//!
//! A request is a row of durable steps; the last one comes with the answer. A request that was answered took all of them, one that was cut
//! off by a kill any number of them. [`explain`] is the set of states that fit what was seen; none left is a violation.

mod steps;

use std::collections::{BTreeMap, BTreeSet};

use crate::harness::MINUTE_MS;

/// Seeds, sets of recovery codes and sessions are named by their number in what the user ever asked for.
pub type Name = usize;

const SESSION_MS: u64 = 10 * MINUTE_MS;
const PENDING_MS: u64 = 10 * MINUTE_MS;
const RESERVED_MS: u64 = 10_000;
const CODES: u32 = 10;

#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct State {
    pub factor: Option<Factor>,
    pub pending: Option<Pending>,
    pub codes: Option<Codes>,
    pub totp: Counter,
    pub recovery: Counter,
    /// A try of a recovery code that a kill left in the middle.
    reserved_at: Option<u64>,
    pub sessions: BTreeMap<Name, Session>,
    pub devices: u32,
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Factor {
    pub seed: Name,
    pub last_step: u64,
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Pending {
    pub seed: Name,
    fails: u32,
    began_at: u64,
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Codes {
    pub set: Name,
    pub spent: BTreeSet<usize>,
}

/// Wrong codes since the last right one.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Counter {
    pub run: u32,
    failed_at: u64,
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Session {
    pub purpose: Purpose,
    pub password_passed: bool,
    recovery_offered: bool,
    opened_at: u64,
}

/// What a session was opened for, and where a request is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Purpose {
    Login,
    Regenerate,
    Disable,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Code {
    /// Of this time step.
    Step(u64),
    /// Of none near.
    Wrong,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Proof {
    Totp(Name, Code),
    /// The code at this place of a set; no place: a code of no set.
    Recovery(Name, Option<usize>),
}

/// One request. `fresh` is the name that a new seed, session or set of codes gets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Request {
    Begin {
        fresh: Name,
    },
    Confirm {
        seed: Name,
        code: Code,
        fresh: Name,
    },
    /// POST /login with the password.
    Login {
        fresh: Name,
    },
    /// The first request of a change, without `auth`.
    Open {
        purpose: Purpose,
        fresh: Name,
    },
    Password {
        session: Name,
        purpose: Purpose,
    },
    Finish {
        session: Name,
        purpose: Purpose,
        proof: Proof,
        fresh: Name,
    },
    Poll {
        session: Name,
        purpose: Purpose,
    },
    Status,
    Devices,
    /// The administrator's command.
    Reset,
}

/// An answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Saw {
    /// 200.
    Done,
    /// 401 without a reproach: go on. The password is passed, or not yet.
    GoOn {
        password_passed: bool,
    },
    /// 401 M_FORBIDDEN: a wrong code, or out of order.
    Wrong,
    /// 429, with its milliseconds.
    Wait(u64),
    /// 400: no such session (any more), or nothing to change.
    Bad,
    /// 403.
    Refused,
    /// 404.
    Unknown,
    /// The authenticator's seed and the codes that remain.
    Status(Option<(Name, u32)>),
    Devices(u32),
    /// Nothing that any state explains.
    Strange(String),
}

/// The steps of a request: the states on the way, the answer, the state after it.
type Steps = (Vec<State>, Saw, State);

/// The states that a user may be in after these simultaneous requests, with these answers, at this time. In any order; a request without
/// an answer may have stopped after any of its steps.
pub fn explain(before: &BTreeSet<State>, requests: &[(Request, Option<Saw>)], now: u64) -> BTreeSet<State> {
    let confirms = requests.iter().any(|(request, _)| matches!(request, Request::Confirm { .. }));
    in_any_order(before, requests, now, confirms)
}

/// `confirms`: one of all these requests confirms a factor, which outdates others that began before it (P3.15).
fn in_any_order(
    before: &BTreeSet<State>,
    requests: &[(Request, Option<Saw>)],
    now: u64,
    confirms: bool,
) -> BTreeSet<State> {
    if requests.is_empty() {
        return before.clone();
    }
    let mut after = BTreeSet::new();
    for first in 0..requests.len() {
        let mut rest = requests.to_vec();
        let (request, saw) = rest.remove(first);
        let mut next = BTreeSet::new();
        for state in before {
            let (midway, answer, done) = state.take(request, now);
            if confirms {
                next.extend(state.outdated(request, saw.as_ref(), &done));
            }
            match &saw {
                Some(saw) if *saw == answer => drop(next.insert(done)),
                Some(_) => {}
                None => next.extend([state.clone(), done].into_iter().chain(midway)),
            }
        }
        after.extend(in_any_order(&next, &rest, now, confirms));
    }
    after
}

impl State {
    /// Somebody new, logged in on one device.
    pub fn registered() -> Self {
        Self { devices: 1, ..Self::default() }
    }

    /// What a request does, and what is answered.
    pub fn take(&self, request: Request, now: u64) -> Steps {
        let mut next = self.clone();
        let saw = match request {
            Request::Begin { fresh } => {
                next.pending = Some(Pending { seed: fresh, fails: 0, began_at: now });
                Saw::Done
            }
            Request::Confirm { seed, code, fresh } => {
                let saw = next.confirm(seed, code, fresh, now);
                if saw == Saw::Done && self.factor.is_none() {
                    // Another step, before the answer: what was opened without the first factor ends (P3.15).
                    let counts = next.clone();
                    next.sessions.clear();
                    return (vec![counts], saw, next);
                }
                saw
            }
            Request::Login { .. } if self.factor.is_none() => next.log_in(),
            Request::Login { fresh } => next.open(fresh, Purpose::Login, now),
            Request::Open { .. } if self.factor.is_none() => Saw::Bad,
            Request::Open { purpose, fresh } => next.open(fresh, purpose, now),
            Request::Password { session, purpose } => match next.session(session, purpose, now) {
                Err(refused) => refused,
                Ok(_) => {
                    next.sessions.get_mut(&session).expect("it lives").password_passed = true;
                    Saw::GoOn { password_passed: true }
                }
            },
            Request::Poll { session, purpose } => match self.session(session, purpose, now) {
                Err(refused) => refused,
                Ok(session) => Saw::GoOn { password_passed: session.password_passed },
            },
            Request::Finish { session, purpose, proof, fresh } => {
                return self.finish(session, purpose, proof, fresh, now);
            }
            Request::Status => Saw::Status(self.factor.as_ref().map(|factor| (factor.seed, self.remaining()))),
            Request::Devices => Saw::Devices(self.devices),
            Request::Reset => {
                next = Self { sessions: next.sessions, devices: next.devices, ..Self::default() };
                Saw::Done
            }
        };
        (Vec::new(), saw, next)
    }

    /// What else may become of a request that a first factor overtakes: the session that it opens is dead, or it is refused.
    fn outdated(&self, request: Request, saw: Option<&Saw>, done: &Self) -> Option<Self> {
        match (request, saw) {
            (Request::Login { .. }, Some(Saw::Refused)) => Some(self.clone()),
            (Request::Begin { .. }, Some(Saw::Refused)) => Some(Self { pending: None, ..self.clone() }),
            (Request::Login { fresh } | Request::Open { fresh, .. }, Some(Saw::Wrong | Saw::GoOn { .. })) => {
                let mut dead = done.clone();
                dead.sessions.remove(&fresh).map(|_| dead)
            }
            _ => None,
        }
    }

    /// Drops what nobody can see any more, so that states which differ in nothing else become one: what time has ended, and what was made by
    /// requests whose answers were lost (`known` says which were not).
    pub fn forget(&mut self, now: u64, known: impl Fn(Name) -> bool) {
        self.sessions.retain(|name, session| known(*name) && now < session.opened_at + SESSION_MS);
        self.pending = self.alive(now).filter(|pending| known(pending.seed)).cloned();
        self.reserved_at = self.reserved_at.filter(|at| now < at + RESERVED_MS);
        if let Some(codes) = self.codes.as_mut().filter(|codes| !known(codes.set)) {
            codes.set = 0;
        }
        for counter in [&mut self.totp, &mut self.recovery] {
            counter.failed_at = if counter.run < 5 { 0 } else { counter.failed_at };
        }
    }

    pub fn remaining(&self) -> u32 {
        self.codes.as_ref().map_or(0, |codes| CODES - codes.spent.len() as u32)
    }

    /// The pending enrollment that can be confirmed.
    pub fn alive(&self, now: u64) -> Option<&Pending> {
        self.pending.as_ref().filter(|pending| now < pending.began_at + PENDING_MS)
    }

    /// The sessions that have not expired.
    pub fn live(&self, now: u64) -> impl Iterator<Item = (&Name, &Session)> {
        self.sessions.iter().filter(move |(_, session)| now < session.opened_at + SESSION_MS)
    }
}

impl Counter {
    fn count(&mut self, now: u64) {
        *self = Self { run: self.run + 1, failed_at: now };
    }

    /// Five are free, then 30 s doubling up to `longest`.
    fn wait(&self, longest: u64, now: u64) -> Option<u64> {
        let doublings = self.run.checked_sub(5)?;
        let until = self.failed_at + (30_000 << doublings.min(20)).min(longest);
        until.checked_sub(now).filter(|ms| *ms > 0)
    }
}
