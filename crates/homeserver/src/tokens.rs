//! Access tokens: what they stand for.

use matrix_2fa::homeserver::{HostError, Requester, RequesterKind};
use matrix_2fa_store::{Expected, RecordChange};

use crate::{
    host::{LocalHomeserver, until_committed},
    records::{
        self, ACCESS, Access, DEVICE, Device, REFRESH, TokenHash, Tokens, device_key, put, put_device, stays_with,
    },
};

/// A token that we do not know, or not any more.
pub(crate) const UNKNOWN: HostError = HostError::UnknownToken { soft_logout: false };

/// A token that ran out: the client may keep its data and log in on the same device.
pub(crate) const EXPIRED: HostError = HostError::UnknownToken { soft_logout: true };

impl LocalHomeserver {
    /// Who holds this access token. The first use of a refreshed one ends its predecessors.
    pub(crate) async fn requester(&self, token: &str) -> Result<Requester, HostError> {
        let hash = TokenHash::of(token);
        let access = until_committed(|| self.try_access(&hash)).await?;
        Ok(Requester { user: access.user, device: Some(access.device), kind: RequesterKind::User })
    }

    async fn try_access(&self, hash: &TokenHash) -> Result<Option<Access>, HostError> {
        let store = self.store.as_ref();
        let read = records::load::<Access>(store, ACCESS, hash.key()).await?.ok_or(UNKNOWN)?;
        if let Err(dead) = self.check_generation(&read.value.user, read.value.generation).await {
            // A token that outlives the end of all others is carried over: what was read may be a moment old.
            let again = records::load::<Access>(store, ACCESS, hash.key()).await?;
            return if again.is_some_and(|again| again.version != read.version) { Ok(None) } else { Err(dead) };
        }
        let read_as = read.expected();
        let access = read.value;
        if access.valid_until.is_some_and(|end| end <= self.now()) {
            return Err(EXPIRED);
        }
        // A token lives only as long as its device names it, whatever became of its record.
        let key = device_key(&access.user, &access.device);
        let stored = records::load::<Device>(store, DEVICE, &key).await?.ok_or(UNKNOWN)?;
        if !access.pending {
            let Device { tokens, pending, .. } = &stored.value;
            return match pending {
                _ if tokens.access == *hash => Ok(Some(access)),
                Some(promoted) if promoted.access == *hash => Ok(None),
                _ => Err(UNKNOWN),
            };
        }
        let mut device = stored.value.clone();
        match device.pending.take() {
            Some(pending) if pending.access == *hash => {
                let old = std::mem::replace(&mut device.tokens, pending);
                let mut changes = drop_tokens(&old);
                let promoted = Access { pending: false, ..access.clone() };
                changes.push(stays_with(device.ends_at, put(ACCESS, hash.key(), read_as, &promoted)?));
                changes.push(put_device(&access.user, stored.expected(), &device)?);
                Ok(self.commit(changes).await?.map(|()| access))
            }
            // Somebody promoted or replaced it since it was loaded.
            _ => Ok(None),
        }
    }

    /// A token of a user who ended all sessions since, or left, is dead wherever its record still is.
    pub(crate) async fn check_generation(&self, user: &str, generation: u64) -> Result<(), HostError> {
        let user = self.user(user).await?.ok_or(UNKNOWN)?.value;
        let alive = user.deactivated_at.is_none() && user.generation == generation;
        if alive { Ok(()) } else { Err(UNKNOWN) }
    }
}

/// Changes that end these tokens.
pub(crate) fn drop_tokens(tokens: &Tokens) -> Vec<RecordChange> {
    let access = RecordChange::delete(ACCESS, tokens.access.key(), Expected::Any);
    let refresh = tokens.refresh.iter().map(|hash| RecordChange::delete(REFRESH, hash.key(), Expected::Any));
    std::iter::once(access).chain(refresh).collect()
}
