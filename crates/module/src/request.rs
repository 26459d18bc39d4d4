//! Reading requests by hand. Typed parsers of the ecosystem panic on some login bodies and drop parts of others, and what they drop here
//! would be a second factor.

use std::{
    fmt,
    net::{IpAddr, SocketAddr},
};

use axum::{
    body::Body,
    extract::{ConnectInfo, FromRequest, Request},
};
use http::{StatusCode, header::AUTHORIZATION, request::Parts};
use serde_json::{Map, Value};

use crate::{error::ApiError, homeserver::ClientAddress};

/// Bodies past this are answered 413.
pub const BODY_LIMIT: usize = 64 * 1024;

/// The head and the JSON body of a request. The media type is ignored, as Matrix clients expect.
pub struct JsonRequest {
    /// Method, URI, headers, extensions.
    pub parts: Parts,
    /// The body; an absent one is `{}`.
    pub body: Map<String, Value>,
}

impl fmt::Debug for JsonRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("JsonRequest").field("method", &self.parts.method).finish_non_exhaustive()
    }
}

impl<S: Send + Sync> FromRequest<S> for JsonRequest {
    type Rejection = ApiError;

    async fn from_request(request: Request<Body>, _state: &S) -> Result<Self, ApiError> {
        let (parts, body) = request.into_parts();
        let bytes = axum::body::to_bytes(body, BODY_LIMIT).await.map_err(|_too_large_or_broken| {
            ApiError::new(StatusCode::PAYLOAD_TOO_LARGE, "M_TOO_LARGE", "The body must not be larger than 64 KiB.")
        })?;
        Ok(Self { parts, body: json_object(&bytes)? })
    }
}

/// A JSON object; no bytes at all are `{}`.
pub fn json_object(bytes: &[u8]) -> Result<Map<String, Value>, ApiError> {
    if bytes.is_empty() {
        return Ok(Map::new());
    }
    match serde_json::from_slice(bytes) {
        Ok(Value::Object(object)) => Ok(object),
        Ok(_) => Err(ApiError::new(StatusCode::BAD_REQUEST, "M_BAD_JSON", "The body must be a JSON object.")),
        Err(_) => Err(ApiError::new(StatusCode::BAD_REQUEST, "M_NOT_JSON", "The body is not JSON.")),
    }
}

/// The string at `key`, if the key is there.
pub fn string<'a>(object: &'a Map<String, Value>, key: &str) -> Result<Option<&'a str>, ApiError> {
    match object.get(key) {
        None => Ok(None),
        Some(Value::String(value)) => Ok(Some(value)),
        Some(_) => Err(ApiError::bad_type(key, "a string")),
    }
}

/// The object at `key`, if the key is there.
pub fn object<'a>(object: &'a Map<String, Value>, key: &str) -> Result<Option<&'a Map<String, Value>>, ApiError> {
    match object.get(key) {
        None => Ok(None),
        Some(Value::Object(value)) => Ok(Some(value)),
        Some(_) => Err(ApiError::bad_type(key, "an object")),
    }
}

/// The access token: in the `Authorization` header, or as `?access_token=`.
pub fn access_token(parts: &Parts) -> Option<String> {
    let header = parts.headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok());
    let bearer = header.and_then(|value| {
        let (scheme, token) = value.split_once(' ')?;
        scheme.eq_ignore_ascii_case("bearer").then(|| token.trim().to_owned())
    });
    bearer.or_else(|| query_value(parts, "access_token")).filter(|token| !token.is_empty())
}

/// The first value of a query key.
pub fn query_value(parts: &Parts, key: &str) -> Option<String> {
    let query = parts.uri.query().unwrap_or_default();
    form_urlencoded::parse(query.as_bytes()).find(|(name, _)| name == key).map(|(_, value)| value.into_owned())
}

/// The client's address: what the host said, else the peer of the connection.
pub fn client_address(parts: &Parts) -> Option<IpAddr> {
    let told = parts.extensions.get::<ClientAddress>().map(|ClientAddress(ip)| *ip);
    told.or_else(|| parts.extensions.get::<ConnectInfo<SocketAddr>>().map(|ConnectInfo(peer)| peer.ip()))
}
