//! The net behind the doors. An endpoint that nobody has heard of may give out a token, or ask for the password in its own interactive
//! auth: so small JSON answers are read before the client gets them.
//!
//! 1. No compression on this leg, so that there is something to read.
//! 2. An access token in the answer: whose is it? The upstream says (`whoami`). If that user has a second factor, nobody proved it here: the
//!    token is ended upstream, the client gets 403, and it is audited. A refresh token without an access token beside it could be anybody's:
//!    502 for everybody.
//! 3. A demand for interactive auth (401 or 403 with `flows`) for a user with a second factor: refused and told. An endpoint like that
//!    wants a row in the table of doors.
//! 4. A JSON answer that is too large to be kept is let through up to the first such word ([`scan`]).
//!
//! A login token in a redirect or on a page is nothing yet: `POST /login` is a door, and takes no login token of the upstream's for a factor.

mod scan;
mod words;

use axum::{body::Body, extract::Request, response::Response};
use bytes::{Bytes, BytesMut};
use http::{
    HeaderMap, HeaderValue, Method, StatusCode,
    header::{ACCEPT_ENCODING, CONTENT_ENCODING, CONTENT_TYPE},
};
use http_body_util::BodyExt;
use matrix_2fa::{ApiError, HostError};
use matrix_2fa_core::EventKind;

use crate::{calls::Login, router::Gateway, token::sole_token};

use words::Found;

/// Larger answers are scanned, not kept.
const KEPT: usize = 256 * 1024;

/// What must be remembered of a request until its answer comes.
struct Asked {
    method: Method,
    path: String,
    /// Of several an upstream takes one, and nobody knows which.
    token: Result<Option<String>, HostError>,
}

impl Gateway {
    /// Passes a request on, and reads the answer before the client gets it.
    pub(crate) async fn watch(&self, request: Request) -> Result<Response, ApiError> {
        let (request, asked) = before(request);
        let response = self.pass(request).await?;
        self.after(asked, response).await
    }

    /// Reads the answer.
    async fn after(&self, asked: Asked, response: Response) -> Result<Response, ApiError> {
        let status = response.status();
        let demand = matches!(status, StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN);
        if !(status.is_success() || demand) || is_a_picture(response.headers()) {
            return Ok(response);
        }
        let (parts, mut body) = response.into_parts();
        let mut kept = BytesMut::new();
        let mut ended = false;
        while kept.len() <= KEPT {
            match body.frame().await {
                None => {
                    ended = true;
                    break;
                }
                Some(Err(_broken)) => return Err(unusable("it broke off")),
                Some(Ok(frame)) => {
                    // Trailers say nothing that a client of Matrix reads.
                    let Ok(data) = frame.into_data() else { continue };
                    kept.extend_from_slice(&data);
                    if !words::may_be_json(&kept) && !is_encoded(&parts.headers) {
                        return Ok(Response::from_parts(parts, scan::rest(kept.freeze(), body, false)));
                    }
                }
            }
        }
        if is_encoded(&parts.headers) && !kept.is_empty() {
            return Err(unusable("it is compressed, although it should not be"));
        }
        let kept = kept.freeze();
        if !ended {
            return Ok(Response::from_parts(parts, scan::rest(kept, body, true)));
        }
        self.judge(&asked, demand, &kept).await?;
        Ok(Response::from_parts(parts, Body::from(kept)))
    }

    async fn judge(&self, asked: &Asked, demand: bool, answer: &Bytes) -> Result<(), ApiError> {
        match words::read(answer) {
            Found::Nothing => Ok(()),
            Found::Unreadable => Err(unusable("it has a token in it, and nobody can tell whose")),
            Found::Flows if demand => self.refuse_demand(asked).await,
            Found::Flows => Ok(()),
            Found::Tokens(tokens) => {
                let mut refused = Ok(());
                for token in tokens {
                    let judged = self.judge_token(asked, token).await;
                    refused = refused.and(judged);
                }
                refused
            }
        }
    }

    /// A token that came through no door. All of them are ended, whichever was refused first.
    async fn judge_token(&self, asked: &Asked, token: String) -> Result<(), ApiError> {
        match self.host.owner(&token).await {
            Ok(requester) => {
                let made = Login { user: Some(requester.user), token };
                let judged = self.stop_if_enrolled(&made, asked.method.as_str(), &asked.path).await;
                if judged.is_err() {
                    tracing::error!(http.method = %asked.method, http.path = asked.path, "a token that came through no door was stopped");
                }
                judged
            }
            Err(error) => {
                let error = ApiError::from(error);
                // Not a token of the homeserver's: somebody else's, for somebody else.
                if error.status() == StatusCode::UNAUTHORIZED {
                    return Ok(());
                }
                self.host.upstream.log_out(&token).await;
                Err(error)
            }
        }
    }

    async fn refuse_demand(&self, asked: &Asked) -> Result<(), ApiError> {
        let token = match &asked.token {
            Ok(Some(token)) => token,
            Ok(None) => return Ok(()),
            Err(_several) => return Err(ApiError::forbidden("Send exactly one access token.")),
        };
        let Ok(requester) = self.host.whoami(token).await else { return Ok(()) };
        if !self.two_factor.engine().account(&requester.user).await?.is_enrolled() {
            return Ok(());
        }
        tracing::error!(user.id = requester.user, http.method = %asked.method, http.path = asked.path, "an endpoint that is not in the table of doors asks for interactive auth");
        let (method, path) = (asked.method.as_str(), &asked.path);
        self.audit(&requester.user, EventKind::UnguardedRefused, method, path).await;
        Err(ApiError::forbidden("This account has a second factor, and this endpoint cannot ask for it."))
    }
}

/// Prepares a request whose answer will be read.
fn before(request: Request) -> (Request, Asked) {
    let (mut parts, body) = request.into_parts();
    parts.headers.insert(ACCEPT_ENCODING, HeaderValue::from_static("identity"));
    let asked = Asked { method: parts.method.clone(), path: parts.uri.path().to_owned(), token: sole_token(&parts) };
    (Request::from_parts(parts, body), asked)
}

/// The answer cannot be judged, so nobody gets it.
fn unusable(why: &str) -> ApiError {
    tracing::error!(why, "an answer of the upstream's was not passed on");
    ApiError::new(StatusCode::BAD_GATEWAY, "M_UNKNOWN", "The homeserver gave an answer that cannot be passed on.")
}

fn is_encoded(headers: &HeaderMap) -> bool {
    headers.get_all(CONTENT_ENCODING).iter().any(|coding| !coding.as_bytes().eq_ignore_ascii_case(b"identity"))
}

/// What nobody reads a token out of, whatever its first bytes are.
fn is_a_picture(headers: &HeaderMap) -> bool {
    let kind = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    ["image/", "audio/", "video/", "font/", "text/css"].iter().any(|family| kind.starts_with(family))
}
