//! Accounts: registration, password, profile, and leaving.

use matrix_2fa::homeserver::{Homeserver, HostError};
use matrix_2fa_store::{Expected, Kind, RecordChange};
use serde_json::{Map, Value};

use crate::{
    host::{LocalHomeserver, until_committed},
    logins::{Login, LoginRequest},
    random,
    records::{self, CROSS_SIGNING, FORGET, USER, User, put, put_of},
    refuse::{bad_request, not_found, text},
};

/// Every pending [`FORGET`] job is listed under this name, which is no Matrix id.
const FORGET_LIST: &str = "pending";

impl LocalHomeserver {
    /// The id that a registration asks for, or a random one. Taken names are refused early; the commit refuses them for certain.
    pub(crate) async fn new_user(&self, body: &Map<String, Value>) -> Result<String, HostError> {
        let invalid = || bad_request("M_INVALID_USERNAME", "A username may contain only a-z, 0-9 and . _ = - / +");
        let localpart = match text(body, "username")? {
            Some(given) if given.starts_with('@') => return Err(invalid()),
            Some(given) => given.to_owned(),
            None => random::localpart(self.random.as_ref()),
        };
        let user = self.canonical_user(&localpart).ok_or_else(invalid)?;
        if self.exists(&user).await? { Err(in_use()) } else { Ok(user) }
    }

    /// Registers `user`, and logs them in unless they do not want that. One commit: of two registrations of a name one wins.
    pub(crate) async fn register(
        &self,
        user: &str,
        password: &str,
        login: Option<&LoginRequest>,
    ) -> Result<Option<Login>, HostError> {
        let new = User {
            password: Some(self.passwords.hash(user, password).await?),
            created_at: self.now(),
            ..User::default()
        };
        until_committed(async || {
            if self.exists(user).await? {
                return Err(in_use());
            }
            let mut changes = vec![put(USER, user, Expected::Absent, &new)?];
            let mut made = None;
            if let Some(request) = login {
                let (login, device) = self.plan_login(user, new.generation, request, None)?;
                changes.push(device);
                made = Some(login);
            }
            Ok(self.commit(changes).await?.map(|()| made))
        })
        .await
    }

    /// Sets a new password, if what was proved under `epoch` still counts; with `logout_others` every device but `keep` is gone in the same
    /// commit.
    pub(crate) async fn set_password(
        &self,
        user: &str,
        epoch: u64,
        password: &str,
        keep: Option<&str>,
        logout_others: bool,
    ) -> Result<(), HostError> {
        let phc = self.passwords.hash(user, password).await?;
        self.in_turn(user, async || {
            let stored = self.proved_user(user, epoch).await?;
            let phc = Some(phc.clone());
            let changes = if logout_others {
                self.plan_end_of_sessions(user, stored, keep, |user| user.password = phc).await?
            } else {
                let expected = stored.expected();
                let epoch = stored.value.epoch + 1;
                vec![put(USER, user, expected, &User { password: phc, epoch, ..stored.value })?]
            };
            self.commit(changes).await
        })
        .await
    }

    /// Ends an account: no password, no profile, no device, no key. The name stays taken. What the module keeps is forgotten next; the
    /// job for that is in the same commit, so that a crash in between cannot lose it. What was proved is of `epoch`.
    pub(crate) async fn deactivate(&self, user: &str, epoch: u64) -> Result<(), HostError> {
        self.in_turn(user, async || {
            let stored = self.proved_user(user, epoch).await?;
            let now = self.now();
            let leave = |user: &mut User| {
                let User { generation, epoch, created_at, .. } = *user;
                *user = User { generation, epoch, created_at, deactivated_at: Some(now), ..User::default() };
            };
            let mut changes = self.plan_end_of_sessions(user, stored, None, leave).await?;
            changes.push(RecordChange::delete(CROSS_SIGNING, user, Expected::Any));
            changes.extend(self.plan_removal(crate::records::FILTER, user).await?);
            changes.push(put_of(FORGET, user, Expected::Any, &user.to_owned(), FORGET_LIST)?);
            self.commit(changes).await
        })
        .await
    }

    async fn plan_removal(&self, kind: Kind, user: &str) -> Result<Vec<RecordChange>, HostError> {
        let records = self.store.records_of(kind, user).await.map_err(crate::refuse::unavailable)?;
        Ok(records.into_iter().map(|(key, _)| RecordChange::delete(kind, key, Expected::Any)).collect())
    }

    /// Up to `limit` users after this one, by their ids, each with whether they were deactivated.
    pub async fn users(&self, after: Option<&str>, limit: usize) -> Result<Vec<(String, bool)>, HostError> {
        let page = self.store.records(USER, after, limit).await.map_err(crate::refuse::unavailable)?;
        let read = |(id, record): (String, matrix_2fa_store::Record)| {
            Ok((id, records::Stored::<User>::read(&record)?.value.deactivated_at.is_some()))
        };
        page.into_iter().map(read).collect()
    }

    /// Deactivated users whose second factors may still be there.
    pub(crate) async fn to_forget(&self) -> Result<Vec<String>, HostError> {
        let jobs = records::list::<String>(self.store.as_ref(), FORGET, FORGET_LIST).await?;
        Ok(jobs.into_iter().map(|job| job.value).collect())
    }

    /// The module has forgotten `user`.
    pub(crate) async fn forgotten(&self, user: &str) -> Result<(), HostError> {
        let changes = || vec![RecordChange::delete(FORGET, user, Expected::Any)];
        until_committed(|| self.commit(changes())).await
    }

    /// The profile of a user of this server.
    pub(crate) async fn profile(&self, user: &str) -> Result<User, HostError> {
        let known = self.canonical_user(user).filter(|_| user.starts_with('@'));
        let found = match known {
            Some(id) => self.user(&id).await?.filter(|stored| stored.value.deactivated_at.is_none()),
            None => None,
        };
        found.map(|stored| stored.value).ok_or_else(|| not_found("There is no such user here."))
    }

    /// Changes the profile.
    pub(crate) async fn edit_profile(
        &self,
        user: &str,
        edit: impl Fn(&mut User) + Send + Sync,
    ) -> Result<(), HostError> {
        self.in_turn(user, async || {
            let mut stored = self.active_user(user).await?;
            let expected = stored.expected();
            edit(&mut stored.value);
            self.commit(vec![put(USER, user, expected, &stored.value)?]).await
        })
        .await
    }
}

fn in_use() -> HostError {
    bad_request("M_USER_IN_USE", "That username is taken.")
}
