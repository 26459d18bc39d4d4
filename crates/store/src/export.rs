//! Everything in a store as of one moment, entry by entry: what a backup is made of. The other way round is [`Store::commit`](crate::Store::commit).

use matrix_2fa_core::{Account, Event, Timestamp};
use serde::{Deserialize, Serialize};

/// One thing in a store. Versions are not part of it: they only order the commits of one store.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Entry {
    /// An account that was written at least once.
    Account {
        /// Whose.
        user: String,
        /// The value.
        account: Box<Account>,
    },
    /// An audit line.
    Event(Event),
    /// A record, expired or not.
    Record {
        /// Its kind.
        kind: String,
        /// Its key.
        key: String,
        /// The value.
        #[serde(with = "serde_bytes")]
        bytes: Vec<u8>,
        /// Whose it is.
        user: Option<String>,
        /// From when it may be swept.
        expires_at: Option<Timestamp>,
    },
}

/// Takes the entries, and stops the export by an error.
pub type EachEntry = Box<dyn FnMut(Entry) -> std::io::Result<()> + Send>;
