//! Refreshing: a refresh token gives a new pair, and stays good until one of the new pair is used, so that a lost answer costs nothing.
//!
//! <https://spec.matrix.org/v1.19/client-server-api/#refreshing-access-tokens>

use matrix_2fa::homeserver::HostError;
use matrix_2fa_store::Expected;

use crate::{
    host::LocalHomeserver,
    logins::{Holder, TokenPair},
    records::{Device, Stored, TokenHash, put_device},
    tokens::{EXPIRED, Found, Presented, UNKNOWN},
};

impl LocalHomeserver {
    /// A new pair for a refresh token.
    pub(crate) async fn refresh(&self, token: &str) -> Result<TokenPair, HostError> {
        let token = Presented::read(token)?;
        let Found { user, device } = self.device_named(&token).await?;
        // Whoever only knows a device's name must not queue among its user's writers.
        if !device.value.can_be_refreshed_by(&token.hash) {
            return Err(UNKNOWN);
        }
        self.in_turn(&user, || self.try_refresh(&token)).await
    }

    async fn try_refresh(&self, token: &Presented) -> Result<Option<TokenPair>, HostError> {
        let Found { user, device: Stored { version, value: mut device } } = self.device_named(token).await?;
        if !device.can_be_refreshed_by(&token.hash) {
            return Err(UNKNOWN);
        }
        // The token of an answer that nobody used yet: using it is what ends its predecessors. With the present token, an earlier answer,
        // if there was one, got lost; its tokens die.
        if let Some(pending) = device.pending.take().filter(|pending| pending.refresh.as_ref() == Some(&token.hash)) {
            device.tokens = pending;
        }
        if !self.is_current(&user, &device.tokens, token, version).await? {
            return Ok(None);
        }
        if device.ends_at.is_some_and(|end| end <= self.now()) {
            return Err(EXPIRED);
        }
        let generation = device.tokens.generation;
        let minted = self.mint(&Holder { user: &user, device: &device.id, generation, ends_at: device.ends_at }, true);
        device.pending = Some(minted.hashes);
        device.last_seen = self.now();
        let change = put_device(&user, Expected::Version(version), &device)?;
        Ok(self.commit(vec![change]).await?.map(|()| minted.pair))
    }
}

impl Device {
    fn can_be_refreshed_by(&self, hash: &TokenHash) -> bool {
        std::iter::once(&self.tokens).chain(&self.pending).any(|tokens| tokens.refresh.as_ref() == Some(hash))
    }
}
