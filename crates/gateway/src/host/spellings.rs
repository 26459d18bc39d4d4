//! Old ids with capital letters, which Synapse made in its first years and still logs in however they are typed. Here one name in lower case
//! keys everything; what the upstream itself calls that user is remembered beside it, as soon as it says so.
//!
//! Where two ids differ in nothing but capitals, the one that has a second factor or was seen first has the name. The other takes no part: it
//! logs in as ever, and cannot enroll.

use matrix_2fa::{
    engine::Engine,
    homeserver::{HostError, Requester, RequesterKind},
};
use matrix_2fa_store::{Commit, Committed, Expected, Kind, NewRecord, RecordChange, StoreError};

use crate::{calls::unavailable, names::canonical_user};

/// The upstream's id of a user, under our name. None: it is the same.
const SPELLING: Kind = Kind("gw_spelling");

/// Who is called what.
pub(crate) struct Spellings {
    engine: Engine,
    server_name: String,
}

impl Spellings {
    pub(super) fn new(engine: Engine, server_name: String) -> Self {
        Self { engine, server_name }
    }

    /// Our name for somebody, from the id that the upstream said. `None`: this user takes no part.
    pub(crate) async fn ours(&self, id: &str) -> Result<Option<String>, HostError> {
        let Some(user) = canonical_user(id, &self.server_name) else { return Ok(None) };
        match self.remembered(&user).await? {
            Some(theirs) => Ok((theirs == id).then_some(user)),
            None if id == user => Ok(Some(user)),
            None if self.engine.account(&user).await.map_err(unavailable)?.is_enrolled() => Ok(None),
            None => {
                let spelling = NewRecord { bytes: id.into(), user: Some(user.clone()), expires_at: None };
                let change = RecordChange::put(SPELLING, user.as_str(), Expected::Absent, spelling);
                let commit = Commit { records: vec![change], ..Commit::default() };
                match self.engine.store().commit(commit).await.map_err(unavailable)? {
                    Committed::Done => Ok(Some(user)),
                    // Somebody was faster, and it stays.
                    Committed::Conflict => Ok((self.remembered(&user).await?.as_deref() == Some(id)).then_some(user)),
                }
            }
        }
    }

    /// What the upstream calls this user of ours.
    pub(crate) async fn theirs(&self, user: &str) -> Result<String, HostError> {
        Ok(self.remembered(user).await?.unwrap_or_else(|| user.to_owned()))
    }

    /// Is this name that of an old id, so that another user of the upstream's may be meant by it?
    pub(crate) async fn is_old(&self, user: &str) -> Result<bool, HostError> {
        Ok(self.remembered(user).await?.is_some())
    }

    /// Who sent a request, by our names.
    pub(super) async fn known(&self, requester: Requester) -> Result<Requester, HostError> {
        Ok(match self.ours(&requester.user).await? {
            Some(user) => Requester { user, ..requester },
            None => Requester {
                // Nobody of ours is written like that.
                user: requester.user.to_ascii_uppercase(),
                kind: match requester.kind {
                    RequesterKind::User => RequesterKind::Delegated,
                    other => other,
                },
                device: requester.device,
            },
        })
    }

    async fn remembered(&self, user: &str) -> Result<Option<String>, HostError> {
        let Some(record) = self.engine.store().record(SPELLING, user).await.map_err(unavailable)? else {
            return Ok(None);
        };
        let theirs = String::from_utf8(record.bytes);
        theirs.map(Some).map_err(|bad| unavailable(StoreError::Corrupt { what: "record", source: Box::new(bad) }))
    }
}
