//! The key catalogue: every key of the one sled tree is made here.
//!
//! | key | value | what |
//! |---|---|---|
//! | `m` name | see [`FORMAT`] to [`SECRET`] | facts about the store itself |
//! | `a` user | [stored](crate::values) account | accounts |
//! | `r` kind NUL key | [stored](crate::values) record | records that do not expire, or that the journal had no more room for |
//! | `u` kind NUL len user key | nothing | the records of a kind that belong to a user, unless their key begins with that user and a `/` |
//! | `x` expires_at seq | [list](crate::expiry) | which of them may be swept, from the first of them on |
//! | `j` seq | [block](crate::journal) | what one group of commits did to records that expire, as long as that matters |
//! | `e` seq | [block](crate::log) | the events of one group of commits; each account points to its last, each event to the one before |
//!
//! Every key that a commit writes costs a walk through the tree, so what many commits of a group write goes into one key. And what must go
//! some day anyhow is not removed twice: the item of an expiring record in a list outlives it until it is swept.
//!
//! Numbers are big endian, so that byte order is their order. `len` is the length of the user id in four bytes, and a kind has only `a-z`
//! and `_`: no user id or kind can run into what follows it, and listing one user never touches another whose id begins with it.

use matrix_2fa_core::Timestamp;
use matrix_2fa_store::Kind;

/// The format of everything in the store: a `u32`.
pub const FORMAT: &[u8] = b"mformat";
/// How often the store was opened: a `u32`, the upper half of every `seq`.
pub const STARTS: &[u8] = b"mstarts";

const SEPARATOR: u8 = 0;

/// The last group of commits that the tree has: a `u64`. What follows is in the redo log.
pub const GROUP: &[u8] = b"mgroup";
/// What every group in the redo log begins with.
pub const SECRET: &[u8] = b"msecret";

pub fn account(user: &str) -> Vec<u8> {
    key(b'a', &[user.as_bytes()])
}

/// What the keys of all accounts begin with.
pub const ACCOUNTS: &[u8] = b"a";

/// The first key that is no account's, as keys are ordered.
pub const AFTER_ACCOUNTS: &[u8] = b"b";

/// Whose account this key is.
pub fn user(account: &[u8]) -> Option<&str> {
    std::str::from_utf8(account.strip_prefix(ACCOUNTS)?).ok()
}

pub fn record(kind: Kind, key_: &str) -> Vec<u8> {
    key(b'r', &[kind.0.as_bytes(), &[SEPARATOR], key_.as_bytes()])
}

/// What follows the tag of a record's key: its kind and key, ready for the other indexes.
pub fn place(record: &[u8]) -> &[u8] {
    record.get(1..).unwrap_or_default()
}

/// Does the key of the record at `place` begin with this user and a `/`? Then it needs no entry in the index by user.
pub fn names_user(place: &[u8], user: &str) -> bool {
    let key_ = place.splitn(2, |byte| *byte == SEPARATOR).nth(1).unwrap_or_default();
    key_.strip_prefix(user.as_bytes()).is_some_and(|rest| rest.first() == Some(&b'/'))
}

/// What the keys of all records begin with that [need no entry](names_user).
pub fn named_after_user(kind: Kind, user: &str) -> Vec<u8> {
    key(b'r', &[kind.0.as_bytes(), &[SEPARATOR], user.as_bytes(), b"/"])
}

/// The key that a record has for its writer.
pub fn own_key(record: &[u8]) -> Option<&str> {
    std::str::from_utf8(place(record).splitn(2, |byte| *byte == SEPARATOR).nth(1)?).ok()
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

/// The key of the record at `place`.
pub fn at_place(place: &[u8]) -> Vec<u8> {
    key(b'r', &[place])
}

/// A list of expiring records, the first of which expires at `first`.
pub fn expiry(first: Timestamp, seq: u64) -> Vec<u8> {
    key(b'x', &[&first.as_millis().to_be_bytes(), &seq.to_be_bytes()])
}

/// What the keys of all expiry lists begin with.
pub const EXPIRIES: &[u8] = b"x";

/// When the first record of a list expires.
pub fn first_expiry(entry: &[u8]) -> Option<Timestamp> {
    let (first, _) = entry.strip_prefix(EXPIRIES)?.split_first_chunk::<8>()?;
    Some(Timestamp::from_millis(u64::from_be_bytes(*first)))
}

/// What the keys of all records begin with.
pub const RECORDS: &[u8] = b"r";

/// The first key that is no record's, as keys are ordered.
pub const AFTER_RECORDS: &[u8] = b"s";

/// What the keys of all records of a kind begin with; the record's key follows.
pub fn all_of_kind(kind: Kind) -> Vec<u8> {
    record(kind, "")
}

/// The kind and the key in a record's key.
pub fn kind_and_key(record: &[u8]) -> Option<(&str, &str)> {
    std::str::from_utf8(record.strip_prefix(RECORDS)?).ok()?.split_once(char::from(SEPARATOR))
}

/// What the keys of all blocks of events begin with.
pub const EVENTS: &[u8] = b"e";

/// A block of events.
pub fn events(seq: u64) -> Vec<u8> {
    key(b'e', &[&seq.to_be_bytes()])
}

/// A block of the journal.
pub fn journal(seq: u64) -> Vec<u8> {
    key(JOURNAL, &[&seq.to_be_bytes()])
}

/// What the keys of all blocks of the journal begin with.
pub const JOURNAL: u8 = b'j';

/// The number of a block of the journal.
pub fn journal_seq(block: &[u8]) -> Option<u64> {
    let (seq, _) = block.strip_prefix(&[JOURNAL])?.split_first_chunk()?;
    Some(u64::from_be_bytes(*seq))
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
