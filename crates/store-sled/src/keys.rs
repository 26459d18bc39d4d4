//! The key catalogue: every key of the one sled tree is made here.
//!
//! | key | value | what |
//! |---|---|---|
//! | `m` name | see [`FORMAT`] and [`STARTS`] | facts about the store itself |
//! | `a` user | [stored](crate::values) account | accounts |
//! | `r` kind NUL key | [stored](crate::values) record | records |
//! | `u` kind NUL len user key | nothing | the records of a kind that belong to a user |
//! | `x` expires_at kind NUL key | nothing | the records that may be swept, oldest first |
//! | `e` len user at seq | event | the events of a user by time; `seq` keeps those of one millisecond in order |
//!
//! Numbers are big endian, so that byte order is their order. `len` is the length of the user id in four bytes, and a kind has only `a-z`
//! and `_`: no user id or kind can run into what follows it, and listing one user never touches another whose id begins with it.

use matrix_2fa_core::Timestamp;
use matrix_2fa_store::Kind;

/// The format of everything in the store: a `u32`.
pub const FORMAT: &[u8] = b"mformat";
/// How often the store was opened: a `u32`, the upper half of every event's `seq`.
pub const STARTS: &[u8] = b"mstarts";

const SEPARATOR: u8 = 0;

pub fn account(user: &str) -> Vec<u8> {
    key(b'a', &[user.as_bytes()])
}

pub fn record(kind: Kind, key_: &str) -> Vec<u8> {
    key(b'r', &[kind.0.as_bytes(), &[SEPARATOR], key_.as_bytes()])
}

/// What follows the tag of a record's key: its kind and key, ready for the other indexes.
pub fn place(record: &[u8]) -> &[u8] {
    record.get(1..).unwrap_or_default()
}

/// The index entry of a user for the record at `place`.
pub fn of_user(place: &[u8], user: &str) -> Vec<u8> {
    let split = place.iter().position(|byte| *byte == SEPARATOR).map_or(place.len(), |at| at + 1);
    let (kind, key_) = place.split_at(split);
    key(b'u', &[kind, &length(user), user.as_bytes(), key_])
}

/// What all index entries of one user and kind begin with; the record's key follows.
pub fn all_of_user(kind: Kind, user: &str) -> Vec<u8> {
    key(b'u', &[kind.0.as_bytes(), &[SEPARATOR], &length(user), user.as_bytes()])
}

/// The expiry entry of the record at `place`.
pub fn expiry(expires_at: Timestamp, place: &[u8]) -> Vec<u8> {
    key(b'x', &[&expires_at.as_millis().to_be_bytes(), place])
}

/// Where the expiry entries begin.
pub const EXPIRIES: &[u8] = b"x";

/// Takes an expiry entry apart: its moment, and the key of its record.
pub fn expiring(entry: &[u8]) -> Option<(Timestamp, Vec<u8>)> {
    let (at, place) = entry.strip_prefix(EXPIRIES)?.split_first_chunk::<8>()?;
    Some((Timestamp::from_millis(u64::from_be_bytes(*at)), key(b'r', &[place])))
}

/// The key of an event whose `seq` is still to be set.
pub fn event(user: &str, at: Timestamp) -> Vec<u8> {
    key(b'e', &[&length(user), user.as_bytes(), &at.as_millis().to_be_bytes(), &[0; 8]])
}

/// Sets the `seq` of an event's key.
pub fn set_seq(event: &mut [u8], seq: u64) {
    if let Some(end) = event.last_chunk_mut::<8>() {
        *end = seq.to_be_bytes();
    }
}

/// The first possible key of a user's events at or after `since`, and one past the last of that user.
pub fn events(user: &str, since: Timestamp) -> (Vec<u8>, Vec<u8>) {
    let start = event(user, since);
    let mut end = event(user, Timestamp::from_millis(u64::MAX));
    set_seq(&mut end, u64::MAX);
    end.push(0);
    (start, end)
}

fn length(user: &str) -> [u8; 4] {
    u32::try_from(user.len()).unwrap_or(u32::MAX).to_be_bytes()
}

fn key(tag: u8, parts: &[&[u8]]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(1 + parts.iter().map(|part| part.len()).sum::<usize>());
    bytes.push(tag);
    for part in parts {
        bytes.extend_from_slice(part);
    }
    bytes
}
