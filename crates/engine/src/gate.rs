//! Attempts on one account queue in this process instead of racing each other into conflicts. Only a convenience: the store's
//! compare-and-swap is what keeps two replicas apart.

use std::hash::{BuildHasher, RandomState};

use tokio::sync::{Mutex, MutexGuard};

/// Places in which accounts queue. Two accounts in one place only wait for each other.
const PLACES: usize = 4096;

pub(crate) struct Gate {
    fast: Vec<Mutex<()>>,
    slow: Vec<Mutex<()>>,
    hash: RandomState,
}

impl Default for Gate {
    fn default() -> Self {
        let places = || (0..PLACES).map(|_| Mutex::new(())).collect();
        Self { fast: places(), slow: places(), hash: RandomState::new() }
    }
}

impl Gate {
    /// For decisions that take microseconds.
    pub(crate) async fn enter(&self, user: &str) -> Option<MutexGuard<'_, ()>> {
        Self::pass(&self.fast, self.hash.hash_one(user)).await
    }

    /// For those that hash for milliseconds; never makes a fast one wait.
    pub(crate) async fn enter_slow(&self, user: &str) -> Option<MutexGuard<'_, ()>> {
        Self::pass(&self.slow, self.hash.hash_one(user)).await
    }

    async fn pass(places: &[Mutex<()>], hash: u64) -> Option<MutexGuard<'_, ()>> {
        match places.get(hash as usize % PLACES) {
            Some(place) => Some(place.lock().await),
            None => None,
        }
    }
}
