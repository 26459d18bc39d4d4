//! What looks at more than one key. Each of these runs under the lock that keeps groups from being brought in meanwhile.

use std::ops::Bound;

use matrix_2fa_core::{Event, Timestamp};
use matrix_2fa_store::{KeyedRecord, Kind, StoreError, codec};

use crate::{keys, log, lost, not_text, overlay::prefixed, shared::Shared, values, values::RecordView};

pub fn records_of(shared: &Shared, kind: Kind, user: &str) -> Result<Vec<KeyedRecord>, StoreError> {
    let (prefix, named) = (keys::all_of_user(kind, user), keys::named_after_user(kind, user));
    let mut records = Vec::new();
    for (key, stored) in shared.range(&prefixed(&named), usize::MAX)? {
        let record = RecordView::read(&stored)?;
        if record.user == Some(user) {
            records.push((keys::own_key(&key).ok_or_else(lost)?.to_owned(), record.to_record()));
        }
    }
    for (entry, _) in shared.range(&prefixed(&prefix), usize::MAX)? {
        let key = entry.get(prefix.len()..).and_then(|key| std::str::from_utf8(key).ok()).ok_or_else(lost)?;
        let stored = shared.get(&keys::record(kind, key))?.ok_or_else(lost)?;
        records.push((key.to_owned(), RecordView::read(&stored)?.to_record()));
    }
    let journaled = shared.journal().of_user(kind, user);
    for (key, at) in journaled {
        let key = String::from_utf8(key).map_err(|_| lost())?;
        records.push((key, shared.journaled(at)?));
    }
    records.sort_by(|(one, _), (other, _)| one.cmp(other));
    Ok(records)
}

pub fn records(shared: &Shared, kind: Kind, after: Option<&str>, limit: usize) -> Result<Vec<KeyedRecord>, StoreError> {
    let prefix = keys::all_of_kind(kind);
    let after = after.map(|after| keys::record(kind, after));
    let mut range = prefixed(&prefix);
    if let Some(after) = &after {
        range.0 = Bound::Excluded(after.clone());
    }
    let mut records = Vec::new();
    for (key, stored) in shared.range(&range, limit)? {
        records.push((keys::own_key(&key).ok_or_else(lost)?.to_owned(), RecordView::read(&stored)?.to_record()));
    }
    let after = after.as_deref().map(keys::place).unwrap_or_default();
    let journaled = shared.journal().after(keys::place(&prefix), after, limit);
    for (place, at) in journaled {
        let key = keys::own_key(&keys::at_place(&place)).ok_or_else(lost)?.to_owned();
        records.push((key, shared.journaled(at)?));
    }
    records.sort_by(|(one, _), (other, _)| one.cmp(other));
    records.truncate(limit);
    Ok(records)
}

pub fn users(shared: &Shared, after: Option<&str>, limit: usize) -> Result<Vec<String>, StoreError> {
    let from =
        after.map_or_else(|| Bound::Included(keys::ACCOUNTS.to_vec()), |after| Bound::Excluded(keys::account(after)));
    let users = shared.range(&(from, Bound::Excluded(keys::AFTER_ACCOUNTS.to_vec())), limit)?;
    users.iter().map(|(key, _)| keys::user(key).map(str::to_owned).ok_or_else(not_text)).collect()
}

/// The newest `limit` events of a user since then, oldest first. It reads no further than to the last of them, or to the user's first one.
pub fn events(shared: &Shared, user: &str, since: Timestamp, limit: usize) -> Result<Vec<Event>, StoreError> {
    let stored = shared.get(&keys::account(user))?;
    let mut next = stored.as_deref().map(values::last_event).transpose()?.unwrap_or_default();
    let mut events = Vec::new();
    // The clock may have been set back, so an old event does not mean that all before it are older.
    while let Some(seq) = next.block().filter(|_| events.len() < limit) {
        let block = shared.get(&keys::events(seq))?.ok_or_else(cut_chain)?;
        let (before, event) = log::read(&block, next)?;
        let event: Event = codec::decode("event", event)?;
        if event.at >= since {
            events.push(event);
        }
        next = before;
    }
    events.reverse();
    events.sort_by_key(|event| event.at);
    Ok(events)
}

/// An audit log that ends early must not look complete.
fn cut_chain() -> StoreError {
    StoreError::Corrupt { what: "event", source: "the block that it lies in is not there".into() }
}
