//! A present record as the index of the journal keeps it. There may be hundreds of thousands, so each is one piece of memory, which the three
//! orders in which they are looked for share.

use std::{
    borrow::Borrow,
    cmp::Ordering,
    hash::{Hash, Hasher},
    sync::Arc,
};

use matrix_2fa_core::Timestamp;
use matrix_2fa_store::Version;

use crate::{
    log::{POINTER, Pointer},
    values::Head,
};

/// Where its item lies, version, `expires_at`, length of the user ([`NOBODY`]: none), user, place. Numbers are big endian.
#[derive(Clone, Debug)]
pub struct Entry(Arc<[u8]>);

const VERSION: usize = POINTER;
const EXPIRY: usize = VERSION + 8;
const OWNER: usize = EXPIRY + 8;
const USER: usize = OWNER + 4;

/// No user id is as long: a value is smaller.
const NOBODY: u32 = u32::MAX;

impl Entry {
    pub fn new(at: Pointer, version: Version, expires_at: Timestamp, user: Option<&str>, place: &[u8]) -> Self {
        let length = user.map_or(NOBODY, |user| u32::try_from(user.len()).unwrap_or(NOBODY - 1));
        let mut bytes = Vec::with_capacity(USER + user.map_or(0, str::len) + place.len());
        bytes.extend_from_slice(&at.to_bytes());
        bytes.extend_from_slice(&version.to_be_bytes());
        bytes.extend_from_slice(&expires_at.as_millis().to_be_bytes());
        bytes.extend_from_slice(&length.to_be_bytes());
        bytes.extend_from_slice(user.unwrap_or_default().as_bytes());
        bytes.extend_from_slice(place);
        Self(bytes.into())
    }

    /// Where its item lies.
    pub fn at(&self) -> Pointer {
        Pointer::read(&self.0).unwrap_or_default()
    }

    pub fn expires_at(&self) -> Timestamp {
        Timestamp::from_millis(self.number(EXPIRY))
    }

    pub fn user(&self) -> Option<&str> {
        let length = self.user_bytes()?;
        std::str::from_utf8(self.0.get(USER..USER + length)?).ok()
    }

    /// What it is called in the journal.
    pub fn place(&self) -> &[u8] {
        self.0.get(USER + self.user_bytes().unwrap_or(0)..).unwrap_or_default()
    }

    /// What the committing thread compares.
    pub fn head(&self) -> Head {
        let user = self.user().map(str::to_owned);
        Head { version: self.number(VERSION), expires_at: Some(self.expires_at()), user, journaled: true }
    }

    fn number(&self, at: usize) -> u64 {
        self.0.get(at..).and_then(<[u8]>::first_chunk).copied().map_or(0, u64::from_be_bytes)
    }

    fn user_bytes(&self) -> Option<usize> {
        let length = self.0.get(OWNER..)?.first_chunk().copied().map(u32::from_be_bytes)?;
        (length != NOBODY).then_some(length as usize)
    }
}

/// By place.
#[derive(Debug)]
pub struct ByPlace(pub Entry);

impl Borrow<[u8]> for ByPlace {
    fn borrow(&self) -> &[u8] {
        self.0.place()
    }
}

impl Hash for ByPlace {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.0.place().hash(state);
    }
}

impl PartialEq for ByPlace {
    fn eq(&self, other: &Self) -> bool {
        self.0.place() == other.0.place()
    }
}

impl Eq for ByPlace {}

/// By user and place, as one piece of bytes that begins with the length of the user: see [`owned`].
#[derive(Debug)]
pub struct ByUser(pub Entry);

/// What [`ByUser`] goes by.
pub fn owned(user: &str, place: &[u8]) -> Vec<u8> {
    [&u32::try_from(user.len()).unwrap_or(NOBODY - 1).to_be_bytes(), user.as_bytes(), place].concat()
}

impl ByUser {
    /// The key of the record, if this is one of the kind and user that [`owned`] made this prefix of.
    pub fn key_after(&self, prefix: &[u8]) -> Option<&[u8]> {
        Borrow::<[u8]>::borrow(self).strip_prefix(prefix)
    }
}

impl Borrow<[u8]> for ByUser {
    fn borrow(&self) -> &[u8] {
        self.0.0.get(OWNER..).unwrap_or_default()
    }
}

impl Ord for ByUser {
    fn cmp(&self, other: &Self) -> Ordering {
        Borrow::<[u8]>::borrow(self).cmp(other.borrow())
    }
}

impl PartialOrd for ByUser {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for ByUser {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for ByUser {}

/// By expiry, then by place.
#[derive(Debug)]
pub struct ByExpiry(pub Entry);

impl Ord for ByExpiry {
    fn cmp(&self, other: &Self) -> Ordering {
        (self.0.expires_at(), self.0.place()).cmp(&(other.0.expires_at(), other.0.place()))
    }
}

impl PartialOrd for ByExpiry {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for ByExpiry {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for ByExpiry {}
