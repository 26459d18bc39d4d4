//! A login that is sent on once, as the client meant it, and whose answer is looked at before the client gets it.

use axum::response::Response;
use http::{HeaderMap, HeaderName, header::USER_AGENT};
use matrix_2fa::{ApiError, HostError, request::client_address};
use matrix_2fa_core::EventKind;
use serde_json::Value;

use super::Login;
use crate::{
    amend::{self, whole},
    calls::{Answer, LOGIN, Login as Made, PROBE_NAME},
    host::Running,
    router::{Gateway, unreachable},
    token::sole_token,
};

/// What of a login's headers the upstream needs.
const HEADERS: [HeaderName; 2] = [USER_AGENT, HeaderName::from_static("accept-language")];

/// What is sent.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Sent {
    /// The password of a name without a second factor.
    Password,
    /// A login token that the upstream made. It works once and says nothing of its user, so it logs in no device that exists.
    Token,
    /// An application service, for a user of its own. Its access token is its credential; nobody else has one here.
    Appservice,
    /// Anything else.
    Other,
}

impl Login {
    /// Sends it, and gives the client the answer if it may have it. Where the same could be sent again, it is noted until then, so that it
    /// is ended if this process dies meanwhile.
    pub(super) async fn send(mut self, sent: Sent) -> Result<Response, ApiError> {
        if sent == Sent::Token {
            self.gateway.two_factor.admit(client_address(&self.parts))?;
            self.body.remove("device_id");
        }
        let again = matches!(sent, Sent::Appservice | Sent::Other) && !self.body.contains_key("device_id");
        let answer = if again {
            let running = self.begin(sent).await?;
            let answer = running.ask(self.headers()).await?;
            match self.judge(&answer).await {
                Ok(()) if Made::of(&answer).is_some() => running.give_away().await?,
                Ok(()) => running.end(&answer).await,
                Err(error) => {
                    running.end(&answer).await;
                    return Err(error);
                }
            }
            answer
        } else {
            let answer = self.ask(sent).await?;
            self.judge(&answer).await?;
            answer
        };
        if let Some(user) = Made::of(&answer).and_then(|made| made.user) {
            self.gateway.host.begins_anew(&user, answer.string("device_id")).await;
        }
        let Answer { status, headers, bytes, body } = answer;
        match body {
            Some(mut body) if body.contains_key("well_known") => {
                amend::well_known(&mut body, self.gateway.host.settings.public_base_url.as_deref());
                Ok(whole(status, headers, Value::Object(body).to_string().into()))
            }
            _ => Ok(whole(status, headers, bytes.into())),
        }
    }

    /// Sends it to find out whose it is. The login that comes of it is ended. Some: the answer for the client.
    pub(super) async fn try_out(mut self, sent: Sent) -> Result<Option<Response>, ApiError> {
        self.body.insert("initial_device_display_name".to_owned(), PROBE_NAME.into());
        let running = self.begin(sent).await?;
        let answer = running.ask(self.headers()).await?;
        let judged = self.judge(&answer).await;
        running.end(&answer).await;
        judged?;
        let made = Made::of(&answer).is_some();
        Ok((!made).then(|| whole(answer.status, answer.headers, answer.bytes.into())))
    }

    async fn begin(&self, sent: Sent) -> Result<Running, HostError> {
        let token = if sent == Sent::Appservice { sole_token(&self.parts)? } else { None };
        self.gateway.host.checks.begin(self.body.clone(), token).await
    }

    async fn ask(&self, sent: Sent) -> Result<Answer, ApiError> {
        let token = if sent == Sent::Appservice { sole_token(&self.parts)? } else { None };
        let body = Value::Object(self.body.clone()).to_string();
        let asked = self.gateway.host.upstream.log_in(self.headers(), &body, token.as_deref()).await;
        asked.map_err(|error| unreachable(&error))
    }

    fn headers(&self) -> HeaderMap {
        let own = |name: HeaderName| Some((name.clone(), self.parts.headers.get(&name)?.clone()));
        HEADERS.into_iter().filter_map(own).collect()
    }

    async fn judge(&self, answer: &Answer) -> Result<(), ApiError> {
        match Made::of(answer) {
            Some(made) => self.gateway.stop_if_enrolled(&made, "POST", LOGIN).await,
            None => Ok(()),
        }
    }
}

impl Gateway {
    /// A token that the upstream has just made for a user with a second factor, past our stages: it is ended, and nobody gets it. So is one
    /// of which nobody can tell whose it is.
    pub(crate) async fn stop_if_enrolled(&self, made: &Made, method: &str, path: &str) -> Result<(), ApiError> {
        let enrolled = match self.owner(made).await {
            Ok(None) => Ok(None),
            Ok(Some(user)) => match self.two_factor.engine().account(&user).await {
                Ok(account) if account.is_enrolled() => Ok(Some(user)),
                Ok(_) => Ok(None),
                Err(error) => Err(error.into()),
            },
            Err(error) => Err(error),
        };
        let error = match enrolled {
            Ok(None) => return Ok(()),
            Ok(Some(user)) => {
                tracing::warn!(user.id = user, outcome = "stopped", "a login without the second factor was stopped");
                self.host.upstream.log_out(&made.token).await;
                self.audit(&user, EventKind::LoginStopped, method, path).await;
                return Err(ApiError::forbidden(
                    "This account has a second factor. Log in with your password and a code.",
                ));
            }
            Err(error) => error,
        };
        self.host.upstream.log_out(&made.token).await;
        Err(error)
    }

    /// By our name, if it is somebody who takes part.
    async fn owner(&self, made: &Made) -> Result<Option<String>, ApiError> {
        let id = match &made.user {
            Some(id) => id.clone(),
            None => self.host.owner(&made.token).await?.user,
        };
        Ok(self.host.spellings.ours(&id).await?)
    }
}
