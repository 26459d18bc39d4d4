//! The end of a login with a code. Where the host can prepare a login, its device and token join the commit that burns the code and consumes
//! the session: until that commit is durable there is no token (R48), and afterwards no code was spent for nothing.

use matrix_2fa_core::Stage;
use matrix_2fa_engine::{EngineError, verify::Verdict};
use matrix_2fa_store::RecordChange;
use serde_json::{Map, Value};

use super::Guard;
use crate::{ApiError, uia::Session};

/// Logins that are prepared anew because something of them had changed: only whoever logs in on one device at the same time meets that.
const ATTEMPTS: usize = 8;

/// What a login is about to be.
struct Plan {
    changes: Vec<RecordChange>,
    answer: Option<Value>,
}

/// A login whose first factor was right, and the code that is to finish it.
pub(super) struct LastStage<'a> {
    pub user: &'a str,
    /// The host's epoch when the first factor was proved.
    pub epoch: u64,
    pub stage: Stage,
    pub code: &'a str,
    /// The completed body.
    pub body: &'a Map<String, Value>,
}

impl Guard<'_> {
    /// Judges the code. If it is right, its session is consumed and the login, if the host could prepare it, is made: that is its answer.
    pub(super) async fn judge(
        &self,
        last: &LastStage<'_>,
        session: &Session,
    ) -> Result<(Verdict, Option<Value>), ApiError> {
        self.module.admit(self.from.client)?;
        for _ in 0..ATTEMPTS {
            let Plan { changes, answer } = self.plan(last, session).await?;
            let planned = !changes.is_empty();
            let judged = self.module.judge(last.user, &self.from, session, last.stage, last.code, changes).await;
            match judged {
                // Nothing happened, and the session is as it was: it was the host's part that had changed.
                Err(EngineError::Superseded) if planned && self.is_unused(session).await? => {}
                judged => return Ok((judged?, answer)),
            }
        }
        Err(EngineError::Contended.into())
    }

    async fn plan(&self, last: &LastStage<'_>, session: &Session) -> Result<Plan, ApiError> {
        let host = self.module.host();
        let prepared = match self.makes_logins {
            true => host.prepare_login(last.user, &for_the_host(last.body)).await?,
            false => None,
        };
        let epoch = match &prepared {
            Some(prepared) => prepared.epoch,
            None => host.login_epoch(last.user).await?,
        };
        // Asked before the code is judged: the host would refuse this login at its end.
        if epoch != last.epoch {
            return Err(match session {
                Session::Stored(_) => ApiError::unknown_session(),
                Session::Fresh(_) => super::wrong_password(),
            });
        }
        let Some(prepared) = prepared else { return Ok(Plan { changes: Vec::new(), answer: None }) };
        let mut changes = prepared.changes;
        if last.stage == Stage::Recovery
            && let Some(device) = prepared.answer.get("device_id").and_then(Value::as_str)
        {
            changes.push(self.module.engine.recovery_login(last.user, device)?);
        }
        Ok(Plan { changes, answer: Some(prepared.answer) })
    }

    async fn is_unused(&self, session: &Session) -> Result<bool, ApiError> {
        let Session::Stored(live) = session else { return Ok(true) };
        Ok(self.module.engine.session(&live.id).await?.is_some_and(|now| now.is_same(live)))
    }
}

/// What of a login body the host needs to make the login; everything else was for us.
pub(crate) fn for_the_host(body: &Map<String, Value>) -> Map<String, Value> {
    const KEYS: [&str; 3] = ["device_id", "initial_device_display_name", "refresh_token"];
    KEYS.into_iter().filter_map(|key| Some((key.to_owned(), body.get(key)?.clone()))).collect()
}
