//! What the gateway stopped, as audit events of the account. A finding that is made again and again for the same user is written once a minute:
//! whoever has a password or a stolen token must not fill the disk with it.

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use matrix_2fa::engine::Origination;
use matrix_2fa_core::EventKind;

use crate::{router::Gateway, scope};

/// Between two events of one kind for one user.
const PAUSE: Duration = Duration::from_secs(60);

/// Past so many, those that are too old go first, and then all.
const MOST: usize = 10_000;

/// Longer paths are cut.
const LONGEST: usize = 200;

/// What was written lately.
#[derive(Default)]
pub(crate) struct Findings(Mutex<HashMap<(String, &'static str), Duration>>);

impl Findings {
    fn admit(&self, user: &str, kind: &EventKind, now: Duration) -> bool {
        let mut told = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let key = (user.to_owned(), kind.name());
        if told.get(&key).is_some_and(|since| now.saturating_sub(*since) < PAUSE) {
            return false;
        }
        if told.len() >= MOST {
            told.retain(|_, since| now.saturating_sub(*since) < PAUSE);
        }
        if told.len() >= MOST {
            told.clear();
        }
        told.insert(key, now);
        true
    }
}

impl Gateway {
    /// Audits it. That it was stopped does not depend on this.
    pub(crate) async fn audit(&self, user: &str, kind: EventKind, method: &str, path: &str) {
        let engine = self.two_factor.engine();
        if !self.findings.admit(user, &kind, engine.clock().elapsed()) {
            return;
        }
        let operation: String = format!("{method} {path}").chars().take(LONGEST).collect();
        let from = Origination { client: scope::client(), operation: Some(operation), ..Origination::default() };
        if let Err(error) = engine.audit_of(user, kind, &from).await {
            tracing::error!(
                error = &error as &dyn std::error::Error,
                user.id = user,
                "what was stopped is not audited"
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_finding_is_written_once_a_minute_for_each_user_and_kind() {
        let findings = Findings::default();
        let admit = |user, kind, seconds| findings.admit(user, &kind, Duration::from_secs(seconds));
        assert!(admit("@a:b", EventKind::LoginStopped, 0));
        assert!(!admit("@a:b", EventKind::LoginStopped, 59));
        assert!(admit("@a:b", EventKind::UnguardedRefused, 59));
        assert!(admit("@c:b", EventKind::LoginStopped, 59));
        assert!(admit("@a:b", EventKind::LoginStopped, 60));
    }
}
