//! A commit, encoded and reduced to what it does to each row. Made by the caller, so that the committing lanes only compare and send.

use std::{
    collections::HashMap,
    hash::{BuildHasher, RandomState},
    sync::LazyLock,
};

use matrix_2fa_store::{Commit, Expected, NewRecord, RecordChange, StoreError, Version, codec};

use crate::values;

#[derive(Debug)]
pub struct Prepared {
    pub account: Option<PreparedAccount>,
    pub records: Vec<NetChange>,
    pub events: Vec<PreparedEvent>,
}

#[derive(Debug)]
pub struct PreparedAccount {
    pub user: String,
    pub expected: i64,
    pub bytes: Vec<u8>,
}

#[derive(Debug)]
pub struct PreparedEvent {
    pub at: i64,
    pub user: String,
    pub bytes: Vec<u8>,
}

/// Everything that a commit does to one record, as one step.
#[derive(Debug)]
pub struct NetChange {
    pub kind: &'static str,
    pub key: String,
    /// What must be there before any of it.
    pub expected: Expected,
    /// What is there after all of it.
    pub next: Option<NetPut>,
}

#[derive(Debug)]
pub struct NetPut {
    pub record: NewRecord,
    /// How often it was put since it was there or was deleted.
    pub puts: i64,
    /// It was deleted before: versions start again.
    pub afresh: bool,
    /// The version that it has now, if it is made.
    pub made: i64,
}

/// What a commit expects of one account or record: kind and key, and the version or 0 for nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Condition<'a>(&'static str, &'a str, Version);

impl Prepared {
    /// `None`: what it expects can never be.
    pub fn new(commit: Commit) -> Result<Option<Self>, StoreError> {
        let account = match commit.account {
            None => None,
            Some(change) => {
                values::check_text("account", &change.user)?;
                let bytes = codec::encode("account", &change.account)?;
                values::check_size("account", &bytes)?;
                let Some(expected) = values::version_to_sql(change.expected) else { return Ok(None) };
                Some(PreparedAccount { user: change.user, expected, bytes })
            }
        };
        let events = commit.events.into_iter().map(|event| {
            values::check_text("event", &event.user)?;
            let bytes = codec::encode("event", &event)?;
            values::check_size("event", &bytes)?;
            Ok(PreparedEvent { at: values::time_to_sql(event.at), user: event.user, bytes })
        });
        let events = events.collect::<Result<_, StoreError>>()?;
        let Some(records) = net_changes(commit.records)? else { return Ok(None) };
        Ok(Some(Self { account, records, events }))
    }

    pub fn is_empty(&self) -> bool {
        self.account.is_none() && self.records.is_empty() && self.events.is_empty()
    }

    /// Everything that it expects.
    pub fn conditions(&self) -> impl Iterator<Item = Condition<'_>> {
        let account = self.account.iter().map(PreparedAccount::condition);
        account.chain(self.records.iter().filter_map(NetChange::condition))
    }

    /// What nobody can expect any more once it is done.
    pub fn used_up(&self) -> impl Iterator<Item = Condition<'_>> {
        let moved = |change: &&NetChange| match (&change.next, change.expected) {
            // What is put afresh may come to the same version again.
            (Some(next), _) => !next.afresh,
            (None, expected) => expected != Expected::Absent,
        };
        let account = self.account.iter().map(PreparedAccount::condition);
        account.chain(self.records.iter().filter(moved).filter_map(NetChange::condition))
    }

    /// What no two commits of one batch may have in common. Two names with one number only wait for each other.
    pub fn keys(&self) -> Vec<u64> {
        static HASH: LazyLock<RandomState> = LazyLock::new(RandomState::new);
        let account = self.account.iter().map(|account| HASH.hash_one(("", account.user.as_str())));
        account.chain(self.records.iter().map(|change| HASH.hash_one((change.kind, change.key.as_str())))).collect()
    }
}

impl PreparedAccount {
    fn condition(&self) -> Condition<'_> {
        Condition("", &self.user, self.expected.unsigned_abs())
    }
}

impl NetChange {
    fn condition(&self) -> Option<Condition<'_>> {
        match self.expected {
            Expected::Any => None,
            Expected::Absent => Some(Condition(self.kind, &self.key, 0)),
            Expected::Version(version) => Some(Condition(self.kind, &self.key, version)),
        }
    }
}

/// Expectations are about what is there before the commit; changes of one key run in order.
fn net_changes(changes: Vec<RecordChange>) -> Result<Option<Vec<NetChange>>, StoreError> {
    let mut places: HashMap<(&'static str, String), usize> = HashMap::with_capacity(changes.len());
    let mut nets: Vec<NetChange> = Vec::with_capacity(changes.len());
    for change in changes {
        values::check_text("record", &change.key)?;
        if let Some(next) = &change.next {
            values::check_size("record", &next.bytes)?;
            next.user.as_deref().map_or(Ok(()), |user| values::check_text("record", user))?;
        }
        // Whatever is stored has a version from 1 on.
        if matches!(change.expected, Expected::Version(0) | Expected::Version(0x8000_0000_0000_0000..)) {
            return Ok(None);
        }
        let first = values::version_to_sql(change.first).unwrap_or(1);
        let place = places.get(&(change.kind.0, change.key.clone())).copied();
        let Some(net) = place.and_then(|place| nets.get_mut(place)) else {
            places.insert((change.kind.0, change.key.clone()), nets.len());
            let next = change.next.map(|record| NetPut { record, puts: 1, afresh: false, made: first });
            nets.push(NetChange { kind: change.kind.0, key: change.key, expected: change.expected, next });
            continue;
        };
        net.expected = match (net.expected, change.expected) {
            (Expected::Any, other) | (other, Expected::Any) => other,
            (one, other) if one == other => one,
            _contradiction => return Ok(None),
        };
        net.next = change.next.map(|record| match &net.next {
            Some(before) => NetPut { record, puts: before.puts + 1, afresh: before.afresh, made: before.made + 1 },
            None => NetPut { record, puts: 1, afresh: true, made: first },
        });
    }
    Ok(Some(nets))
}
