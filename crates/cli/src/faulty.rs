//! A store with a fault on purpose (feature `faults`): three of the five that the crash suite must find. The other two sit where they would
//! be made: in the store's sync, and in the binding of sessions.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use async_trait::async_trait;
use matrix_2fa_core::{Account, Event, EventKind, Stage, Timestamp};
use matrix_2fa_store::{
    Commit, Committed, Expected, KeyedRecord, Kind, Record, Store, StoreError, StoredAccount,
    export::EachEntry,
    fault::{self, Fault},
};

/// How late a recovery code is marked: somebody thought that a queue would do.
const LATE: Duration = Duration::from_millis(100);

/// The store with the fault that `MATRIX_2FA_FAULT` names, if it is one of those here.
pub fn wrap(store: Arc<dyn Store>) -> Arc<dyn Store> {
    Arc::new(Faulty { store, counted: Mutex::default() })
}

struct Faulty {
    store: Arc<dyn Store>,
    /// Accounts whose wrong TOTP codes are counted here alone.
    counted: Mutex<HashMap<String, Account>>,
}

impl Faulty {
    /// The same commit, whatever the versions are now.
    async fn without_looking(&self, mut commit: Commit) -> Result<Commit, StoreError> {
        commit.records.iter_mut().for_each(|change| change.expected = Expected::Any);
        if let Some(change) = &mut commit.account {
            change.expected = self.store.load(&change.user).await?.version;
        }
        Ok(commit)
    }

    /// The session is consumed now, the code marked a moment later.
    async fn spend_late(&self, mut commit: Commit) -> Result<Committed, StoreError> {
        let records = std::mem::take(&mut commit.records);
        let done = self.store.commit(Commit { records, ..Commit::default() }).await?;
        if done == Committed::Done {
            let store = Arc::clone(&self.store);
            tokio::spawn(async move {
                tokio::time::sleep(LATE).await;
                store.commit(commit).await
            });
        }
        Ok(done)
    }

    fn count_in_memory(&self, commit: &Commit) -> bool {
        let mut counted = self.counted.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(change) = &commit.account else { return false };
        let wrong = matches!(
            commit.events.as_slice(),
            [Event { kind: EventKind::FactorFailed { stage: Stage::Totp, .. }, .. }]
        );
        match wrong {
            true => counted.insert(change.user.clone(), change.account.clone()),
            false => counted.remove(&change.user),
        };
        wrong
    }
}

fn spends_a_recovery_code(commit: &Commit) -> bool {
    commit.events.iter().any(|event| matches!(event.kind, EventKind::RecoveryCodeUsed { .. }))
}

#[async_trait]
impl Store for Faulty {
    async fn load(&self, user: &str) -> Result<StoredAccount, StoreError> {
        let mut stored = self.store.load(user).await?;
        if let Some(account) = self.counted.lock().unwrap_or_else(PoisonError::into_inner).get(user) {
            stored.account = account.clone();
        }
        Ok(stored)
    }

    async fn commit(&self, commit: Commit) -> Result<Committed, StoreError> {
        if fault::is(Fault::CounterInMemory) && self.count_in_memory(&commit) {
            return Ok(Committed::Done);
        }
        if fault::is(Fault::RecoveryAfterAnswer) && spends_a_recovery_code(&commit) {
            return self.spend_late(commit).await;
        }
        if !fault::is(Fault::NoCas) {
            return self.store.commit(commit).await;
        }
        loop {
            if self.store.commit(self.without_looking(commit.clone()).await?).await? == Committed::Done {
                return Ok(Committed::Done);
            }
        }
    }

    async fn record(&self, kind: Kind, key: &str) -> Result<Option<Record>, StoreError> {
        self.store.record(kind, key).await
    }

    async fn records_of(&self, kind: Kind, user: &str) -> Result<Vec<KeyedRecord>, StoreError> {
        self.store.records_of(kind, user).await
    }

    async fn sweep(&self, now: Timestamp, limit: usize) -> Result<usize, StoreError> {
        self.store.sweep(now, limit).await
    }

    async fn events(&self, user: &str, since: Timestamp, limit: usize) -> Result<Vec<Event>, StoreError> {
        self.store.events(user, since, limit).await
    }

    async fn users(&self, after: Option<&str>, limit: usize) -> Result<Vec<String>, StoreError> {
        self.store.users(after, limit).await
    }

    async fn records(&self, kind: Kind, after: Option<&str>, limit: usize) -> Result<Vec<KeyedRecord>, StoreError> {
        self.store.records(kind, after, limit).await
    }

    async fn export(&self, each: EachEntry) -> Result<(), StoreError> {
        self.store.export(each).await
    }
}
