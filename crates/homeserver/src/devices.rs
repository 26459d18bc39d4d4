//! Devices: list, rename, remove.

use std::sync::atomic::{AtomicUsize, Ordering};

use matrix_2fa::homeserver::HostError;
use matrix_2fa_store::RecordChange;
use serde_json::{Value, json};

use crate::{
    host::{LocalHomeserver, touch},
    logins::end_device,
    records::{self, DEVICE, Device, Stored, device_key, put_device},
    refuse::{forbidden, not_found},
};

/// Devices of one user. Only who proved everything can make one; without a bound a client that never says which device it is would fill
/// the disk, and every end of all sessions would be a commit without one.
pub(crate) const MOST: usize = 1000;

/// Logins with a code that may pass before somebody is counted again. Counting reads every device of a user and costs more than all else of
/// such a login, and nobody has a code more often than once in 30 seconds.
const UNCOUNTED: usize = 64;

/// How many logins may still pass uncounted. Users share a counter, which makes counting more or less frequent and nothing else.
pub(crate) struct Uncounted(AtomicUsize);

impl Default for Uncounted {
    fn default() -> Self {
        Self(AtomicUsize::new(UNCOUNTED))
    }
}

impl Uncounted {
    fn pass(&self) -> bool {
        self.0.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1)).is_ok()
    }

    /// Whoever is near the limit is counted each time.
    fn counted(&self, devices: usize) {
        self.0.store(if devices + UNCOUNTED < MOST { UNCOUNTED } else { 0 }, Ordering::Relaxed);
    }
}

impl LocalHomeserver {
    /// A user's devices, by id.
    pub(crate) async fn devices(&self, user: &str) -> Result<Vec<Device>, HostError> {
        let stored = records::list(self.store.as_ref(), DEVICE, user).await?;
        Ok(stored.into_iter().map(|stored| stored.value).collect())
    }

    /// One device, or 404.
    pub(crate) async fn device(&self, user: &str, id: &str) -> Result<Stored<Device>, HostError> {
        let stored = records::load(self.store.as_ref(), DEVICE, &device_key(user, id)).await?;
        stored.ok_or_else(|| not_found("You have no such device."))
    }

    /// Gives a device another name.
    pub(crate) async fn rename_device(&self, user: &str, id: &str, name: &str) -> Result<(), HostError> {
        self.in_turn(user, async || {
            let stored = self.device(user, id).await?;
            let expected = stored.expected();
            let device = Device { display_name: Some(name.to_owned()), ..stored.value };
            self.commit(vec![put_device(user, expected, &device)?]).await
        })
        .await
    }

    /// The changes that make room for one more device: of too many, those go whose login is over, the longest unused first.
    pub(crate) async fn make_room(&self, user: &str) -> Result<Vec<RecordChange>, HostError> {
        let mut devices = records::list::<Device>(self.store.as_ref(), DEVICE, user).await?;
        self.place(user).uncounted.counted(devices.len());
        let too_many = (devices.len() + 1).saturating_sub(MOST);
        let now = self.now();
        devices.retain(|device| device.value.ends_at.is_some_and(|end| end <= now));
        if devices.len() < too_many {
            return Err(forbidden(format!(
                "This account has {MOST} devices. Log out or delete some of them, or log in with the device_id of one."
            )));
        }
        devices.sort_by_key(|device| device.value.last_seen);
        Ok(devices.iter().take(too_many).flat_map(|device| end_device(user, device)).collect())
    }

    /// The same for a login with a code, of which most pass uncounted.
    pub(crate) async fn make_room_now_and_then(&self, user: &str) -> Result<Vec<RecordChange>, HostError> {
        if self.place(user).uncounted.pass() { Ok(Vec::new()) } else { self.make_room(user).await }
    }

    /// Removes devices with their tokens, all in one commit. Unknown ones do not matter: they are as gone as they should be. `epoch` is that of
    /// what was proved; nobody has to prove anything to log out.
    pub(crate) async fn remove_devices(&self, user: &str, ids: &[String], epoch: Option<u64>) -> Result<(), HostError> {
        self.in_turn(user, async || {
            let owner = match epoch {
                Some(epoch) => Some(self.proved_user(user, epoch).await?),
                None => None,
            };
            let mut ids: Vec<&String> = ids.iter().collect();
            ids.sort();
            ids.dedup();
            let mut changes = Vec::new();
            for id in ids {
                let stored = records::load(self.store.as_ref(), DEVICE, &device_key(user, id)).await?;
                changes.extend(stored.iter().flat_map(|device| end_device(user, device)));
            }
            if changes.is_empty() {
                return Ok(Some(()));
            }
            changes.extend(owner.map(|owner| touch(user, &owner)).transpose()?);
            self.commit(changes).await
        })
        .await
    }
}

impl Device {
    /// As the specification shows devices. What is not known is null: matrix-nio refuses a list without these keys.
    pub(crate) fn to_json(&self) -> Value {
        json!({
            "device_id": self.id,
            "display_name": self.display_name,
            "last_seen_ip": null,
            "last_seen_ts": self.last_seen.as_millis(),
        })
    }
}
