//! What a browser has proved on the hosted pages: a record behind a cookie. The cookie's value is 128 random bit, kept as a keyed digest only.
//!
//! Every step forward moves the session to a new value, and the old one dies in the same commit: a value that somebody planted before the
//! password is worth nothing after it, and of two submissions of one form exactly one goes on.
//!
//! A change that a page asks for is judged in its own commit: the value that it changes must not have changed since the session proved
//! what it rests on ([`PageState::is_outdated_by`]), and the session must still be there, since the change moves it on.

mod state;

use std::{fmt, time::Duration};

use matrix_2fa_core::{Account, Stage, throttle::ClientTag};
use matrix_2fa_store::{Commit, Committed, Expected, Kind, NewRecord, RecordChange, Version, codec};

pub use state::{PageState, Purpose, STEP_UP_LIFETIME, Seen};

use crate::{
    Engine, EngineError, Origination,
    crowd::{self, Held},
    tickets::is_alive,
};

pub(crate) const PAGE_SESSION: Kind = Kind("page_session");

/// A login on the pages must be finished within this.
pub const LOGIN_LIFETIME: Duration = Duration::from_secs(10 * 60);

/// Somebody who manages their factors signs in again after this.
pub const ACCOUNT_LIFETIME: Duration = Duration::from_secs(60 * 60);

/// A session with the cookie's value and the version to swap.
#[derive(Clone)]
pub struct PageSession {
    /// The value of the cookie.
    pub id: String,
    /// The state.
    pub state: PageState,
    version: Version,
}

/// A page session that moves on in the commit of a change that it asked for: of two submissions of one form one happens.
#[derive(Clone, Debug)]
pub struct PageStep {
    old: PageSession,
    id: String,
}

impl PageStep {
    /// The value of the cookie afterwards.
    pub fn id(&self) -> &str {
        &self.id
    }
}

impl fmt::Debug for PageSession {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PageSession").field("state", &self.state).finish_non_exhaustive()
    }
}

impl Engine {
    /// A new session for somebody whom nobody knows yet. How many there may be is bounded for the whole server.
    pub async fn open_page_session(&self, purpose: Purpose) -> Result<PageSession, EngineError> {
        if !self.visitors.admit(self.now()) {
            return Err(EngineError::Crowded);
        }
        let expires_at = self.now().plus(purpose.lifetime());
        let state = PageState {
            purpose,
            user: None,
            epoch: 0,
            factor: None,
            expires_at,
            proved_at: None,
            client: ClientTag::default(),
            known: false,
        };
        let session = PageSession { id: self.fresh_id(), state, version: 1 };
        self.commit_page(vec![self.page_record(&session)?]).await?;
        Ok(session)
    }

    /// The session behind a cookie's value. Unknown, expired and left ones are the same.
    pub async fn page_session(&self, id: &str) -> Result<Option<PageSession>, EngineError> {
        let Some(record) = self.store.record(PAGE_SESSION, &self.page_key(id)).await? else { return Ok(None) };
        let state: PageState = codec::decode("page session", &record.bytes)?;
        let live = is_alive(state.expires_at, state.purpose.lifetime(), self.now());
        Ok(live.then(|| PageSession { id: id.to_owned(), state, version: record.version }))
    }

    /// Moves a session to its next state under a new value. If somebody else moved it meanwhile: [`EngineError::Superseded`].
    pub async fn renew_page_session(&self, old: &PageSession, next: PageState) -> Result<PageSession, EngineError> {
        // In turn, or many at once would all make room for each other in the same place.
        let owner = next.user.clone().unwrap_or_default();
        let _turn = self.gate.enter(&owner).await;
        let (session, changes) = self.page_renewal(old, next).await?;
        self.commit_page(changes).await?;
        Ok(session)
    }

    /// The same as changes that join another commit: that which burns the code.
    pub async fn page_renewal(
        &self,
        old: &PageSession,
        next: PageState,
    ) -> Result<(PageSession, Vec<RecordChange>), EngineError> {
        let session = PageSession { id: self.fresh_id(), state: next, version: 1 };
        let mut changes = vec![self.page_ending(old), self.page_record(&session)?];
        if let Some(user) = &session.state.user
            && (old.state.user.is_none() || old.state.crowd() != session.state.crowd())
        {
            changes.extend(self.room_for_page(user, &session.state).await?);
        }
        Ok((session, changes))
    }

    /// The step of a session whose cookie stays as it is.
    pub fn page_step(&self, session: &PageSession) -> PageStep {
        PageStep { old: session.clone(), id: session.id.clone() }
    }

    /// The step of a session that proves a factor by it: the cookie gets a new value.
    pub fn page_step_anew(&self, session: &PageSession) -> PageStep {
        PageStep { old: session.clone(), id: self.fresh_id() }
    }

    /// May a page's change be decided on this value of the account? Asked in the transaction that commits it.
    pub(crate) fn judge_page(&self, from: &Origination, account: &Account) -> Result<(), EngineError> {
        match &from.page {
            Some(step) if step.old.state.is_outdated_by(account) => Err(EngineError::Superseded),
            _ => Ok(()),
        }
    }

    /// What joins a commit that a page asked for and that leaves this account, if it changes it: this session knows of it, every other is
    /// outdated by it.
    pub(crate) fn page_changes(
        &self,
        step: Option<&PageStep>,
        after: Option<&Account>,
    ) -> Result<Vec<RecordChange>, EngineError> {
        let (Some(PageStep { old, id }), Some(account)) = (step, after) else { return Ok(Vec::new()) };
        let stage = old.state.factor.map_or(Stage::Totp, |(stage, _)| stage);
        let factor = account.is_enrolled().then(|| (stage, Seen::of(account)));
        let state = PageState { factor, ..old.state.clone() };
        let next = PageSession { id: id.clone(), state, version: 1 };
        let mut put = self.page_record(&next)?;
        if *id == old.id {
            put.expected = Expected::Version(old.version);
            return Ok(vec![put]);
        }
        Ok(vec![self.page_ending(old), put])
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

    /// Who goes so that one more can come, of those that have proved as much.
    async fn room_for_page(&self, user: &str, opening: &PageState) -> Result<Vec<RecordChange>, EngineError> {
        let mut live = Vec::new();
        for (key, record) in self.store.records_of(PAGE_SESSION, user).await? {
            let state: PageState = codec::decode("page session", &record.bytes)?;
            if state.crowd() == opening.crowd() {
                live.push(Held { since: state.proved_at.unwrap_or_default(), key, client: state.client });
            }
        }
        let leaving = crowd::leaving(live, opening.client).into_iter();
        Ok(leaving.map(|key| RecordChange::delete(PAGE_SESSION, key, Expected::Any)).collect())
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
