//! The server's keys: one file, made on the first run, never rewritten. Seeds are sealed with AES-256-GCM-SIV; associated data are the
//! user, the authenticator and the key id, so that a row copied to another user does not open.

use std::{
    fmt, fs, io,
    io::Write,
    os::unix::fs::{OpenOptionsExt, PermissionsExt},
    path::{Path, PathBuf},
};

use aes_gcm_siv::{
    Aes256GcmSiv, Nonce,
    aead::{Aead, KeyInit, Payload},
};
use hmac::{Hmac, Mac};
use matrix_2fa_core::{SealedSeed, Seed};
use matrix_2fa_store::{Commit, Committed, Expected, Kind, NewRecord, RecordChange, Store, StoreError};
use serde::{Deserialize, Serialize};
use sha2::Sha256;
use zeroize::Zeroizing;

use crate::{EngineError, Random};

/// The open keys.
pub struct Keyring {
    id: String,
    cipher: Aes256GcmSiv,
    digests: Hmac<Sha256>,
}

/// Why the keys cannot be used. Each says which file and what to do.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// The store has sealed secrets, but the key file is gone.
    #[error("the key file {} is missing, but the store holds secrets sealed with it: put the file back from your backup", .0.display())]
    Missing(PathBuf),
    /// The file does not hold the key that sealed the store.
    #[error("the key file {} is not the one that this store was sealed with: put the right file back from your backup", .0.display())]
    Wrong(PathBuf),
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
    /// The file cannot be read or written.
    #[error("the key file {} cannot be opened or made", .path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// What stands in the file: JSON with these two strings.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct KeyFile {
    id: String,
    /// 32 bytes, base64.
    key: Zeroizing<String>,
}

const META: Kind = Kind("meta");
const CANARY: &str = "key_canary";

impl Keyring {
    /// Opens the keys at `path`; makes them if neither the file nor anything sealed exists yet. The store keeps a sealed canary: a file
    /// that does not open it is refused, before anybody could be taken for a user without a second factor.
    pub async fn open_or_create(path: &Path, store: &dyn Store, random: &dyn Random) -> Result<Self, KeyError> {
        let canary = store.record(META, CANARY).await?;
        let ring = match (read(path)?, &canary) {
            (Some(ring), _) => ring,
            (None, Some(_)) => return Err(KeyError::Missing(path.to_owned())),
            (None, None) => create(path, random)?,
        };
        match canary {
            Some(record) => ring.check_canary(path, &record.bytes)?,
            None => ring.write_canary(store, random).await?,
        }
        Ok(ring)
    }

    /// Keys that live as long as the process, for tests.
    pub fn ephemeral(random: &dyn Random) -> Self {
        let mut key = Zeroizing::new([0; 32]);
        random.fill(key.as_mut());
        Self::from_key("ephemeral".to_owned(), &key)
    }

    fn from_key(id: String, key: &[u8; 32]) -> Self {
        let derive = |label: &str| mac(&hmac_of(key), label, b"");
        Self {
            id,
            cipher: Aes256GcmSiv::new(&derive("seal").into()),
            digests: hmac_of(&Zeroizing::new(derive("digest"))),
        }
    }

    /// A keyed digest. `label` keeps uses apart.
    pub fn digest(&self, label: &str, bytes: &[u8]) -> [u8; 32] {
        mac(&self.digests, label, bytes)
    }

    /// Seals a seed for one authenticator of one user.
    pub fn seal(
        &self,
        user: &str,
        authenticator: &str,
        seed: &Seed,
        random: &dyn Random,
    ) -> Result<SealedSeed, EngineError> {
        let (nonce, ciphertext) = self.encrypt(&self.aad(user, authenticator), seed.expose(), random)?;
        Ok(SealedSeed { key_id: self.id.clone(), nonce, ciphertext })
    }

    /// Opens a sealed seed. Anything that does not fit (key, user, authenticator, a changed byte) is an error.
    pub fn open(&self, user: &str, authenticator: &str, sealed: &SealedSeed) -> Result<Seed, EngineError> {
        if sealed.key_id != self.id {
            return Err(EngineError::Sealed);
        }
        self.decrypt(&self.aad(user, authenticator), &sealed.nonce, &sealed.ciphertext).map(Seed::from_bytes)
    }

    fn aad(&self, user: &str, authenticator: &str) -> Vec<u8> {
        // Length prefixes, so that no two triples give the same bytes.
        [user, authenticator, &self.id]
            .iter()
            .flat_map(|part| [&(part.len() as u64).to_be_bytes(), part.as_bytes()].concat())
            .collect()
    }

    fn encrypt(&self, aad: &[u8], plain: &[u8], random: &dyn Random) -> Result<(Vec<u8>, Vec<u8>), EngineError> {
        let mut nonce = [0; 12];
        random.fill(&mut nonce);
        let payload = Payload { msg: plain, aad };
        let ciphertext = self.cipher.encrypt(&Nonce::from(nonce), payload).map_err(|_opaque| EngineError::Sealed)?;
        Ok((nonce.to_vec(), ciphertext))
    }

    fn decrypt(&self, aad: &[u8], nonce: &[u8], ciphertext: &[u8]) -> Result<Vec<u8>, EngineError> {
        let nonce: [u8; 12] = nonce.try_into().map_err(|_length| EngineError::Sealed)?;
        let payload = Payload { msg: ciphertext, aad };
        self.cipher.decrypt(&Nonce::from(nonce), payload).map_err(|_opaque| EngineError::Sealed)
    }

    fn check_canary(&self, path: &Path, bytes: &[u8]) -> Result<(), KeyError> {
        let wrong = || KeyError::Wrong(path.to_owned());
        let (nonce, ciphertext) = bytes.split_at_checked(12).ok_or_else(wrong)?;
        self.decrypt(CANARY.as_bytes(), nonce, ciphertext).map(drop).map_err(|_opaque| wrong())
    }

    async fn write_canary(&self, store: &dyn Store, random: &dyn Random) -> Result<(), KeyError> {
        let sealed = self.encrypt(CANARY.as_bytes(), b"matrix-2fa", random);
        let (nonce, ciphertext) = sealed.map_err(|error| StoreError::Unavailable(Box::new(error)))?;
        let next = NewRecord { bytes: [nonce, ciphertext].concat(), ..NewRecord::default() };
        let records = vec![RecordChange::put(META, CANARY, Expected::Absent, next)];
        match store.commit(Commit { records, ..Commit::default() }).await? {
            Committed::Done => Ok(()),
            Committed::Conflict => {
                Err(StoreError::Unavailable("another server is setting up this store; start again".into()).into())
            }
        }
    }
}

impl fmt::Debug for Keyring {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Keyring").field("id", &self.id).finish_non_exhaustive()
    }
}

fn hmac_of(key: &[u8; 32]) -> Hmac<Sha256> {
    // HMAC pads a short key with zeros to its block of 64 bytes; padding it here makes the length a matter of types.
    let mut block = Zeroizing::new([0; 64]);
    block.iter_mut().zip(key).for_each(|(to, from)| *to = *from);
    Hmac::new(&(*block).into())
}

fn mac(keyed: &Hmac<Sha256>, label: &str, bytes: &[u8]) -> [u8; 32] {
    let mut mac = keyed.clone();
    mac.update(&(label.len() as u64).to_be_bytes());
    mac.update(label.as_bytes());
    mac.update(bytes);
    mac.finalize().into_bytes().into()
}

fn read(path: &Path) -> Result<Option<Keyring>, KeyError> {
    let io_error = |source| KeyError::Io { path: path.to_owned(), source };
    let unreadable = |reason: String| KeyError::Unreadable { path: path.to_owned(), reason };
    let text = match fs::read_to_string(path) {
        Ok(text) => Zeroizing::new(text),
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(io_error(error)),
    };
    let mode = fs::metadata(path).map_err(io_error)?.permissions().mode() & 0o777;
    if mode & 0o077 != 0 {
        return Err(KeyError::Exposed { path: path.to_owned(), mode });
    }
    // serde_json quotes no input in its errors, so the key cannot leak through one.
    let file: KeyFile = serde_json::from_str(&text).map_err(|error| unreadable(error.to_string()))?;
    let bytes = data_encoding::BASE64.decode(file.key.as_bytes()).map(Zeroizing::new);
    let bytes = bytes.map_err(|_position| unreadable("its key is not base64".to_owned()))?;
    let key: &[u8; 32] =
        bytes.as_slice().try_into().map_err(|_length| unreadable("its key does not have 32 bytes".to_owned()))?;
    Ok(Some(Keyring::from_key(file.id, key)))
}

fn create(path: &Path, random: &dyn Random) -> Result<Keyring, KeyError> {
    let mut key = Zeroizing::new([0; 32]);
    let mut id = [0; 8];
    random.fill(key.as_mut());
    random.fill(&mut id);
    let file = KeyFile {
        id: data_encoding::HEXLOWER.encode(&id),
        key: Zeroizing::new(data_encoding::BASE64.encode(key.as_ref())),
    };
    write_durably(path, &file).map_err(|source| KeyError::Io { path: path.to_owned(), source })?;
    Ok(Keyring::from_key(file.id, &key))
}

/// `create_new`: a file that appeared meanwhile is never overwritten. The folder is synced too, or a power cut could keep what was sealed
/// and lose the key.
fn write_durably(path: &Path, file: &KeyFile) -> io::Result<()> {
    let text = Zeroizing::new(serde_json::to_string_pretty(file)?);
    let mut out = fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    out.write_all(text.as_bytes())?;
    out.write_all(b"\n")?;
    out.sync_all()?;
    let folder = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    fs::File::open(folder)?.sync_all()
}
