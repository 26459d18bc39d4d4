//! A group of commits: compared and staged one after the other, made durable and shown to readers as one.

use std::{
    collections::HashMap,
    sync::{Arc, PoisonError},
};

use matrix_2fa_store::{Committed, Expected, StoreError};
use sled::IVec;

use crate::{
    expiry::{self, Item},
    journal, keys,
    log::{Block, Pointer},
    prepared::{Prepared, PreparedAccount},
    redo::{Change, Redo},
    shared::{Damage, Shared},
    values::{self, Head},
};

pub struct Group<'a> {
    pub(super) shared: &'a Shared,
    redo: &'a mut Redo,
    /// Accounts that this group has read or staged; what is not here is as the tree has it.
    accounts: HashMap<IVec, Option<IVec>>,
    /// The same for records, which are compared by their heads.
    pub(super) heads: HashMap<IVec, Option<Head>>,
    /// What the tree will have.
    changes: Vec<Change>,
    events: Block,
    pub(super) journal: journal::Writer,
    /// What the journal's items do, for the index of it, in their order.
    pub(super) journaled: Vec<journal::Change>,
    /// Blocks of the journal that are complete: number and bytes.
    blocks: Vec<(u64, usize)>,
    /// Keys of blocks of the journal that go.
    pub(super) dropped: Vec<IVec>,
    pub(super) expiring: Vec<Item>,
    /// Something is staged that the tree does not have.
    pub(super) dirty: bool,
    /// The last number given to a block or a list.
    seq: u64,
}

impl<'a> Group<'a> {
    pub fn new(shared: &'a Shared, redo: &'a mut Redo, seq: u64) -> Self {
        Self {
            shared,
            redo,
            accounts: HashMap::new(),
            heads: HashMap::new(),
            changes: Vec::new(),
            events: Block { seq: seq + 1, bytes: Vec::new() },
            journal: journal::Writer::new(seq + 2),
            journaled: Vec::new(),
            blocks: Vec::new(),
            dropped: Vec::new(),
            expiring: Vec::new(),
            dirty: false,
            seq: seq + 2,
        }
    }

    pub fn last_seq(&self) -> u64 {
        self.seq
    }
}

impl Group<'_> {
    /// Everything is read and compared before anything is staged, and what was read is kept: nothing can fail half way.
    pub fn commit(&mut self, commit: Prepared) -> Result<Committed, StoreError> {
        let mut last = Pointer::default();
        if let Some(account) = &commit.account {
            let current = self.account(&account.key)?;
            let version = current.as_deref().map(|stored| values::version(stored).ok_or_else(cut_short)).transpose()?;
            if version.unwrap_or(0) != account.expected {
                return Ok(Committed::Conflict);
            }
            last = current.as_deref().map(values::last_event).transpose()?.unwrap_or_default();
        }
        for change in &commit.records {
            let current = self.head(&change.key)?.map(|head| head.version);
            let fits = match change.expected {
                Expected::Any => true,
                Expected::Absent => current.is_none(),
                Expected::Version(expected) => current == Some(expected),
            };
            if !fits {
                return Ok(Committed::Conflict);
            }
        }
        // Events of other users than the account's are rare, and their accounts must be readable before anything is staged.
        let own = commit.account.as_ref().map(|account| account.key.clone());
        let (own, others): (Vec<_>, Vec<_>) =
            commit.events.into_iter().partition(|event| Some(&event.account) == own.as_ref());
        for event in &others {
            self.account(&event.account)?.as_deref().map(values::last_event).transpose()?;
        }
        if let Some(PreparedAccount { key, mut value, .. }) = commit.account {
            for event in own {
                last = self.append(last, &event.value);
            }
            values::set_last_event(&mut value, last);
            self.put_account(key, value);
        }
        for event in others {
            let mut stored = self.account(&event.account)?.map_or_else(values::no_account, |stored| stored.to_vec());
            let last = self.append(values::last_event(&stored)?, &event.value);
            values::set_last_event(&mut stored, last);
            self.put_account(event.account, stored.into());
        }
        for change in commit.records {
            self.change(change)?;
        }
        Ok(Committed::Done)
    }

    /// Appends an event to the open block, and opens another when it is full.
    fn append(&mut self, before: Pointer, event: &[u8]) -> Pointer {
        let place = self.events.append(before, event);
        self.dirty = true;
        if self.events.is_full() {
            self.close_events();
        }
        place
    }

    fn close_events(&mut self) {
        let next = Block { seq: self.next_seq(), bytes: Vec::new() };
        let full = std::mem::replace(&mut self.events, next);
        self.put(keys::events(full.seq), full.bytes);
    }

    pub(super) fn close_journal(&mut self) {
        let next = journal::Writer::new(self.next_seq());
        let full = std::mem::replace(&mut self.journal, next);
        self.blocks.push((full.block, full.bytes.len()));
        self.put(keys::journal(full.block), full.bytes);
    }

    fn close_lists(&mut self) {
        for (first, list) in expiry::lists(std::mem::take(&mut self.expiring)) {
            let seq = self.next_seq();
            self.put(keys::expiry(first, seq), list);
        }
    }

    pub(super) fn put(&mut self, key: impl Into<IVec>, value: impl Into<IVec>) {
        self.changes.push((key.into(), Some(value.into())));
    }

    pub(super) fn remove(&mut self, key: impl Into<IVec>) {
        self.changes.push((key.into(), None));
    }

    fn next_seq(&mut self) -> u64 {
        self.seq += 1;
        self.seq
    }

    fn account(&mut self, key: &IVec) -> Result<Option<IVec>, StoreError> {
        if let Some(staged) = self.accounts.get(key) {
            return Ok(staged.clone());
        }
        let stored = self.shared.get(key)?;
        self.accounts.insert(key.clone(), stored.clone());
        Ok(stored)
    }

    fn put_account(&mut self, key: IVec, value: IVec) {
        self.put(key.clone(), value.clone());
        self.accounts.insert(key, Some(value));
        self.dirty = true;
    }

    /// Makes durable what was staged, and then shows it to readers. Scans see all of it or nothing.
    pub(super) fn apply(&mut self) -> Result<(), Arc<sled::Error>> {
        self.shared.writable()?;
        if !std::mem::take(&mut self.dirty) {
            return Ok(());
        }
        if !self.events.bytes.is_empty() {
            self.close_events();
        }
        if !self.journal.bytes.is_empty() {
            self.close_journal();
        }
        self.close_lists();
        let spent = self.shared.journal_mut().take_spent();
        self.dropped.extend(spent.into_iter().map(|block| IVec::from(keys::journal(block))));
        let mut changes = std::mem::take(&mut self.changes);
        changes.extend(self.dropped.iter().map(|block| (block.clone(), None)));
        self.redo.append(&changes).map_err(|error| self.shared.fail(Damage::NotDurable, error.into()))?;
        let _exclusive = self.shared.snapshot.write().unwrap_or_else(PoisonError::into_inner);
        let changed = self.accounts.keys().chain(self.heads.keys()).chain(&self.dropped);
        self.shared.past.keep(self.shared, changed);
        self.accounts.clear();
        self.heads.clear();
        self.dropped.clear();
        self.shared.overlay_mut().apply(changes, self.redo.last().group);
        let mut journal = self.shared.journal_mut();
        self.blocks.drain(..).for_each(|(block, bytes)| journal.add(block, bytes));
        self.journaled.drain(..).for_each(|change| journal.apply(change));
        Ok(())
    }
}

fn cut_short() -> StoreError {
    StoreError::Corrupt { what: "account", source: "it is cut short".into() }
}
