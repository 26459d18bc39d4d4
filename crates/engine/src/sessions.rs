//! Interactive-auth sessions as records: opened, looked at, moved forward and consumed by compare-and-swap.

use std::{
    collections::VecDeque,
    fmt,
    sync::{Mutex, PoisonError},
};

use matrix_2fa_core::{AuthSession, Timestamp, session::LIFETIME, throttle::ClientTag};
use matrix_2fa_store::{Commit, Committed, Expected, Kind, NewRecord, Record, RecordChange, Version, codec};

use crate::{
    Engine, EngineError,
    crowd::{self, Held},
};

pub(crate) const SESSION: Kind = Kind("auth_session");

/// Sessions that people without an account or a password may open within one lifetime, on this server: they cost a write each, and
/// nothing else bounds them for somebody with many addresses.
const STRANGERS: usize = 100_000;

/// When the last of them were opened.
#[derive(Default)]
pub(crate) struct Strangers(Mutex<VecDeque<Timestamp>>);

impl Strangers {
    pub(crate) fn admit(&self, now: Timestamp) -> bool {
        let mut opened = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let dead = |at: &Timestamp| *at > now || now.since(*at) >= LIFETIME;
        while opened.front().is_some_and(dead) {
            opened.pop_front();
        }
        let admitted = opened.len() < STRANGERS;
        if admitted {
            opened.push_back(now);
        }
        admitted
    }
}

/// A session with its id and the version to swap.
#[derive(Clone)]
pub struct LiveSession {
    /// 32 characters, unguessable.
    pub id: String,
    /// The state.
    pub state: AuthSession,
    version: Version,
    /// Completed stages and whether the user was known, as stored.
    stored: (usize, bool),
}

impl Engine {
    /// Opens a session. The oldest of the same client makes room for it, then the oldest of the user.
    pub async fn open_session(&self, state: AuthSession) -> Result<LiveSession, EngineError> {
        // In turn, or many at once would all make room for each other in the same place.
        let _turn = self.gate.enter(&owner_of(&state)).await;
        let id = self.fresh_id();
        let mut records = self.make_room(&state).await?;
        if state.user.is_none() && records.is_empty() && !self.strangers.admit(state.created_at) {
            return Err(EngineError::Crowded);
        }
        records.push(RecordChange::put(SESSION, id.as_str(), Expected::Absent, record_of(&state)?));
        // Making room is by `Expected::Any`, so only the fresh id could conflict.
        match self.store.commit(Commit { records, ..Commit::default() }).await? {
            Committed::Done => Ok(LiveSession::new(id, state, 1)),
            Committed::Conflict => Err(EngineError::Contended),
        }
    }

    /// A session that lives now. Unknown and expired ones are the same.
    pub async fn session(&self, id: &str) -> Result<Option<LiveSession>, EngineError> {
        if id.is_empty() || id.len() > 64 || !id.bytes().all(|b| b.is_ascii_alphanumeric()) {
            return Ok(None);
        }
        let Some(Record { version, bytes, .. }) = self.store.record(SESSION, id).await? else { return Ok(None) };
        let state: AuthSession = codec::decode("session", &bytes)?;
        let live = state.is_live(self.now());
        Ok(live.then(|| LiveSession::new(id.to_owned(), state, version)))
    }

    /// Writes the progress of a session, if nobody else moved it meanwhile.
    pub async fn save_session(&self, session: &mut LiveSession) -> Result<(), EngineError> {
        let (mut records, mut _turn) = (Vec::new(), None);
        if session.state.user.is_some() && !session.stored.1 {
            // It joins its user's sessions now, which is an opening like any other.
            _turn = self.gate.enter(&owner_of(&session.state)).await;
            records = self.make_room(&session.state).await?;
        }
        records.push(session.advance()?);
        match self.store.commit(Commit { records, ..Commit::default() }).await? {
            Committed::Done => {
                session.version += 1;
                session.stored = progress_of(&session.state);
                Ok(())
            }
            Committed::Conflict => Err(EngineError::Superseded),
        }
    }

    /// Consumes a session that needs no code in the same commit.
    pub async fn consume_session(&self, session: &LiveSession) -> Result<(), EngineError> {
        match self.store.commit(Commit { records: vec![session.consume()], ..Commit::default() }).await? {
            Committed::Done => Ok(()),
            Committed::Conflict => Err(EngineError::Superseded),
        }
    }

    pub(crate) async fn session_deletions(&self, user: &str) -> Result<Vec<RecordChange>, EngineError> {
        let sessions = self.store.records_of(SESSION, user).await?;
        Ok(sessions.into_iter().map(|(id, _)| RecordChange::delete(SESSION, id, Expected::Any)).collect())
    }

    /// Who must go so that `opening` can come. Logins and everything else have separate room: a stolen access token must not push out the
    /// owner's login.
    async fn make_room(&self, opening: &AuthSession) -> Result<Vec<RecordChange>, EngineError> {
        let known = opening.client != ClientTag::default();
        // Whoever comes through a proxy that hides addresses shares one tag with strangers; that must not make them push each other out.
        if opening.user.is_none() && !known {
            return Ok(Vec::new());
        }
        let mut live = Vec::new();
        for (key, record) in self.store.records_of(SESSION, &owner_of(opening)).await? {
            let state: AuthSession = codec::decode("session", &record.bytes)?;
            if is_login(&state) == is_login(opening) {
                live.push(Held { since: state.created_at, key, client: state.client });
            }
        }
        let leaving = crowd::leaving(live, opening.client).into_iter();
        Ok(leaving.map(|id| RecordChange::delete(SESSION, id, Expected::Any)).collect())
    }
}

impl fmt::Debug for LiveSession {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LiveSession").field("state", &self.state).finish_non_exhaustive()
    }
}

impl LiveSession {
    fn new(id: String, state: AuthSession, version: Version) -> Self {
        let stored = progress_of(&state);
        Self { id, state, version, stored }
    }

    /// Is the other one the same session in the same state?
    pub fn is_same(&self, other: &Self) -> bool {
        self.id == other.id && self.version == other.version
    }

    /// Has it moved since it was stored?
    pub fn is_changed(&self) -> bool {
        self.stored != progress_of(&self.state)
    }

    /// The change that ends this session; joins the commit of the last stage's code. If somebody used it first, that commit conflicts.
    pub fn consume(&self) -> RecordChange {
        RecordChange::delete(SESSION, self.id.as_str(), Expected::Version(self.version))
    }

    /// The change that writes this session's present state.
    pub fn advance(&self) -> Result<RecordChange, EngineError> {
        let next = record_of(&self.state)?;
        Ok(RecordChange::put(SESSION, self.id.as_str(), Expected::Version(self.version), next))
    }
}

fn is_login(state: &AuthSession) -> bool {
    state.operation.name == "login"
}

fn progress_of(state: &AuthSession) -> (usize, bool) {
    (state.completed.len(), state.user.is_some())
}

/// Sessions before anybody is known (registration, the MSC2835 form) belong to the client's address.
fn owner_of(state: &AuthSession) -> String {
    state.user.clone().unwrap_or_else(|| format!("client {:08x}", state.client.0))
}

fn record_of(state: &AuthSession) -> Result<NewRecord, EngineError> {
    let bytes = codec::encode("session", state)?;
    Ok(NewRecord { bytes, user: Some(owner_of(state)), expires_at: Some(state.created_at.plus(LIFETIME)) })
}
