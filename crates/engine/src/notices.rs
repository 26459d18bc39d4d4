//! What a user is told by a way of its own, because it may not have been the user: the outbox.
//!
//! * A notice is a record that joins the commit of the change: no change without its notice, and no notice of what did not
//!   happen. It expires after [`LIFETIME`]; what could not be delivered by then is not worth a message any more.
//! * Its key begins with the moment of the next try. Whoever [claims](Engine::claim_notices) it moves it by compare-and-swap to a later key,
//!   and so one server at a time has it. One that is killed then leaves it to be tried again: at least once, with one id for all tries.
//! * A claim is the back-off at the same time, so that a failed delivery writes nothing. A delivered one is [deleted](Engine::settle_notice).
//!
//! [`unfinished`] is the notice of what has no change: a right password after which no second factor came. [`told`] bounds how much one user is told.

pub mod told;
pub mod unfinished;

use std::time::Duration;

use matrix_2fa_core::{Account, Event, EventKind, Timestamp, event::Origin};
use matrix_2fa_store::{Commit, Committed, Expected, Kind, NewRecord, RecordChange, StoreError, Version, codec};
use serde::{Deserialize, Serialize};

use crate::{Engine, EngineError};

pub(crate) const NOTICE: Kind = Kind("notice");

/// After this long an undelivered notice is given up.
pub const LIFETIME: Duration = Duration::from_secs(7 * 24 * 60 * 60);

/// The first try to deliver has this long until another server may try; then it doubles, up to [`LONGEST_CLAIM`].
const CLAIM: Duration = Duration::from_secs(60);
const LONGEST_CLAIM: Duration = Duration::from_secs(10 * 60);

/// Wrong codes in a row, after the right password, that are no mistake of the owner's any more.
const SUSPICIOUS_RUN: u32 = 5;

/// What is told.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum News {
    /// An authenticator counts from now on.
    Added {
        /// What its user calls it.
        name: String,
        /// Was it the first factor of this account?
        first: bool,
    },
    /// An authenticator was removed.
    Removed {
        /// What its user called it.
        name: String,
    },
    /// An authenticator got another name.
    Renamed {
        /// The old one.
        from: String,
        /// The new one.
        to: String,
    },
    /// The user turned everything off.
    TurnedOff,
    /// A recovery code was used.
    RecoveryUsed {
        /// How many are left.
        remaining: usize,
    },
    /// New recovery codes replaced the old ones.
    RecoveryRenewed,
    /// The recovery codes were removed.
    RecoveryRemoved,
    /// An administrator removed every factor.
    Reset,
    /// An administrator lifted the lock.
    Unlocked,
    /// Too many wrong codes: the authenticators accept nothing any more.
    Locked,
    /// So many wrong codes after the right password that somebody else must have it.
    PasswordKnown,
    /// The right password, and no second factor within three minutes.
    Unfinished,
    /// An administrator issued a code that stands in for the second factor once.
    CodeIssued,
    /// It was used.
    IssuedCodeUsed,
    /// An administrator brought authenticators from another server.
    Imported {
        /// What their user calls them.
        names: Vec<String>,
    },
    /// More was changed than is told one by one: see [`told`].
    More,
}

/// A notice in the outbox.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Notice {
    /// The same for every try to deliver it.
    pub id: String,
    /// Who is told.
    pub user: String,
    /// When it happened.
    pub at: Timestamp,
    /// What happened.
    pub news: News,
    /// From where.
    pub origin: Origin,
    /// Tries so far, the present one included.
    pub tries: u32,
    /// The ways by which it has arrived already.
    pub arrived: Vec<String>,
}

/// A notice that this server is to deliver now.
#[derive(Debug)]
pub struct Claim {
    /// What to deliver.
    pub notice: Notice,
    key: String,
}

/// The outbox as a claim found it.
#[derive(Debug, Default)]
pub struct Claimed {
    /// To be delivered now.
    pub claims: Vec<Claim>,
    /// How long ago the oldest of the notices that were looked at happened.
    pub oldest: Option<Duration>,
    /// There may be more that are due.
    pub more: bool,
    /// So many were looked at that this version cannot read. They stay where they are.
    pub unreadable: usize,
}

impl News {
    /// What an audited thing is to its user, if it is worth a notice. `before` and `after` are the account around it.
    fn of(event: &Event, before: &Account, after: &Account) -> Option<Self> {
        use EventKind as Kind;
        let name = |account: &Account, id: &str| {
            let named = account.authenticators().iter().find(|authenticator| authenticator.id == id);
            named.map(|authenticator| authenticator.name.clone()).unwrap_or_default()
        };
        Some(match &event.kind {
            Kind::EnrollmentConfirmed { id, first } => Self::Added { name: name(after, id), first: *first },
            Kind::AuthenticatorRemoved { id } => Self::Removed { name: name(before, id) },
            Kind::AuthenticatorRenamed { id } => Self::Renamed { from: name(before, id), to: name(after, id) },
            Kind::Disabled => Self::TurnedOff,
            Kind::RecoveryCodeUsed { remaining } => Self::RecoveryUsed { remaining: *remaining },
            Kind::RecoveryCodesRegenerated => Self::RecoveryRenewed,
            Kind::RecoveryCodesRemoved => Self::RecoveryRemoved,
            Kind::Reset => Self::Reset,
            Kind::Unlocked => Self::Unlocked,
            Kind::Locked { .. } => Self::Locked,
            Kind::CodeIssued { .. } => Self::CodeIssued,
            Kind::IssuedCodeUsed => Self::IssuedCodeUsed,
            Kind::Imported { authenticators, .. } if !authenticators.is_empty() => {
                Self::Imported { names: authenticators.iter().map(|id| name(after, id)).collect() }
            }
            Kind::FactorFailed { run, .. } if *run == SUSPICIOUS_RUN => Self::PasswordKnown,
            Kind::EnrollmentStarted { .. }
            | Kind::EnrollmentFailed { .. }
            | Kind::FactorVerified { .. }
            | Kind::FactorFailed { .. }
            | Kind::FactorReplayed { .. }
            | Kind::Forgotten
            | Kind::Restored { .. }
            | Kind::EnrollmentRequired { .. }
            | Kind::EnrollmentDemanded { .. }
            | Kind::DemandWithdrawn { .. }
            | Kind::Exempted { .. }
            | Kind::ExemptionEnded { .. }
            | Kind::LoginStopped
            | Kind::UnguardedRefused
            | Kind::Imported { .. }
            | Kind::Exported { .. }
            | Kind::ExportStarted { .. }
            | Kind::ExportFinished { .. }
            | Kind::PolicyChanged { .. }
            | Kind::RestoreFinished { .. }
            | Kind::KeyRotationStarted { .. }
            | Kind::KeyRotationFinished { .. }
            | Kind::KeyRemoved { .. } => return None,
        })
    }
}

impl Engine {
    /// The notices of a change; they join its commit. None, if nobody delivers any.
    pub(crate) async fn notices_of(
        &self,
        user: &str,
        events: &[Event],
        before: &Account,
        after: Option<&Account>,
    ) -> Result<Vec<RecordChange>, StoreError> {
        if !self.settings.notices {
            return Ok(Vec::new());
        }
        let after = after.unwrap_or(before);
        let happened: Vec<_> =
            events.iter().filter_map(|event| Some((event, News::of(event, before, after)?))).collect();
        if happened.is_empty() {
            return Ok(Vec::new());
        }
        self.tell_user(user, happened).await
    }

    /// The change that puts a notice into the outbox.
    fn notice(&self, user: &str, at: Timestamp, news: News, origin: Origin) -> Result<RecordChange, StoreError> {
        let (id, user) = (self.fresh_id(), user.to_owned());
        Notice { id, user, at, news, origin, tries: 0, arrived: Vec::new() }.put_at(at)
    }

    /// Returns when this process has put a notice into the outbox. Others may have, too: look from time to time.
    pub async fn notices_due(&self) {
        self.outbox.notified().await;
    }

    /// Takes up to `limit` notices that are due. Nobody else gets them before the claim is over, a minute or more.
    pub async fn claim_notices(&self, limit: usize) -> Result<Claimed, EngineError> {
        let (now, mut found, mut after) = (self.now(), Claimed::default(), None::<String>);
        loop {
            let page = self.store.records(NOTICE, after.as_deref(), limit).await?;
            let Some((last, _)) = page.last() else { return Ok(found) };
            after = Some(last.clone());
            for (key, record) in page {
                if found.claims.len() >= limit {
                    found.more = true;
                    return Ok(found);
                }
                // Of a newer server beside this one, perhaps. It must not hold up the others.
                let Ok(notice) = codec::decode::<Notice>("notice", &record.bytes) else {
                    found.unreadable += 1;
                    continue;
                };
                let age = now.since(notice.at);
                found.oldest = found.oldest.max(Some(age));
                if due_at(&key).is_some_and(|due| due > now) {
                    // Keys are in the order of their moments. (A clock that was set back makes all of them wait until it is that late again.)
                    return Ok(found);
                }
                if let Some(claim) = self.claim(key, record.version, notice, now).await? {
                    found.claims.push(claim);
                }
            }
        }
    }

    /// Takes one, unless somebody else has it or it is too old.
    async fn claim(
        &self,
        key: String,
        version: Version,
        notice: Notice,
        now: Timestamp,
    ) -> Result<Option<Claim>, EngineError> {
        let delete = RecordChange::delete(NOTICE, key, Expected::Version(version));
        if now.since(notice.at) >= LIFETIME {
            tracing::error!(user.id = notice.user, news = ?notice.news, tries = notice.tries, "a notice was never delivered");
            let _swept = self.store.commit(records_only(vec![delete])).await?;
            return Ok(None);
        }
        let notice = Notice { tries: notice.tries.saturating_add(1), ..notice };
        let put = notice.put_at(now.plus(claim_of(notice.tries)))?;
        let key = put.key.clone();
        let done = self.store.commit(records_only(vec![delete, put])).await? == Committed::Done;
        Ok(done.then_some(Claim { notice, key }))
    }

    /// It has arrived by all ways, or there is no way: the notice is done with.
    pub async fn settle_notice(&self, claim: &Claim) -> Result<(), EngineError> {
        let delete = RecordChange::delete(NOTICE, claim.key.as_str(), Expected::Any);
        let _done = self.store.commit(records_only(vec![delete])).await?;
        Ok(())
    }

    /// It has arrived by some ways, and the others are still to be tried.
    pub async fn notice_arrived(&self, claim: &Claim, arrived: Vec<String>) -> Result<(), EngineError> {
        let notice = Notice { arrived, ..claim.notice.clone() };
        let put = notice.put(claim.key.clone(), Expected::Version(1))?;
        // If somebody else has it by now, they will tell the user once more.
        let _done = self.store.commit(records_only(vec![put])).await?;
        Ok(())
    }
}

impl Notice {
    fn put_at(&self, due: Timestamp) -> Result<RecordChange, StoreError> {
        self.put(format!("{:016x}-{}", due.as_millis(), self.id), Expected::Absent)
    }

    fn put(&self, key: String, expected: Expected) -> Result<RecordChange, StoreError> {
        let next = NewRecord {
            bytes: codec::encode("notice", self)?,
            user: Some(self.user.clone()),
            // A day more, so that it is told before it is swept.
            expires_at: Some(self.at.plus(LIFETIME + Duration::from_secs(24 * 60 * 60))),
        };
        Ok(RecordChange::put(NOTICE, key, expected, next))
    }
}

/// How long a try may take, and how long after its begin the next one follows.
fn claim_of(tries: u32) -> Duration {
    CLAIM.saturating_mul(1 << tries.saturating_sub(1).min(8)).min(LONGEST_CLAIM)
}

fn due_at(key: &str) -> Option<Timestamp> {
    u64::from_str_radix(key.split('-').next()?, 16).ok().map(Timestamp::from_millis)
}

fn records_only(records: Vec<RecordChange>) -> Commit {
    Commit { records, ..Commit::default() }
}
