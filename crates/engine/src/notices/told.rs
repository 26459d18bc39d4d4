//! How much a user is told: who may change things may do it again and again, and must not fill a mailbox with it.
//!
//! One small record a user, written in the commits of the notices, counts what was told since the first notice of an hour. [`OF_A_KIND`] of each
//! kind are told one by one; at the first that is more, [`News::More`] says that not everything is told, once an hour. So the first of every kind
//! is always told, nothing is left out in silence, and everything is audited. What only an administrator or a lock causes has no bound.

use std::time::Duration;

use matrix_2fa_core::{Event, Timestamp, event::Origin};
use matrix_2fa_store::{Expected, Kind, NewRecord, RecordChange, StoreError, codec};
use serde::{Deserialize, Serialize};

use super::News;
use crate::Engine;

pub(crate) const TOLD: Kind = Kind("told");

/// So long is counted.
pub const WINDOW: Duration = Duration::from_secs(60 * 60);

/// So many notices of one kind are told in it.
pub const OF_A_KIND: u32 = 3;

/// And so many of recovery codes that were used: a whole set.
pub const CODES: u32 = 10;

/// What a user was told since a moment.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Told {
    since: Timestamp,
    kinds: Vec<(String, u32)>,
    /// And that there is more.
    more: bool,
}

impl Told {
    /// What is told instead of this: the same, that there is more, or nothing any more.
    fn admit(&mut self, news: News) -> Option<News> {
        let Some((kind, most)) = bound(&news) else { return Some(news) };
        let count = match self.kinds.iter_mut().find(|(known, _)| known == kind) {
            Some((_, count)) => count,
            None => &mut self.kinds.push_mut((kind.to_owned(), 0)).1,
        };
        if *count < most {
            *count += 1;
            return Some(news);
        }
        (!std::mem::replace(&mut self.more, true)).then_some(News::More)
    }
}

/// The name of its kind, and how many are told. None: all of them.
fn bound(news: &News) -> Option<(&'static str, u32)> {
    Some(match news {
        News::Added { .. } => ("added", OF_A_KIND),
        News::Removed { .. } => ("removed", OF_A_KIND),
        News::Renamed { .. } => ("renamed", OF_A_KIND),
        News::TurnedOff => ("turned off", OF_A_KIND),
        News::RecoveryUsed { .. } => ("recovery used", CODES),
        News::RecoveryRenewed => ("recovery renewed", OF_A_KIND),
        News::RecoveryRemoved => ("recovery removed", OF_A_KIND),
        News::PasswordKnown => ("password known", OF_A_KIND),
        // Administrators and locks; and what says how often it comes itself.
        News::Reset
        | News::Unlocked
        | News::Locked
        | News::Unfinished
        | News::CodeIssued
        | News::IssuedCodeUsed
        | News::Imported { .. }
        | News::More => return None,
    })
}

impl Engine {
    /// The notices of what happened to one user, as far as they are told, and what is counted of them. They join the commit.
    pub(super) async fn tell_user(
        &self,
        user: &str,
        happened: Vec<(&Event, News)>,
    ) -> Result<Vec<RecordChange>, StoreError> {
        let now = self.now();
        let before = self.told(user, now).await?;
        let mut told = before.clone();
        let mut records = Vec::new();
        for (event, news) in happened {
            let Some(news) = told.admit(news) else { continue };
            let origin = if news == News::More { Origin::default() } else { event.origin.clone() };
            records.push(self.notice(user, event.at, news, origin)?);
        }
        if told != before {
            let next = NewRecord {
                bytes: codec::encode("told", &told)?,
                user: Some(user.to_owned()),
                expires_at: Some(told.since.plus(WINDOW)),
            };
            // The swap of the account, which this joins, is what one of several can do at a time.
            records.push(RecordChange::put(TOLD, user, Expected::Any, next));
        }
        Ok(records)
    }

    async fn told(&self, user: &str, now: Timestamp) -> Result<Told, StoreError> {
        let anew = Told { since: now, ..Told::default() };
        let Some(record) = self.store.record(TOLD, user).await? else { return Ok(anew) };
        match codec::decode::<Told>("told", &record.bytes) {
            // A clock that was set back begins anew: rather too much is told than nothing.
            Ok(told) if now >= told.since && now.since(told.since) < WINDOW => Ok(told),
            Ok(_over) => Ok(anew),
            Err(error) => {
                tracing::error!(user.id = user, %error, "what a user was told cannot be read, and is counted anew");
                Ok(anew)
            }
        }
    }
}
