//! Sweeping: from the index of the journal, and the lists of what expires in the tree, to the records that are due.

use std::ops::Bound;

use matrix_2fa_core::Timestamp;
use matrix_2fa_store::{Expected, StoreError};
use sled::IVec;

use super::group::Group;
use crate::{
    expiry::{self, Item},
    keys,
    overlay::prefixed,
    prepared::PreparedRecord,
    unavailable,
};

/// Items that a sweep reads beyond twice its limit.
const SWEPT_AHEAD: usize = 1024;
/// Batches of lists that one sweep reads at most.
const SWEEP_ROUNDS: usize = 64;
/// Lists that are read at once.
const LISTS: usize = 64;

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
                    self.put_back(item);
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
        // They are read as others see them, so what was staged before must be there.
        self.apply().map_err(unavailable)?;
        let (mut due, mut found) = (Vec::new(), false);
        let mut range = prefixed(keys::EXPIRIES);
        'lists: loop {
            let lists = self.shared.range(&range, LISTS)?;
            let Some((last, _)) = lists.last() else { break };
            range.0 = Bound::Excluded(last.to_vec());
            for (key, list) in lists {
                let enough = due.len() >= limit.saturating_mul(2).saturating_add(SWEPT_AHEAD);
                if enough || keys::first_expiry(&key).is_none_or(|first| first > now) {
                    break 'lists;
                }
                match expiry::items(&list) {
                    Ok(items) => {
                        found = found || items.iter().any(|item| item.at <= now);
                        due.extend(items);
                        self.remove(key);
                        self.dirty = true;
                    }
                    // It stays where it is, and must not keep the others from being swept.
                    Err(error) => tracing::error!(%error, "a list of expiring records cannot be read"),
                }
            }
        }
        for (at, place) in self.shared.journal().due(now, limit) {
            due.push(Item { at, place });
            found = true;
        }
        due.sort();
        if !found {
            due.drain(..).for_each(|item| self.put_back(item));
        }
        Ok(due)
    }

    /// The journal has an index of its own, in which its records still are.
    fn put_back(&mut self, item: Item) {
        if self.shared.journal().get(&item.place).is_none() {
            self.expiring.push(item);
        }
    }

    /// Deletes the record of an item, if it is still there and expires then.
    fn expire(&mut self, item: &Item) -> bool {
        let key = IVec::from(keys::at_place(&item.place));
        let head = self.head(&key);
        let deleted = head.map(|head| head.is_some_and(|head| head.expires_at == Some(item.at))).and_then(|expired| {
            if expired {
                self.change(PreparedRecord { key, expected: Expected::Any, next: None, first: 1 })?;
            }
            Ok(expired)
        });
        deleted.unwrap_or_else(|error| {
            tracing::error!(%error, "an expiring record cannot be read");
            false
        })
    }
}
