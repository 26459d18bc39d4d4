//! What the homeserver keeps in the store: users, devices, sessions. One file knows the kinds, the keys and the shapes.

use std::time::Duration;

use data_encoding::BASE64URL_NOPAD;
use matrix_2fa::homeserver::HostError;
use matrix_2fa_core::Timestamp;
use matrix_2fa_store::{Expected, Kind, NewRecord, Record, RecordChange, Store, Version, codec};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use sha2::{Digest, Sha256};

use crate::refuse::unavailable;

/// Facts about the whole server.
pub(crate) const META: Kind = Kind("hs_meta");
/// [`User`] by Matrix id.
pub(crate) const USER: Kind = Kind("hs_user");
/// [`Device`] by [`device_key`].
pub(crate) const DEVICE: Kind = Kind("hs_device");
/// [`crate::keys::DeviceKeys`] by [`device_key`].
pub(crate) const DEVICE_KEYS: Kind = Kind("hs_device_keys");
/// [`crate::keys::CrossSigning`] by Matrix id.
pub(crate) const CROSS_SIGNING: Kind = Kind("hs_cross_signing");
/// A sync filter by user and filter id.
pub(crate) const FILTER: Kind = Kind("hs_filter");
/// Deactivated users whose second factors are still to be forgotten.
pub(crate) const FORGET: Kind = Kind("hs_forget");

/// So long after its end a login is remembered: a client that comes back is told that it may log in again on the same device and keep
/// what it has (`soft_logout`). Then its device, its tokens and its keys go.
pub(crate) const SOFT_LOGOUT: Duration = Duration::from_secs(30 * 24 * 60 * 60);

/// A user, for ever: a deactivated one keeps the name so that nobody else can take it.
#[derive(Clone, Default, Serialize, Deserialize)]
pub(crate) struct User {
    /// PHC string. `None`: nobody can log in.
    pub password: Option<String>,
    /// Counts the times that all sessions were ended. A token of an earlier count is dead, even one whose login was in flight then.
    pub generation: u64,
    /// Counts what outdates everything that was proved before: changes of the password, ends of all sessions, and a first factor. A login or
    /// an operation that was proved under an earlier count is refused.
    #[serde(default)]
    pub epoch: u64,
    /// When they registered.
    pub created_at: Timestamp,
    /// When they left.
    pub deactivated_at: Option<Timestamp>,
    /// Profile.
    pub displayname: Option<String>,
    /// Profile.
    pub avatar_url: Option<String>,
}

/// A device and the login on it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Device {
    /// The id that the client knows.
    pub id: String,
    /// For people.
    pub display_name: Option<String>,
    /// The last login or refresh; written with those, never for itself.
    pub last_seen: Timestamp,
    /// When the login ends, refreshed or not.
    pub ends_at: Option<Timestamp>,
    /// What works.
    pub tokens: Tokens,
    /// What a refresh handed out and nobody has used yet. Its first use ends `tokens`.
    pub pending: Option<Tokens>,
}

/// The tokens of a login, hashed. They live as long as their device names them, so that a late client still hears `soft_logout`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Tokens {
    /// Of the access token.
    pub access: TokenHash,
    /// Of the refresh token; it works until [`Device::ends_at`].
    pub refresh: Option<TokenHash>,
    /// [`User::generation`] when they were made.
    pub generation: u64,
    /// Until when the access token works.
    pub valid_until: Option<Timestamp>,
}

/// SHA-256 of a token. The tokens are 256 random bits, so a fast hash is enough; they themselves are never stored.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub(crate) struct TokenHash(String);

impl TokenHash {
    /// The hash of a token.
    pub(crate) fn of(token: &str) -> Self {
        Self(BASE64URL_NOPAD.encode(&Sha256::digest(token.as_bytes())))
    }

    /// The beginning of it.
    fn as_number(&self) -> u64 {
        let hash = BASE64URL_NOPAD.decode(self.0.as_bytes()).unwrap_or_default();
        hash.first_chunk().map_or(0, |start| u64::from_be_bytes(*start))
    }

    /// As text.
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

/// A device's key; every token of it names it. No Matrix id has a '/' after its server name, so no two pairs share one.
pub(crate) fn device_key(user: &str, device: &str) -> String {
    format!("{user}/{device}")
}

/// A value as it was read, with what the next commit must expect.
#[derive(Clone)]
pub(crate) struct Stored<T> {
    /// Its version.
    pub version: Version,
    /// The value.
    pub value: T,
}

impl<T: DeserializeOwned> Stored<T> {
    /// Reads a record.
    pub(crate) fn read(record: &Record) -> Result<Self, HostError> {
        let value = codec::decode("record", &record.bytes).map_err(unavailable)?;
        Ok(Self { version: record.version, value })
    }
}

impl<T> Stored<T> {
    /// Nobody may have changed it in between.
    pub(crate) fn expected(&self) -> Expected {
        Expected::Version(self.version)
    }
}

/// Loads one value.
pub(crate) async fn load<T: DeserializeOwned>(
    store: &dyn Store,
    kind: Kind,
    key: &str,
) -> Result<Option<Stored<T>>, HostError> {
    let record = store.record(kind, key).await.map_err(unavailable)?;
    record.as_ref().map(Stored::read).transpose()
}

/// Lists a user's values of one kind.
pub(crate) async fn list<T: DeserializeOwned>(
    store: &dyn Store,
    kind: Kind,
    user: &str,
) -> Result<Vec<Stored<T>>, HostError> {
    let records = store.records_of(kind, user).await.map_err(unavailable)?;
    records.iter().map(|(_, record)| Stored::read(record)).collect()
}

/// A change that writes `value`.
pub(crate) fn put<T: Serialize>(
    kind: Kind,
    key: impl Into<String>,
    expected: Expected,
    value: &T,
) -> Result<RecordChange, HostError> {
    let bytes = codec::encode("record", value).map_err(unavailable)?;
    Ok(RecordChange::put(kind, key, expected, NewRecord { bytes, ..NewRecord::default() }))
}

/// A change that writes `value` and lists it under `user`.
pub(crate) fn put_of<T: Serialize>(
    kind: Kind,
    key: impl Into<String>,
    expected: Expected,
    value: &T,
    user: &str,
) -> Result<RecordChange, HostError> {
    let mut change = put(kind, key, expected, value)?;
    if let Some(next) = &mut change.next {
        next.user = Some(user.to_owned());
    }
    Ok(change)
}

/// A change that writes a device.
pub(crate) fn put_device(user: &str, expected: Expected, device: &Device) -> Result<RecordChange, HostError> {
    let change = put_of(DEVICE, device_key(user, &device.id), expected, device, user)?;
    // Ids of devices come back. Who read this one before it was logged out must not write over the login that came after.
    Ok(stays_with(device.ends_at, change.of_a_new_life(device.tokens.access.as_number())))
}

/// What belongs to a login may be swept when nobody needs to be told of its end any more.
pub(crate) fn stays_with(ends_at: Option<Timestamp>, mut change: RecordChange) -> RecordChange {
    if let Some(next) = &mut change.next {
        next.expires_at = ends_at.map(|end| end.plus(SOFT_LOGOUT));
    }
    change
}
