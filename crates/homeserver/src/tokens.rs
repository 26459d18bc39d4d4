//! Tokens: they name their device, whose record has their hashes. One read finds it, and what a device no longer names is dead.

use data_encoding::BASE64URL_NOPAD;
use matrix_2fa::{
    engine::Random,
    homeserver::{HostError, Requester, RequesterKind},
};
use matrix_2fa_store::{Expected, Version};

use crate::{
    host::{LocalHomeserver, until_committed},
    random,
    records::{self, DEVICE, Device, Stored, TokenHash, Tokens, device_key, put_device},
};

/// A token that we do not know, or not any more.
pub(crate) const UNKNOWN: HostError = HostError::UnknownToken { soft_logout: false };

/// A token that ran out: the client may keep its data and log in on the same device.
pub(crate) const EXPIRED: HostError = HostError::UnknownToken { soft_logout: true };

/// A fresh token for a device: its key, which is no secret, and 256 random bits, which are.
pub(crate) fn new_token(random: &dyn Random, user: &str, device: &str) -> String {
    let mut token = BASE64URL_NOPAD.encode(device_key(user, device).as_bytes());
    token.push('.');
    token.push_str(&random::opaque(random));
    token
}

/// A token as somebody sent it.
pub(crate) struct Presented {
    /// The key of the device that it names. Anybody can name one.
    pub key: String,
    pub hash: TokenHash,
}

impl Presented {
    /// Reads it. Whatever is no token of ours is an unknown one.
    pub(crate) fn read(token: &str) -> Result<Self, HostError> {
        let (key, _secret) = token.split_once('.').ok_or(UNKNOWN)?;
        let key = BASE64URL_NOPAD.decode(key.as_bytes()).map_err(|_| UNKNOWN)?;
        // A record's key has no NUL.
        let key = String::from_utf8(key).ok().filter(|key| !key.contains('\0')).ok_or(UNKNOWN)?;
        Ok(Self { key, hash: TokenHash::of(token) })
    }
}

/// A device with the user whose it is.
pub(crate) struct Found {
    pub user: String,
    pub device: Stored<Device>,
}

impl LocalHomeserver {
    /// Who holds this access token. The first use of a refreshed one ends its predecessors.
    pub(crate) async fn requester(&self, token: &str) -> Result<Requester, HostError> {
        let token = Presented::read(token)?;
        until_committed(|| self.try_access(&token)).await
    }

    /// The device that a token names.
    pub(crate) async fn device_named(&self, token: &Presented) -> Result<Found, HostError> {
        let device = records::load::<Device>(self.store.as_ref(), DEVICE, &token.key).await?.ok_or(UNKNOWN)?;
        let user = token.key.strip_suffix(device.value.id.as_str()).and_then(|user| user.strip_suffix('/'));
        Ok(Found { user: user.ok_or(UNKNOWN)?.to_owned(), device })
    }

    async fn try_access(&self, token: &Presented) -> Result<Option<Requester>, HostError> {
        let Found { user, device: Stored { version, value: mut device } } = self.device_named(token).await?;
        let promoted = match (&device.tokens, &device.pending) {
            (tokens, _) if tokens.access == token.hash => false,
            (_, Some(pending)) if pending.access == token.hash => true,
            _ => return Err(UNKNOWN),
        };
        if promoted && let Some(pending) = device.pending.take() {
            device.tokens = pending;
        }
        if !self.is_current(&user, &device.tokens, token, version).await? {
            return Ok(None);
        }
        if device.tokens.valid_until.is_some_and(|end| end <= self.now()) {
            return Err(EXPIRED);
        }
        let requester = Requester { user: user.clone(), device: Some(device.id.clone()), kind: RequesterKind::User };
        if !promoted {
            return Ok(Some(requester));
        }
        let expected = Expected::Version(version);
        let change = put_device(&user, expected, &device)?;
        Ok(self.commit(vec![change]).await?.map(|()| requester))
    }

    /// Tokens of a user who ended all sessions since, or left, are dead wherever their hashes still are. `false`: the device has changed
    /// since it was read at `version`; read it again, it may have been carried over.
    pub(crate) async fn is_current(
        &self,
        user: &str,
        tokens: &Tokens,
        token: &Presented,
        version: Version,
    ) -> Result<bool, HostError> {
        let user = self.user(user).await?.ok_or(UNKNOWN)?.value;
        if user.deactivated_at.is_none() && user.generation == tokens.generation {
            return Ok(true);
        }
        if self.device_named(token).await?.device.version == version { Err(UNKNOWN) } else { Ok(false) }
    }
}

#[cfg(test)]
mod tests {
    use matrix_2fa::engine::OsRandom;

    use super::*;

    #[test]
    fn a_token_names_its_device_and_nothing_else_is_one() {
        let token = new_token(&OsRandom, "@a/b:localhost:80", "PHONE/1");
        assert!(token.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(&b)), "{token}");
        let read = Presented::read(&token).expect("a token");
        assert_eq!(read.key, "@a/b:localhost:80/PHONE/1");
        assert_eq!(read.hash, TokenHash::of(&token));
        assert_ne!(token, new_token(&OsRandom, "@a/b:localhost:80", "PHONE/1"));
        for bad in ["", ".", "x", "é.x", "AA", "!!.x", "AA.x"] {
            let read = Presented::read(bad);
            assert!(read.as_ref().is_err() || read.is_ok_and(|read| read.key.is_empty()), "{bad:?}");
        }
    }
}
