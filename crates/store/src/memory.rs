//! [`MemoryStore`]: the contract in its most readable form, and what tests use where durability is not the question.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Mutex, MutexGuard, PoisonError},
};

use async_trait::async_trait;
use matrix_2fa_core::{Event, Timestamp};

use crate::{
    AccountChange, Commit, Committed, Expected, KeyedRecord, Kind, Record, RecordChange, Store, StoreError,
    StoredAccount,
    export::{EachEntry, Entry},
};

/// Keeps everything in the process; nothing survives it.
#[derive(Debug, Default)]
pub struct MemoryStore(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    accounts: BTreeMap<String, StoredAccount>,
    records: BTreeMap<(Kind, String), Record>,
    events: Vec<Event>,
}

impl MemoryStore {
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn account_fits(&self, change: &AccountChange) -> bool {
        self.accounts.get(&change.user).map_or(0, |stored| stored.version) == change.expected
    }

    fn record_fits(&self, change: &RecordChange) -> bool {
        let version = self.records.get(&(change.kind, change.key.clone())).map(|record| record.version);
        match change.expected {
            Expected::Any => true,
            Expected::Absent => version.is_none(),
            Expected::Version(expected) => version == Some(expected),
        }
    }

    fn apply_record(&mut self, change: RecordChange) {
        let place = (change.kind, change.key);
        let Some(next) = change.next else {
            self.records.remove(&place);
            return;
        };
        let version = self.records.get(&place).map_or(change.first, |record| record.version + 1);
        let record = Record { version, bytes: next.bytes, user: next.user, expires_at: next.expires_at };
        self.records.insert(place, record);
    }
}

#[async_trait]
impl Store for MemoryStore {
    async fn load(&self, user: &str) -> Result<StoredAccount, StoreError> {
        Ok(self.state().accounts.get(user).cloned().unwrap_or_default())
    }

    async fn commit(&self, commit: Commit) -> Result<Committed, StoreError> {
        let mut state = self.state();
        let fits = commit.account.iter().all(|change| state.account_fits(change))
            && commit.records.iter().all(|change| state.record_fits(change));
        if !fits {
            return Ok(Committed::Conflict);
        }
        if let Some(AccountChange { user, expected, account }) = commit.account {
            state.accounts.insert(user, StoredAccount { version: expected + 1, account });
        }
        state.events.extend(commit.events);
        for change in commit.records {
            state.apply_record(change);
        }
        Ok(Committed::Done)
    }

    async fn record(&self, kind: Kind, key: &str) -> Result<Option<Record>, StoreError> {
        Ok(self.state().records.get(&(kind, key.to_owned())).cloned())
    }

    async fn records_of(&self, kind: Kind, user: &str) -> Result<Vec<KeyedRecord>, StoreError> {
        let state = self.state();
        let mine =
            |(place, record): &(&(Kind, String), &Record)| place.0 == kind && record.user.as_deref() == Some(user);
        Ok(state.records.iter().filter(mine).map(|((_, key), record)| (key.clone(), record.clone())).collect())
    }

    async fn sweep(&self, now: Timestamp, limit: usize) -> Result<usize, StoreError> {
        let mut state = self.state();
        let mut expired: Vec<_> = state
            .records
            .iter()
            .filter_map(|(place, record)| Some((record.expires_at.filter(|at| *at <= now)?, place.clone())))
            .collect();
        expired.sort();
        expired.truncate(limit);
        for (_, place) in &expired {
            state.records.remove(place);
        }
        Ok(expired.len())
    }

    async fn events(&self, user: &str, since: Timestamp, limit: usize) -> Result<Vec<Event>, StoreError> {
        let state = self.state();
        let mine = |event: &&Event| event.user == user && event.at >= since;
        let mut newest: Vec<_> = state.events.iter().rev().filter(mine).take(limit).cloned().collect();
        newest.reverse();
        newest.sort_by_key(|event| event.at);
        Ok(newest)
    }

    async fn users(&self, after: Option<&str>, limit: usize) -> Result<Vec<String>, StoreError> {
        let state = self.state();
        let users: BTreeSet<&str> = state
            .accounts
            .keys()
            .map(String::as_str)
            .chain(state.events.iter().map(|event| event.user.as_str()))
            .collect();
        let later = |user: &&str| after.is_none_or(|after| *user > after);
        Ok(users.into_iter().filter(later).take(limit).map(str::to_owned).collect())
    }

    async fn records(&self, kind: Kind, after: Option<&str>, limit: usize) -> Result<Vec<KeyedRecord>, StoreError> {
        let state = self.state();
        let later = |(place, _): &(&(Kind, String), &Record)| {
            place.0 == kind && after.is_none_or(|after| place.1.as_str() > after)
        };
        let later = state.records.iter().filter(later).take(limit);
        Ok(later.map(|((_, key), record)| (key.clone(), record.clone())).collect())
    }

    async fn export(&self, mut each: EachEntry) -> Result<(), StoreError> {
        let (accounts, events, records) = {
            let state = self.state();
            (state.accounts.clone(), state.events.clone(), state.records.clone())
        };
        let accounts =
            accounts.into_iter().map(|(user, stored)| Entry::Account { user, account: Box::new(stored.account) });
        let records = records.into_iter().map(|((kind, key), record)| Entry::Record {
            kind: kind.0.to_owned(),
            key,
            bytes: record.bytes,
            user: record.user,
            expires_at: record.expires_at,
        });
        for entry in accounts.chain(events.into_iter().map(Entry::Event)).chain(records) {
            each(entry).map_err(|error| StoreError::Unavailable(Box::new(error)))?;
        }
        Ok(())
    }
}
