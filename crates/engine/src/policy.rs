//! Who may have a second factor and who must, as it is in force: the rules, which can be changed while the server runs, and what an
//! administrator decided about one user.

use std::{
    error::Error,
    sync::{Arc, OnceLock, PoisonError, RwLock},
    time::Duration,
};

use async_trait::async_trait;
use matrix_2fa_core::{
    Account, Event, EventKind, Policy, Rules, Standing, Timestamp,
    event::{Origin, SERVER},
    policy::{Demand, Exemption},
};
use matrix_2fa_store::StoreError;

use crate::{Engine, EngineError, Origination};

/// Whoever knows who administrates the homeserver.
#[async_trait]
pub trait Administrators: Send + Sync {
    /// Does this user? An error is never read as "no".
    async fn is_admin(&self, user: &str) -> Result<bool, Box<dyn Error + Send + Sync>>;
}

/// Shared by all clones of an engine.
pub(crate) struct PolicyInForce {
    rules: RwLock<Arc<Rules>>,
    administrators: OnceLock<Arc<dyn Administrators>>,
}

impl PolicyInForce {
    pub(crate) fn new(rules: Rules) -> Self {
        Self { rules: RwLock::new(Arc::new(rules)), administrators: OnceLock::new() }
    }
}

/// The rules for one user; what is still missing is the account.
pub(crate) struct Judge {
    rules: Arc<Rules>,
    user: String,
    admin: bool,
}

impl Judge {
    pub(crate) fn standing(&self, account: &Account, now: Timestamp) -> Standing {
        self.rules.judge(&self.user, self.admin, account, now)
    }

    pub(crate) fn policy(&self, account: &Account, now: Timestamp) -> Policy {
        self.standing(account, now).policy
    }
}

impl Engine {
    /// The rules in force.
    pub fn rules(&self) -> Arc<Rules> {
        Arc::clone(&self.policy.rules.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Puts other rules in force, for every request that is judged from now on. False: they are the same. It is audited first, so that there
    /// is no rule without its line.
    pub async fn change_rules(&self, rules: Rules, author: &str) -> Result<bool, EngineError> {
        if rules == *self.rules() {
            return Ok(false);
        }
        let shown = serde_json::to_string(&rules).map_err(|error| StoreError::Unavailable(Box::new(error)))?;
        let origin = Origin { operation: Some(format!("policy changed by {author}")), ..Origin::default() };
        let kind = EventKind::PolicyChanged { rules: shown };
        let event = Event { at: self.now(), user: SERVER.to_owned(), origin, kind };
        self.audit(vec![event]).await?;
        *self.policy.rules.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(rules);
        Ok(true)
    }

    /// Who to ask for administrators, if a group wants to know. The module does this; the first one counts.
    pub fn ask_administrators(&self, administrators: Arc<dyn Administrators>) {
        let _first = self.policy.administrators.set(administrators);
    }

    pub(crate) async fn judge(&self, user: &str) -> Result<Judge, EngineError> {
        let rules = self.rules();
        let admin = match self.policy.administrators.get() {
            Some(known) if rules.ask_for_admins() => known.is_admin(user).await.map_err(StoreError::Unavailable)?,
            _ => false,
        };
        Ok(Judge { rules, user: user.to_owned(), admin })
    }

    /// How a user stands now. Looking changes nothing: see [`Self::standing`].
    pub async fn look_at_standing(&self, user: &str, account: &Account) -> Result<Standing, EngineError> {
        Ok(self.judge(user).await?.standing(account, self.now()))
    }

    /// How a user stands now. Whoever is found without a factor that is required has their grace period begin, durably.
    pub async fn standing(&self, user: &str) -> Result<Standing, EngineError> {
        let (account, judge) = (self.account(user).await?, self.judge(user).await?);
        let standing = judge.standing(&account, self.now());
        let Some(until) = standing.grace_until.filter(|_| standing.begins) else { return Ok(standing) };
        let cx = self.context(user, &Origination::default());
        self.transact(user, |account| Ok((account.begin_grace(&cx, until), Vec::new()))).await?;
        Ok(judge.standing(&self.account(user).await?, self.now()))
    }

    /// An administrator requires a factor of a user, after a grace period.
    pub async fn require_enrollment(
        &self,
        user: &str,
        author: &str,
        grace: Duration,
    ) -> Result<Timestamp, EngineError> {
        let cx = self.context(user, &by("require-enrollment", author));
        let until = cx.now.plus(grace);
        let demand = Demand { author: author.to_owned(), at: cx.now, until };
        self.transact(user, |account| Ok((account.demand(&cx, demand.clone()), Vec::new()))).await?;
        Ok(until)
    }

    /// And takes that back. False: nobody had.
    pub async fn withdraw_requirement(&self, user: &str, author: &str) -> Result<bool, EngineError> {
        let cx = self.context(user, &by("require-enrollment", author));
        self.transact(user, |account| Ok((account.withdraw_demand(&cx, author), Vec::new()))).await
    }

    /// An administrator exempts a user until a moment to come.
    pub async fn exempt(&self, user: &str, author: &str, reason: &str, until: Timestamp) -> Result<(), EngineError> {
        let cx = self.context(user, &by("exempt", author));
        let exemption = Exemption { reason: reason.to_owned(), author: author.to_owned(), at: cx.now, until };
        self.transact(user, |account| Ok((account.exempt(&cx, exemption.clone()), Vec::new()))).await
    }

    /// And ends it before its time. False: none was in force.
    pub async fn end_exemption(&self, user: &str, author: &str) -> Result<bool, EngineError> {
        let cx = self.context(user, &by("exempt", author));
        self.transact(user, |account| Ok((account.end_exemption(&cx, author), Vec::new()))).await
    }
}

/// An act of an administrator, for the audit.
pub fn by(act: &str, author: &str) -> Origination {
    Origination { operation: Some(format!("admin {act} by {author}")), ..Origination::default() }
}
