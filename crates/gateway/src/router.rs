//! Every request that arrives.

use std::sync::Arc;

use axum::{
    Router,
    body::Body,
    extract::{Request, State},
    response::{IntoResponse, Response},
};
use http::StatusCode;
use matrix_2fa::{ApiError, TwoFactor};

use crate::{
    host::UpstreamHomeserver,
    upstream::{Upstream, UpstreamError},
};

/// The complete gateway.
pub fn app(host: Arc<UpstreamHomeserver>, two_factor: Arc<TwoFactor>) -> Router {
    let own = two_factor.router();
    Router::new().fallback(pass_on).with_state(host.upstream().clone()).merge(own)
}

async fn pass_on(State(upstream): State<Upstream>, request: Request) -> Response {
    match upstream.forward(request).await {
        Ok(response) => response.map(Body::new),
        Err(error) => unreachable(&error).into_response(),
    }
}

/// 502 or 504, as a Matrix error.
pub(crate) fn unreachable(error: &UpstreamError) -> ApiError {
    let status = match error {
        UpstreamError::TimedOut => StatusCode::GATEWAY_TIMEOUT,
        UpstreamError::Unreachable(_) | UpstreamError::Unreadable => StatusCode::BAD_GATEWAY,
    };
    tracing::warn!(error = error as &dyn std::error::Error, "the upstream does not answer");
    ApiError::new(status, "M_UNKNOWN", "The homeserver does not answer at the moment. Try again later.")
}
