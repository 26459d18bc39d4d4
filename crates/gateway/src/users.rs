//! Whose access token is this? Remembered for a minute at most, under a keyed digest, for requests that need no fresher answer: the policy
//! `required` asks it of every request, and so does an age at which logins end.

use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use matrix_2fa::{TwoFactor, homeserver::Requester};
use matrix_2fa_core::Timestamp;

/// A token that was ended past the gateway is believed for so long.
const LIFETIME: Duration = Duration::from_secs(60);

/// Past so many, those that are too old go first, and then all.
const MOST: usize = 100_000;

/// What is remembered of a token.
#[derive(Clone)]
pub(crate) struct Known {
    pub(crate) requester: Requester,
    /// When its login ends, if it does.
    pub(crate) ends: Option<Timestamp>,
}

#[derive(Default)]
pub(crate) struct Users(Mutex<HashMap<[u8; 32], (Known, Duration)>>);

impl Users {
    pub(crate) fn recall(&self, module: &TwoFactor, token: &str) -> Option<Known> {
        let now = module.engine().clock().elapsed();
        let (known, since) = self.lock().get(&module.engine().token_digest(token)).cloned()?;
        (now.saturating_sub(since) < LIFETIME).then_some(known)
    }

    pub(crate) fn keep(&self, module: &TwoFactor, token: &str, known: Known) {
        let now = module.engine().clock().elapsed();
        let mut users = self.lock();
        if users.len() >= MOST {
            users.retain(|_, (_, since)| now.saturating_sub(*since) < LIFETIME);
        }
        if users.len() >= MOST {
            users.clear();
        }
        users.insert(module.engine().token_digest(token), (known, now));
    }

    pub(crate) fn forget(&self, module: &TwoFactor, token: &str) {
        self.lock().remove(&module.engine().token_digest(token));
    }

    pub(crate) fn forget_user(&self, user: &str) {
        self.lock().retain(|_, (known, _)| known.requester.user != user);
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<[u8; 32], (Known, Duration)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
