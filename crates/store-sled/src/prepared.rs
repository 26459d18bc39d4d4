//! A commit, encoded. Made by the caller, so that the one committing thread only compares and copies.

use matrix_2fa_core::Timestamp;
use matrix_2fa_store::{Commit, Expected, RecordChange, StoreError, Version, codec};
use sled::IVec;

use crate::{keys, values};

/// The most that one account, record or event may have, encoded and with its key. A sled leaf holds up to 17 of them and must stay a message of
/// the log: what is larger than a quarter of a segment (8 MiB) goes to a file of its own, which nobody syncs.
pub const MAX_VALUE_BYTES: usize = 64 * 1024;

#[derive(Debug)]
pub struct Prepared {
    pub account: Option<PreparedAccount>,
    pub records: Vec<PreparedRecord>,
    pub events: Vec<PreparedEvent>,
}

#[derive(Debug)]
pub struct PreparedAccount {
    pub key: IVec,
    pub expected: Version,
    pub value: IVec,
}

#[derive(Debug)]
pub struct PreparedRecord {
    pub key: IVec,
    pub expected: Expected,
    pub next: Option<PreparedValue>,
    pub first: Version,
}

#[derive(Debug)]
pub struct PreparedValue {
    /// Its version is set by the committing thread.
    pub value: IVec,
    pub user: Option<String>,
    pub expires_at: Option<Timestamp>,
}

#[derive(Debug)]
pub struct PreparedEvent {
    /// The account of its user, which will point to it.
    pub account: IVec,
    pub value: Vec<u8>,
}

impl Prepared {
    pub fn new(commit: Commit) -> Result<Self, StoreError> {
        let account = commit.account.map(|change| {
            let key = keys::account(&change.user);
            let value = values::encode_account(change.expected.saturating_add(1), &change.account)?;
            fits("account", &key, &value)?;
            Ok(PreparedAccount { key: key.into(), expected: change.expected, value: value.into() })
        });
        let events = commit.events.iter().map(|event| {
            let account = keys::account(&event.user);
            let value = codec::encode("event", event)?;
            // Twice, because it shares a block with others.
            check_size("event", account.len() + 2 * value.len())?;
            Ok(PreparedEvent { account: account.into(), value })
        });
        Ok(Self {
            account: account.transpose()?,
            events: events.collect::<Result<_, StoreError>>()?,
            records: commit.records.into_iter().map(prepare_record).collect::<Result<_, StoreError>>()?,
        })
    }
}

fn prepare_record(change: RecordChange) -> Result<PreparedRecord, StoreError> {
    let key = keys::record(change.kind, &change.key);
    let next = change.next.map(|record| {
        let value = values::encode_record(&record);
        fits("record", &key, &value)?;
        Ok(PreparedValue { value: value.into(), user: record.user, expires_at: record.expires_at })
    });
    Ok(PreparedRecord { key: key.into(), expected: change.expected, next: next.transpose()?, first: change.first })
}

fn fits(what: &'static str, key: &[u8], value: &[u8]) -> Result<(), StoreError> {
    check_size(what, key.len() + value.len())
}

fn check_size(what: &'static str, size: usize) -> Result<(), StoreError> {
    if size <= MAX_VALUE_BYTES {
        return Ok(());
    }
    let problem = format!("{size} bytes are more than the {MAX_VALUE_BYTES} that one value may have");
    Err(StoreError::Corrupt { what, source: problem.into() })
}
