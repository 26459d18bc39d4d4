//! Two budgets of wrong codes. `(history, now) -> Allow | Wait`; a charge says whether it was one too many.
//!
//! * Low-entropy codes (TOTP): five free, then 30 s doubling to one hour; 100 in a row or 100 in 30 days lock the authenticators
//!   (100/n with n of them). That is a chance of 3.0e-4 for one uninterrupted run and at most 3.7e-3 a year.
//! * High-entropy codes (recovery): five free, then at most 60 s, never locked, and a client that has not failed need not wait: nobody
//!   who knows the password can block the owner's way back. 80 bit need no wait against guessing; the bound is on hashing.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::time::Timestamp;

/// The numbers of one budget.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Budget {
    /// Wrong codes without a wait.
    pub free: u32,
    /// The first wait; each further wrong code doubles it.
    pub first_wait: Duration,
    /// The longest wait.
    pub max_wait: Duration,
    /// Wrong codes, in a row or in [`WINDOW`], that lock; `None` never locks.
    pub lock_at: Option<u32>,
    /// Wrong codes in [`WINDOW`] after which none is evaluated until the oldest of them is that old: what bounds guessing where nothing
    /// locks (RFC 4226 section 6). `None`: the lock or the length of a code is the bound.
    pub in_window: Option<u32>,
    /// Tries a minute that clients without a recent wrong code of their own network get while the account waits: whoever knows the password
    /// cannot crowd out the owner. 0: the wait is everybody's.
    pub newcomers: usize,
}

impl Budget {
    /// How long to wait after this many wrong codes in a row.
    pub fn wait_after(&self, run: u32) -> Duration {
        let Some(doublings) = run.checked_sub(self.free) else { return Duration::ZERO };
        self.first_wait.saturating_mul(1u32.checked_shl(doublings.min(31)).unwrap_or(u32::MAX)).min(self.max_wait)
    }

    /// The same for an account with several authenticators, any of which a guess could hit: so many fewer in the window.
    #[must_use]
    pub fn shared_by(self, authenticators: usize) -> Self {
        let share = u32::try_from(authenticators.max(1)).unwrap_or(u32::MAX);
        Self { in_window: self.in_window.map(|limit| (limit / share).max(1)), ..self }
    }
}

/// How long a wrong code is remembered after a right one.
pub const WINDOW: Duration = Duration::from_secs(30 * 24 * 60 * 60);
/// A right code forgives wrong ones of the same client this recent: its owner's typing errors.
pub const FORGIVEN: Duration = Duration::from_secs(2 * 60);

/// The budget of TOTP codes.
pub const TOTP: Budget = Budget {
    free: 5,
    first_wait: Duration::from_secs(30),
    max_wait: Duration::from_secs(60 * 60),
    lock_at: Some(100),
    in_window: None,
    newcomers: 0,
};

/// The budget of recovery codes.
pub const RECOVERY: Budget = Budget {
    free: 5,
    first_wait: Duration::from_secs(30),
    max_wait: Duration::from_secs(60),
    lock_at: None,
    in_window: None,
    newcomers: 20,
};

/// Wrong codes that a budget without a lock remembers, at least: those of an hour in which newcomers took every place are all remembered, or
/// whoever has enough addresses would be a newcomer again and again.
const REMEMBERED: usize = 64;

/// And at most after two were joined, whatever the other said.
const JOINED: usize = 1000;

/// A keyed, shortened digest of a client address: enough to forgive the owner's own typing errors, useless to learn an address. The
/// default, 0, is a client whose address is not known; nothing is forgiven to it. The upper half stands for the network that it is in, of which
/// one line or one customer of a hoster has many addresses.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ClientTag(pub u32);

impl ClientTag {
    /// Of a digest of the network and one of the client.
    pub fn new(network: [u8; 2], client: [u8; 2]) -> Self {
        let ([a, b], [c, d]) = (network, client);
        Self(u32::from_be_bytes([a, b, c, d]))
    }

    fn network(self) -> u32 {
        self.0 >> 16
    }
}

/// The wrong codes of one account and one budget.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Throttle {
    run: u32,
    failed_at: Option<Timestamp>,
    recent: Vec<Fail>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Fail {
    at: Timestamp,
    client: ClientTag,
}

/// May a code be evaluated now?
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decision {
    /// Yes.
    Allow,
    /// Not before this moment; nothing is evaluated, charged or consumed.
    Wait(Timestamp),
}

impl Throttle {
    /// May a code of this client be evaluated now?
    pub fn decide(&self, budget: &Budget, now: Timestamp, client: ClientTag) -> Decision {
        if let Some(until) = self.window_full_until(budget, now) {
            return Decision::Wait(until);
        }
        let (Some(failed_at), wait) = (self.failed_at, budget.wait_after(self.run)) else { return Decision::Allow };
        // A last fail further in the future than its whole wait can only mean that the clock was ahead and has been set back. One try is
        // let through and, if wrong, charged at today's time, which repairs the record: nobody is locked out by a clock.
        if failed_at.since(now) > wait {
            return Decision::Allow;
        }
        let until = failed_at.plus(wait);
        if until > now && !self.admits_newcomer(budget, now, client) { Decision::Wait(until) } else { Decision::Allow }
    }

    /// Counts a wrong code. Returns true if it was the one that locks, with `authenticators` of them sharing the budget.
    #[must_use]
    pub fn charge(&mut self, budget: &Budget, now: Timestamp, client: ClientTag, authenticators: usize) -> bool {
        self.run = self.run.saturating_add(1);
        self.failed_at = Some(now);
        self.forget_old(now);
        self.recent.push(Fail { at: now, client });
        let Some(lock_at) = budget.lock_at else {
            let remembered = REMEMBERED.max(budget.newcomers * 60).max(budget.in_window.unwrap_or_default() as usize);
            let excess = self.recent.len().saturating_sub(remembered);
            self.recent.drain(..excess);
            return false;
        };
        let limit = (lock_at / u32::try_from(authenticators.max(1)).unwrap_or(u32::MAX)).max(1);
        let excess = self.recent.len().saturating_sub(lock_at as usize);
        self.recent.drain(..excess);
        self.run >= limit || self.recent.len() >= limit as usize
    }

    /// When the last wrong code was counted.
    pub fn failed_at(&self) -> Option<Timestamp> {
        self.failed_at
    }

    /// Takes back the last charge, before which the last wrong code was counted at `failed_at`: the try could not be evaluated.
    pub fn refund(&mut self, failed_at: Option<Timestamp>) {
        self.run = self.run.saturating_sub(1);
        self.failed_at = failed_at;
        self.recent.pop();
    }

    /// A right code: the wait and the run end. The rolling count stays, but for this client's wrong codes of the last two minutes.
    pub fn clear(&mut self, now: Timestamp, client: ClientTag) {
        self.run = 0;
        self.failed_at = None;
        self.forget_old(now);
        let since = now.minus(FORGIVEN);
        let known = client != ClientTag::default();
        self.recent.retain(|fail| !known || fail.client != client || fail.at < since);
    }

    /// The same for another server, where nobody knows these clients.
    pub(crate) fn without_clients(&self) -> Self {
        let recent = self.recent.iter().map(|fail| Fail { at: fail.at, client: ClientTag::default() });
        Self { recent: recent.collect(), ..self.clone() }
    }

    /// This one and what came from elsewhere: the longer run, and the wrong codes of both, each once.
    pub(crate) fn joined(&self, other: &Self) -> Self {
        let mut recent = self.recent.clone();
        recent.extend(other.recent.iter().filter(|fail| self.recent.iter().all(|own| own.at != fail.at)));
        recent.sort_by_key(|fail| fail.at);
        let excess = recent.len().saturating_sub(JOINED);
        recent.drain(..excess);
        Self { run: self.run.max(other.run), failed_at: self.failed_at.max(other.failed_at), recent }
    }

    /// Wrong codes since the last right one.
    pub fn run(&self) -> u32 {
        self.run
    }

    /// Wrong codes in the rolling window, as of the last change.
    pub fn recent(&self) -> usize {
        self.recent.len()
    }

    /// Is this a known client of a network without a wrong code in the last hour, and are there not too many tries of anybody?
    fn admits_newcomer(&self, budget: &Budget, now: Timestamp, client: ClientTag) -> bool {
        let since = |seconds| now.minus(Duration::from_secs(seconds));
        let (minute, hour) = (since(60), since(60 * 60));
        let lately = self.recent.iter().filter(|fail| fail.at > minute).count();
        let failed = self.recent.iter().any(|fail| fail.client.network() == client.network() && fail.at > hour);
        client != ClientTag::default() && lately < budget.newcomers && !failed
    }

    /// Until when the window holds as many wrong codes as it may. Those from the future (the clock was set back) do not count before
    /// the next charge has dated them anew: nobody is locked out by a clock.
    fn window_full_until(&self, budget: &Budget, now: Timestamp) -> Option<Timestamp> {
        let limit = budget.in_window? as usize;
        let since = now.minus(WINDOW);
        let mut counted: Vec<_> =
            self.recent.iter().map(|fail| fail.at).filter(|at| *at > since && *at <= now).collect();
        counted.sort_unstable();
        let oldest = counted.len().checked_sub(limit)?;
        counted.get(oldest).map(|at| at.plus(WINDOW))
    }

    fn forget_old(&mut self, now: Timestamp) {
        let since = now.minus(WINDOW);
        for fail in &mut self.recent {
            fail.at = fail.at.min(now);
        }
        self.recent.retain(|fail| fail.at > since);
    }
}
