//! Sweeping: from the lists of expiring records to the records that are due.

use matrix_2fa_core::Timestamp;
use matrix_2fa_store::{Expected, StoreError};
use sled::IVec;

use super::Group;
use crate::{
    expiry::{self, Item},
    keys,
    prepared::PreparedRecord,
    values::RecordView,
};

/// Items that a sweep reads beyond twice its limit.
const SWEPT_AHEAD: usize = 1024;
/// Batches of lists that one sweep reads at most.
const SWEEP_ROUNDS: usize = 64;

impl Group<'_> {
    /// Deletes up to `limit` records that are due, oldest first.
    pub(super) fn sweep(&mut self, now: Timestamp, limit: usize) -> Result<usize, StoreError> {
        let mut swept = 0;
        // What is stale does not count, so one round may bring nothing although there is more.
        for _ in 0..SWEEP_ROUNDS {
            let due = self.due(now, limit)?;
            if due.is_empty() {
                break;
            }
            for item in due {
                if item.at > now || swept == limit {
                    self.expiring.push(item);
                } else if self.expire(&item) {
                    swept += 1;
                }
            }
            if swept == limit {
                break;
            }
        }
        Ok(swept)
    }

    /// Takes lists whose first item is due. They overlap, so more are taken than are needed, to find the oldest; but not without end.
    fn due(&mut self, now: Timestamp, limit: usize) -> Result<Vec<Item>, StoreError> {
        // They are read from the tree, so what was staged before must be there.
        self.apply().map_err(|error| StoreError::Unavailable(Box::new(error)))?;
        let (mut due, mut found) = (Vec::new(), false);
        for entry in self.shared.db.scan_prefix(keys::EXPIRIES) {
            let (key, list) = entry.map_err(|error| StoreError::Unavailable(Box::new(error)))?;
            let enough = due.len() >= limit.saturating_mul(2).saturating_add(SWEPT_AHEAD);
            if enough || keys::first_expiry(&key).is_none_or(|first| first > now) {
                break;
            }
            match expiry::items(&list) {
                Ok(items) => {
                    found = found || items.iter().any(|item| item.at <= now);
                    due.extend(items);
                    self.batch.remove(key);
                    self.dirty = true;
                }
                // It stays where it is, and must not keep the others from being swept.
                Err(error) => tracing::error!(%error, "a list of expiring records cannot be read"),
            }
        }
        due.sort();
        Ok(if found { due } else { self.put_back(due) })
    }

    fn put_back(&mut self, items: Vec<Item>) -> Vec<Item> {
        self.expiring.extend(items);
        Vec::new()
    }

    /// Deletes the record of an item, if it is still there and expires then.
    fn expire(&mut self, item: &Item) -> bool {
        let key = IVec::from(keys::at_place(&item.place));
        let expired = self.current(&key).and_then(|current| {
            let record = current.as_deref().map(RecordView::read).transpose()?;
            Ok(record.is_some_and(|record| record.expires_at == Some(item.at)))
        });
        let deleted = expired.and_then(|expired| {
            if expired {
                self.change(PreparedRecord { key, expected: Expected::Any, next: None })?;
            }
            Ok(expired)
        });
        deleted.unwrap_or_else(|error| {
            tracing::error!(%error, "an expiring record cannot be read");
            false
        })
    }
}
