//! The upstream's own interactive auth, which the gateway passes when ours is passed. Every body is built here; no `auth` and no session of
//! a client's ever goes there.

use http::{Method, StatusCode};
use matrix_2fa::{ApiError, homeserver::HostError};
use serde_json::{Map, Value};

use crate::{
    calls::Answer,
    host::{UpstreamHomeserver, away, name},
};

/// More stages than any flow has.
const ROUNDS: usize = 4;

/// An operation to be done at the upstream.
pub(crate) struct Act<'a> {
    pub(crate) method: Method,
    /// With the query, if there is one.
    pub(crate) path: &'a str,
    pub(crate) token: &'a str,
    /// Without `auth`.
    pub(crate) body: &'a Map<String, Value>,
}

impl UpstreamHomeserver {
    /// Does it. Upstreams may skip their interactive auth, so the first answer can be that of the operation.
    pub(crate) async fn act(&self, user: &str, act: Act<'_>) -> Result<Answer, HostError> {
        let mut body = act.body.clone();
        body.remove("auth");
        let theirs = self.spellings.theirs(user).await?;
        let mut passed: Vec<String> = Vec::new();
        for _ in 0..ROUNDS {
            let asked = self.upstream.ask(act.method.clone(), act.path, Some(act.token), Some(&body)).await;
            let answer = asked.map_err(away)?;
            let Some(challenge) = Challenge::of(&answer) else { return Ok(answer) };
            let stage = challenge.next(&passed).ok_or_else(|| cannot(&challenge))?.to_owned();
            let mut auth = Map::from_iter([
                ("type".to_owned(), Value::from(stage.as_str())),
                ("session".to_owned(), challenge.session.into()),
            ]);
            if stage == PASSWORD {
                let password = self.sealed.recall(user).ok_or_else(again)?;
                // `user` is what some upstreams still read.
                auth.insert("identifier".to_owned(), name(&theirs));
                auth.insert("user".to_owned(), theirs.as_str().into());
                auth.insert("password".to_owned(), password.as_str().into());
            }
            passed.push(stage);
            body.insert("auth".to_owned(), auth.into());
        }
        Err(again())
    }
}

const PASSWORD: &str = "m.login.password";
const DUMMY: &str = "m.login.dummy";

/// The upstream wants interactive auth.
struct Challenge {
    session: String,
    flows: Vec<Vec<String>>,
}

impl Challenge {
    /// 401 as the specification says; one upstream answers 403 after a stage that failed.
    fn of(answer: &Answer) -> Option<Self> {
        if !matches!(answer.status, StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN) {
            return None;
        }
        let flows = answer.body.as_ref()?.get("flows")?.as_array()?;
        let stages = |flow: &Value| -> Vec<String> {
            let stages = flow.get("stages").and_then(Value::as_array).into_iter().flatten();
            stages.filter_map(|stage| stage.as_str().map(str::to_owned)).collect()
        };
        let session = answer.string("session").unwrap_or_default().to_owned();
        Some(Self { session, flows: flows.iter().map(stages).collect() })
    }

    /// The next stage of a flow that can be passed for a user. None: there is no such flow, or the password was not taken.
    fn next(&self, passed: &[String]) -> Option<&str> {
        let possible =
            |flow: &&Vec<String>| !flow.is_empty() && flow.iter().all(|stage| stage == PASSWORD || stage == DUMMY);
        let flow = self.flows.iter().find(possible)?;
        flow.iter().find(|stage| !passed.contains(stage)).map(String::as_str)
    }
}

fn cannot(challenge: &Challenge) -> HostError {
    let offered = challenge.flows.iter().map(|flow| flow.join("+")).collect::<Vec<_>>().join(", ");
    tracing::warn!(offered, "the upstream did not take the password in its interactive auth, or has no flow with it");
    HostError::Answered(ApiError::forbidden("The homeserver refused this. Start again with your password."))
}

/// The session was consumed; who starts again sends the password again.
pub(crate) fn again() -> HostError {
    HostError::Refused {
        status: 403,
        errcode: "M_FORBIDDEN",
        error: "This server does not remember the password any more. Start again without the session.".to_owned(),
    }
}
