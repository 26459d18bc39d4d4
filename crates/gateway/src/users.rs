//! Whose access token is this? Remembered for a minute at most, under a keyed digest, for requests that need no fresher answer: the policy
//! `required` asks it of every request.

use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use matrix_2fa::{TwoFactor, homeserver::Requester};

/// A token that was ended past the gateway is believed for so long.
const LIFETIME: Duration = Duration::from_secs(60);

/// Past so many, those that are too old go first, and then all.
const MOST: usize = 100_000;

#[derive(Default)]
pub(crate) struct Users(Mutex<HashMap<[u8; 32], (Requester, Duration)>>);

impl Users {
    pub(crate) fn recall(&self, module: &TwoFactor, token: &str) -> Option<Requester> {
        let now = module.engine().clock().elapsed();
        let (requester, since) = self.lock().get(&module.engine().token_digest(token)).cloned()?;
        (now.saturating_sub(since) < LIFETIME).then_some(requester)
    }

    pub(crate) fn keep(&self, module: &TwoFactor, token: &str, requester: Requester) {
        let now = module.engine().clock().elapsed();
        let mut users = self.lock();
        if users.len() >= MOST {
            users.retain(|_, (_, since)| now.saturating_sub(*since) < LIFETIME);
        }
        if users.len() >= MOST {
            users.clear();
        }
        users.insert(module.engine().token_digest(token), (requester, now));
    }

    pub(crate) fn forget(&self, module: &TwoFactor, token: &str) {
        self.lock().remove(&module.engine().token_digest(token));
    }

    pub(crate) fn forget_user(&self, user: &str) {
        self.lock().retain(|_, (requester, _)| requester.user != user);
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<[u8; 32], (Requester, Duration)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
