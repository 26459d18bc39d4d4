//! Types for what must never be printed: their `Debug` shows nothing, they are wiped when dropped, and they compare in constant time.

use std::fmt;

use serde::{Deserialize, Serialize};
use subtle::ConstantTimeEq;
use zeroize::{Zeroize, ZeroizeOnDrop};

/// The shared secret of one authenticator, opened. Lives only while a code is checked or a new authenticator is shown.
#[derive(Clone, Zeroize, ZeroizeOnDrop)]
pub struct Seed(Vec<u8>);

impl Seed {
    /// Length of every seed this project makes, in bytes: 160 bit (RFC 4226 section 4, R6 recommends exactly that).
    pub const LEN: usize = 20;

    /// Takes raw bytes as a seed.
    pub fn from_bytes(bytes: Vec<u8>) -> Self {
        Self(bytes)
    }

    /// The raw bytes. Do not log, do not store unsealed.
    pub fn expose(&self) -> &[u8] {
        &self.0
    }

    /// RFC 4648 base32 in upper case without padding: 32 characters for 20 bytes.
    pub fn to_base32(&self) -> String {
        data_encoding::BASE32_NOPAD.encode(&self.0)
    }
}

impl fmt::Debug for Seed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Seed(..)")
    }
}

/// A seed as it is stored: encrypted by the engine, with the user, the authenticator id and the key id as associated data.
/// This crate cannot open it.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SealedSeed {
    /// Which key sealed it.
    pub key_id: String,
    /// The AEAD's nonce.
    #[serde(with = "serde_bytes")]
    pub nonce: Vec<u8>,
    /// Ciphertext and tag.
    #[serde(with = "serde_bytes")]
    pub ciphertext: Vec<u8>,
}

impl fmt::Debug for SealedSeed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SealedSeed").field("key_id", &self.key_id).finish_non_exhaustive()
    }
}

/// The slow hash of a recovery code: 32 bytes, compared in constant time.
#[derive(Clone, Serialize, Deserialize)]
#[serde(transparent)]
pub struct RecoveryDigest(#[serde(with = "serde_bytes")] [u8; 32]);

impl RecoveryDigest {
    /// Takes the 32 bytes that the engine's Argon2id gave.
    pub fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The bytes. Do not log.
    pub(crate) fn expose(&self) -> &[u8; 32] {
        &self.0
    }
}

impl PartialEq for RecoveryDigest {
    fn eq(&self, other: &Self) -> bool {
        self.0.ct_eq(&other.0).into()
    }
}

impl Eq for RecoveryDigest {}

impl fmt::Debug for RecoveryDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RecoveryDigest(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_digest_keeps_its_bytes_and_is_like_no_other() {
        let (one, other) = (RecoveryDigest::from_bytes([9; 32]), RecoveryDigest::from_bytes([8; 32]));
        assert_eq!((one.expose(), other.expose()), (&[9; 32], &[8; 32]));
        assert!(one == one.clone() && one != other);
    }

    #[test]
    fn debug_of_every_secret_type_prints_nothing_secret() {
        let seed = Seed::from_bytes(b"12345678901234567890".to_vec());
        let sealed = SealedSeed { key_id: "k1".to_owned(), nonce: vec![1; 12], ciphertext: vec![7; 36] };
        let shown = format!("{seed:?} {sealed:?} {:?}", RecoveryDigest::from_bytes([9; 32]));
        assert_eq!(shown, r#"Seed(..) SealedSeed { key_id: "k1", .. } RecoveryDigest(..)"#);
    }
}
