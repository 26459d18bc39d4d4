//! End-to-end encryption keys, as far as clients need them to start: they are kept and given back, and nothing more.

use std::collections::BTreeMap;

use matrix_2fa::homeserver::HostError;
use matrix_2fa_store::Expected;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use crate::{
    host::{LocalHomeserver, touch},
    records::{self, CROSS_SIGNING, DEVICE_KEYS, device_key, put, put_device, put_of, stays_with},
    refuse::{kept, kept_within, object},
};

/// A device's keys.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct DeviceKeys {
    /// The device's id.
    device: String,
    /// The signed identity keys, JSON.
    identity: Option<String>,
    /// How many one-time keys were uploaded, by algorithm; nobody claims them here.
    one_time: BTreeMap<String, u64>,
}

/// A user's cross-signing keys, JSON of an object with `master_key` and the like.
pub(crate) type CrossSigning = String;

/// The keys that may be in an upload, and under which name a query gives them back.
pub(crate) const CROSS_SIGNING_KEYS: [(&str, &str); 3] = [
    ("master_key", "master_keys"),
    ("self_signing_key", "self_signing_keys"),
    ("user_signing_key", "user_signing_keys"),
];

/// Identity keys of one device are a few hundred bytes. All devices of a user are read together.
const MAX_IDENTITY: usize = 8 * 1024;

const ONE_TIME_ALGORITHMS: [&str; 2] = ["curve25519", "signed_curve25519"];

impl LocalHomeserver {
    /// Keeps what `POST /keys/upload` brings. Returns the counts of one-time keys.
    pub(crate) async fn upload_keys(
        &self,
        user: &str,
        device: &str,
        body: &Map<String, Value>,
    ) -> Result<BTreeMap<String, u64>, HostError> {
        let identity = object(body, "device_keys")?.map(|keys| kept_within(keys, MAX_IDENTITY)).transpose()?;
        let one_time = object(body, "one_time_keys")?;
        let key = device_key(user, device);
        self.in_turn(user, async || {
            let stored = records::load::<DeviceKeys>(self.store.as_ref(), DEVICE_KEYS, &key).await?;
            let expected = stored.as_ref().map_or(Expected::Absent, |stored| stored.expected());
            let mut keys = stored.map(|stored| stored.value).unwrap_or_default();
            let Some(owner) = records::load::<records::Device>(self.store.as_ref(), records::DEVICE, &key).await?
            else {
                return Err(crate::tokens::UNKNOWN);
            };
            keys.device = device.to_owned();
            keys.identity = identity.clone().or(keys.identity);
            for name in one_time.into_iter().flat_map(Map::keys) {
                let algorithm = name.split_once(':').map(|(algorithm, _)| algorithm);
                // Names of strangers are not counted, so that the record cannot grow without end.
                if let Some(known) = ONE_TIME_ALGORITHMS.into_iter().find(|known| Some(*known) == algorithm) {
                    *keys.one_time.entry(known.to_owned()).or_default() += 1;
                }
            }
            let changes = vec![
                stays_with(owner.value.ends_at, put_of(DEVICE_KEYS, key.clone(), expected, &keys, user)?),
                // A device that is being removed takes its keys along.
                put_device(user, owner.expected(), &owner.value)?,
            ];
            Ok(self.commit(changes).await?.map(|()| keys.one_time))
        })
        .await
    }

    /// How many one-time keys a device has.
    pub(crate) async fn one_time_keys(&self, user: &str, device: &str) -> Result<BTreeMap<String, u64>, HostError> {
        let stored = records::load::<DeviceKeys>(self.store.as_ref(), DEVICE_KEYS, &device_key(user, device)).await?;
        Ok(stored.map(|stored| stored.value.one_time).unwrap_or_default())
    }

    /// The identity keys of a user's devices, JSON by device id; of `wanted` alone, if any are named.
    pub(crate) async fn identity_keys(
        &self,
        user: &str,
        wanted: &[String],
    ) -> Result<BTreeMap<String, String>, HostError> {
        let stored = records::list::<DeviceKeys>(self.store.as_ref(), DEVICE_KEYS, user).await?;
        let named = stored.into_iter().map(|stored| stored.value).filter(|keys| {
            // Nobody names as many as would make this slow.
            wanted.is_empty() || wanted.contains(&keys.device)
        });
        Ok(named.filter_map(|keys| Some((keys.device, keys.identity?))).collect())
    }

    /// A user's cross-signing keys.
    pub(crate) async fn cross_signing(&self, user: &str) -> Result<Option<Map<String, Value>>, HostError> {
        let stored = records::load::<CrossSigning>(self.store.as_ref(), CROSS_SIGNING, user).await?;
        stored.map(|stored| parse(&stored.value)).transpose()
    }

    /// Keeps cross-signing keys, if what was proved under `epoch` still counts. Without one nothing was proved, and they are kept only if there
    /// are none yet: `false` says that there were, and nothing happened.
    pub(crate) async fn keep_cross_signing(
        &self,
        user: &str,
        body: &Map<String, Value>,
        epoch: Option<u64>,
    ) -> Result<bool, HostError> {
        self.in_turn(user, async || {
            let stored = records::load::<CrossSigning>(self.store.as_ref(), CROSS_SIGNING, user).await?;
            let owner = match epoch {
                Some(epoch) => self.proved_user(user, epoch).await?,
                None if stored.is_some() => return Ok(Some(false)),
                None => self.active_user(user).await?,
            };
            let expected = stored.as_ref().map_or(Expected::Absent, |stored| stored.expected());
            let mut keys = stored.map(|stored| parse(&stored.value)).transpose()?.unwrap_or_default();
            for (name, _) in CROSS_SIGNING_KEYS {
                keys.extend(object(body, name)?.map(|key| (name.to_owned(), json!(key))));
            }
            let change = put(CROSS_SIGNING, user, expected, &kept(&keys)?)?;
            Ok(self.commit(vec![change, touch(user, &owner)?]).await?.map(|()| true))
        })
        .await
    }
}

/// Reads back what we wrote. Unreadable keys are an error, never "no keys": the first upload needs no interactive auth.
pub(crate) fn parse(json: &str) -> Result<Map<String, Value>, HostError> {
    serde_json::from_str(json).map_err(|source| HostError::Unavailable(Box::new(source)))
}
