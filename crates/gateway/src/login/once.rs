//! A login that is sent on once, as the client meant it, and whose answer is looked at before the client gets it.

use axum::{body::Body, response::Response};
use bytes::Bytes;
use http::{
    HeaderName, Request,
    header::{AUTHORIZATION, CONTENT_TYPE, USER_AGENT},
};
use matrix_2fa::{ApiError, request::client_address};
use matrix_2fa_core::EventKind;
use serde_json::Value;

use super::Login;
use crate::{
    amend::{self, whole},
    calls::{Answer, Login as Made},
    router::{Gateway, unreachable},
    scope,
};

/// What of a login's headers the upstream needs. The access token of an application service is its credential; nobody else has one here.
const HEADERS: [HeaderName; 2] = [USER_AGENT, HeaderName::from_static("accept-language")];

const LOGIN: &str = "/_matrix/client/v3/login";

/// What is sent.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Sent {
    /// The password of a name without a second factor.
    Password,
    /// A login token that the upstream made. It works once and says nothing of its user, so it logs in no device that exists.
    Token,
    /// An application service, for a user of its own.
    Appservice,
    /// Anything else.
    Other,
}

impl Login {
    /// Sends it, and gives the client the answer if it may have it.
    pub(super) async fn send(mut self, sent: Sent) -> Result<Response, ApiError> {
        if sent == Sent::Token {
            self.gateway.two_factor.admit(client_address(&self.parts))?;
            self.body.remove("device_id");
        }
        let answer = self.ask(sent == Sent::Appservice).await?;
        let Some(made) = Made::of(&answer) else { return Ok(as_it_is(answer)) };
        self.gateway.stop_if_enrolled(&made, "POST", LOGIN).await?;
        if let Some(user) = &made.user {
            self.gateway.host.begins_anew(user, answer.string("device_id")).await;
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
    pub(super) async fn try_out(self, sent: Sent) -> Result<Option<Response>, ApiError> {
        let answer = self.ask(sent == Sent::Appservice).await?;
        let Some(made) = Made::of(&answer) else { return Ok(Some(as_it_is(answer))) };
        self.gateway.stop_if_enrolled(&made, "POST", LOGIN).await?;
        self.gateway.host.upstream.log_out(&made.token).await;
        Ok(None)
    }

    async fn ask(&self, with_token: bool) -> Result<Answer, ApiError> {
        let mut request = Request::post(LOGIN).header(CONTENT_TYPE, "application/json");
        let own = HEADERS.into_iter().chain(with_token.then_some(AUTHORIZATION));
        for (name, value) in own.filter_map(|name| Some((name.clone(), self.parts.headers.get(&name)?))) {
            request = request.header(name, value);
        }
        if let Some(client) = scope::client() {
            request = request.header("x-forwarded-for", client.to_canonical().to_string());
        }
        let bytes = Value::Object(self.body.clone()).to_string().into();
        let request: Request<Bytes> =
            request.body(bytes).map_err(|_never| ApiError::invalid("This cannot be sent on."))?;
        self.gateway.host.upstream.answer(request).await.map_err(|error| unreachable(&error))
    }
}

fn as_it_is(answer: Answer) -> Response {
    whole(answer.status, answer.headers, Body::from(answer.bytes))
}

impl Gateway {
    /// A token that the upstream has just made for a user with a second factor, past our stages: it is ended, and nobody gets it. So is one
    /// of which nobody can tell whose it is.
    pub(crate) async fn stop_if_enrolled(&self, made: &Made, method: &str, path: &str) -> Result<(), ApiError> {
        let enrolled = match self.owner(made).await {
            Ok(user) => match self.two_factor.engine().account(&user).await {
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

    async fn owner(&self, made: &Made) -> Result<String, ApiError> {
        match &made.user {
            Some(user) => Ok(user.clone()),
            None => Ok(self.host.whoami(&made.token).await?.user),
        }
    }
}
