//! Which keys count: a record of the store, changed by compare-and-swap, so that all servers over it agree.

use std::path::Path;

use matrix_2fa_core::Event;
use matrix_2fa_store::{Commit, Committed, Expected, Kind, NewRecord, RecordChange, Store, StoreError, Version, codec};
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::{
    KeyError,
    cipher::{Key, Sealed},
    file,
};
use crate::Random;

const META: Kind = Kind("meta");
const KEYS: &str = "keys";
const DIGESTS: &str = "digests";

#[derive(Clone, Serialize, Deserialize)]
pub(super) struct KeySet {
    /// The key that seals.
    pub active: String,
    /// Every key that may have sealed something.
    members: Vec<Member>,
    /// Keys that count no more. Their files may still lie in the folder, for the sake of old backups.
    removed: Vec<String>,
    /// Is everything sealed with the active key, as far as anybody knows?
    pub settled: bool,
}

#[derive(Clone, Serialize, Deserialize)]
struct Member {
    id: String,
    /// The server's secret for digests, sealed with this key.
    digests: Sealed,
}

pub(super) struct Stored {
    pub set: KeySet,
    pub version: Version,
}

impl KeySet {
    pub fn first(key: &Key, digest_key: &[u8; 32], random: &dyn Random) -> Result<Self, KeyError> {
        let members = vec![Member::new(key, digest_key, random)?];
        Ok(Self { active: key.id.clone(), members, removed: Vec::new(), settled: true })
    }

    pub fn ids(&self) -> impl Iterator<Item = &str> {
        self.members.iter().map(|member| member.id.as_str())
    }

    /// Was this key never used?
    pub fn is_unused(&self, id: &str) -> bool {
        !self.ids().any(|known| known == id) && !self.removed.iter().any(|removed| removed == id)
    }

    /// Reads the file of a key of this set, and proves it.
    pub fn open(&self, folder: &Path, id: &str) -> Result<(Key, Zeroizing<[u8; 32]>), KeyError> {
        let path = || file::path(folder, id);
        let key = file::read(folder, id)?.ok_or_else(|| KeyError::Missing(path()))?;
        let member = self.members.iter().find(|member| member.id == id).ok_or_else(|| KeyError::Wrong(path()))?;
        let opened = key.open_secret(DIGESTS, &member.digests).map_err(|_opaque| KeyError::Wrong(path()))?;
        let digest_key = opened.as_slice().try_into().map_err(|_length| KeyError::Wrong(path()))?;
        Ok((key, Zeroizing::new(digest_key)))
    }

    /// With `key` as the one that seals from now on.
    pub fn activate(&mut self, key: &Key, digest_key: &[u8; 32], random: &dyn Random) -> Result<(), KeyError> {
        self.members.push(Member::new(key, digest_key, random)?);
        self.active.clone_from(&key.id);
        self.settled = false;
        Ok(())
    }

    pub fn remove(&mut self, id: &str) {
        self.members.retain(|member| member.id != id);
        self.removed.push(id.to_owned());
    }
}

impl Member {
    fn new(key: &Key, digest_key: &[u8; 32], random: &dyn Random) -> Result<Self, KeyError> {
        let sealed = key.seal_secret(DIGESTS, digest_key, random);
        let digests = sealed.map_err(|error| StoreError::Unavailable(Box::new(error)))?;
        Ok(Self { id: key.id.clone(), digests })
    }
}

pub(super) async fn load(store: &dyn Store) -> Result<Option<Stored>, StoreError> {
    let Some(record) = store.record(META, KEYS).await? else { return Ok(None) };
    Ok(Some(Stored { set: codec::decode("key set", &record.bytes)?, version: record.version }))
}

/// Writes the set if nobody else did since `version` was read (0: there was none). Returns whether it did.
pub(super) async fn save(
    store: &dyn Store,
    version: Version,
    set: &KeySet,
    event: Option<Event>,
) -> Result<bool, StoreError> {
    let expected = if version == 0 { Expected::Absent } else { Expected::Version(version) };
    let next = NewRecord { bytes: codec::encode("key set", set)?, ..NewRecord::default() };
    let records = vec![RecordChange::put(META, KEYS, expected, next)];
    let commit = Commit { records, events: event.into_iter().collect(), ..Commit::default() };
    Ok(store.commit(commit).await? == Committed::Done)
}
