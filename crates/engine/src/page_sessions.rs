//! What a browser has proved on the hosted pages: a record behind a cookie. The cookie's value is 128 random bit, kept as a keyed digest only.
//!
//! Every step forward moves the session to a new value, and the old one dies in the same commit: a value that somebody planted before the
//! password is worth nothing after it, and of two submissions of one form exactly one goes on.

use std::{fmt, time::Duration};

use matrix_2fa_core::{Stage, Timestamp};
use matrix_2fa_store::{Commit, Committed, Expected, Kind, NewRecord, RecordChange, Version, codec};
use serde::{Deserialize, Serialize};

use crate::{Engine, EngineError};

pub(crate) const PAGE_SESSION: Kind = Kind("page_session");

/// A login on the pages must be finished within this.
pub const LOGIN_LIFETIME: Duration = Duration::from_secs(10 * 60);

/// Live sessions of one user: more would only be somebody who knows the password and fills the store.
const PER_USER: usize = 16;

/// What a browser has proved, and what for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PageState {
    /// Where the person goes when everything is proved.
    pub purpose: Purpose,
    /// Whose password was right.
    pub user: Option<String>,
    /// The host's count of what ends logins in flight, read before the password was checked.
    pub epoch: u64,
    /// The second factor that was proved, and when.
    pub factor: Option<(Stage, Timestamp)>,
    /// When this state dies. Whoever moves the session on decides whether that moves too.
    pub expires_at: Timestamp,
}

/// What a page session is for. One made for one thing is never good for another.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Purpose {
    /// A login token for a client, given to this address.
    Login {
        /// Where the client waits for its token; judged when the session was opened.
        target: String,
    },
}

/// A session with the cookie's value and the version to swap.
#[derive(Clone)]
pub struct PageSession {
    /// The value of the cookie.
    pub id: String,
    /// The state.
    pub state: PageState,
    version: Version,
}

impl fmt::Debug for PageSession {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PageSession").field("state", &self.state).finish_non_exhaustive()
    }
}

impl Engine {
    /// A new session for somebody whom nobody knows yet. How many there may be is bounded for the whole server.
    pub async fn open_page_session(&self, purpose: Purpose, lifetime: Duration) -> Result<PageSession, EngineError> {
        if !self.visitors.admit(self.now()) {
            return Err(EngineError::Crowded);
        }
        let expires_at = self.now().plus(lifetime);
        let state = PageState { purpose, user: None, epoch: 0, factor: None, expires_at };
        let session = PageSession { id: self.fresh_id(), state, version: 1 };
        self.commit_page(vec![self.page_record(&session)?]).await?;
        Ok(session)
    }

    /// The session behind a cookie's value. Unknown, expired and left ones are the same.
    pub async fn page_session(&self, id: &str) -> Result<Option<PageSession>, EngineError> {
        let Some(record) = self.store.record(PAGE_SESSION, &self.page_key(id)).await? else { return Ok(None) };
        let state: PageState = codec::decode("page session", &record.bytes)?;
        let live = self.now() < state.expires_at;
        Ok(live.then(|| PageSession { id: id.to_owned(), state, version: record.version }))
    }

    /// Moves a session to its next state under a new value. If somebody else moved it meanwhile: [`EngineError::Superseded`].
    pub async fn renew_page_session(&self, old: &PageSession, next: PageState) -> Result<PageSession, EngineError> {
        let (session, mut changes) = self.page_renewal(old, next)?;
        if let (None, Some(user)) = (&old.state.user, &session.state.user) {
            changes.extend(self.room_for_page(user).await?);
        }
        self.commit_page(changes).await?;
        Ok(session)
    }

    /// The same as changes that join another commit: that which burns the code.
    pub fn page_renewal(
        &self,
        old: &PageSession,
        next: PageState,
    ) -> Result<(PageSession, Vec<RecordChange>), EngineError> {
        let session = PageSession { id: self.fresh_id(), state: next, version: 1 };
        let changes = vec![self.page_ending(old), self.page_record(&session)?];
        Ok((session, changes))
    }

    /// Ends a session; of any number of simultaneous calls one succeeds, the others are [`EngineError::Superseded`].
    pub async fn end_page_session(&self, session: &PageSession) -> Result<(), EngineError> {
        self.commit_page(vec![self.page_ending(session)]).await
    }

    async fn commit_page(&self, records: Vec<RecordChange>) -> Result<(), EngineError> {
        match self.store.commit(Commit { records, ..Commit::default() }).await? {
            Committed::Done => Ok(()),
            Committed::Conflict => Err(EngineError::Superseded),
        }
    }

    /// The oldest go so that one more can come.
    async fn room_for_page(&self, user: &str) -> Result<Vec<RecordChange>, EngineError> {
        let mut live = self.store.records_of(PAGE_SESSION, user).await?;
        live.sort_by_key(|(_, record)| record.expires_at);
        let too_many = (live.len() + 1).saturating_sub(PER_USER);
        let oldest = live.into_iter().take(too_many);
        Ok(oldest.map(|(key, _)| RecordChange::delete(PAGE_SESSION, key, Expected::Any)).collect())
    }

    fn page_record(&self, session: &PageSession) -> Result<RecordChange, EngineError> {
        let next = NewRecord {
            bytes: codec::encode("page session", &session.state)?,
            user: session.state.user.clone(),
            expires_at: Some(session.state.expires_at),
        };
        Ok(RecordChange::put(PAGE_SESSION, self.page_key(&session.id), Expected::Absent, next))
    }

    fn page_ending(&self, session: &PageSession) -> RecordChange {
        RecordChange::delete(PAGE_SESSION, self.page_key(&session.id), Expected::Version(session.version))
    }

    fn page_key(&self, id: &str) -> String {
        data_encoding::HEXLOWER.encode(&self.keys.digest("page-session", id.as_bytes()))
    }
}
