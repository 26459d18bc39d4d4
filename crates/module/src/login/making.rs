//! The end of a login with a code. Where the host can prepare a login, its device and token join the commit that burns the code and consumes
//! the session: until that commit is durable there is no token (R48), and afterwards no code was spent for nothing.

use matrix_2fa_core::Stage;
use matrix_2fa_engine::{EngineError, verify::Verdict};
use matrix_2fa_store::RecordChange;
use serde_json::{Map, Value};

use super::Guard;
use crate::{ApiError, HostError, homeserver::PreparedLogin, uia::Session};

/// Logins that are prepared, once more if something of them had changed. Then the host makes it, in its own order: whoever writes to a device
/// again and again with a stolen token must not keep its owner from taking it over.
const PREPARED: usize = 2;

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

/// What becomes of the login if the code is right.
enum Plan {
    /// It is made in the same commit.
    Joins { changes: Vec<RecordChange>, answer: Value },
    /// The host makes it afterwards.
    Follows,
    /// The host will not make it. Nobody learns that from a wrong code: it would tell that the password before it was right.
    Refused(HostError),
}

impl Guard<'_> {
    /// Judges the code. If it is right, its session is consumed and the login, if the host could prepare it, is made: that is its answer.
    pub(super) async fn judge(
        &self,
        last: &LastStage<'_>,
        session: &Session,
    ) -> Result<(Verdict, Option<Value>), ApiError> {
        self.module.admit(self.from.client)?;
        for attempt in 0..=PREPARED {
            let (changes, answer, refused) = match self.plan(last, session, attempt < PREPARED).await? {
                Plan::Joins { changes, answer } => (changes, Some(answer), None),
                Plan::Follows => (Vec::new(), None, None),
                Plan::Refused(error) => (Vec::new(), None, Some(error)),
            };
            match self.module.judge(last.user, &self.from, session, last.stage, last.code, changes).await {
                // Nothing happened, and the session is as it was: it was the host's part that had changed.
                Err(EngineError::Superseded) if answer.is_some() && self.is_unused(session).await? => {}
                Ok(Verdict::Verified) => {
                    return refused.map_or(Ok((Verdict::Verified, answer)), |error| Err(error.into()));
                }
                judged => return Ok((judged?, None)),
            }
        }
        Err(EngineError::Contended.into())
    }

    async fn plan(&self, last: &LastStage<'_>, session: &Session, may_join: bool) -> Result<Plan, ApiError> {
        let host = self.module.host();
        // While a recovery code is hashed there is time for a change of the password, which the host must see at the end.
        let joins = may_join && self.makes_logins && last.stage == Stage::Totp;
        let prepared = if joins { host.prepare_login(last.user, &for_the_host(last.body)).await } else { Ok(None) };
        let (epoch, plan) = match prepared {
            Ok(Some(PreparedLogin { epoch, mut changes, answer })) => {
                // The right of a recovery login is not handed on with its device.
                let device = answer.get("device_id").and_then(Value::as_str);
                changes.extend(device.map(|device| self.module.engine.no_recovery_login(last.user, device)));
                (epoch, Plan::Joins { changes, answer })
            }
            Ok(None) => (host.login_epoch(last.user).await?, Plan::Follows),
            Err(error @ HostError::Refused { .. }) => (host.login_epoch(last.user).await?, Plan::Refused(error)),
            Err(error) => return Err(error.into()),
        };
        if epoch == last.epoch {
            return Ok(plan);
        }
        // Before the code is judged: it would be spent on a login that the host refuses.
        Err(match session {
            Session::Stored(_) => ApiError::unknown_session(),
            Session::Fresh(_) => self.module.wrong_password(),
        })
    }

    async fn is_unused(&self, session: &Session) -> Result<bool, ApiError> {
        let Session::Stored(live) = session else { return Ok(true) };
        Ok(self.module.engine.session(&live.id).await?.is_some_and(|now| now.is_same(live)))
    }
}

/// What of a login body the host needs to make the login: all that is not a name or a credential, which were for us.
pub(crate) fn for_the_host(body: &Map<String, Value>) -> Map<String, Value> {
    const OURS: [&str; 8] = ["type", "identifier", "user", "medium", "address", "password", "token", "auth"];
    body.iter()
        .filter(|(key, _)| !OURS.contains(&key.as_str()))
        .map(|(key, value)| (key.clone(), value.clone()))
        .collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_host_gets_every_field_but_names_and_credentials() {
        let body = json!({
            "type": "m.login.password", "identifier": {}, "user": "a", "password": "p", "token": "t", "auth": {},
            "device_id": "D", "refresh_token": true, "com.example.new": 1,
        });
        let kept = for_the_host(body.as_object().expect("an object"));
        assert_eq!(Value::Object(kept), json!({"device_id": "D", "refresh_token": true, "com.example.new": 1}));
    }
}
