//! What the gateway itself asks of the upstream, in the words of the client-server API.

use std::{error::Error, time::Duration};

use bytes::Bytes;
use http::{
    HeaderMap, HeaderValue, Method, Request, StatusCode,
    header::{AUTHORIZATION, CONTENT_TYPE},
    request,
};
use matrix_2fa::{ApiError, homeserver::HostError};
use serde_json::{Map, Value};

use crate::{
    scope,
    upstream::{Upstream, UpstreamError},
};

/// How people see the device of a password check, if it is ever seen.
pub(crate) const PROBE_NAME: &str = "Password check of the second-factor gateway";

/// Where every upstream logs in.
pub(crate) const LOGIN: &str = "/_matrix/client/v3/login";

/// A logout that fails is tried again this often, each time after twice as long as the time before.
const LOGOUT_TRIES: u32 = 6;

/// The upstream's answer to a call.
#[derive(Clone)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) bytes: Bytes,
    /// The body, if it is a JSON object.
    pub(crate) body: Option<Map<String, Value>>,
}

impl Answer {
    /// A string of the body.
    pub(crate) fn string(&self, key: &str) -> Option<&str> {
        self.body.as_ref()?.get(key)?.as_str()
    }

    /// The upstream's own refusal, to be passed on as it is.
    pub(crate) fn refusal(self) -> ApiError {
        let waits = self.body.as_ref().and_then(|body| body.get("retry_after_ms")).and_then(Value::as_u64);
        match self.body {
            Some(body) if self.status == StatusCode::TOO_MANY_REQUESTS => {
                let text = body.get("error").and_then(Value::as_str).unwrap_or("Too many requests.");
                ApiError::limited(Duration::from_millis(waits.unwrap_or(1000)), text)
            }
            Some(body) => ApiError::from_body(self.status, body),
            None => ApiError::new(
                StatusCode::BAD_GATEWAY,
                "M_UNKNOWN",
                "The homeserver gave an answer that cannot be read.",
            ),
        }
    }
}

/// A login at the upstream, which somebody must own or end.
pub(crate) struct Login {
    pub(crate) user: Option<String>,
    pub(crate) token: String,
}

impl Login {
    /// What a 2xx answer gives away; `None` if there is no token in it.
    pub(crate) fn of(answer: &Answer) -> Option<Self> {
        let token = answer.status.is_success().then(|| answer.string("access_token")).flatten()?.to_owned();
        Some(Self { user: answer.string("user_id").map(str::to_owned), token })
    }
}

/// A request of ours; the client's address goes with it.
fn request(method: Method, path: &str, token: Option<&str>) -> request::Builder {
    let mut request = Request::builder().method(method).uri(path);
    if let Some(client) = scope::client() {
        request = request.header("x-forwarded-for", client.to_canonical().to_string());
    }
    if let Some(value) = token.and_then(|token| HeaderValue::from_str(&format!("Bearer {token}")).ok()) {
        request = request.header(AUTHORIZATION, value);
    }
    request
}

impl Upstream {
    /// One call. `path` begins with a slash.
    pub(crate) async fn ask(
        &self,
        method: Method,
        path: &str,
        token: Option<&str>,
        body: Option<&Map<String, Value>>,
    ) -> Result<Answer, UpstreamError> {
        let mut request = request(method, path, token);
        if body.is_some() {
            request = request.header(CONTENT_TYPE, "application/json");
        }
        let bytes = body.map(|body| serde_json::to_vec(body).unwrap_or_default()).unwrap_or_default();
        self.answer(request.body(bytes.into()).map_err(|_never| UpstreamError::Unreadable)?).await
    }

    /// The same for a request that is built already.
    pub(crate) async fn answer(&self, request: Request<Bytes>) -> Result<Answer, UpstreamError> {
        let (parts, bytes) = self.call(request).await?.into_parts();
        let body = serde_json::from_slice(&bytes).ok();
        Ok(Answer { status: parts.status, headers: parts.headers, bytes, body })
    }

    /// `POST /login` with this body. Only an application service has a token.
    pub(crate) async fn log_in(
        &self,
        headers: HeaderMap,
        body: &str,
        token: Option<&str>,
    ) -> Result<Answer, UpstreamError> {
        let mut request = request(Method::POST, LOGIN, token).header(CONTENT_TYPE, "application/json");
        for (name, value) in &headers {
            request = request.header(name, value);
        }
        let bytes = Bytes::copy_from_slice(body.as_bytes());
        self.answer(request.body(bytes).map_err(|_never| UpstreamError::Unreadable)?).await
    }

    /// Ends a login. It is tried again for a while: a token that nobody earned must not stay.
    pub(crate) async fn log_out(&self, token: &str) {
        let mut wait = Duration::from_millis(100);
        for _ in 0..LOGOUT_TRIES {
            if self.try_log_out(token).await {
                return;
            }
            tokio::time::sleep(wait).await;
            wait *= 4;
        }
        tracing::error!("a login of ours was not ended at the upstream; its token is known to nobody");
    }

    /// The same, once. Is it over?
    pub(crate) async fn try_log_out(&self, token: &str) -> bool {
        match self.ask(Method::POST, "/_matrix/client/v3/logout", Some(token), Some(&Map::new())).await {
            // 401: it is over already.
            Ok(answer) if answer.status.is_success() || answer.status == StatusCode::UNAUTHORIZED => return true,
            Ok(answer) => tracing::warn!(http.status = answer.status.as_u16(), "a login of ours could not be ended"),
            Err(error) => tracing::warn!(error = &error as &dyn Error, "a login of ours could not be ended"),
        }
        false
    }
}

/// The host cannot tell: the upstream is away, or says what nobody understands.
pub(crate) fn unavailable(error: impl Error + Send + Sync + 'static) -> HostError {
    HostError::Unavailable(Box::new(error))
}

/// An answer that no homeserver should give here.
#[derive(Debug, thiserror::Error)]
#[error("the upstream answered {what} with status {status} and no body that can be used")]
pub(crate) struct Unexpected {
    pub(crate) what: &'static str,
    pub(crate) status: u16,
}
