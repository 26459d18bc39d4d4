//! [`LocalHomeserver`]: users, devices and tokens of one server, and how the module sees them.

use std::{
    hash::{BuildHasher, RandomState},
    sync::Arc,
};

use async_trait::async_trait;
use axum::http::request::Parts;
use matrix_2fa::{
    engine::Random,
    homeserver::{Homeserver, HostError, PreparedLogin, Requester},
    request::access_token,
};
use matrix_2fa_core::{Clock, Timestamp};
use matrix_2fa_store::{Commit, Committed, Expected, RecordChange, Store};
use ruma::{OwnedServerName, UserId};
use serde_json::{Map, Value};
use tokio::sync::{Mutex, watch};

use crate::{
    devices::Uncounted,
    logins::{LoginRequest, Planned, Room},
    names,
    password::Passwords,
    records::{self, DEVICE, Device, META, Stored, USER, User, device_key},
    refuse::{forbidden, outdated, unavailable},
    settings::{HomeserverError, HomeserverSettings},
};

/// A losing commit is decided again this often before the client is asked to come back.
const ATTEMPTS: usize = 64;

/// The reference homeserver's state. Everything durable is in the store.
pub struct LocalHomeserver {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) random: Arc<dyn Random>,
    pub(crate) passwords: Passwords,
    pub(crate) settings: HomeserverSettings,
    clock: Arc<dyn Clock>,
    server: OwnedServerName,
    closing: watch::Sender<bool>,
    places: Box<[Place; PLACES]>,
    place_of: RandomState,
}

/// Places that users share.
const PLACES: usize = 1024;

/// What is kept in memory for the users of one place.
#[derive(Default)]
pub(crate) struct Place {
    /// Writers of one user's records queue here, first come first served.
    turn: Mutex<()>,
    pub uncounted: Uncounted,
}

impl LocalHomeserver {
    /// Opens the homeserver in `store`. A store that was made for another server name is refused: every id in it would be wrong.
    pub async fn open(
        store: Arc<dyn Store>,
        clock: Arc<dyn Clock>,
        random: Arc<dyn Random>,
        settings: HomeserverSettings,
    ) -> Result<Self, HomeserverError> {
        let given = &settings.server_name;
        let server = OwnedServerName::try_from(given.as_str())
            .map_err(|_| HomeserverError::ServerName { given: given.clone() })?;
        claim(store.as_ref(), given).await?;
        let passwords = Passwords::new(&settings, Arc::clone(&random))?;
        Ok(Self {
            store,
            random,
            passwords,
            settings,
            clock,
            server,
            closing: watch::Sender::new(false),
            places: Box::new(std::array::from_fn(|_| Place::default())),
            place_of: RandomState::new(),
        })
    }

    /// Is there such a user (deactivated ones included)? `user` is a canonical id.
    pub async fn exists(&self, user: &str) -> Result<bool, HostError> {
        Ok(self.user(user).await?.is_some())
    }

    /// Is there such a user, and not a deactivated one?
    pub async fn is_active(&self, user: &str) -> Result<bool, HostError> {
        Ok(self.user(user).await?.is_some_and(|stored| stored.value.deactivated_at.is_none()))
    }

    /// Lets waiting long polls answer now, because the process wants to end.
    pub fn close(&self) {
        self.closing.send_replace(true);
    }

    /// Returns when [`Self::close`] is called.
    pub(crate) async fn closed(&self) {
        // An error means that the sender is gone, and so are we.
        let _ = self.closing.subscribe().wait_for(|closing| *closing).await;
    }

    /// The present moment.
    pub(crate) fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// The canonical id as ruma knows it.
    pub(crate) fn parse_user(&self, user: &str) -> Result<ruma::OwnedUserId, HostError> {
        UserId::parse(user).map_err(|_| forbidden("That is not a user of this server."))
    }

    pub(crate) async fn user(&self, user: &str) -> Result<Option<Stored<User>>, HostError> {
        records::load(self.store.as_ref(), USER, user).await
    }

    /// A user who exists and was not deactivated.
    pub(crate) async fn active_user(&self, user: &str) -> Result<Stored<User>, HostError> {
        let found = self.user(user).await?.filter(|stored| stored.value.deactivated_at.is_none());
        found.ok_or_else(|| forbidden("This account does not exist or was deactivated."))
    }

    /// The same, if what was proved under `epoch` still counts. Whoever acts on it writes this very record in its commit ([`touch`]), changed
    /// or not, so that nothing is done on what is outdated in that moment.
    pub(crate) async fn proved_user(&self, user: &str, epoch: u64) -> Result<Stored<User>, HostError> {
        let stored = self.active_user(user).await?;
        if stored.value.epoch == epoch { Ok(stored) } else { Err(outdated()) }
    }

    /// Repeats an attempt as [`until_committed`], in turn: whoever hammers a user's records with a stolen token must not keep the owner
    /// from ending that token. (Another replica can still get in between; that is what the repeating is for.)
    pub(crate) async fn in_turn<T, F>(&self, user: &str, attempt: impl Fn() -> F) -> Result<T, HostError>
    where
        F: Future<Output = Result<Option<T>, HostError>>,
    {
        let _turn = self.place(user).turn.lock().await;
        until_committed(attempt).await
    }

    pub(crate) fn place(&self, user: &str) -> &Place {
        let [first, ..] = &*self.places;
        self.places.get(self.place_of.hash_one(user) as usize % PLACES).unwrap_or(first)
    }

    /// One atomic step. `None` is a conflict: load again and decide again.
    pub(crate) async fn commit(&self, records: Vec<RecordChange>) -> Result<Option<()>, HostError> {
        let commit = Commit { records, ..Commit::default() };
        match self.store.commit(commit).await.map_err(unavailable)? {
            Committed::Done => Ok(Some(())),
            Committed::Conflict => Ok(None),
        }
    }
}

/// Repeats an attempt that loads, decides and commits until no other writer got in between.
pub(crate) async fn until_committed<T, F>(attempt: impl Fn() -> F) -> Result<T, HostError>
where
    F: Future<Output = Result<Option<T>, HostError>>,
{
    for _ in 0..ATTEMPTS {
        if let Some(done) = attempt().await? {
            return Ok(done);
        }
        tokio::task::yield_now().await;
    }
    Err(HostError::Overloaded { retry_after: std::time::Duration::from_secs(1) })
}

/// The change that only says: nobody has changed this user since.
pub(crate) fn touch(user: &str, stored: &Stored<User>) -> Result<RecordChange, HostError> {
    records::put(USER, user, stored.expected(), &stored.value)
}

/// Writes the server name into a new store and compares it with an old one's.
async fn claim(store: &dyn Store, given: &str) -> Result<(), HomeserverError> {
    const KEY: &str = "server_name";
    let next = matrix_2fa_store::NewRecord { bytes: given.as_bytes().to_vec(), ..Default::default() };
    let claim = RecordChange::put(META, KEY, Expected::Absent, next);
    let commit = Commit { records: vec![claim], ..Commit::default() };
    if store.commit(commit).await? == Committed::Done {
        return Ok(());
    }
    match store.record(META, KEY).await? {
        Some(record) if record.bytes != given.as_bytes() => Err(HomeserverError::OtherServerName {
            stored: String::from_utf8_lossy(&record.bytes).into_owned(),
            given: given.to_owned(),
        }),
        _ => Ok(()),
    }
}

#[async_trait]
impl Homeserver for LocalHomeserver {
    fn server_name(&self) -> &str {
        self.server.as_str()
    }

    fn canonical_user(&self, given: &str) -> Option<String> {
        names::canonical_user(given, &self.server)
    }

    async fn authenticate(&self, request: &Parts) -> Result<Requester, HostError> {
        let token = access_token(request).ok_or(HostError::MissingToken)?;
        self.requester(&token).await
    }

    async fn verify_password(&self, user: &str, password: &str) -> Result<bool, HostError> {
        let stored = self.user(user).await?;
        // Deactivated users have no password.
        self.passwords.verify(user, password, stored.and_then(|stored| stored.value.password)).await
    }

    async fn revoke_other_sessions(&self, user: &str, keep: Option<&str>) -> Result<(), HostError> {
        self.end_sessions(user, keep).await
    }

    async fn device_name(&self, user: &str, device: &str) -> Result<Option<String>, HostError> {
        let stored = records::load::<Device>(self.store.as_ref(), DEVICE, &device_key(user, device)).await?;
        Ok(stored.and_then(|stored| stored.value.display_name))
    }

    fn check_login(&self, request: &Map<String, Value>) -> Result<(), HostError> {
        LoginRequest::read(request).map(drop)
    }

    async fn login_epoch(&self, user: &str) -> Result<u64, HostError> {
        Ok(self.user(user).await?.map_or(0, |stored| stored.value.epoch))
    }

    async fn factor_counts(&self, user: &str) -> Result<(), HostError> {
        self.in_turn(user, async || {
            let Some(mut stored) = self.user(user).await? else { return Ok(Some(())) };
            stored.value.epoch += 1;
            self.commit(vec![touch(user, &stored)?]).await
        })
        .await
    }

    async fn prepare_login(
        &self,
        user: &str,
        request: &Map<String, Value>,
    ) -> Result<Option<PreparedLogin>, HostError> {
        let Planned { owner, login, changes } =
            self.plan(user, &LoginRequest::read(request)?, Room::NowAndThen).await?;
        Ok(Some(PreparedLogin { epoch: owner.value.epoch, changes, answer: login.into_json() }))
    }

    async fn create_login(&self, user: &str, request: &Map<String, Value>, epoch: u64) -> Result<Value, HostError> {
        let request = LoginRequest::read(request)?;
        Ok(self.log_in(user, &request, epoch).await?.into_json())
    }
}

#[cfg(test)]
mod tests;
