//! Logins: a device with its tokens is one record, made and ended in one commit each.

use std::time::Duration;

use matrix_2fa::homeserver::HostError;
use matrix_2fa_core::Timestamp;
use matrix_2fa_store::{Expected, RecordChange};
use serde_json::{Map, Value, json};

use crate::{
    host::{LocalHomeserver, touch},
    keys::DeviceKeys,
    names::check_device_id,
    random,
    records::{
        self, DEVICE, DEVICE_KEYS, Device, Stored, TokenHash, Tokens, USER, User, device_key, put, put_device, put_of,
        stays_with,
    },
    refuse::{bad_request, flag, outdated, text, unavailable},
    tokens::new_token,
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
    ends_at: Option<Timestamp>,
    pair: TokenPair,
}

/// How strictly the devices of a user are counted before there is one more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Room {
    Counted,
    NowAndThen,
}

/// A login that is not committed yet.
pub(crate) struct Planned {
    /// The user, when it was planned.
    pub owner: Stored<User>,
    pub login: Login,
    pub changes: Vec<RecordChange>,
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

/// Tokens that work once their hashes are committed.
pub(crate) struct Minted {
    pub pair: TokenPair,
    pub hashes: Tokens,
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
        let Planned { owner, login, mut changes } = self.plan(user, request, Room::Counted).await?;
        if owner.value.epoch != epoch {
            return Err(outdated());
        }
        changes.push(touch(user, &owner)?);
        Ok(self.commit(changes).await?.map(|()| login))
    }

    /// Everything of a login but its commit. Whoever ends all sessions before that commit ends this login too: its tokens have the number
    /// that the user had before.
    pub(crate) async fn plan(&self, user: &str, request: &LoginRequest, room: Room) -> Result<Planned, HostError> {
        let owner = self.active_user(user).await?;
        let known = match &request.device_id {
            Some(id) => records::load::<Device>(self.store.as_ref(), DEVICE, &device_key(user, id)).await?,
            None => None,
        };
        let takes_over = known.is_some();
        let mut changes = match room {
            _ if takes_over => Vec::new(),
            Room::Counted => self.make_room(user).await?,
            Room::NowAndThen => self.make_room_now_and_then(user).await?,
        };
        let (login, change) = self.plan_login(user, owner.value.generation, request, known)?;
        changes.push(change);
        if takes_over {
            changes.extend(self.keep_keys(user, &login).await?);
        }
        Ok(Planned { owner, login, changes })
    }

    /// The change that makes a login; `known` is the device that it takes over.
    pub(crate) fn plan_login(
        &self,
        user: &str,
        generation: u64,
        request: &LoginRequest,
        known: Option<Stored<Device>>,
    ) -> Result<(Login, RecordChange), HostError> {
        let id = match &request.device_id {
            Some(id) => id.clone(),
            None => random::device_id(self.random.as_ref()),
        };
        let now = self.now();
        let ends_at = self.settings.session_lifetime.map(|lifetime| now.plus(lifetime));
        let minted = self.mint(&Holder { user, device: &id, generation, ends_at }, request.refresh_token);
        let expected = known.as_ref().map_or(Expected::Absent, Stored::expected);
        let known_as = known.and_then(|device| device.value.display_name);
        let display_name = known_as.or_else(|| request.display_name.clone());
        let device =
            Device { id: id.clone(), display_name, last_seen: now, ends_at, tokens: minted.hashes, pending: None };
        let change = put_device(user, expected, &device)?;
        Ok((Login { user: user.to_owned(), device: id, ends_at, pair: minted.pair }, change))
    }

    /// The keys of a device that logs in again stay as long as its new login.
    async fn keep_keys(&self, user: &str, login: &Login) -> Result<Option<RecordChange>, HostError> {
        let key = device_key(user, &login.device);
        let Some(keys) = records::load::<DeviceKeys>(self.store.as_ref(), DEVICE_KEYS, &key).await? else {
            return Ok(None);
        };
        Ok(Some(stays_with(login.ends_at, put_of(DEVICE_KEYS, key, keys.expected(), &keys.value, user)?)))
    }

    /// Makes an access token, and a refresh token if one is wanted.
    pub(crate) fn mint(&self, holder: &Holder<'_>, refreshable: bool) -> Minted {
        let Holder { user, device, generation, ends_at } = *holder;
        let now = self.now();
        let short = now.plus(REFRESHABLE_ACCESS);
        let valid_until = if refreshable { Some(ends_at.map_or(short, |end| end.min(short))) } else { ends_at };
        let token = || new_token(self.random.as_ref(), user, device);
        let (access, refresh) = (token(), refreshable.then(token));
        let hashes = Tokens {
            access: TokenHash::of(&access),
            refresh: refresh.as_deref().map(TokenHash::of),
            generation,
            valid_until,
        };
        Minted { pair: TokenPair { access, refresh, expires_in: valid_until.map(|end| end.since(now)) }, hashes }
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
                changes.push(carry_over(id, device, user.generation)?);
            } else {
                changes.extend(end_device(id, &device));
            }
        }
        Ok(changes)
    }
}

/// The change that lets the tokens of a device outlive the end of all others.
fn carry_over(user: &str, device: Stored<Device>, generation: u64) -> Result<RecordChange, HostError> {
    // A login or a refresh in between is a conflict.
    let expected = device.expected();
    let mut device = device.value;
    for tokens in std::iter::once(&mut device.tokens).chain(&mut device.pending) {
        tokens.generation = generation;
    }
    put_device(user, expected, &device)
}

/// Changes that remove a device with its tokens and keys.
pub(crate) fn end_device(user: &str, device: &Stored<Device>) -> Vec<RecordChange> {
    let key = device_key(user, &device.value.id);
    vec![
        RecordChange::delete(DEVICE, key.clone(), device.expected()),
        RecordChange::delete(DEVICE_KEYS, key, Expected::Any),
    ]
}
