//! The acts themselves: what they do to the engine, and what they answer.

use std::time::Duration;

use futures_util::future::try_join_all;
use matrix_2fa::homeserver::{Homeserver, HostError};
use matrix_2fa_core::{Account, Timestamp, event::SERVER, issued::LONGEST, recovery::FEW};
use matrix_2fa_engine::{EngineError, policy::by};
use serde::Serialize;
use serde_json::Value;

use super::{
    act::{AdminAct, Filter},
    answers::{CodeIssued, Done, Events, Stats, UserRow, UserStatus, Users},
};
use crate::{
    data::Data,
    failure::{Failure, chain},
};

/// Users on a page, unless the administrator says otherwise.
const PAGE: usize = 100;
/// And at most.
const LARGEST_PAGE: usize = 1000;
/// Users that are looked at for one page: a page that few users fit is answered before it is full, and names where to go on.
const LOOKED_AT: usize = 4 * LARGEST_PAGE;
/// Accounts loaded at once.
const AT_ONCE: usize = 64;
/// Longest reason.
const REASON: usize = 300;

/// Why an act was not done.
#[derive(Debug, thiserror::Error)]
pub enum AdminError {
    /// What was asked for makes no sense.
    #[error("{0}")]
    BadInput(String),
    /// There is no such user.
    #[error("there is no user {0} on this server")]
    NoSuchUser(String),
    /// It makes sense, but not now.
    #[error("{0}")]
    Refused(String),
    /// The store or the homeserver does not answer.
    #[error("{0}")]
    Unavailable(String),
}

impl From<EngineError> for AdminError {
    fn from(error: EngineError) -> Self {
        Self::Unavailable(chain(&error))
    }
}

impl From<HostError> for AdminError {
    fn from(error: HostError) -> Self {
        Self::Unavailable(chain(&error))
    }
}

impl From<AdminError> for Failure {
    fn from(error: AdminError) -> Self {
        match error {
            AdminError::BadInput(_) => Self::start(error.to_string()),
            AdminError::NoSuchUser(_) | AdminError::Refused(_) | AdminError::Unavailable(_) => {
                Self::run(error.to_string())
            }
        }
    }
}

/// Somebody who administrates, at work.
pub struct Desk<'a> {
    pub data: &'a Data,
    /// Who asks, for the audit.
    pub author: &'a str,
}

impl Desk<'_> {
    /// Does an act. `tell` hears how far a long one is.
    pub async fn answer(&self, act: AdminAct, tell: impl Fn(String) + Send) -> Result<Value, AdminError> {
        match act {
            AdminAct::Status { user } => json(&self.status(&self.user(&user).await?).await?),
            AdminAct::List { filter, after, limit } => json(&self.list(filter, after, limit).await?),
            AdminAct::Reset { user } => json(&self.reset(&self.user(&user).await?).await?),
            AdminAct::Unlock { user } => json(&self.unlock(&self.user(&user).await?).await?),
            AdminAct::Require { user, grace } => json(&self.require(&self.user(&user).await?, grace).await?),
            AdminAct::Withdraw { user } => json(&self.withdraw(&self.user(&user).await?).await?),
            AdminAct::IssueCode { user, valid_for } => json(&self.issue(&self.user(&user).await?, valid_for).await?),
            AdminAct::Exempt { user, reason, until } => {
                json(&self.exempt(&self.user(&user).await?, &reason, until).await?)
            }
            AdminAct::EndExemption { user } => json(&self.end_exemption(&self.user(&user).await?).await?),
            AdminAct::Policy => json(&*self.data.engine.rules()),
            AdminAct::ReloadPolicy => json(&self.reload().await?),
            AdminAct::Events { user, since, limit } => json(&self.events(user, since, limit).await?),
            AdminAct::Stats => json(&self.stats(tell).await?),
        }
    }

    /// The canonical id of a user who exists.
    pub async fn user(&self, given: &str) -> Result<String, AdminError> {
        let stranger = || AdminError::BadInput(format!("{given} is no Matrix id of this server; write @user:server"));
        let user = self.data.host.canonical_user(given).ok_or_else(stranger)?;
        // Who is a user of the homeserver behind a gateway, only that knows; here they are known by what they did.
        let known = self.data.is_gateway()
            || self.data.host.exists(&user).await?
            || self.data.engine.account(&user).await? != Account::default();
        if known { Ok(user) } else { Err(AdminError::NoSuchUser(user)) }
    }

    /// Users after this one, with whether they were deactivated; of a gateway those it has met.
    async fn users(&self, after: Option<&str>) -> Result<Vec<(String, bool)>, AdminError> {
        if !self.data.is_gateway() {
            return Ok(self.data.host.users(after, AT_ONCE).await?);
        }
        let users = self.data.engine.store().users(Some(after.unwrap_or(SERVER)), AT_ONCE).await;
        let users = users.map_err(|error| AdminError::Unavailable(chain(&error)))?;
        Ok(users.into_iter().map(|user| (user, false)).collect())
    }

    async fn status(&self, user: &str) -> Result<UserStatus, AdminError> {
        let engine = &self.data.engine;
        let account = engine.account(user).await?;
        let standing = engine.look_at_standing(user, &account).await?;
        Ok(UserStatus::of(user, &account, &standing, engine.now()))
    }

    async fn row(&self, user: String) -> Result<UserRow, AdminError> {
        let account = self.data.engine.account(&user).await?;
        let standing = self.data.engine.look_at_standing(&user, &account).await?;
        Ok(UserRow::of(&user, &account, &standing))
    }

    async fn list(&self, filter: Filter, after: Option<String>, limit: Option<usize>) -> Result<Users, AdminError> {
        let limit = limit.unwrap_or(PAGE);
        if !(1..=LARGEST_PAGE).contains(&limit) {
            return Err(AdminError::BadInput(format!("limit: write a number from 1 to {LARGEST_PAGE}")));
        }
        let (mut users, mut next, mut looked_at) = (Vec::new(), after, 0);
        while users.len() < limit && looked_at < LOOKED_AT {
            let names = self.users(next.as_deref()).await?;
            let Some((last, _)) = names.last() else { return Ok(Users { users, next: None }) };
            let last = last.clone();
            looked_at += names.len();
            let present = names.into_iter().filter(|(_, deactivated)| !deactivated).map(|(user, _)| self.row(user));
            let mut rows = try_join_all(present).await?.into_iter().filter(|row| filter.takes(row));
            let room = limit - users.len();
            let taken: Vec<UserRow> = rows.by_ref().take(room).collect();
            let more = rows.next().is_some();
            // A page that is full in the middle of what was read goes on after its last row.
            next = if more { taken.last().map(|row| row.user.clone()) } else { Some(last) };
            users.extend(taken);
        }
        Ok(Users { users, next })
    }

    async fn reset(&self, user: &str) -> Result<Done, AdminError> {
        let removed = self.data.engine.reset(user, &by("reset", self.author)).await?;
        done(if removed.disabled.is_empty() {
            format!("{user} had no second factor; pending enrollments and counters are gone")
        } else {
            format!("{user} has no second factor any more and logs in with the password alone")
        })
    }

    async fn unlock(&self, user: &str) -> Result<Done, AdminError> {
        if !self.data.engine.account(user).await?.is_enrolled() {
            return Err(AdminError::Refused(format!("{user} has no second factor that could be locked")));
        }
        self.data.engine.unlock(user, &by("unlock", self.author)).await?;
        done(format!("the authenticators of {user} are not locked, and wrong codes until now are forgotten"))
    }

    async fn require(&self, user: &str, grace: Duration) -> Result<Done, AdminError> {
        let until = self.data.engine.require_enrollment(user, self.author, grace).await?;
        done(format!("{user} must have a second factor and can go on without until {}", crate::guard::time(until)))
    }

    async fn withdraw(&self, user: &str) -> Result<Done, AdminError> {
        if self.data.engine.withdraw_requirement(user, self.author).await? {
            return done(format!("of {user} nothing more is required than the rules say"));
        }
        Err(AdminError::Refused(format!("no administrator requires a second factor of {user}")))
    }

    async fn issue(&self, user: &str, valid_for: Duration) -> Result<CodeIssued, AdminError> {
        if valid_for.is_zero() || valid_for > LONGEST {
            return Err(AdminError::BadInput("a code lives longer than no time, and a day at most".to_owned()));
        }
        let issued = self.data.engine.issue_code(user, self.author, valid_for).await?;
        let (code, expires_at) = issued.map_err(|_not_enrolled| {
            AdminError::Refused(format!("{user} has no second factor, and logs in with the password alone"))
        })?;
        Ok(CodeIssued { user: user.to_owned(), code: code.to_grouped(), expires_at })
    }

    async fn exempt(&self, user: &str, reason: &str, until: Timestamp) -> Result<Done, AdminError> {
        let reason = reason.trim();
        if reason.is_empty() || reason.chars().count() > REASON || reason.chars().any(char::is_control) {
            return Err(AdminError::BadInput(format!("reason: write 1 to {REASON} characters in one line")));
        }
        if until <= self.data.engine.now() {
            return Err(AdminError::BadInput("until: that moment is over".to_owned()));
        }
        self.data.engine.exempt(user, self.author, reason, until).await?;
        done(format!("{user} need not have a second factor until {}", crate::guard::time(until)))
    }

    async fn end_exemption(&self, user: &str) -> Result<Done, AdminError> {
        if self.data.engine.end_exemption(user, self.author).await? {
            return done(format!("{user} is exempt no more"));
        }
        Err(AdminError::Refused(format!("{user} is not exempt")))
    }

    async fn reload(&self) -> Result<Done, AdminError> {
        let changed = self.data.reload_policy(self.author).await;
        done(match changed.map_err(|failure| AdminError::Refused(failure.to_string()))? {
            true => "the policy of the settings is in force".to_owned(),
            false => "the policy of the settings is in force already".to_owned(),
        })
    }

    async fn events(
        &self,
        user: Option<String>,
        since: Option<Timestamp>,
        limit: Option<usize>,
    ) -> Result<Events, AdminError> {
        let limit = limit.unwrap_or(PAGE).clamp(1, LARGEST_PAGE);
        let since = since.unwrap_or_default();
        let store = self.data.engine.store();
        let unavailable = |error| AdminError::Unavailable(chain(&error));
        if let Some(user) = user {
            // Those of a user who left are still there.
            let stranger = || AdminError::BadInput(format!("{user} is no Matrix id of this server"));
            let user = self.data.host.canonical_user(&user).ok_or_else(stranger)?;
            return Ok(Events { events: store.events(&user, since, limit).await.map_err(unavailable)? });
        }
        let (mut newest, mut after) = (Vec::new(), None::<String>);
        loop {
            let users = store.users(after.as_deref(), AT_ONCE).await.map_err(unavailable)?;
            let Some(last) = users.last() else { break };
            after = Some(last.clone());
            let of_these = users.iter().map(|user| store.events(user, since, limit));
            newest.extend(try_join_all(of_these).await.map_err(unavailable)?.into_iter().flatten());
            newest.sort_by_key(|event: &matrix_2fa_core::Event| event.at);
            newest.drain(..newest.len().saturating_sub(limit));
        }
        Ok(Events { events: newest })
    }

    async fn stats(&self, tell: impl Fn(String) + Send) -> Result<Stats, AdminError> {
        let (mut stats, mut after) = (Stats::default(), None);
        loop {
            let page = self.list(Filter::All, after, Some(LARGEST_PAGE)).await?;
            page.users.iter().for_each(|row| stats.count(row));
            tell(format!("{} users counted", stats.users));
            after = page.next;
            if after.is_none() {
                return Ok(stats);
            }
        }
    }
}

impl Filter {
    fn takes(self, row: &UserRow) -> bool {
        match self {
            Self::All => true,
            Self::WithoutFactor => !row.enrolled,
            Self::Locked => row.locked,
            Self::Exempt => row.exempt_until.is_some(),
            Self::Barred => row.barred,
        }
    }
}

impl Stats {
    fn count(&mut self, row: &UserRow) {
        self.users += 1;
        self.enrolled += u64::from(row.enrolled);
        self.locked += u64::from(row.locked);
        self.few_recovery_codes += u64::from(row.enrolled && row.recovery_codes <= FEW);
        self.exempt += u64::from(row.exempt_until.is_some());
        self.in_grace += u64::from(row.grace_until.is_some() && !row.barred);
        self.barred += u64::from(row.barred);
    }
}

fn done(line: String) -> Result<Done, AdminError> {
    Ok(Done { done: line })
}

fn json(answer: &impl Serialize) -> Result<Value, AdminError> {
    serde_json::to_value(answer).map_err(|error| AdminError::Unavailable(error.to_string()))
}
