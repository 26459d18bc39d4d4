//! Passwords that the upstream has confirmed, for the ten minutes in which a second factor may follow: the real login, and the upstream's own
//! interactive auth, want them again. In this process only, sealed with a key that dies with it, one for each user.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use matrix_2fa::engine::{Keyring, Random};
use matrix_2fa_core::{Clock, SealedSeed, Seed};
use zeroize::Zeroizing;

/// As long as a session of interactive auth.
const LIFETIME: Duration = Duration::from_secs(10 * 60);

/// Past so many, those that are too old go first, and then nothing is kept: such a user sends the password again.
const MOST: usize = 100_000;

/// What must fit to this user.
const LABEL: &str = "password";

pub(crate) struct SealedPasswords {
    keys: Keyring,
    random: Arc<dyn Random>,
    clock: Arc<dyn Clock>,
    kept: Mutex<HashMap<String, Kept>>,
}

struct Kept {
    sealed: SealedSeed,
    since: Duration,
}

impl SealedPasswords {
    pub(crate) fn new(clock: Arc<dyn Clock>, random: Arc<dyn Random>) -> Self {
        Self { keys: Keyring::ephemeral(random.as_ref()), random, clock, kept: Mutex::default() }
    }

    /// The upstream has just said that this is the user's password.
    pub(crate) fn keep(&self, user: &str, password: &str) {
        let secret = Seed::from_bytes(password.as_bytes().to_vec());
        let Ok(sealed) = self.keys.seal(user, LABEL, &secret, self.random.as_ref()) else { return };
        let now = self.clock.elapsed();
        let mut kept = self.lock();
        if kept.len() >= MOST {
            kept.retain(|_, kept| is_fresh(kept, now));
        }
        if kept.len() < MOST || kept.contains_key(user) {
            kept.insert(user.to_owned(), Kept { sealed, since: now });
        }
    }

    /// The user's password, if it was confirmed lately.
    pub(crate) fn recall(&self, user: &str) -> Option<Zeroizing<String>> {
        let now = self.clock.elapsed();
        let mut kept = self.lock();
        let secret = match kept.get(user) {
            Some(found) if is_fresh(found, now) => self.keys.open(user, LABEL, &found.sealed).ok(),
            Some(_) | None => None,
        };
        if secret.is_none() {
            kept.remove(user);
        }
        String::from_utf8(secret?.expose().to_vec()).ok().map(Zeroizing::new)
    }

    /// It is not needed any more, or not the password any more.
    pub(crate) fn forget(&self, user: &str) {
        self.lock().remove(user);
    }

    /// Lets go of what is too old.
    pub(crate) fn tidy(&self) {
        let now = self.clock.elapsed();
        self.lock().retain(|_, kept| is_fresh(kept, now));
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<String, Kept>> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn is_fresh(kept: &Kept, now: Duration) -> bool {
    now.saturating_sub(kept.since) < LIFETIME
}

#[cfg(test)]
mod tests {
    use matrix_2fa::engine::OsRandom;
    use matrix_2fa_core::{MockClock, Timestamp};

    use super::*;

    #[test]
    fn a_password_is_kept_for_ten_minutes_for_its_user() {
        let clock = MockClock::new(Timestamp::from_millis(1_800_000_000_000));
        let kept = SealedPasswords::new(Arc::new(clock.clone()), Arc::new(OsRandom));
        kept.keep("@alice:example.org", "wonderland");
        let recalled = |user| kept.recall(user).map(|password| password.as_str().to_owned());
        assert_eq!(recalled("@alice:example.org").as_deref(), Some("wonderland"));
        assert_eq!(recalled("@bob:example.org"), None);
        clock.advance(Duration::from_secs(599));
        assert_eq!(recalled("@alice:example.org").as_deref(), Some("wonderland"));
        clock.advance(Duration::from_secs(1));
        assert_eq!(recalled("@alice:example.org"), None);
        kept.keep("@alice:example.org", "wonderland");
        kept.forget("@alice:example.org");
        assert_eq!(recalled("@alice:example.org"), None);
        assert!(kept.lock().is_empty());
    }
}
