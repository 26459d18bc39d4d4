//! Another key, while everybody logs in: a new key becomes active, every account is sealed anew in its own small commit, and only then
//! the old key can go.
//!
//! 1. The key's file is made, then one commit makes it active. From here on it seals, and both open.
//! 2. Every account is visited. One that changes meanwhile is decided again; one that is sealed already is left alone. So a pass that was
//!    cut short is simply run again, by the next start or the next command.
//! 3. One commit notes that nothing is left. The old key stays in the set until [`Engine::remove_key`], which looks once more.

use std::collections::BTreeMap;

use matrix_2fa_core::{Account, EventKind, SealedSeed};

use crate::{Engine, EngineError, KeyError};

/// Seals that do not open and are named; the others are only counted.
const NAMED: usize = 20;

/// Why keys could not be changed.
#[derive(Debug, thiserror::Error)]
pub enum RotationError {
    /// Something is wrong with the keys.
    #[error(transparent)]
    Keys(#[from] KeyError),
    /// The store failed, or an account changed again and again.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// The key still seals something.
    #[error("{seeds} seeds are still sealed with the key {id} and do not open: see keys check")]
    InUse {
        /// The key.
        id: String,
        /// How many.
        seeds: u64,
    },
}

/// How far a pass over all accounts is.
#[derive(Clone, Debug, Default)]
pub struct Progress {
    /// Accounts visited.
    pub accounts: u64,
    /// Seeds sealed anew.
    pub resealed: u64,
    /// Seals that do not open. They are left as they are.
    pub broken: u64,
}

/// What was found by opening every seal.
#[derive(Clone, Debug, Default)]
pub struct Census {
    /// The keys that count, the active one first, and how many seeds each seals; also keys that should not be there.
    pub seeds: Vec<(String, u64)>,
    /// Accounts visited.
    pub accounts: u64,
    /// Seals that do not open.
    pub broken: u64,
    /// Of which these are the first: user and authenticator.
    pub named: Vec<(String, String)>,
}

/// One sealed seed.
struct Seal {
    key: String,
    /// If it does not open: user and authenticator.
    broken: Option<(String, String)>,
}

impl Engine {
    /// Was a rotation begun that is not finished?
    pub async fn is_rotating(&self) -> Result<bool, RotationError> {
        Ok(!self.keys.is_settled(&*self.store).await?)
    }

    /// Rotates to the key `to`, or to the one unused key in the folder, or to a new one; or finishes a rotation that was cut short.
    /// Returns the id of the key and what was done. `tell` hears of the progress.
    pub async fn rotate_keys(
        &self,
        to: Option<&str>,
        tell: impl Fn(&Progress) + Send + Sync,
    ) -> Result<(String, Progress), RotationError> {
        // Whoever asks while a rotation is under way wants that one finished, not another after it.
        let (begun, before) = (self.is_rotating().await?, self.keys.active());
        let _turn = self.keys.turn.lock().await;
        if !begun && self.keys.active() == before && !self.is_rotating().await? {
            let event = |key: &str| self.server_event(EventKind::KeyRotationStarted { key: key.to_owned() });
            let key = self.keys.activate(&*self.store, to, &*self.random, event).await?;
            tracing::info!(key.id = key, "another key is active; every seed is being sealed with it");
        }
        self.keys.refresh(&*self.store).await?;
        let key = self.keys.active();
        let done = self.reseal_everybody(&tell).await?;
        let event = self.server_event(EventKind::KeyRotationFinished { key: key.clone() });
        self.keys.settle(&*self.store, &key, event).await?;
        tracing::info!(
            key.id = key,
            accounts = done.accounts,
            resealed = done.resealed,
            "all seeds are sealed with the active key"
        );
        Ok((key, done))
    }

    /// Opens every seal of every account.
    pub async fn check_keys(&self, tell: impl Fn(&Progress) + Send + Sync) -> Result<Census, RotationError> {
        let ids = self.keys.ids(&*self.store).await?;
        let mut census = Census::default();
        let mut seeds: BTreeMap<String, u64> = BTreeMap::new();
        let look = |engine: Self, user: String| async move {
            let account = engine.account(&user).await?;
            let seals = account.sealed_seeds().map(|(id, sealed)| {
                let broken = engine.keys.open(&user, id, sealed).is_err().then(|| (user.clone(), id.to_owned()));
                Seal { key: sealed.key_id.clone(), broken }
            });
            Ok(seals.collect())
        };
        let count = |page: Vec<Vec<Seal>>| {
            census.accounts += page.len() as u64;
            for Seal { key, broken } in page.into_iter().flatten() {
                *seeds.entry(key).or_default() += 1;
                census.broken += u64::from(broken.is_some());
                census.named.extend(broken.filter(|_| census.named.len() < NAMED));
            }
            tell(&Progress { accounts: census.accounts, resealed: 0, broken: census.broken });
        };
        self.everybody(look, count).await?;
        census.seeds = ids.into_iter().map(|id| (seeds.remove(&id).unwrap_or(0), id)).map(|(n, id)| (id, n)).collect();
        census.seeds.extend(seeds);
        Ok(census)
    }

    /// Takes a key out of use. First everything that it may still seal is sealed anew (an enrollment that began just before the
    /// rotation), then every seal is looked at.
    pub async fn remove_key(&self, id: &str, tell: impl Fn(&Progress) + Send + Sync) -> Result<(), RotationError> {
        let _turn = self.keys.turn.lock().await;
        self.keys.removable(&*self.store, id).await?;
        self.keys.refresh(&*self.store).await?;
        self.reseal_everybody(&tell).await?;
        let census = self.check_keys(&tell).await?;
        let seeds = census.seeds.iter().find(|(key, _)| key == id).map_or(0, |(_, seeds)| *seeds);
        if seeds > 0 {
            return Err(RotationError::InUse { id: id.to_owned(), seeds });
        }
        let event = self.server_event(EventKind::KeyRemoved { key: id.to_owned() });
        self.keys.remove(&*self.store, id, event).await?;
        tracing::info!(key.id = id, "a key is out of use");
        Ok(())
    }

    async fn reseal_everybody(&self, tell: &(impl Fn(&Progress) + Send + Sync)) -> Result<Progress, EngineError> {
        let mut progress = Progress::default();
        let count = |page: Vec<(u64, u64)>| {
            for (resealed, broken) in page {
                progress.accounts += 1;
                progress.resealed += resealed;
                progress.broken += broken;
            }
            tell(&progress);
        };
        self.everybody(|engine, user| async move { engine.reseal(&user).await }, count).await?;
        Ok(progress)
    }

    /// Seals the seeds of one account with the active key. A seal that does not open is left for [`Engine::check_keys`] to name; it must
    /// not keep all others from being sealed.
    async fn reseal(&self, user: &str) -> Result<(u64, u64), EngineError> {
        let _turn = self.gate.enter(user).await;
        let active = self.keys.active();
        let broken = |account: &Account| {
            let opens = |id: &str, sealed: &SealedSeed| self.keys.open(user, id, sealed).is_ok();
            let old = account.sealed_seeds().filter(|(_, sealed)| sealed.key_id != active);
            old.filter(|(id, sealed)| !opens(id, sealed)).count() as u64
        };
        self.transact(user, |account| {
            let again = |id: &str, sealed: &SealedSeed| {
                let old = (sealed.key_id != active).then_some(sealed)?;
                let seed = self.keys.open(user, id, old).ok()?;
                self.keys.seal(user, id, &seed, &*self.random).ok()
            };
            let broken = broken(account);
            let transition = account.reseal(again);
            let outcome = (transition.outcome as u64, broken);
            let account = transition.account;
            Ok((matrix_2fa_core::Transition { account, outcome, events: transition.events }, Vec::new()))
        })
        .await
    }
}
