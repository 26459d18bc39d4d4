//! What of a head goes to the other side.

use std::net::IpAddr;

use axum::extract::Request;
use http::{
    HeaderMap, HeaderName, HeaderValue, StatusCode, Version,
    header::{
        CONNECTION, CONTENT_LENGTH, EXPECT, FORWARDED, HOST, PROXY_AUTHENTICATE, PROXY_AUTHORIZATION, TE, TRAILER,
        TRANSFER_ENCODING, UPGRADE,
    },
};
use matrix_2fa::ApiError;

const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const X_FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");
const X_FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
const X_REAL_IP: HeaderName = HeaderName::from_static("x-real-ip");
const KEEP_ALIVE: HeaderName = HeaderName::from_static("keep-alive");
const PROXY_CONNECTION: HeaderName = HeaderName::from_static("proxy-connection");

/// Of one connection only (RFC 9110, 7.6.1).
const HOP_BY_HOP: [HeaderName; 9] = [
    CONNECTION,
    KEEP_ALIVE,
    PROXY_CONNECTION,
    PROXY_AUTHENTICATE,
    PROXY_AUTHORIZATION,
    TE,
    TRAILER,
    TRANSFER_ENCODING,
    UPGRADE,
];

/// In which servers look for the address of a client, or for another method than the request line's. None of them is the client's to write.
const CLAIMS: [&str; 19] = [
    "cf-connecting-ip",
    "cf-connecting-ipv6",
    "client-ip",
    "cloudfront-viewer-address",
    "fastly-client-ip",
    "fly-client-ip",
    "true-client-ip",
    "x-client-ip",
    "x-cluster-client-ip",
    "x-envoy-external-address",
    "x-forwarded",
    "x-forwarded-port",
    "x-forwarded-prefix",
    "x-forwarded-server",
    "x-http-method",
    "x-http-method-override",
    "x-method-override",
    "x-original-url",
    "x-rewrite-url",
];

/// What a `Connection` header must not name: it would take away what somebody was judged by.
const NOT_TO_BE_NAMED: [&str; 9] = [
    "authorization",
    "content-length",
    "content-type",
    "cookie",
    "host",
    "origin",
    "transfer-encoding",
    "x-forwarded-for",
    "x-forwarded-proto",
];

/// Refuses what two servers could read in two ways.
pub(crate) fn refuse_malformed(request: &Request) -> Result<(), ApiError> {
    let headers = request.headers();
    let refused = |error: &str| Err(ApiError::new(StatusCode::BAD_REQUEST, "M_UNKNOWN", error));
    if request.uri().authority().is_some() || request.uri().scheme().is_some() {
        return refused("The request line must have a path, not an address.");
    }
    let hosts = headers.get_all(HOST).iter().count();
    if hosts > 1 || (hosts == 0 && request.version() == Version::HTTP_11) {
        return refused("The request needs exactly one Host.");
    }
    let mut encodings = headers.get_all(TRANSFER_ENCODING).iter();
    if let Some(encoding) = encodings.next() {
        let chunked = encoding.as_bytes().eq_ignore_ascii_case(b"chunked");
        if !chunked || encodings.next().is_some() || headers.contains_key(CONTENT_LENGTH) {
            return refused("The body must have one length, or be chunked and nothing else.");
        }
    }
    if named_by_connection(headers).any(|name| NOT_TO_BE_NAMED.iter().any(|not| name.eq_ignore_ascii_case(not))) {
        return refused("The header Connection names a header that is not of this connection alone.");
    }
    Ok(())
}

fn named_by_connection(headers: &HeaderMap) -> impl Iterator<Item = &str> {
    let values = headers.get_all(CONNECTION).iter().filter_map(|value| value.to_str().ok());
    values.flat_map(|value| value.split(',')).map(str::trim).filter(|name| !name.is_empty())
}

/// The head that goes upstream: for whom it is, we say; where it was sent, the client (or the proxy before us).
pub(super) fn clean_request(headers: &mut HeaderMap, client: Option<IpAddr>, scheme: &'static str) {
    remove_hop_by_hop(headers);
    headers.remove(EXPECT);
    headers.remove(FORWARDED);
    let claims: Vec<HeaderName> = headers.keys().filter(|name| is_claim(name.as_str())).cloned().collect();
    for claim in claims {
        headers.remove(claim);
    }
    // One address and no list: of a list, some homeservers take the first, which anybody may have written.
    match client.and_then(|client| HeaderValue::from_str(&client.to_canonical().to_string()).ok()) {
        Some(address) => {
            headers.insert(X_FORWARDED_FOR, address.clone());
            headers.insert(X_REAL_IP, address);
        }
        None => {
            headers.remove(X_FORWARDED_FOR);
            headers.remove(X_REAL_IP);
        }
    }
    if !matches!(headers.get(X_FORWARDED_PROTO).map(HeaderValue::as_bytes), Some(b"http" | b"https")) {
        headers.insert(X_FORWARDED_PROTO, HeaderValue::from_static(scheme));
    }
    if let Some(host) = headers.get(HOST).cloned()
        && !headers.contains_key(X_FORWARDED_HOST)
    {
        headers.insert(X_FORWARDED_HOST, host);
    }
}

/// Names with an underscore too: to some servers `x_real_ip` is `x-real-ip`.
fn is_claim(name: &str) -> bool {
    if !name.contains('_') {
        return CLAIMS.contains(&name);
    }
    let dashed = name.replace('_', "-");
    CLAIMS.contains(&dashed.as_str())
        || NOT_TO_BE_NAMED.contains(&dashed.as_str())
        || dashed.starts_with("x-forwarded")
        || dashed == "x-real-ip"
        || dashed == "forwarded"
}

/// The head that goes back.
pub(crate) fn clean_response(headers: &mut HeaderMap) {
    remove_hop_by_hop(headers);
}

fn remove_hop_by_hop(headers: &mut HeaderMap) {
    if headers.contains_key(CONNECTION) {
        let named: Vec<HeaderName> = named_by_connection(headers).filter_map(|name| name.parse().ok()).collect();
        for name in named {
            headers.remove(name);
        }
    }
    for name in HOP_BY_HOP {
        headers.remove(name);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cleaned(lines: &[(&str, &str)], client: Option<IpAddr>) -> Vec<String> {
        let mut headers = HeaderMap::new();
        for (name, value) in lines {
            headers.append(name.parse::<HeaderName>().expect("a name"), value.parse().expect("a value"));
        }
        clean_request(&mut headers, client, "https");
        let line = |(name, value): (&HeaderName, &HeaderValue)| format!("{name}: {}", value.to_str().expect("text"));
        let mut lines: Vec<_> = headers.iter().map(line).collect();
        lines.sort();
        lines
    }

    #[test]
    fn r21_only_we_say_whom_a_request_is_from() {
        let forged = [
            ("host", "example.org"),
            ("x-forwarded-for", "6.6.6.6, 198.51.100.1"),
            ("x-forwarded-for", "6.6.6.7"),
            ("x_forwarded_for", "6.6.6.6"),
            ("forwarded", "for=6.6.6.6"),
            ("x-real-ip", "6.6.6.6"),
            ("cf-connecting-ip", "6.6.6.6"),
            ("x-http-method-override", "DELETE"),
            ("x_authorization", "kept: not one of ours"),
        ];
        let wanted = [
            "host: example.org",
            "x-forwarded-for: 198.51.100.1",
            "x-forwarded-host: example.org",
            "x-forwarded-proto: https",
            "x-real-ip: 198.51.100.1",
            "x_authorization: kept: not one of ours",
        ];
        assert_eq!(cleaned(&forged, Some([198, 51, 100, 1].into())), wanted);
        let unknown = cleaned(&forged, None);
        assert!(!unknown.iter().any(|line| line.contains("6.6.6.6") || line.starts_with("x-real-ip")), "{unknown:?}");
    }

    #[test]
    fn what_concerns_one_connection_stays_on_it() {
        let lines = [
            ("connection", "close, X-Private"),
            ("connection", "keep-alive"),
            ("keep-alive", "timeout=5"),
            ("x-private", "a"),
            ("te", "trailers"),
            ("trailer", "x"),
            ("transfer-encoding", "chunked"),
            ("upgrade", "h2c"),
            ("proxy-authorization", "Basic a"),
            ("proxy-connection", "close"),
            ("expect", "100-continue"),
            ("authorization", "Bearer a"),
            ("x-forwarded-proto", "http"),
        ];
        assert_eq!(cleaned(&lines, None), ["authorization: Bearer a", "x-forwarded-proto: http"]);
    }
}
