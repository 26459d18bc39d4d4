//! WebSocket: a request that asks for it, answered 101, becomes a tunnel. No other protocol is passed on: `h2c` would let a client send
//! requests past us, and so would a tunnel that is opened on any other answer.

use axum::{body::Body, extract::Request, response::Response};
use http::{
    HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Version,
    header::{CONNECTION, SEC_WEBSOCKET_KEY, UPGRADE},
};
use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;
use matrix_2fa::ApiError;

const WEBSOCKET: HeaderValue = HeaderValue::from_static("websocket");

/// The client's half of a tunnel.
pub(super) struct Wanted(OnUpgrade);

impl Wanted {
    /// Does this request ask for it?
    pub(super) fn take(request: &mut Request) -> Option<Self> {
        let headers = request.headers();
        let asks = request.method() == Method::GET
            && request.version() == Version::HTTP_11
            && is_websocket(headers)
            && headers.contains_key(SEC_WEBSOCKET_KEY)
            && !headers.contains_key(http::header::CONTENT_LENGTH)
            && !headers.contains_key(http::header::TRANSFER_ENCODING);
        if asks { request.extensions_mut().remove::<OnUpgrade>().map(Self) } else { None }
    }
}

fn is_websocket(headers: &HeaderMap) -> bool {
    let mut protocols = headers.get_all(UPGRADE).iter();
    let first = protocols.next().is_some_and(|value| value.as_bytes().eq_ignore_ascii_case(b"websocket"));
    first && protocols.next().is_none()
}

/// The headers of an upgrade, of the next connection.
pub(super) fn ask(headers: &mut HeaderMap) {
    headers.insert(CONNECTION, HeaderValue::from_static("upgrade"));
    headers.insert(UPGRADE, WEBSOCKET);
}

/// Answers 101 and joins both connections, until one of them ends.
pub(super) fn tunnel(wanted: Option<Wanted>, mut upstream: Response) -> Result<Response, ApiError> {
    let there = upstream.extensions_mut().remove::<OnUpgrade>();
    let (Some(Wanted(here)), Some(there), true) = (wanted, there, is_websocket(upstream.headers())) else {
        tracing::warn!("the upstream switched protocols and was not asked to");
        return Err(ApiError::new(
            StatusCode::BAD_GATEWAY,
            "M_UNKNOWN",
            "The homeserver gave no answer that can be used.",
        ));
    };
    tokio::spawn(async move {
        let (Ok(here), Ok(there)) = tokio::join!(here, there) else { return };
        // One of them hung up: no news.
        let _ = tokio::io::copy_bidirectional(&mut TokioIo::new(here), &mut TokioIo::new(there)).await;
    });
    super::headers::clean_response(upstream.headers_mut());
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
    let named = |name: &HeaderName| name.as_str().starts_with("sec-websocket-");
    response.headers_mut().extend(upstream.headers().clone().into_iter().filter_map(|(name, value)| {
        let name = name.filter(named)?;
        Some((name, value))
    }));
    ask(response.headers_mut());
    Ok(response)
}
