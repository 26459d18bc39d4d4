//! Logins: a device with its tokens, made and ended in one commit each.

use std::time::Duration;

use matrix_2fa::homeserver::HostError;
use matrix_2fa_core::Timestamp;
use matrix_2fa_store::{Expected, RecordChange};
use serde_json::{Map, Value, json};

use crate::{
    host::LocalHomeserver,
    names::check_device_id,
    random,
    records::{
        self, ACCESS, Access, DEVICE, DEVICE_KEYS, Device, REFRESH, Refresh, Stored, TokenHash, Tokens, USER, User,
        device_key, put, put_of,
    },
    refuse::{bad_request, flag, forbidden, text, unavailable},
    tokens::drop_tokens,
};

/// An access token that can be refreshed lives this long. (One that cannot lives as long as its login.)
pub(crate) const REFRESHABLE_ACCESS: Duration = Duration::from_secs(60 * 60);

/// Longer display names are refused.
pub(crate) const MAX_NAME: usize = 255;

/// Users in one step, where all of them are visited.
const PAGE: usize = 256;

/// What a client says about the device when it logs in or registers.
#[derive(Clone, Debug, Default)]
pub(crate) struct LoginRequest {
    /// A known device is taken over: its old tokens die.
    pub device_id: Option<String>,
    /// Ignored for a known device.
    pub display_name: Option<String>,
    /// Does the client know how to refresh?
    pub refresh_token: bool,
}

impl LoginRequest {
    /// Reads it from a body; whatever else is in there does not matter.
    pub(crate) fn read(body: &Map<String, Value>) -> Result<Self, HostError> {
        let device_id = text(body, "device_id")?.map(str::to_owned);
        device_id.as_deref().map_or(Ok(()), check_device_id)?;
        let display_name = text(body, "initial_device_display_name")?.map(str::to_owned);
        display_name.as_deref().map_or(Ok(()), check_name)?;
        let refresh_token = flag(body, "refresh_token")?.unwrap_or(false);
        Ok(Self { device_id, display_name, refresh_token })
    }
}

/// Is it short enough to be shown?
pub(crate) fn check_name(name: &str) -> Result<(), HostError> {
    let fits = name.len() <= MAX_NAME;
    if fits {
        Ok(())
    } else {
        Err(bad_request("M_INVALID_PARAM", format!("A name may have at most {MAX_NAME} bytes.")))
    }
}

/// A login as its client learns of it. The only place where tokens are in the clear.
pub(crate) struct Login {
    user: String,
    device: String,
    pair: TokenPair,
}

/// Fresh tokens.
pub(crate) struct TokenPair {
    pub access: String,
    pub refresh: Option<String>,
    /// How long the access token works.
    pub expires_in: Option<Duration>,
}

impl Login {
    /// The answer of `POST /login`.
    pub(crate) fn into_json(self) -> Value {
        let mut answer = self.pair.into_json();
        answer.insert("user_id".to_owned(), self.user.into());
        answer.insert("device_id".to_owned(), self.device.into());
        answer.into()
    }
}

impl TokenPair {
    /// `access_token`, and what belongs to it.
    pub(crate) fn into_json(self) -> Map<String, Value> {
        let mut answer = Map::from_iter([("access_token".to_owned(), Value::from(self.access))]);
        answer.extend(self.refresh.map(|token| ("refresh_token".to_owned(), token.into())));
        // Without it a client may assume a token that never ends.
        let millis = self.expires_in.map(|left| u64::try_from(left.as_millis()).unwrap_or(u64::MAX));
        answer.extend(millis.map(|millis| ("expires_in_ms".to_owned(), json!(millis))));
        answer
    }
}

/// Tokens that are about to be committed, with the changes that make them work.
pub(crate) struct Minted {
    pub pair: TokenPair,
    pub hashes: Tokens,
    pub changes: Vec<RecordChange>,
}

/// Whom tokens are minted for.
pub(crate) struct Holder<'a> {
    pub user: &'a str,
    pub device: &'a str,
    pub generation: u64,
    pub ends_at: Option<Timestamp>,
}

impl LocalHomeserver {
    /// Logs `user` in. The caller has checked every factor.
    pub(crate) async fn log_in(&self, user: &str, request: &LoginRequest, epoch: u64) -> Result<Login, HostError> {
        self.in_turn(user, || self.try_log_in(user, request, epoch)).await
    }

    async fn try_log_in(&self, user: &str, request: &LoginRequest, epoch: u64) -> Result<Option<Login>, HostError> {
        let User { generation, epoch: present, .. } = self.active_user(user).await?.value;
        if present != epoch {
            return Err(forbidden("The password was changed or all sessions were ended meanwhile. Log in again."));
        }
        let known = match &request.device_id {
            Some(id) => records::load::<Device>(self.store.as_ref(), DEVICE, &device_key(user, id)).await?,
            None => None,
        };
        let (login, changes) = self.plan_login(user, generation, request, known)?;
        Ok(self.commit(changes).await?.map(|()| login))
    }

    /// The changes that make a login; `known` is the device that it takes over.
    pub(crate) fn plan_login(
        &self,
        user: &str,
        generation: u64,
        request: &LoginRequest,
        known: Option<Stored<Device>>,
    ) -> Result<(Login, Vec<RecordChange>), HostError> {
        let id = match &request.device_id {
            Some(id) => id.clone(),
            None => random::device_id(self.random.as_ref()),
        };
        let now = self.now();
        let ends_at = self.settings.session_lifetime.map(|lifetime| now.plus(lifetime));
        let minted = self.mint(&Holder { user, device: &id, generation, ends_at }, request.refresh_token, false)?;
        let expected = known.as_ref().map_or(Expected::Absent, Stored::expected);
        let known = known.map(|stored| stored.value);
        let mut changes: Vec<_> = known.iter().flat_map(end_tokens).collect();
        changes.extend(minted.changes);
        let display_name = known.and_then(|device| device.display_name).or_else(|| request.display_name.clone());
        let device =
            Device { id: id.clone(), display_name, last_seen: now, ends_at, tokens: minted.hashes, pending: None };
        changes.push(put_of(DEVICE, device_key(user, &id), expected, &device, user)?);
        Ok((Login { user: user.to_owned(), device: id, pair: minted.pair }, changes))
    }

    /// Makes an access token, and a refresh token if one is wanted.
    pub(crate) fn mint(&self, holder: &Holder<'_>, refreshable: bool, pending: bool) -> Result<Minted, HostError> {
        let Holder { user, device, generation, ends_at } = *holder;
        let now = self.now();
        let short = now.plus(REFRESHABLE_ACCESS);
        let valid_until = if refreshable { Some(ends_at.map_or(short, |end| end.min(short))) } else { ends_at };
        let access = random::opaque(self.random.as_ref());
        let access_hash = TokenHash::of(&access);
        let (user, device) = (user.to_owned(), device.to_owned());
        let record = Access { user: user.clone(), device: device.clone(), generation, valid_until, pending };
        let mut changes = vec![put(ACCESS, access_hash.key(), Expected::Absent, &record)?];
        let mut refresh = None;
        let mut refresh_hash = None;
        if refreshable {
            let token = random::opaque(self.random.as_ref());
            let hash = TokenHash::of(&token);
            let record = Refresh { user, device, generation, valid_until: ends_at };
            changes.push(put(REFRESH, hash.key(), Expected::Absent, &record)?);
            refresh = Some(token);
            refresh_hash = Some(hash);
        }
        let pair = TokenPair { access, refresh, expires_in: valid_until.map(|end| end.since(now)) };
        Ok(Minted { pair, hashes: Tokens { access: access_hash, refresh: refresh_hash }, changes })
    }

    /// Ends every login of `user` but the one on `keep`: tokens and devices.
    pub(crate) async fn end_sessions(&self, user: &str, keep: Option<&str>) -> Result<(), HostError> {
        self.in_turn(user, || self.try_end_sessions(user, keep)).await
    }

    /// Ends every login of everybody, a user after the other. Returns how many users there are.
    pub async fn end_all_sessions(&self) -> Result<u64, HostError> {
        let (mut users, mut after) = (0, None::<String>);
        loop {
            let page = self.store.records(USER, after.as_deref(), PAGE).await.map_err(unavailable)?;
            let Some((last, _)) = page.last() else { return Ok(users) };
            after = Some(last.clone());
            for (user, _) in page {
                self.end_sessions(&user, None).await?;
                users += 1;
            }
        }
    }

    async fn try_end_sessions(&self, user: &str, keep: Option<&str>) -> Result<Option<()>, HostError> {
        let Some(stored) = self.user(user).await? else { return Ok(Some(())) };
        let changes = self.plan_end_of_sessions(user, stored, keep, |_| ()).await?;
        self.commit(changes).await
    }

    /// The changes that end every login but the one on `keep`, together with another change of the user.
    pub(crate) async fn plan_end_of_sessions(
        &self,
        id: &str,
        stored: Stored<User>,
        keep: Option<&str>,
        change: impl FnOnce(&mut User) + Send,
    ) -> Result<Vec<RecordChange>, HostError> {
        let expected = stored.expected();
        let mut user = stored.value;
        change(&mut user);
        // Logins in flight, whose devices we cannot see yet, carry the old number and are born dead.
        user.generation += 1;
        user.epoch += 1;
        let mut changes = vec![put(USER, id, expected, &user)?];
        for device in records::list::<Device>(self.store.as_ref(), DEVICE, id).await? {
            if keep == Some(device.value.id.as_str()) {
                changes.extend(self.carry_over(id, &device, user.generation).await?);
            } else {
                changes.extend(end_device(id, &device));
            }
        }
        Ok(changes)
    }

    /// Rewrites the tokens of a device that outlives the end of all others.
    async fn carry_over(
        &self,
        user: &str,
        device: &Stored<Device>,
        generation: u64,
    ) -> Result<Vec<RecordChange>, HostError> {
        let store = self.store.as_ref();
        let Device { tokens, pending, .. } = &device.value;
        // The device itself is written too, so that a login or a refresh in between is a conflict.
        let mut changes =
            vec![put_of(DEVICE, device_key(user, &device.value.id), device.expected(), &device.value, user)?];
        for tokens in std::iter::once(tokens).chain(pending) {
            if let Some(access) = records::load::<Access>(store, ACCESS, tokens.access.key()).await? {
                let next = Access { generation, ..access.value.clone() };
                changes.push(put(ACCESS, tokens.access.key(), access.expected(), &next)?);
            }
            let Some(hash) = &tokens.refresh else { continue };
            if let Some(refresh) = records::load::<Refresh>(store, REFRESH, hash.key()).await? {
                let next = Refresh { generation, ..refresh.value.clone() };
                changes.push(put(REFRESH, hash.key(), refresh.expected(), &next)?);
            }
        }
        Ok(changes)
    }
}

/// Changes that end whatever tokens a device has.
fn end_tokens(device: &Device) -> Vec<RecordChange> {
    std::iter::once(&device.tokens).chain(&device.pending).flat_map(drop_tokens).collect()
}

/// Changes that remove a device with its tokens and keys.
pub(crate) fn end_device(user: &str, device: &Stored<Device>) -> Vec<RecordChange> {
    let key = device_key(user, &device.value.id);
    let mut changes = end_tokens(&device.value);
    changes.push(RecordChange::delete(DEVICE, key.clone(), device.expected()));
    changes.push(RecordChange::delete(DEVICE_KEYS, key, Expected::Any));
    changes
}
