//! The server's keys. Seeds are sealed with AES-256-GCM-SIV; associated data are the user, the authenticator and the key id, so that a row
//! copied to another user does not open.
//!
//! One key is active: it seals. Those before it still open until everything is sealed anew ([`rotation`](crate::rotation)) and they are
//! removed. Each is a file of its own; which of them count, and which is active, says a record of the store, which also holds
//! the server's secret for keyed digests, sealed with each of them. So a digest outlives every rotation, and a key file that does not
//! open that secret is refused before anybody could be taken for a user without a second factor.

mod change;
mod cipher;
mod file;
mod set;

use std::{
    collections::BTreeMap,
    fmt, io,
    path::{Path, PathBuf},
    sync::{Arc, PoisonError, RwLock, RwLockReadGuard},
};

use cipher::{Key, hmac_of, mac};
use hmac::Hmac;
use matrix_2fa_core::{SealedSeed, Seed};
use matrix_2fa_store::{Store, StoreError, Version};
use set::{KeySet, Stored};
use sha2::Sha256;
use zeroize::Zeroizing;

use crate::{EngineError, Random};

/// The open keys.
pub struct Keyring {
    /// Where the files are; `None` for keys that live as long as the process.
    folder: Option<PathBuf>,
    digest_key: Zeroizing<[u8; 32]>,
    digests: Hmac<Sha256>,
    ring: RwLock<Ring>,
    /// One rotation at a time.
    pub(crate) turn: tokio::sync::Mutex<()>,
}

struct Ring {
    active: Arc<Key>,
    keys: BTreeMap<String, Arc<Key>>,
    /// The version of the record that this was read from.
    version: Version,
}

/// Why the keys cannot be used. Each says which file and what to do.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// The store has sealed secrets, but a key file is gone.
    #[error("the key file {} is missing, but the store holds secrets sealed with it: put the file back from your backup", .0.display())]
    Missing(PathBuf),
    /// The file does not hold the key that sealed the store.
    #[error("the key file {} is not the one that this store was sealed with: put the right file back from your backup", .0.display())]
    Wrong(PathBuf),
    /// The store has accounts, and no record of its keys: it is older than that record, or damaged.
    #[error("the store holds accounts but does not say with which of the keys in {} they are sealed: restore it from a backup", .0.display())]
    Unknown(PathBuf),
    /// There are several keys, and nobody said which.
    #[error("there are several unused key files in {}: say which one, or take the others away", .0.display())]
    Several(PathBuf),
    /// The key cannot be used for this.
    #[error("the key {id} {reason}")]
    Unfit {
        /// Its id.
        id: String,
        /// Why.
        reason: &'static str,
    },
    /// Others can read the file.
    #[error("the key file {} can be read by others (mode {mode:03o}): run chmod 600 on it", .path.display())]
    Exposed {
        /// The file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// The file is not a key file.
    #[error("the key file {} cannot be read: {reason}", .path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        reason: String,
    },
    /// The file or folder cannot be read or written.
    #[error("the key file {} cannot be opened or made", .path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// These keys have no files.
    #[error("the keys of this server live in its memory: there is nothing to rotate")]
    Ephemeral,
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Keyring {
    /// Opens the keys in `folder` that the store says it is sealed with; makes the first one if neither it nor the store has any.
    pub async fn open_or_create(folder: &Path, store: &dyn Store, random: &dyn Random) -> Result<Self, KeyError> {
        match set::load(store).await? {
            Some(stored) => Self::open_set(folder, &stored),
            None if !store.users(None, 1).await?.is_empty() => Err(KeyError::Unknown(folder.to_owned())),
            None => Self::create(folder, store, random).await,
        }
    }

    /// Keys that live as long as the process, for tests.
    pub fn ephemeral(random: &dyn Random) -> Self {
        let (mut key, mut digest_key) = (Zeroizing::new([0; 32]), Zeroizing::new([0; 32]));
        random.fill(key.as_mut());
        random.fill(digest_key.as_mut());
        Self::new(None, digest_key, Key::new("ephemeral".to_owned(), &key), 0)
    }

    fn new(folder: Option<&Path>, digest_key: Zeroizing<[u8; 32]>, active: Key, version: Version) -> Self {
        let active = Arc::new(active);
        let keys = BTreeMap::from([(active.id.clone(), Arc::clone(&active))]);
        Self {
            folder: folder.map(Path::to_owned),
            digests: hmac_of(&digest_key),
            digest_key,
            ring: RwLock::new(Ring { active, keys, version }),
            turn: tokio::sync::Mutex::default(),
        }
    }

    fn open_set(folder: &Path, Stored { set, version }: &Stored) -> Result<Self, KeyError> {
        let (active, digest_key) = set.open(folder, &set.active)?;
        let ring = Self::new(Some(folder), digest_key, active, *version);
        for id in set.ids().filter(|id| *id != set.active) {
            let (key, _) = set.open(folder, id)?;
            ring.write().keys.insert(key.id.clone(), Arc::new(key));
        }
        Ok(ring)
    }

    /// A key file that is there already was made by a start that got no further, or was put there for this store.
    async fn create(folder: &Path, store: &dyn Store, random: &dyn Random) -> Result<Self, KeyError> {
        let (key, is_ours) = match file::list(folder)?.as_slice() {
            [] => (file::create(folder, random)?, true),
            [id] => (file::read(folder, id)?.ok_or_else(|| KeyError::Missing(file::path(folder, id)))?, false),
            _ => return Err(KeyError::Several(folder.to_owned())),
        };
        let mut digest_key = Zeroizing::new([0; 32]);
        random.fill(digest_key.as_mut());
        let first = KeySet::first(&key, &digest_key, random)?;
        if !set::save(store, 0, &first, None).await? {
            return Self::join(folder, store, is_ours.then_some(key)).await;
        }
        Ok(Self::new(Some(folder), digest_key, key, 1))
    }

    /// Another server has set up this store in the same moment. The key that we made for it seals nothing; left behind, it would pass for
    /// the one to back up. (It seals something if that server found it in the same folder.)
    async fn join(folder: &Path, store: &dyn Store, made: Option<Key>) -> Result<Self, KeyError> {
        let Some(stored) = set::load(store).await? else { return Err(KeyError::Unknown(folder.to_owned())) };
        if let Some(made) = made.filter(|made| stored.set.ids().all(|id| id != made.id)) {
            let path = file::path(folder, &made.id);
            std::fs::remove_file(&path).map_err(|source| KeyError::Io { path, source })?;
        }
        Self::open_set(folder, &stored)
    }

    /// A keyed digest. `label` keeps uses apart. Rotations do not change it.
    pub fn digest(&self, label: &str, bytes: &[u8]) -> [u8; 32] {
        mac(&self.digests, label, bytes)
    }

    /// The same, for whoever outlives the keyring or works on another thread.
    pub fn digester(&self, label: &'static str) -> impl Fn(&[u8]) -> [u8; 32] + Send + Sync + use<> {
        let digests = self.digests.clone();
        move |bytes| mac(&digests, label, bytes)
    }

    /// The id of the key that seals.
    pub fn active(&self) -> String {
        self.read().active.id.clone()
    }

    /// Seals a seed for one authenticator of one user.
    pub fn seal(
        &self,
        user: &str,
        authenticator: &str,
        seed: &Seed,
        random: &dyn Random,
    ) -> Result<SealedSeed, EngineError> {
        let active = Arc::clone(&self.read().active);
        active.seal(user, authenticator, seed, random)
    }

    /// Opens a sealed seed. Anything that does not fit (key, user, authenticator, a changed byte) is an error.
    pub fn open(&self, user: &str, authenticator: &str, sealed: &SealedSeed) -> Result<Seed, EngineError> {
        let known = self.read().keys.get(&sealed.key_id).cloned();
        let key = known.map_or_else(|| self.find(&sealed.key_id), Ok)?;
        key.open(user, authenticator, sealed)
    }

    /// A key that another server has made active since this one started: its file may be here by now.
    fn find(&self, id: &str) -> Result<Arc<Key>, EngineError> {
        let found = self.folder.as_deref().map_or(Ok(None), |folder| file::read(folder, id));
        let Ok(Some(key)) = found else {
            tracing::error!(key.id = id, "a seed is sealed with a key whose file is not in the key folder");
            return Err(EngineError::Sealed);
        };
        let key = Arc::new(key);
        self.write().keys.insert(key.id.clone(), Arc::clone(&key));
        Ok(key)
    }

    /// Another server over the same store may have made another key active: what is sealed from now on must be sealed with that one.
    pub(crate) async fn refresh(&self, store: &dyn Store) -> Result<(), KeyError> {
        let Some(folder) = &self.folder else { return Ok(()) };
        let known = self.read().version;
        let Some(stored) = set::load(store).await? else { return Err(KeyError::Unknown(folder.clone())) };
        if stored.version != known {
            let (key, _) = stored.set.open(folder, &stored.set.active)?;
            self.adopt(&stored.set, stored.version, key);
        }
        Ok(())
    }

    fn adopt(&self, set: &KeySet, version: Version, active: Key) {
        let active = Arc::new(active);
        let mut ring = self.write();
        ring.keys.retain(|id, _| set.ids().any(|of_set| of_set == id));
        ring.keys.insert(active.id.clone(), Arc::clone(&active));
        ring.active = active;
        ring.version = version;
    }

    fn folder(&self) -> Result<&Path, KeyError> {
        self.folder.as_deref().ok_or(KeyError::Ephemeral)
    }

    fn read(&self) -> RwLockReadGuard<'_, Ring> {
        self.ring.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> std::sync::RwLockWriteGuard<'_, Ring> {
        self.ring.write().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Keyring {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Keyring").field("active", &self.active()).finish_non_exhaustive()
    }
}
