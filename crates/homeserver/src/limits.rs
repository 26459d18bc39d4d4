//! The nets around every route: bodies have a limit and an end, and a panic is an answer.

use std::{any::Any, time::Duration};

use axum::{
    body::{Body, Bytes},
    extract::Request,
    http::{HeaderValue, StatusCode, header::ACCESS_CONTROL_ALLOW_ORIGIN},
    middleware::Next,
    response::{IntoResponse, Response},
};
use http_body_util::BodyExt;
use matrix_2fa::ApiError;

/// Larger bodies are answered 413. Nothing that clients send here comes near it.
const MAX_BODY: usize = 64 * 1024;

/// So much of a too large body is read and thrown away, so that an honest client gets to read our answer instead of a broken pipe.
const MAX_DRAIN: usize = 8 * 1024 * 1024;

/// A body that does not arrive within this is given up.
const BODY_TIMEOUT: Duration = Duration::from_secs(30);

/// Reads the whole body before any handler runs.
pub(crate) async fn whole_body(request: Request, next: Next) -> Response {
    let (parts, body) = request.into_parts();
    match tokio::time::timeout(BODY_TIMEOUT, read(body)).await {
        Ok(Ok(bytes)) => next.run(Request::from_parts(parts, Body::from(bytes))).await,
        Ok(Err(answer)) => answer,
        Err(_) => error(StatusCode::REQUEST_TIMEOUT, "M_UNKNOWN", "The body did not arrive in time."),
    }
}

async fn read(mut body: Body) -> Result<Bytes, Response> {
    let mut kept = Vec::new();
    let mut seen = 0;
    while let Some(frame) = body.frame().await {
        let Ok(frame) = frame else {
            return Err(error(StatusCode::BAD_REQUEST, "M_UNKNOWN", "The body could not be read."));
        };
        let Ok(data) = frame.into_data() else { continue };
        seen += data.len();
        if seen > MAX_DRAIN {
            break;
        }
        if seen <= MAX_BODY {
            kept.extend_from_slice(&data);
        }
    }
    if seen <= MAX_BODY {
        return Ok(kept.into());
    }
    Err(error(StatusCode::PAYLOAD_TOO_LARGE, "M_TOO_LARGE", "The body is larger than 64 KiB."))
}

/// The last net. The panic itself was printed by the panic hook; it may quote a request, so nothing of it goes out.
pub(crate) fn panicked(_: Box<dyn Any + Send>) -> Response {
    error(StatusCode::INTERNAL_SERVER_ERROR, "M_UNKNOWN", "The server failed to answer this request.")
}

/// An error from outside the routes, where the CORS layer does not reach.
fn error(status: StatusCode, errcode: &'static str, error: &str) -> Response {
    let mut response = ApiError::new(status, errcode, error).into_response();
    response.headers_mut().insert(ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
    response
}
