//! Where the errors of everything below become status codes and errcodes. Nothing below the module knows HTTP.

use std::time::Duration;

use axum::response::{IntoResponse, Response};
use http::{HeaderValue, StatusCode, header::RETRY_AFTER};
use matrix_2fa_core::{
    Timestamp,
    account::{BeginRefused, ChangeRefused},
};
use matrix_2fa_engine::EngineError;
use matrix_2fa_store::StoreError;
use serde_json::{Map, Value, json};

use crate::homeserver::HostError;

/// An answer that is not a success: a Matrix error, or the 401 of interactive auth.
#[derive(Clone, PartialEq)]
pub struct ApiError {
    status: StatusCode,
    body: Map<String, Value>,
    retry_after: Option<Duration>,
}

impl ApiError {
    /// A Matrix error. `error` says what to do.
    pub fn new(status: StatusCode, errcode: &str, error: impl Into<String>) -> Self {
        let mut body = Map::new();
        body.insert("errcode".to_owned(), errcode.into());
        body.insert("error".to_owned(), error.into().into());
        Self { status, body, retry_after: None }
    }

    /// An answer with a body of its own.
    pub fn from_body(status: StatusCode, body: Map<String, Value>) -> Self {
        Self { status, body, retry_after: None }
    }

    /// Adds a key to the body.
    #[must_use]
    pub fn with(mut self, key: &str, value: impl Into<Value>) -> Self {
        self.body.insert(key.to_owned(), value.into());
        self
    }

    /// 429 with `Retry-After` (seconds, rounded up) and `retry_after_ms`.
    pub fn limited(retry_after: Duration, error: impl Into<String>) -> Self {
        let ms = u64::try_from(retry_after.as_millis()).unwrap_or(u64::MAX);
        let mut limited =
            Self::new(StatusCode::TOO_MANY_REQUESTS, "M_LIMIT_EXCEEDED", error).with("retry_after_ms", ms);
        limited.retry_after = Some(retry_after);
        limited
    }

    /// A factor that waits after wrong codes.
    pub(crate) fn wait(now: Timestamp, until: Timestamp) -> Self {
        Self::limited(until.since(now), "Too many wrong codes. Wait and try again; the code was not used.")
    }

    /// 400 `M_MISSING_PARAM`.
    pub fn missing(key: &str) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "M_MISSING_PARAM", format!("The key \"{key}\" is missing."))
    }

    /// 400 `M_BAD_JSON`: the key has another JSON type than it must have.
    pub fn bad_type(key: &str, expected: &str) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "M_BAD_JSON", format!("The key \"{key}\" must be {expected}."))
    }

    /// 400 `M_INVALID_PARAM`.
    pub fn invalid(error: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "M_INVALID_PARAM", error)
    }

    /// 403 `M_FORBIDDEN`.
    pub fn forbidden(error: impl Into<String>) -> Self {
        Self::new(StatusCode::FORBIDDEN, "M_FORBIDDEN", error)
    }

    /// 404 `M_NOT_FOUND`.
    pub fn not_found(error: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, "M_NOT_FOUND", error)
    }

    /// The account got a second factor between the proof and the change, or the proof is not enough for this change.
    fn unproved() -> Self {
        Self::forbidden("This account has a second factor. Start again and prove it.")
    }

    /// An interactive-auth session that never was, is over, or was used meanwhile.
    pub(crate) fn unknown_session() -> Self {
        Self::new(StatusCode::BAD_REQUEST, "M_UNKNOWN", "This session is not known or is over. Start again without it.")
    }

    /// 503. Nobody was let in because of it.
    fn unavailable(error: &dyn std::error::Error) -> Self {
        tracing::error!(error = %chain(error), "cannot decide about a second factor");
        Self::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "M_UNKNOWN",
            "The server cannot do this at the moment. Try again later.",
        )
    }

    /// The HTTP status.
    pub fn status(&self) -> StatusCode {
        self.status
    }

    /// How long to wait, of a 429.
    pub(crate) fn retry_after(&self) -> Option<Duration> {
        self.retry_after
    }

    /// The JSON body.
    pub fn body(&self) -> &Map<String, Value> {
        &self.body
    }
}

/// An error and what caused it, in one line.
pub(crate) fn chain(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(error.source(), |cause| cause.source());
    causes.fold(error.to_string(), |text, cause| format!("{text}: {cause}"))
}

impl std::fmt::Display for ApiError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let text = |key| self.body.get(key).and_then(Value::as_str).unwrap_or_default();
        write!(f, "{} {} {}", self.status.as_u16(), text("errcode"), text("error"))
    }
}

/// The same: the body of a 401 names a session.
impl std::fmt::Debug for ApiError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "ApiError({self})")
    }
}

impl std::error::Error for ApiError {}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let mut response = (self.status, axum::Json(self.body)).into_response();
        if let Some(wait) = self.retry_after {
            let seconds = u64::try_from(wait.as_millis().div_ceil(1000)).unwrap_or(u64::MAX);
            response.headers_mut().insert(RETRY_AFTER, HeaderValue::from(seconds));
        }
        response
    }
}

impl From<EngineError> for ApiError {
    fn from(error: EngineError) -> Self {
        match error {
            EngineError::Store(_) | EngineError::Sealed => Self::unavailable(&error),
            EngineError::Overloaded { retry_after } => {
                Self::limited(retry_after, "The server is busy checking codes. Try again; the code was not used.")
            }
            EngineError::Crowded => {
                Self::limited(Duration::from_secs(60), "Too many sessions are open. Try again later.")
            }
            EngineError::Superseded => Self::unknown_session(),
            EngineError::Contended => {
                Self::limited(Duration::from_secs(1), "Too many changes of this account at once. Try again.")
            }
        }
    }
}

impl From<StoreError> for ApiError {
    fn from(error: StoreError) -> Self {
        Self::unavailable(&error)
    }
}

impl From<HostError> for ApiError {
    fn from(error: HostError) -> Self {
        match error {
            HostError::MissingToken => {
                Self::new(StatusCode::UNAUTHORIZED, "M_MISSING_TOKEN", "This request needs an access token.")
            }
            HostError::UnknownToken { soft_logout } => {
                let unknown = Self::new(
                    StatusCode::UNAUTHORIZED,
                    "M_UNKNOWN_TOKEN",
                    "The access token is not known. Log in again.",
                );
                unknown.with("soft_logout", soft_logout)
            }
            HostError::Refused { status, errcode, error } => {
                Self::new(StatusCode::from_u16(status).unwrap_or(StatusCode::FORBIDDEN), errcode, error)
            }
            HostError::Answered(answer) => answer,
            HostError::Overloaded { retry_after } => Self::limited(retry_after, "The server is busy. Try again."),
            HostError::Unavailable(_) => Self::unavailable(&error),
        }
    }
}

impl From<BeginRefused> for ApiError {
    fn from(refused: BeginRefused) -> Self {
        match refused {
            BeginRefused::Disallowed => Self::forbidden("This server does not allow second factors."),
            BeginRefused::Unproved => Self::unproved(),
            BeginRefused::TooMany => Self::invalid("This account has ten authenticators already. Remove one first."),
        }
    }
}

impl From<ChangeRefused> for ApiError {
    fn from(refused: ChangeRefused) -> Self {
        match refused {
            ChangeRefused::Unknown => Self::not_found("No authenticator of this account has this id."),
            ChangeRefused::Required => Self::forbidden(
                "This server requires a second factor. Add another authenticator before you remove the last one.",
            ),
            ChangeRefused::Unproved => Self::unproved(),
            ChangeRefused::NoRecoveryCodes => Self::invalid("This account has no recovery codes."),
            ChangeRefused::NotEnrolled => {
                Self::invalid("This account has no second factor. Add an authenticator first.")
            }
        }
    }
}

/// The answer for a path or method that is not there.
pub(crate) fn unrecognized(status: StatusCode) -> Response {
    let body = json!({"errcode": "M_UNRECOGNIZED", "error": "There is no such endpoint, or not for this method."});
    (status, axum::Json(body)).into_response()
}
