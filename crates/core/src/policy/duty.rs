//! What the policy knows about one user alone. Part of the account, so it changes with it in one step and is forgotten with it.

use serde::{Deserialize, Serialize};

use crate::{
    account::{Account, Context, Transition},
    event::EventKind,
    time::Timestamp,
};

/// One user's duty to have a factor.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Duty {
    /// When a factor first was required of this user while they had none, or when they added one under that policy. Nothing moves it
    /// later: neither a policy that was lifted and came back, nor removing a factor, nor a reset.
    pub since: Option<Timestamp>,
    /// An administrator requires a factor of this user, whatever the rules say.
    pub demanded: Option<Demand>,
    /// This user needs none for now.
    pub exemption: Option<Exemption>,
}

/// A factor that an administrator requires.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Demand {
    /// Who.
    pub author: String,
    /// When.
    pub at: Timestamp,
    /// Until when the user may go on without.
    pub until: Timestamp,
}

/// Why nobody requires a factor of this user: a bot, a bridge, somebody whose phone is at the mender's.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Exemption {
    /// What for.
    pub reason: String,
    /// Who granted it.
    pub author: String,
    /// When.
    pub at: Timestamp,
    /// When it ends. It always does: what nobody renews is forgotten otherwise.
    pub until: Timestamp,
}

impl Exemption {
    /// Is it in force?
    pub fn holds(&self, now: Timestamp) -> bool {
        now < self.until
    }
}

impl Duty {
    /// This one and what came from another server: the earlier day, and what was decided here before what was decided there.
    pub(crate) fn joined(&self, other: &Self) -> Self {
        Self {
            since: self.since.into_iter().chain(other.since).min(),
            demanded: self.demanded.clone().or_else(|| other.demanded.clone()),
            exemption: self.exemption.clone().or_else(|| other.exemption.clone()),
        }
    }

    /// What is in `next` and was not in this one, for the audit.
    pub(crate) fn news_in(&self, next: &Self) -> Vec<EventKind> {
        let demanded = next.demanded.clone().filter(|_| self.demanded.is_none());
        let exempted = next.exemption.clone().filter(|_| self.exemption.is_none());
        let demanded = demanded.map(|Demand { author, until, .. }| EventKind::EnrollmentDemanded { author, until });
        let exempted =
            exempted.map(|Exemption { reason, author, until, .. }| EventKind::Exempted { reason, author, until });
        demanded.into_iter().chain(exempted).collect()
    }

    /// From when the grace period of the rules counts: the first day, or the end of an exemption that is over. A clock that was set back
    /// must not make it end in an hour that has not come yet.
    pub(super) fn began(&self, now: Timestamp) -> Option<Timestamp> {
        let exempt_until = self.exemption.as_ref().map(|exemption| exemption.until);
        self.since.map(|since| exempt_until.map_or(since, |until| until.max(since)).min(now))
    }
}

impl Account {
    /// What the policy knows about this user.
    pub fn duty(&self) -> &Duty {
        &self.duty
    }

    /// From now on a factor is required of a user who has none. `until` is for the audit.
    pub fn begin_grace(&self, cx: &Context, until: Timestamp) -> Transition<()> {
        if self.duty.since.is_some() {
            return Transition::unchanged(());
        }
        let mut next = self.clone();
        next.duty.since = Some(cx.now);
        Transition::changed(next, (), vec![cx.event(EventKind::EnrollmentRequired { until })])
    }

    /// An administrator requires a factor of this user.
    pub fn demand(&self, cx: &Context, demand: Demand) -> Transition<()> {
        let mut next = self.clone();
        let Demand { author, until, .. } = demand.clone();
        next.duty.demanded = Some(demand);
        Transition::changed(next, (), vec![cx.event(EventKind::EnrollmentDemanded { author, until })])
    }

    /// Not any more. False: nobody had.
    pub fn withdraw_demand(&self, cx: &Context, author: &str) -> Transition<bool> {
        let mut next = self.clone();
        if next.duty.demanded.take().is_none() {
            return Transition::unchanged(false);
        }
        Transition::changed(next, true, vec![cx.event(EventKind::DemandWithdrawn { author: author.to_owned() })])
    }

    /// An administrator exempts this user. An exemption before it is replaced.
    pub fn exempt(&self, cx: &Context, exemption: Exemption) -> Transition<()> {
        let mut next = self.clone();
        let Exemption { reason, author, until, .. } = exemption.clone();
        next.duty.exemption = Some(exemption);
        Transition::changed(next, (), vec![cx.event(EventKind::Exempted { reason, author, until })])
    }

    /// An administrator ends the exemption now. False: none was in force.
    pub fn end_exemption(&self, cx: &Context, author: &str) -> Transition<bool> {
        let mut next = self.clone();
        let Some(exemption) = next.duty.exemption.as_mut().filter(|exemption| exemption.holds(cx.now)) else {
            return Transition::unchanged(false);
        };
        // It stays, so that the grace period counts from its end.
        exemption.until = cx.now;
        Transition::changed(next, true, vec![cx.event(EventKind::ExemptionEnded { author: author.to_owned() })])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_came_from_another_server_joins_what_was_decided_here() {
        let at = Timestamp::from_millis;
        let demand = |author: &str| Demand { author: author.to_owned(), at: at(1), until: at(9) };
        let exemption = |author: &str| Exemption {
            reason: "a bridge".to_owned(),
            author: author.to_owned(),
            at: at(1),
            until: at(9),
        };
        let here = Duty { since: Some(at(5)), demanded: Some(demand("here")), exemption: None };
        let there = Duty { since: Some(at(3)), demanded: Some(demand("there")), exemption: Some(exemption("there")) };
        let both = here.joined(&there);
        let expected = Duty { since: Some(at(3)), demanded: Some(demand("here")), exemption: Some(exemption("there")) };
        assert_eq!(both, expected);
        assert_eq!((here.joined(&Duty::default()), Duty::default().joined(&there)), (here.clone(), there));

        let (reason, author) = ("a bridge".to_owned(), "there".to_owned());
        assert_eq!(here.news_in(&both), [EventKind::Exempted { reason, author, until: at(9) }]);
        let author = "here".to_owned();
        assert_eq!(Duty::default().news_in(&here), [EventKind::EnrollmentDemanded { author, until: at(9) }]);
        assert_eq!(both.news_in(&both), []);
    }
}
