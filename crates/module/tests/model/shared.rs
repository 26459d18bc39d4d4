//! What all replicas share: the store's contract in its shortest form, and the six ways in which it is broken to see that somebody notices.

use std::{collections::BTreeMap, hash::Hash};

use matrix_2fa::store::{Commit, Expected, Kind, Record, RecordChange, StoredAccount, codec};

use crate::fixed::Fixed;

/// What is wrong with a store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// It does not compare before it swaps.
    NoCompare,
    /// It answers before its data is durable: a crash loses what was committed since the last tick.
    NoFlush,
    /// Counters of wrong codes live in the process: a commit that changes nothing else is not written.
    CountersInMemory,
    /// A recovery code is marked after the answer, which never happens.
    CodeMarkedLater,
    /// The session is not consumed in the commit that burns the code.
    SessionNotJoined,
    /// What joins a commit happens even if the commit does not.
    LoginNotJoined,
}

/// One account and the records beside it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Disk {
    pub account: Fixed<StoredAccount>,
    pub records: BTreeMap<(Kind, String), Fixed<Record>>,
}

fn fixed_account(stored: StoredAccount) -> Fixed<StoredAccount> {
    Fixed::new(stored, |stored, hasher| {
        stored.version.hash(hasher);
        codec::encode("account", &stored.account).expect("it can be stored").hash(hasher);
    })
}

fn fixed_record(record: Record) -> Fixed<Record> {
    Fixed::new(record, |record, hasher| (record.version, &record.bytes, &record.user, record.expires_at).hash(hasher))
}

impl Default for Disk {
    fn default() -> Self {
        Self { account: fixed_account(StoredAccount::default()), records: BTreeMap::new() }
    }
}

impl Disk {
    pub fn records_of(&self, kind: Kind, user: &str) -> Vec<(String, Fixed<Record>)> {
        let mine = self.records.iter().filter(|((of, _), record)| *of == kind && record.user.as_deref() == Some(user));
        mine.map(|((_, key), record)| (key.clone(), record.clone())).collect()
    }

    /// Is it done, or a conflict?
    pub fn commit(&mut self, mut commit: Commit, fault: Option<Fault>) -> bool {
        let fits = commit.account.iter().all(|change| change.expected == self.account.version)
            && commit.records.iter().all(|change| self.fits(change));
        if !fits && fault == Some(Fault::LoginNotJoined) {
            commit.records.into_iter().filter(|change| change.next.is_some()).for_each(|change| self.apply(change));
            return false;
        }
        if !fits && fault != Some(Fault::NoCompare) {
            return false;
        }
        if let (Some(fault), Some(change)) = (fault, &commit.account) {
            let (before, after) = (&self.account.account, &change.account);
            let counted = before.totp_throttle() != after.totp_throttle();
            let only_counted = counted && before.authenticators() == after.authenticators();
            let spent = after.recovery_remaining() < before.recovery_remaining();
            match fault {
                Fault::CountersInMemory if only_counted => commit.account = None,
                Fault::CodeMarkedLater if spent => commit.account = None,
                Fault::SessionNotJoined => commit.records.retain(|change| change.next.is_some()),
                _ => {}
            }
        }
        if let Some(change) = commit.account {
            let version = self.account.version + 1;
            self.account = fixed_account(StoredAccount { version, account: change.account });
        }
        commit.records.into_iter().for_each(|change| self.apply(change));
        true
    }

    fn fits(&self, change: &RecordChange) -> bool {
        let version = self.records.get(&(change.kind, change.key.clone())).map(|record| record.version);
        match change.expected {
            Expected::Any => true,
            Expected::Absent => version.is_none(),
            Expected::Version(expected) => version == Some(expected),
        }
    }

    fn apply(&mut self, change: RecordChange) {
        let place = (change.kind, change.key);
        let Some(next) = change.next else {
            self.records.remove(&place);
            return;
        };
        let version = self.records.get(&place).map_or(change.first, |record| record.version + 1);
        let record = Record { version, bytes: next.bytes, user: next.user, expires_at: next.expires_at };
        self.records.insert(place, fixed_record(record));
    }
}
