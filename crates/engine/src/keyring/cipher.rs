//! One key: AES-256-GCM-SIV under keys derived from it, a derived key a use.

use aes_gcm_siv::{
    Aes256GcmSiv, Nonce,
    aead::{Aead, KeyInit, Payload},
};
use hmac::{Hmac, Mac};
use matrix_2fa_core::{SealedSeed, Seed};
use sha2::Sha256;
use zeroize::Zeroizing;

use crate::{EngineError, Random};

pub(super) struct Key {
    pub id: String,
    seeds: Aes256GcmSiv,
    secrets: Aes256GcmSiv,
}

/// Something sealed: nonce and ciphertext.
pub(super) type Sealed = (Vec<u8>, Vec<u8>);

impl Key {
    pub fn new(id: String, key: &[u8; 32]) -> Self {
        let cipher = |label: &str| Aes256GcmSiv::new(&mac(&hmac_of(key), label, b"").into());
        Self { id, seeds: cipher("seal"), secrets: cipher("secret") }
    }

    /// Seals a seed for one authenticator of one user.
    pub fn seal(&self, user: &str, id: &str, seed: &Seed, random: &dyn Random) -> Result<SealedSeed, EngineError> {
        let (nonce, ciphertext) = encrypt(&self.seeds, &aad([user, id, &self.id]), seed.expose(), random)?;
        Ok(SealedSeed { key_id: self.id.clone(), nonce, ciphertext })
    }

    /// Opens it.
    pub fn open(&self, user: &str, id: &str, sealed: &SealedSeed) -> Result<Seed, EngineError> {
        let opened = decrypt(&self.seeds, &aad([user, id, &self.id]), &sealed.nonce, &sealed.ciphertext)?;
        Ok(Seed::from_bytes(opened))
    }

    /// Seals a secret of the whole server.
    pub fn seal_secret(&self, name: &str, secret: &[u8], random: &dyn Random) -> Result<Sealed, EngineError> {
        encrypt(&self.secrets, &aad(["", name, &self.id]), secret, random)
    }

    /// Opens it.
    pub fn open_secret(&self, name: &str, (nonce, ciphertext): &Sealed) -> Result<Zeroizing<Vec<u8>>, EngineError> {
        decrypt(&self.secrets, &aad(["", name, &self.id]), nonce, ciphertext).map(Zeroizing::new)
    }
}

/// Length prefixes, so that no two triples give the same bytes.
fn aad(parts: [&str; 3]) -> Vec<u8> {
    parts.iter().flat_map(|part| [&(part.len() as u64).to_be_bytes(), part.as_bytes()].concat()).collect()
}

fn encrypt(cipher: &Aes256GcmSiv, aad: &[u8], plain: &[u8], random: &dyn Random) -> Result<Sealed, EngineError> {
    let mut nonce = [0; 12];
    random.fill(&mut nonce);
    let payload = Payload { msg: plain, aad };
    let ciphertext = cipher.encrypt(&Nonce::from(nonce), payload).map_err(|_opaque| EngineError::Sealed)?;
    Ok((nonce.to_vec(), ciphertext))
}

fn decrypt(cipher: &Aes256GcmSiv, aad: &[u8], nonce: &[u8], ciphertext: &[u8]) -> Result<Vec<u8>, EngineError> {
    let nonce: [u8; 12] = nonce.try_into().map_err(|_length| EngineError::Sealed)?;
    let payload = Payload { msg: ciphertext, aad };
    cipher.decrypt(&Nonce::from(nonce), payload).map_err(|_opaque| EngineError::Sealed)
}

pub(super) fn hmac_of(key: &[u8; 32]) -> Hmac<Sha256> {
    // HMAC pads a short key with zeros to its block of 64 bytes; padding it here makes the length a matter of types.
    let mut block = Zeroizing::new([0; 64]);
    block.iter_mut().zip(key).for_each(|(to, from)| *to = *from);
    Hmac::new(&(*block).into())
}

pub(super) fn mac(keyed: &Hmac<Sha256>, label: &str, bytes: &[u8]) -> [u8; 32] {
    let mut mac = keyed.clone();
    mac.update(&(label.len() as u64).to_be_bytes());
    mac.update(label.as_bytes());
    mac.update(bytes);
    mac.finalize().into_bytes().into()
}
