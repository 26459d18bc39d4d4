//! One-use things: login tokens, and the short right of a login that was made with a recovery code. Tokens are kept as keyed digests.

use std::time::Duration;

use matrix_2fa_core::{Stage, Timestamp};
use matrix_2fa_store::{Commit, Committed, Expected, Kind, NewRecord, RecordChange, codec};
use serde::{Deserialize, Serialize};

use crate::{Engine, EngineError};

pub(crate) const LOGIN_TOKEN: Kind = Kind("login_token");
pub(crate) const PROOF: Kind = Kind("proof");
pub(crate) const RECOVERY_LOGIN: Kind = Kind("recovery_login");

/// A login made with a recovery code may, for this long and with the password, replace authenticators and renew codes.
pub const RECOVERY_LOGIN_LIFETIME: Duration = Duration::from_secs(10 * 60);

/// A proof that nobody spent is worth nothing after this long.
pub const PROOF_LIFETIME: Duration = Duration::from_secs(10 * 60);

/// What a login token stands for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LoginTicket {
    /// Whom it logs in.
    pub user: String,
    /// The second factor that was proved when it was made.
    pub factor: Option<Stage>,
    /// The host's count of what ends logins in flight, when it was made.
    pub epoch: u64,
    expires_at: Timestamp,
    #[serde(default)]
    lifetime: Duration,
}

/// Does something live at `now` that was made for `lifetime` and ends at `end`? Not from the future either: a clock that was set back must
/// lengthen nothing.
pub(crate) fn is_alive(end: Timestamp, lifetime: Duration, now: Timestamp) -> bool {
    now < end && end.since(now) <= lifetime
}

impl Engine {
    /// Makes a login token. It works once, for `lifetime`.
    pub async fn issue_login_token(
        &self,
        user: &str,
        factor: Option<Stage>,
        epoch: u64,
        lifetime: Duration,
    ) -> Result<String, EngineError> {
        let token = format!("{}{}", self.fresh_id(), self.fresh_id());
        let expires_at = self.now().plus(lifetime);
        let ticket = LoginTicket { user: user.to_owned(), factor, epoch, expires_at, lifetime };
        let next = NewRecord {
            bytes: codec::encode("login token", &ticket)?,
            user: Some(user.to_owned()),
            expires_at: Some(expires_at),
        };
        let change = RecordChange::put(LOGIN_TOKEN, self.login_token_key(&token), Expected::Absent, next);
        match self.store.commit(Commit { records: vec![change], ..Commit::default() }).await? {
            Committed::Done => Ok(token),
            Committed::Conflict => Err(EngineError::Contended),
        }
    }

    /// Takes a login token. Of any number of simultaneous requests exactly one gets it.
    pub async fn take_login_token(&self, token: &str) -> Result<Option<LoginTicket>, EngineError> {
        let key = self.login_token_key(token);
        let Some(record) = self.store.record(LOGIN_TOKEN, &key).await? else { return Ok(None) };
        let ticket: LoginTicket = codec::decode("login token", &record.bytes)?;
        let records = vec![RecordChange::delete(LOGIN_TOKEN, key, Expected::Version(record.version))];
        let taken = self.store.commit(Commit { records, ..Commit::default() }).await? == Committed::Done;
        Ok((taken && is_alive(ticket.expires_at, ticket.lifetime, self.now())).then_some(ticket))
    }

    /// The change that leaves a one-use proof of a second factor; joins the commit that burns the code. `binding` is everything that the
    /// proof is good for.
    pub fn proof(&self, user: &str, binding: &[u8]) -> Result<RecordChange, EngineError> {
        let expires_at = self.now().plus(PROOF_LIFETIME);
        let next = NewRecord {
            bytes: codec::encode("proof", &expires_at)?,
            user: Some(user.to_owned()),
            expires_at: Some(expires_at),
        };
        Ok(RecordChange::put(PROOF, self.proof_key(binding), Expected::Any, next))
    }

    /// Spends a proof. Of any number of simultaneous requests exactly one gets it.
    pub async fn take_proof(&self, binding: &[u8]) -> Result<bool, EngineError> {
        let key = self.proof_key(binding);
        let Some(record) = self.store.record(PROOF, &key).await? else { return Ok(false) };
        let expires_at: Timestamp = codec::decode("proof", &record.bytes)?;
        let records = vec![RecordChange::delete(PROOF, key, Expected::Version(record.version))];
        let taken = self.store.commit(Commit { records, ..Commit::default() }).await? == Committed::Done;
        Ok(taken && is_alive(expires_at, PROOF_LIFETIME, self.now()))
    }

    fn proof_key(&self, binding: &[u8]) -> String {
        data_encoding::HEXLOWER.encode(&self.keys.digest("proof", binding))
    }

    /// Notes that this device logged in with a recovery code.
    pub async fn note_recovery_login(&self, user: &str, device: &str) -> Result<(), EngineError> {
        let expires_at = self.now().plus(RECOVERY_LOGIN_LIFETIME);
        let next = NewRecord {
            bytes: codec::encode("recovery login", &expires_at)?,
            user: Some(user.to_owned()),
            expires_at: Some(expires_at),
        };
        let records = vec![RecordChange::put(RECOVERY_LOGIN, device_key(user, device), Expected::Any, next)];
        match self.store.commit(Commit { records, ..Commit::default() }).await? {
            Committed::Done => Ok(()),
            Committed::Conflict => Err(EngineError::Contended),
        }
    }

    /// The change that ends what [`Self::note_recovery_login`] noted; joins the commit of another login on the same device.
    pub fn no_recovery_login(&self, user: &str, device: &str) -> RecordChange {
        RecordChange::delete(RECOVERY_LOGIN, device_key(user, device), Expected::Any)
    }

    /// This device logged in without a recovery code: whoever did has no right that another login gave it.
    pub async fn forget_recovery_login(&self, user: &str, device: &str) -> Result<(), EngineError> {
        if self.store.record(RECOVERY_LOGIN, &device_key(user, device)).await?.is_none() {
            return Ok(());
        }
        let records = vec![self.no_recovery_login(user, device)];
        match self.store.commit(Commit { records, ..Commit::default() }).await? {
            Committed::Done => Ok(()),
            Committed::Conflict => Err(EngineError::Contended),
        }
    }

    /// Did this device log in with a recovery code within the last ten minutes?
    pub async fn is_recovery_login(&self, user: &str, device: &str) -> Result<bool, EngineError> {
        let Some(record) = self.store.record(RECOVERY_LOGIN, &device_key(user, device)).await? else {
            return Ok(false);
        };
        let expires_at: Timestamp = codec::decode("recovery login", &record.bytes)?;
        Ok(is_alive(expires_at, RECOVERY_LOGIN_LIFETIME, self.now()))
    }

    pub(crate) async fn ticket_deletions(&self, user: &str, kinds: &[Kind]) -> Result<Vec<RecordChange>, EngineError> {
        let mut changes = Vec::new();
        for &kind in kinds {
            let of_user = self.store.records_of(kind, user).await?;
            changes.extend(of_user.into_iter().map(|(key, _)| RecordChange::delete(kind, key, Expected::Any)));
        }
        Ok(changes)
    }

    fn login_token_key(&self, token: &str) -> String {
        data_encoding::HEXLOWER.encode(&self.keys.digest("login-token", token.as_bytes()))
    }
}

/// The key of a record for one device of a user.
pub(crate) fn device_key(user: &str, device: &str) -> String {
    format!("{} {user} {device}", user.len())
}
