//! Argon2id for recovery codes, off the runtime and with a bound: overload is an answer (429), never a full memory.

use std::sync::Arc;

use argon2::{Algorithm, Argon2, Params, Version};
use matrix_2fa_core::{recovery::HashParams, recovery::RecoveryCode, secret::RecoveryDigest};
use tokio::sync::Semaphore;

/// A bounded pool of hashing jobs.
pub struct RecoveryHasher {
    admitted: Arc<Semaphore>,
    running: Arc<Semaphore>,
}

/// Why a hash was not made.
#[derive(Debug, thiserror::Error)]
pub enum HashError {
    /// The queue is full.
    #[error("too many recovery codes are being checked at once")]
    Overloaded,
    /// The hash failed: parameters out of range, or no memory.
    #[error("hashing failed")]
    Failed(#[source] Box<dyn std::error::Error + Send + Sync>),
}

impl RecoveryHasher {
    /// `jobs` at the same time and `queue` more waiting.
    pub fn new(jobs: usize, queue: usize) -> Self {
        let jobs = jobs.max(1);
        Self { admitted: Arc::new(Semaphore::new(jobs + queue)), running: Arc::new(Semaphore::new(jobs)) }
    }

    /// One slow hash a code, all in one job.
    pub async fn hash(
        &self,
        codes: Vec<RecoveryCode>,
        salt: [u8; 16],
        params: HashParams,
    ) -> Result<Vec<RecoveryDigest>, HashError> {
        let admitted = Arc::clone(&self.admitted).try_acquire_owned().map_err(|_full| HashError::Overloaded)?;
        let running = Arc::clone(&self.running).acquire_owned().await.map_err(failed)?;
        let job = move || {
            // The permits go with the job: a client that hangs up does not free a place while its hash still runs.
            let _permits = (admitted, running);
            codes.iter().map(|code| digest(code, &salt, params)).collect()
        };
        tokio::task::spawn_blocking(job).await.map_err(failed)?
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
