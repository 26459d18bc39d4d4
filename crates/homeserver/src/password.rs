//! Passwords: Argon2id off the runtime's threads, with a bound, and at the same price for users who do not exist.

use std::{sync::Arc, time::Duration};

use argon2::{
    Algorithm, Argon2, Params, Version,
    password_hash::{Error as PhcError, PasswordHasher, PasswordVerifier, phc::PasswordHash},
};
use matrix_2fa::{
    engine::{
        Random,
        hashing::{HashError, HashPool},
    },
    homeserver::HostError,
};

use crate::{
    random::salt,
    refuse::bad_request,
    settings::{HomeserverError, HomeserverSettings, PasswordCost},
};

/// Shorter passwords are refused (OWASP ASVS 5.0, 6.2.1).
const MIN_LENGTH: usize = 8;

/// Longer ones too: hashing them would be work for nothing.
const MAX_BYTES: usize = 1024;

/// Overloaded clients are asked to come back after this.
const RETRY_AFTER: Duration = Duration::from_secs(1);

/// Is it a password that a user may choose?
pub(crate) fn check_strength(password: &str) -> Result<(), HostError> {
    if password.chars().count() < MIN_LENGTH {
        return Err(bad_request("M_WEAK_PASSWORD", format!("A password needs at least {MIN_LENGTH} characters.")));
    }
    if password.len() > MAX_BYTES {
        return Err(bad_request("M_INVALID_PARAM", format!("A password may have at most {MAX_BYTES} bytes.")));
    }
    Ok(())
}

/// Hashes and verifies passwords. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Passwords {
    argon2: Argon2<'static>,
    random: Arc<dyn Random>,
    /// Stands in for the hash of a user who has none, so that asking for them costs the same time (R58, R59).
    nobody: Arc<str>,
    pool: HashPool,
}

impl Passwords {
    /// Makes one hash at once, for the users who do not exist.
    pub(crate) fn new(settings: &HomeserverSettings, random: Arc<dyn Random>) -> Result<Self, HomeserverError> {
        let PasswordCost { memory_kib, passes, lanes } = settings.password_cost;
        let params = Params::new(memory_kib, passes, lanes, None).map_err(|_| HomeserverError::PasswordCost)?;
        let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, params);
        let nobody = hash(&argon2, "nobody", &salt(random.as_ref())).map_err(|_| HomeserverError::PasswordCost)?;
        let pool = HashPool::new(settings.hash_jobs, settings.hash_queue);
        Ok(Self { argon2, random, nobody: nobody.into(), pool })
    }

    /// The PHC string of a new password of `user`.
    pub(crate) async fn hash(&self, user: &str, password: &str) -> Result<String, HostError> {
        let salt = salt(self.random.as_ref());
        let password = password.to_owned();
        self.run(user, move |argon2| hash(argon2, &password, &salt))
            .await?
            .map_err(|source| HostError::Unavailable(Box::new(source)))
    }

    /// Does `password` fit the PHC string of `user`? `None` stands for a user who has none: false, at the same price.
    pub(crate) async fn verify(&self, user: &str, password: &str, phc: Option<String>) -> Result<bool, HostError> {
        // A password that nobody can have is still hashed, but only as much of it as anybody could have chosen.
        let possible = password.len() <= MAX_BYTES;
        let password = if possible { password.to_owned() } else { String::new() };
        let known = phc.is_some();
        let phc = phc.unwrap_or_else(|| self.nobody.as_ref().to_owned());
        let fits = self.run(user, move |argon2| verify(argon2, &password, &phc)).await?;
        Ok(fits.map_err(|source| HostError::Unavailable(Box::new(source)))? && known && possible)
    }

    async fn run<T: Send + 'static>(
        &self,
        user: &str,
        work: impl FnOnce(&Argon2<'static>) -> T + Send + 'static,
    ) -> Result<T, HostError> {
        let argon2 = self.argon2.clone();
        let answer = match self.pool.place(user) {
            Ok(place) => place.run(move || work(&argon2)).await,
            Err(full) => Err(full),
        };
        answer.map_err(|error| match error {
            HashError::Overloaded => HostError::Overloaded { retry_after: RETRY_AFTER },
            HashError::Failed(source) => HostError::Unavailable(source),
        })
    }
}

fn hash(argon2: &Argon2<'_>, password: &str, salt: &[u8]) -> Result<String, PhcError> {
    let phc: PasswordHash = argon2.hash_password_with_salt(password.as_bytes(), salt)?;
    Ok(phc.to_string())
}

fn verify(argon2: &Argon2<'_>, password: &str, phc: &str) -> Result<bool, PhcError> {
    let phc = PasswordHash::new(phc).map_err(PhcError::from)?;
    match argon2.verify_password(password.as_bytes(), &phc) {
        Ok(()) => Ok(true),
        Err(PhcError::PasswordInvalid) => Ok(false),
        Err(other) => Err(other),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use matrix_2fa::engine::OsRandom;

    fn cheap(jobs: usize, queue: usize) -> Passwords {
        let settings = HomeserverSettings {
            password_cost: PasswordCost { memory_kib: 8, passes: 1, lanes: 1 },
            hash_jobs: jobs,
            hash_queue: queue,
            ..HomeserverSettings::default()
        };
        Passwords::new(&settings, Arc::new(OsRandom)).expect("legal parameters")
    }

    #[tokio::test]
    async fn only_the_right_password_fits_and_nobody_has_one() {
        let passwords = cheap(1, 4);
        let phc = passwords.hash("@alice:a", "correct horse").await.expect("hashes");
        assert!(phc.starts_with("$argon2id$v=19$m=8,t=1,p=1$"), "{phc}");
        assert!(passwords.verify("@alice:a", "correct horse", Some(phc.clone())).await.expect("verifies"));
        assert!(!passwords.verify("@alice:a", "Correct horse", Some(phc.clone())).await.expect("verifies"));
        assert!(!passwords.verify("@alice:a", &"x".repeat(2000), Some(phc)).await.expect("verifies"));
        assert!(
            !passwords.verify("@alice:a", "nobody", None).await.expect("verifies"),
            "the stand-in's own password opens nothing"
        );
    }

    #[tokio::test]
    async fn a_full_queue_is_an_answer_and_not_more_memory() {
        let passwords = cheap(1, 1);
        let _busy =
            [passwords.pool.place("@alice:a"), passwords.pool.place("@bob:a")].map(|place| place.expect("free"));
        let refused = passwords.hash("@carol:a", "whatever it is").await;
        assert!(matches!(refused, Err(HostError::Overloaded { .. })));
    }

    #[test]
    fn weak_passwords_have_their_errcode() {
        for weak in ["", "1234567"] {
            assert!(matches!(check_strength(weak), Err(HostError::Refused { errcode: "M_WEAK_PASSWORD", .. })));
        }
        assert!(check_strength("12345678").is_ok());
    }
}
