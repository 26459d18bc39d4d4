//! Refreshing: a refresh token gives a new pair, and stays good until one of the new pair is used, so that a lost answer costs nothing.
//!
//! <https://spec.matrix.org/v1.19/client-server-api/#refreshing-access-tokens>

use matrix_2fa::homeserver::HostError;

use crate::{
    host::LocalHomeserver,
    logins::{Holder, TokenPair},
    records::{
        self, ACCESS, Access, DEVICE, Device, REFRESH, Refresh, TokenHash, device_key, put, put_device, stays_with,
    },
    tokens::{EXPIRED, UNKNOWN, drop_tokens},
};

impl LocalHomeserver {
    /// A new pair for a refresh token.
    pub(crate) async fn refresh(&self, token: &str) -> Result<TokenPair, HostError> {
        let hash = TokenHash::of(token);
        let refresh = records::load::<Refresh>(self.store.as_ref(), REFRESH, hash.key()).await?.ok_or(UNKNOWN)?.value;
        self.in_turn(&refresh.user, || self.try_refresh(&hash)).await
    }

    async fn try_refresh(&self, hash: &TokenHash) -> Result<Option<TokenPair>, HostError> {
        let store = self.store.as_ref();
        let read = records::load::<Refresh>(store, REFRESH, hash.key()).await?.ok_or(UNKNOWN)?;
        let Refresh { user, device: id, generation, valid_until } = read.value.clone();
        self.check_generation(&user, generation).await?;
        if valid_until.is_some_and(|end| end <= self.now()) {
            return Err(EXPIRED);
        }
        let key = device_key(&user, &id);
        let stored = records::load::<Device>(store, DEVICE, &key).await?.ok_or(UNKNOWN)?;
        let mut device = stored.value.clone();
        // What was read of this token must still hold: a change of the password in between gives it another generation, and a pair of the
        // old one would be dead on arrival.
        let pinned = put(REFRESH, hash.key(), read.expected(), &read.value)?;
        let mut changes = vec![stays_with(device.ends_at, pinned)];
        match device.pending.take() {
            // 1. The token of an answer that nobody used yet: using it is what ends its predecessors.
            Some(pending) if pending.refresh.as_ref() == Some(hash) => {
                let Some(access) = records::load::<Access>(store, ACCESS, pending.access.key()).await? else {
                    return Ok(None);
                };
                let promoted = Access { pending: false, ..access.value.clone() };
                let promoted = put(ACCESS, pending.access.key(), access.expected(), &promoted)?;
                changes.push(stays_with(device.ends_at, promoted));
                let old = std::mem::replace(&mut device.tokens, pending);
                changes.extend(drop_tokens(&old));
            }
            // 2. The present token: an earlier answer, if there was one, got lost; its tokens die.
            pending if device.tokens.refresh.as_ref() == Some(hash) => {
                changes.extend(pending.iter().flat_map(drop_tokens));
            }
            // 3. Somebody else's refresh was faster.
            _ => return Ok(None),
        }
        let holder = Holder { user: &user, device: &id, generation, ends_at: device.ends_at };
        let minted = self.mint(&holder, true, true)?;
        changes.extend(minted.changes);
        device.pending = Some(minted.hashes);
        device.last_seen = self.now();
        changes.push(put_device(&user, stored.expected(), &device)?);
        Ok(self.commit(changes).await?.map(|()| minted.pair))
    }
}
