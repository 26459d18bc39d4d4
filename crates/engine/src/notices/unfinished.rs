//! The right password, and no second factor within three minutes: somebody else may have it.
//!
//! Nothing is written to the account for it. There is one small record a user, whoever tries and how often: the addresses (four of them at most)
//! from which the password was right, and whether the user was told within the hour. So nobody can fill the disk with it, and nobody is told
//! more than once an hour. Finished is an address from which a second factor came right after the password did; an owner who abandons one
//! attempt and completes the next is left alone.
//!
//! When to look is kept in memory; what a process that was killed had to look at is found in the store by the next look at all of them.

use std::{collections::VecDeque, net::IpAddr, time::Duration};

use matrix_2fa_core::{Event, EventKind, Timestamp, event::Origin};
use matrix_2fa_store::{Committed, Expected, Kind, NewRecord, Record, RecordChange, StoreError, codec};
use serde::{Deserialize, Serialize};

use super::{News, records_only};
use crate::{Engine, EngineError};

pub(crate) const UNFINISHED: Kind = Kind("unfinished");

/// So long after the password the second factor has to come.
pub const PATIENCE: Duration = Duration::from_secs(3 * 60);

/// Nobody is told more often.
pub const AT_MOST_EVERY: Duration = Duration::from_secs(60 * 60);

/// Addresses that are kept for a user.
const ADDRESSES: usize = 4;

/// Events of a user that are looked at for a right second factor.
const EVENTS: usize = 256;

/// Users in one look.
const PAGE: usize = 256;

/// Users whom this process remembers to look at; more are found by the next look at all.
const REMEMBERED: usize = 100_000;

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Unfinished {
    attempts: Vec<Attempt>,
    told_at: Option<Timestamp>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Attempt {
    at: Timestamp,
    ip: Option<String>,
}

/// Whom to look at, and when, in the order of time.
pub(crate) type Due = std::sync::Mutex<VecDeque<(Timestamp, String)>>;

impl Engine {
    /// The first factor of a user was right, and whoever has a second one still has to prove it. Call it wherever that happens.
    ///
    /// A record that cannot be read is an error and stops the login: nobody would be told any more. It is gone after a day at most, or when an
    /// administrator [unlocks](Self::unlock) the user.
    pub async fn expect_factor(&self, user: &str, client: Option<IpAddr>) -> Result<(), EngineError> {
        if !self.settings.notices || !self.account(user).await?.is_enrolled() {
            return Ok(());
        }
        let (now, ip) = (self.now(), client.map(|ip| ip.to_string()));
        let stored = self.store.record(UNFINISHED, user).await?;
        let (mut known, expected) = read(user, stored.as_ref())?;
        let told = known.told_at.is_some_and(|at| now >= at && now.since(at) < AT_MOST_EVERY);
        if told || known.attempts.len() >= ADDRESSES || known.attempts.iter().any(|attempt| attempt.ip == ip) {
            return Ok(());
        }
        known.attempts.push(Attempt { at: now, ip });
        let put = known.put(user, expected, now)?;
        // In a conflict somebody else has written this user's at the same moment.
        if self.store.commit(records_only(vec![put])).await? == Committed::Done {
            let mut due = self.due.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
            if due.len() < REMEMBERED {
                due.push_back((now.plus(PATIENCE), user.to_owned()));
            }
        }
        Ok(())
    }

    /// Looks at those for whom it is time.
    pub async fn look_for_unfinished(&self) -> Result<(), EngineError> {
        while let Some(user) = self.next_due() {
            self.conclude(&user).await?;
        }
        Ok(())
    }

    /// Looks at everybody: for what other processes left behind.
    pub async fn look_for_all_unfinished(&self) -> Result<(), EngineError> {
        let mut after: Option<String> = None;
        loop {
            let page = self.store.records(UNFINISHED, after.as_deref(), PAGE).await?;
            let Some((last, _)) = page.last() else { return Ok(()) };
            after = Some(last.clone());
            for (user, _) in page {
                self.conclude(&user).await?;
            }
        }
    }

    fn next_due(&self) -> Option<String> {
        let now = self.now();
        let mut due = self.due.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        // A clock that was set back leaves the rest to the look at all.
        due.front().is_some_and(|(at, _)| *at <= now).then(|| due.pop_front()).flatten().map(|(_, user)| user)
    }

    async fn conclude(&self, user: &str) -> Result<(), EngineError> {
        let stored = self.store.record(UNFINISHED, user).await?;
        // It must not hold up the others; whoever logs in as this user hears of it.
        let Ok((known, expected)) = read(user, stored.as_ref()) else { return Ok(()) };
        let now = self.now();
        let (over, waiting): (Vec<_>, Vec<_>) =
            known.attempts.into_iter().partition(|attempt| now >= attempt.at.plus(PATIENCE));
        if over.is_empty() {
            return Ok(());
        }
        // The last ones, however long ago: looking for a moment would read all of them.
        let events = self.store.events(user, Timestamp::default(), EVENTS).await?;
        let abandoned = over.into_iter().find(|attempt| !events.iter().any(|event| attempt.is_finished_by(event)));
        let mut next = Unfinished { attempts: waiting, told_at: known.told_at };
        let mut records = Vec::new();
        if let Some(attempt) = abandoned
            // Whoever has no factor any more needed none.
            && self.account(user).await?.is_enrolled()
        {
            next.told_at = Some(now);
            let origin = Origin { ip: attempt.ip, ..Origin::default() };
            records.push(self.notice(user, attempt.at, News::Unfinished, origin)?);
        }
        records.push(match &next {
            Unfinished { attempts, told_at: None } if attempts.is_empty() => {
                RecordChange::delete(UNFINISHED, user, expected)
            }
            next => next.put(user, expected, now)?,
        });
        // In a conflict another server has judged it, or the next attempt came: the look at all finds it.
        if self.store.commit(records_only(records)).await? == Committed::Done {
            self.outbox.notify_one();
        }
        Ok(())
    }
}

impl Unfinished {
    fn put(&self, user: &str, expected: Expected, now: Timestamp) -> Result<RecordChange, StoreError> {
        let next = NewRecord {
            bytes: codec::encode("unfinished login", self)?,
            user: Some(user.to_owned()),
            // Long enough for a server that was down meanwhile.
            expires_at: Some(now.plus(24 * AT_MOST_EVERY)),
        };
        Ok(RecordChange::put(UNFINISHED, user, expected, next))
    }
}

impl Attempt {
    fn is_finished_by(&self, event: &Event) -> bool {
        matches!(event.kind, EventKind::FactorVerified { .. }) && event.at >= self.at && event.origin.ip == self.ip
    }
}

fn read(user: &str, stored: Option<&Record>) -> Result<(Unfinished, Expected), StoreError> {
    let Some(record) = stored else { return Ok((Unfinished::default(), Expected::Absent)) };
    let known = codec::decode("unfinished login", &record.bytes).inspect_err(|error| {
        tracing::error!(
            user.id = user,
            error = error as &dyn std::error::Error,
            "the unfinished logins of a user cannot be read, so this user cannot log in; an administrator's unlock removes them"
        );
    })?;
    Ok((known, Expected::Version(record.version)))
}
