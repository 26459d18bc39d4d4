//! Slow hashes, off the runtime and with a bound: overload is an answer (429), never a full memory; and nobody takes every place.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use argon2::{Algorithm, Argon2, Params, Version};
use futures_util::future::try_join_all;
use matrix_2fa_core::{recovery::HashParams, recovery::RecoveryCode, secret::RecoveryDigest};
use tokio::sync::Semaphore;

/// A bounded pool of hashing jobs: some run, more wait, and the rest is refused.
#[derive(Clone)]
pub struct HashPool {
    places: Arc<Places>,
    running: Arc<Semaphore>,
}

/// Who holds places, those who run included.
struct Places {
    all: usize,
    of_one: usize,
    held: Mutex<HashMap<String, usize>>,
}

/// A place in a pool, until it is dropped or its job has ended. Whoever has one will not be refused.
pub struct Place {
    pool: HashPool,
    holder: String,
}

/// Why a hash was not made.
#[derive(Debug, thiserror::Error)]
pub enum HashError {
    /// No place is free, or this user holds enough of them.
    #[error("too many passwords or recovery codes are being checked at once")]
    Overloaded,
    /// The hash failed: parameters out of range, or no memory.
    #[error("hashing failed")]
    Failed(#[source] Box<dyn std::error::Error + Send + Sync>),
}

impl HashPool {
    /// `jobs` at the same time and `queue` more waiting. One user holds half of these places at most: whoever floods one account, or one
    /// name, leaves room for everybody else.
    pub fn new(jobs: usize, queue: usize) -> Self {
        let jobs = jobs.clamp(1, Semaphore::MAX_PERMITS);
        let all = jobs.saturating_add(queue);
        Self { places: Places::new(all, all.div_ceil(2)), running: Arc::new(Semaphore::new(jobs)) }
    }

    /// As many other places for jobs that run in turn with those of this pool; one user holds `of_one` of them.
    #[must_use]
    pub fn beside(&self, of_one: usize) -> Self {
        Self { places: Places::new(self.places.all, of_one), running: Arc::clone(&self.running) }
    }

    /// A place for `user`.
    pub fn place(&self, user: &str) -> Result<Place, HashError> {
        let mut held = self.places.held();
        let full = held.values().sum::<usize>() >= self.places.all;
        let mine = held.get(user).copied().unwrap_or(0);
        if full || mine >= self.places.of_one {
            return Err(HashError::Overloaded);
        }
        held.insert(user.to_owned(), mine + 1);
        Ok(Place { pool: self.clone(), holder: user.to_owned() })
    }
}

impl Place {
    /// Runs slow work on a blocking thread. The place goes with the work: a client that hangs up does not free it while its hash still runs.
    pub async fn run<T: Send + 'static>(self, work: impl FnOnce() -> T + Send + 'static) -> Result<T, HashError> {
        Arc::new(self).job(work).await
    }

    async fn job<T: Send + 'static>(
        self: Arc<Self>,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, HashError> {
        let turn = Arc::clone(&self.pool.running).acquire_owned().await.map_err(failed)?;
        let job = move || {
            let _held = (self, turn);
            work()
        };
        tokio::task::spawn_blocking(job).await.map_err(failed)
    }

    /// One slow hash a code, each a job: as many run at the same time as may, and those of others get their turns between them.
    pub(crate) async fn hash_codes(
        self,
        codes: Vec<RecoveryCode>,
        salt: [u8; 16],
        params: HashParams,
    ) -> Result<Vec<RecoveryDigest>, HashError> {
        let place = Arc::new(self);
        let hash = |code: RecoveryCode| Arc::clone(&place).job(move || digest(&code, &salt, params));
        try_join_all(codes.into_iter().map(hash)).await?.into_iter().collect()
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut held = self.pool.places.held();
        if let Some(mine) = held.get_mut(&self.holder) {
            *mine -= 1;
            if *mine == 0 {
                held.remove(&self.holder);
            }
        }
    }
}

impl std::fmt::Debug for Place {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Place").finish_non_exhaustive()
    }
}

impl Places {
    fn new(all: usize, of_one: usize) -> Arc<Self> {
        Arc::new(Self { all, of_one, held: Mutex::default() })
    }

    fn held(&self) -> MutexGuard<'_, HashMap<String, usize>> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn digest(code: &RecoveryCode, salt: &[u8; 16], params: HashParams) -> Result<RecoveryDigest, HashError> {
    let params = Params::new(params.memory_kib, params.passes, params.lanes, Some(32)).map_err(failed)?;
    let mut out = [0; 32];
    Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
        .hash_password_into(code.expose(), salt, &mut out)
        .map_err(failed)?;
    Ok(RecoveryDigest::from_bytes(out))
}

fn failed(source: impl std::error::Error + Send + Sync + 'static) -> HashError {
    HashError::Failed(Box::new(source))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The value is another program's (argon2-cffi): Argon2id, version 1.3, 19 MiB, two passes, one lane.
    #[test]
    fn r41_a_recovery_code_is_kept_as_argon2id_of_this_strength() {
        let code = RecoveryCode::parse("0123-4567-89AB-CDEF").unwrap();
        let salt = std::array::from_fn(|place| u8::try_from(place).unwrap());
        let digest = digest(&code, &salt, HashParams::default()).unwrap();
        let theirs =
            data_encoding::HEXLOWER.decode(b"1e98eaeacc79c527b841740a85cb8efdab8aa2da59a32064bb35d7437a74098b");
        assert!(digest == RecoveryDigest::from_bytes(theirs.unwrap().try_into().unwrap()));
    }

    #[tokio::test]
    async fn one_user_never_holds_every_place_and_a_place_comes_back_when_its_job_ends() {
        let pool = HashPool::new(1, 3);
        let flood: Vec<_> = std::iter::repeat_with(|| pool.place("@alice:a")).take_while(Result::is_ok).collect();
        assert_eq!(flood.len(), 2);
        let bob = pool.place("@bob:a").unwrap();
        let _carol = pool.place("@carol:a").unwrap();
        assert!(matches!(pool.place("@dave:a"), Err(HashError::Overloaded)), "full");
        assert!(pool.beside(1).place("@alice:a").is_ok(), "other places, beside these");
        assert_eq!(bob.run(|| 7).await.unwrap(), 7);
        pool.place("@dave:a").unwrap();
        drop(flood);
        pool.place("@alice:a").unwrap();
    }
}
