//! The front of the gateway: every request is judged by its path ([`crate::doors`]) before anything else happens to it.
//!
//! 1. What two servers could read in two ways is 400 (`proxy`, `paths`).
//! 2. A guarded path goes to our handlers and never further by itself: what they do not answer is 404.
//! 3. Everything else goes upstream: streamed where it is known to mint no token, past all our routes; else watched ([`crate::net`]).

use std::sync::Arc;

use axum::{
    Router,
    extract::{Request, State},
    response::{IntoResponse, Response},
};
use http::{HeaderValue, StatusCode, Uri, header::ACCESS_CONTROL_ALLOW_ORIGIN, uri::PathAndQuery};
use matrix_2fa::ApiError;
use tower::ServiceExt;

use crate::{
    doors::{Opened, Way, way},
    paths::Unreadable,
    proxy::{is_known, refuse_malformed},
    router::Gateway,
};

struct Front {
    inner: Router,
    gateway: Arc<Gateway>,
    opened: Opened,
}

/// What was judged of a request's path, among its extensions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Passage {
    /// For our handlers, and for nobody else.
    Ours,
    /// Upstream; the answer is inspected.
    Watched,
    /// Upstream, streamed.
    Streamed,
}

/// Judges every request before `inner` routes it. (A layer would come after the routing.)
pub(crate) fn judged(inner: Router, gateway: Arc<Gateway>) -> Router {
    let opened = gateway.host.settings.opened;
    Router::new().fallback(take).with_state(Arc::new(Front { inner, gateway, opened }))
}

async fn take(State(front): State<Arc<Front>>, request: Request) -> Response {
    match judge(request, front.opened) {
        // Most requests by far, and none of our handlers has any business with them.
        Ok(request) if request.extensions().get() == Some(&Passage::Streamed) => {
            front.gateway.stream(request).await.unwrap_or_else(refusal)
        }
        Ok(request) => front.inner.clone().oneshot(request).await.into_response(),
        Err(error) => refusal(error),
    }
}

/// An error from outside the handlers, where no CORS layer reaches.
pub(crate) fn refusal(error: ApiError) -> Response {
    let mut response = error.into_response();
    response.headers_mut().insert(ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
    response
}

fn judge(mut request: Request, opened: Opened) -> Result<Request, ApiError> {
    refuse_malformed(&request)?;
    if !is_known(request.method()) {
        return Err(no_method());
    }
    let passage = match way(request.method(), request.uri().path(), opened).map_err(unreadable)? {
        Way::Guard(path) => {
            if let Some(path) = path {
                let query = request.uri().query().map(|query| format!("?{query}")).unwrap_or_default();
                let whole = PathAndQuery::try_from(path + &query).map_err(|_| unreadable(Unreadable::Characters))?;
                *request.uri_mut() = Uri::from(whole);
            }
            Passage::Ours
        }
        Way::Stream => Passage::Streamed,
        Way::Watch => Passage::Watched,
        Way::Nowhere => return Err(unknown()),
        Way::NoMethod => return Err(no_method()),
    };
    request.extensions_mut().insert(passage);
    Ok(request)
}

/// There is no such endpoint.
pub(crate) fn unknown() -> ApiError {
    ApiError::new(StatusCode::NOT_FOUND, "M_UNRECOGNIZED", "This server has no such endpoint.")
}

fn no_method() -> ApiError {
    ApiError::new(StatusCode::METHOD_NOT_ALLOWED, "M_UNRECOGNIZED", "This endpoint has no such method.")
}

fn unreadable(error: Unreadable) -> ApiError {
    ApiError::new(StatusCode::BAD_REQUEST, "M_UNRECOGNIZED", format!("This address is not taken: {error}."))
}
