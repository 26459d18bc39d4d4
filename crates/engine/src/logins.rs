//! Since when a login is known, for a host whose logins belong to somebody else and who ends them when they are too old. Nothing of a token is
//! kept: one small record for each device that came, until it is ended or its user is forgotten.

use matrix_2fa_core::Timestamp;
use matrix_2fa_store::{Commit, Committed, Expected, Kind, NewRecord, RecordChange, codec};

use crate::{Engine, EngineError, tickets::device_key};

pub(crate) const LOGIN_SEEN: Kind = Kind("login_seen");

impl Engine {
    /// When this login was first seen: now, if it never was. What cannot be read is as old as can be, so that it ends and begins anew.
    pub async fn login_seen_since(&self, user: &str, device: &str) -> Result<Timestamp, EngineError> {
        let (now, key) = (self.now(), device_key(user, device));
        let (since, expected) = match self.store.record(LOGIN_SEEN, &key).await? {
            None => (now, Expected::Absent),
            Some(record) => match codec::decode::<Timestamp>("login", &record.bytes) {
                Ok(since) if since <= now => return Ok(since),
                // Seen by a clock that was ahead: it would live longer by that.
                Ok(_ahead) => (now, Expected::Version(record.version)),
                Err(error) => {
                    tracing::error!(user.id = user, %error, "since when a login is known cannot be read: it ends");
                    return Ok(Timestamp::from_millis(0));
                }
            },
        };
        let bytes = codec::encode("login", &since)?;
        let next = NewRecord { bytes, user: Some(user.to_owned()), expires_at: None };
        let put = RecordChange::put(LOGIN_SEEN, key, expected, next);
        let commit = Commit { records: vec![put], ..Commit::default() };
        match self.store.commit(commit).await? {
            Committed::Done => Ok(since),
            // Another request of it was first, a moment ago.
            Committed::Conflict => Ok(now),
        }
    }

    /// It is over, or another one begins on the same device.
    pub async fn forget_login(&self, user: &str, device: &str) -> Result<(), EngineError> {
        let delete = RecordChange::delete(LOGIN_SEEN, device_key(user, device), Expected::Any);
        // Nothing is expected, so nothing can conflict.
        let _done = self.store.commit(Commit { records: vec![delete], ..Commit::default() }).await?;
        Ok(())
    }
}
