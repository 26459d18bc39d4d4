//! Changes of records: one that expires goes into the journal, any other into the tree.

use matrix_2fa_core::Timestamp;
use matrix_2fa_store::StoreError;
use sled::IVec;

use super::group::Group;
use crate::{
    expiry, journal, keys,
    prepared::{PreparedRecord, PreparedValue},
    values::{self, Head, RecordView},
};

impl Group<'_> {
    /// The record at `key` as this group sees it.
    pub(super) fn head(&mut self, key: &IVec) -> Result<Option<Head>, StoreError> {
        if let Some(staged) = self.heads.get(key) {
            return Ok(staged.clone());
        }
        let journaled = self.shared.journal().get(keys::place(key)).map(journal::Entry::head);
        let head = match journaled {
            Some(head) => Some(head),
            None => {
                let stored = self.shared.get(key)?;
                stored.map(|stored| Ok(RecordView::read(&stored)?.head())).transpose()?
            }
        };
        self.heads.insert(key.clone(), head.clone());
        Ok(head)
    }

    pub(super) fn change(&mut self, change: PreparedRecord) -> Result<(), StoreError> {
        let before = self.head(&change.key)?;
        let version = before.as_ref().map_or(change.first, |head| head.version.saturating_add(1));
        let key = change.key;
        self.dirty = true;
        match change.next {
            Some(PreparedValue { mut value, user, expires_at: Some(expires_at) }) => {
                values::set_version(&mut value, version);
                self.remove_from_tree(&key, before.as_ref());
                self.put_into_journal(&key, &value, version, expires_at, user);
            }
            Some(PreparedValue { mut value, user, expires_at: None }) => {
                values::set_version(&mut value, version);
                self.end_in_journal(&key, before.as_ref());
                self.put_into_tree(
                    key,
                    value,
                    before.as_ref(),
                    Head { version, expires_at: None, user, journaled: false },
                );
            }
            None => {
                self.remove_from_tree(&key, before.as_ref());
                self.end_in_journal(&key, before.as_ref());
                self.heads.insert(key, None);
            }
        }
        Ok(())
    }

    fn put_into_journal(
        &mut self,
        key: &IVec,
        value: &IVec,
        version: u64,
        expires_at: Timestamp,
        user: Option<String>,
    ) {
        let place = keys::place(key);
        let at = self.journal.append(place, value);
        let entry = journal::Entry::new(at, version, expires_at, user.as_deref(), place);
        self.heads.insert(key.clone(), Some(Head { version, expires_at: Some(expires_at), user, journaled: true }));
        self.journaled.push(journal::Change::There(entry));
        self.close_journal_if_full();
    }

    fn end_in_journal(&mut self, key: &IVec, before: Option<&Head>) {
        if before.is_some_and(|head| head.journaled) {
            let place = keys::place(key);
            let at = self.journal.append(place, &[]);
            self.journaled.push(journal::Change::Gone { place: place.into(), block: at.seq() });
            self.close_journal_if_full();
        }
    }

    fn close_journal_if_full(&mut self) {
        if self.journal.is_full() {
            self.close_journal();
        }
    }

    fn put_into_tree(&mut self, key: IVec, value: IVec, before: Option<&Head>, head: Head) {
        let place = keys::place(&key);
        let old = before.filter(|head| !head.journaled).and_then(|head| index_entry(place, head));
        let new = index_entry(place, &head);
        if old != new {
            old.into_iter().for_each(|entry| self.remove(entry));
            new.into_iter().for_each(|entry| self.put(entry, IVec::default()));
        }
        self.put(key.clone(), value);
        self.heads.insert(key, Some(head));
    }

    fn remove_from_tree(&mut self, key: &IVec, before: Option<&Head>) {
        let Some(head) = before.filter(|head| !head.journaled) else { return };
        index_entry(keys::place(key), head).into_iter().for_each(|entry| self.remove(entry));
        self.remove(key.clone());
    }

    /// Moves what is left of the journal's oldest block to the tree, if the journal has grown too heavy. Comes before everything else in a
    /// group, which adds about one block; so one is enough.
    pub fn lighten(&mut self) -> Result<(), StoreError> {
        let Some(oldest) = self.shared.journal().overdue() else { return Ok(()) };
        let block = self.shared.journal_block(oldest)?;
        let mut left = Vec::new();
        for item in journal::items(oldest, &block)? {
            if self.shared.journal().get(item.place).is_some_and(|entry| entry.at() == item.at) {
                left.push((item.place, item.stored, RecordView::read(item.stored)?.head()));
            }
        }
        for (place, stored, head) in left {
            self.expiring.extend(head.expires_at.map(|at| expiry::Item { at, place: place.to_vec() }));
            // Told under the number of the block itself, which goes with this batch: nothing has to remember it.
            self.journaled.push(journal::Change::Gone { place: place.into(), block: oldest });
            self.put_into_tree(keys::at_place(place).into(), stored.into(), None, head);
        }
        self.dropped.push(keys::journal(oldest).into());
        self.dirty = true;
        Ok(())
    }
}

/// The entry that the index by user must have for a record in the tree.
fn index_entry(place: &[u8], head: &Head) -> Option<Vec<u8>> {
    head.user.as_deref().filter(|user| !keys::names_user(place, user)).map(|user| keys::of_user(place, user))
}
