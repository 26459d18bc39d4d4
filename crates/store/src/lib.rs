//! What a store must do for matrix-2fa, and nothing more. To add a backend: implement [`Store`], then list `store_tests!` (feature `suite`) in a test of
//! yours; the suite is the contract.
//!
//! The contract in four lines:
//! 1. [`Store::commit`] is one atomic, durable step: the account (compare-and-swap on its version), its events and every record change
//!    happen together or not at all, and the call returns only when they would survive a power cut.
//! 2. Of two commits that expect the same version exactly one succeeds; the other gets [`Committed::Conflict`] and nothing of it happens.
//! 3. What cannot be read is an error, never "nothing there".
//!    A read may see a commit a moment before it is durable; what is committed on the strength of it is never durable before it.
//! 4. Expiry is a promise to forget, not a check: callers compare `expires_at` with their own clock; [`Store::sweep`] only frees space.

pub mod codec;
pub mod export;
pub mod fault;
mod memory;
#[cfg(feature = "suite")]
pub mod suite;

pub use memory::MemoryStore;

use async_trait::async_trait;
use export::EachEntry;
use matrix_2fa_core::{Account, Event, Timestamp};

/// Histogram that backends record: commits that shared one flush, or one transaction.
pub const FLUSHED_COMMITS: &str = "matrix_2fa_flushed_commits";

/// Counts the changes of one account or one record. 0 means that it was never written. A record that is made begins at
/// [`RecordChange::first`], 1 if nobody chose. Who deletes records and makes others under the same keys must choose, or somebody who read the
/// old one takes the new one for it.
pub type Version = u64;

/// An account as it is stored. A user who was never written has the default account at version 0.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StoredAccount {
    /// Expect this at the next commit.
    pub version: Version,
    /// The value.
    pub account: Account,
}

/// A kind of record: its own key space. Short, lower case, `a-z` and `_`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Kind(pub &'static str);

/// A small value beside the accounts: sessions, proofs, login tokens, and all of the reference homeserver's users, devices and tokens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// Expect this at the next change.
    pub version: Version,
    /// What the writer put there.
    pub bytes: Vec<u8>,
    /// Whose it is, if it is anybody's: the index by user.
    pub user: Option<String>,
    /// From when it may be swept.
    pub expires_at: Option<Timestamp>,
}

/// A record with its key, as listings give it.
pub type KeyedRecord = (String, Record);

/// One atomic step.
#[derive(Clone, Debug, Default)]
pub struct Commit {
    /// The account to swap, if any.
    pub account: Option<AccountChange>,
    /// Audit lines, appended in this order.
    pub events: Vec<Event>,
    /// Record changes that join the step.
    pub records: Vec<RecordChange>,
}

/// The next value of one account.
#[derive(Clone, Debug)]
pub struct AccountChange {
    /// Canonical user id.
    pub user: String,
    /// The version that was loaded.
    pub expected: Version,
    /// The next value.
    pub account: Account,
}

/// A change of one record.
#[derive(Clone, Debug)]
pub struct RecordChange {
    /// Its kind.
    pub kind: Kind,
    /// Its key. Any UTF-8 without a NUL.
    pub key: String,
    /// What must be there now, or the whole commit is a conflict.
    pub expected: Expected,
    /// What shall be there.
    pub next: Option<NewRecord>,
    /// The version that it begins at, if it is made by this change.
    pub first: Version,
}

/// What a record change expects to find.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expected {
    /// Anything, or nothing.
    Any,
    /// Nothing.
    Absent,
    /// Exactly this version.
    Version(Version),
}

/// The next value of a record.
#[derive(Clone, Debug, Default)]
pub struct NewRecord {
    /// The value.
    pub bytes: Vec<u8>,
    /// Whose it is.
    pub user: Option<String>,
    /// From when it may be swept.
    pub expires_at: Option<Timestamp>,
}

impl RecordChange {
    /// Writes `next` if `expected` holds.
    pub fn put(kind: Kind, key: impl Into<String>, expected: Expected, next: NewRecord) -> Self {
        Self { kind, key: key.into(), expected, next: Some(next), first: 1 }
    }

    /// Under a key that may have been used before: `life` is a number that no record under this key ever had, a random one or a hash of
    /// something random. It is where the versions of this record begin, if it is made now.
    #[must_use]
    pub fn of_a_new_life(self, life: u64) -> Self {
        // So much room above it that counting never comes to an end.
        Self { first: (life >> 2).max(1), ..self }
    }

    /// Deletes the record if `expected` holds. With [`Expected::Any`] deleting nothing is fine.
    pub fn delete(kind: Kind, key: impl Into<String>, expected: Expected) -> Self {
        Self { kind, key: key.into(), expected, next: None, first: 1 }
    }
}

/// How a commit ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use = "a conflict means that nothing happened"]
pub enum Committed {
    /// It is durable.
    Done,
    /// Something was not as expected; nothing happened. Load again and decide again.
    Conflict,
}

/// Why the store could not answer. Nobody may read this as "not found".
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The backend failed: disk, network, database.
    #[error("the store does not answer")]
    Unavailable(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// What is stored cannot be read.
    #[error("a stored {what} cannot be read")]
    Corrupt {
        /// `account`, `record` or `event`.
        what: &'static str,
        /// Why.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}

/// Where accounts, records and events live.
#[async_trait]
pub trait Store: Send + Sync + 'static {
    /// The account of a canonical user id.
    async fn load(&self, user: &str) -> Result<StoredAccount, StoreError>;

    /// One atomic, durable step.
    async fn commit(&self, commit: Commit) -> Result<Committed, StoreError>;

    /// One record, expired or not.
    async fn record(&self, kind: Kind, key: &str) -> Result<Option<Record>, StoreError>;

    /// All records of a kind that belong to a user, by key.
    async fn records_of(&self, kind: Kind, user: &str) -> Result<Vec<KeyedRecord>, StoreError>;

    /// Deletes up to `limit` records that expired at or before `now`, oldest first. Returns how many.
    async fn sweep(&self, now: Timestamp, limit: usize) -> Result<usize, StoreError>;

    /// The newest `limit` events of a user that happened at or after `since`, oldest first. After a clock was set back these are the last ones
    /// by date or by commit, as the backend keeps them. However many events there are, it holds no more than `limit` of them, and reads on
    /// past those only for a `since`.
    async fn events(&self, user: &str, since: Timestamp, limit: usize) -> Result<Vec<Event>, StoreError>;

    /// Up to `limit` users who have an account or ever had an event, by the bytes of their ids, from the first after `after` on. For work
    /// that visits everybody; whoever is added meanwhile may be left out.
    async fn users(&self, after: Option<&str>, limit: usize) -> Result<Vec<String>, StoreError>;

    /// Up to `limit` records of a kind, by the bytes of their keys, from the first after `after` on. For work that visits all of them;
    /// what is added meanwhile may be left out.
    async fn records(&self, kind: Kind, after: Option<&str>, limit: usize) -> Result<Vec<KeyedRecord>, StoreError>;

    /// Gives everything to `each`, as of one moment after the call, while commits go on: first all accounts, then all events, those of one
    /// user in the order of their commits, then all records. An error of `each` ends it, as [`StoreError::Unavailable`]. A backend that
    /// is backed up with tools of its own may leave this out.
    async fn export(&self, each: EachEntry) -> Result<(), StoreError> {
        drop(each);
        Err(StoreError::Unavailable("this store is backed up with the tools of its database".into()))
    }
}
