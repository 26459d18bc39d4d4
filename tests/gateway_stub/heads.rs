//! Heads, as raw bytes: what two servers could read in two ways, whom a request is from, and what concerns one connection only.

use super::{gateway_before, raw};
use crate::harness::{Asked, Reply, Stub};
use serde_json::json;

fn echo() -> Stub {
    Stub::start(|_| {
        Reply::Raw(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: X-Private\r\nX-Private: a\r\nKeep-Alive: timeout=5\r\nX-Public: b\r\n\r\n{}".to_vec())
    })
}

/// What goes upstream of one connection of these bytes, and what comes back.
fn sent(head: &str, body: &str, settings: &[(&str, &str)]) -> (Vec<Asked>, String) {
    let stub = echo();
    let server = gateway_before(&stub, settings);
    stub.take_asked();
    let answer = raw(&server, format!("{head}{body}").as_bytes());
    (stub.take_asked(), answer)
}

#[test]
fn a_request_that_two_servers_could_read_in_two_ways_is_one_request_or_none() {
    let line = "POST /_matrix/client/v3/rooms/a HTTP/1.1\r\nHost: example.org\r\nConnection: close\r\n";
    let smuggled = "0\r\n\r\nPOST /_matrix/client/v3/login HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\n{}";
    let length = smuggled.len();
    let refused = [
        // Several lengths, and none.
        format!("{line}Content-Length: 4\r\nContent-Length: {length}\r\n\r\n{smuggled}"),
        format!("{line}Content-Length: 4, {length}\r\n\r\n{smuggled}"),
        format!("{line}Content-Length: +{length}\r\n\r\n{smuggled}"),
        format!("{line}Content-Length: -1\r\n\r\n{smuggled}"),
        format!("{line}Content-Length: 0x10\r\n\r\n{smuggled}"),
        // Encodings that are no encoding to somebody.
        format!("{line}Transfer-Encoding: xchunked\r\n\r\n{smuggled}"),
        format!("{line}Transfer-Encoding: identity\r\n\r\n{smuggled}"),
        format!("{line}Transfer-Encoding: gzip, chunked\r\n\r\n{smuggled}"),
        format!("{line}Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n{smuggled}"),
        format!("{line}Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n{smuggled}"),
        format!("{line}Transfer-Encoding : chunked\r\n\r\n{smuggled}"),
        format!("{line}Transfer-Encoding:\u{b}chunked\r\n\r\n{smuggled}"),
        // Lines that go on.
        format!("{line}X: a\r\n b\r\nContent-Length: 0\r\n\r\n{smuggled}"),
        format!("{line} Content-Length: {length}\r\n\r\n{smuggled}"),
        format!("{line}X: a\rContent-Length: {length}\r\n\r\n{smuggled}"),
        format!("{line}X\u{0}: a\r\n\r\n"),
        // Hosts.
        format!("{line}Host: other.example\r\n\r\n"),
        "GET /_matrix/client/v3/sync HTTP/1.1\r\nConnection: close\r\n\r\n".to_owned(),
        // Request lines.
        "GET http://other.example/_matrix/client/v3/sync HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n".to_owned(),
        "GET example.org:80 HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n".to_owned(),
        "OPTIONS * HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n".to_owned(),
        "CONNECT example.org:80 HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n".to_owned(),
        "TRACE /_matrix/client/v3/sync HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n".to_owned(),
        "GET /_matrix/client/v3/sync HTTP/1.1 x\r\nHost: a\r\nConnection: close\r\n\r\n".to_owned(),
        "GET /_matrix/client/v3/a b HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n".to_owned(),
        // What a Connection must not take away.
        format!("{line}Connection: Authorization\r\n\r\n"),
        format!("{line}Connection: close, x-forwarded-for\r\n\r\n"),
        format!("{line}Connection: Host\r\n\r\n"),
    ];
    let stub = echo();
    let server = gateway_before(&stub, &[]);
    stub.take_asked();
    for request in refused {
        let answer = raw(&server, request.as_bytes());
        let asked = stub.take_asked();
        assert!(asked.is_empty(), "{request:?} went upstream as {asked:?}");
        assert!(answer.starts_with("HTTP/1.1 4") || answer.is_empty(), "{request:?}: {answer}");
        assert!(answer.matches("HTTP/1.1 ").count() <= 1, "{request:?}: {answer}");
    }
    // A length beside chunks is none, and ends the connection; the same length twice is one; lines may end in LF.
    let chunked = "5\r\nhello\r\n0\r\n\r\n";
    for (request, body) in [
        (format!("{line}Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n{chunked}"), "hello"),
        (format!("{line}Transfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n{chunked}"), "hello"),
        (format!("{line}Content-Length: 5\r\nContent-Length: 5\r\n\r\nhello"), "hello"),
        (format!("{line}Content-Length: 5\r\n\r\nhello").replace("\r\n", "\n"), "hello"),
    ] {
        let answer = raw(&server, request.as_bytes());
        let asked = stub.take_asked();
        assert_eq!(asked.len(), 1, "{request:?}: {answer}");
        assert_eq!(asked[0].body, body.as_bytes(), "{request:?}");
        let framing = asked[0].header("content-length").len() + asked[0].header("transfer-encoding").len();
        assert_eq!(framing, 1, "one length or chunks: {}", asked[0].head);
    }
}

#[test]
fn bytes_after_a_length_beside_chunks_are_no_second_request() {
    let head = "POST /_matrix/client/v3/rooms/a HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n";
    let second = "GET /_matrix/client/v3/sync HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";
    let (asked, answer) = sent(head, &format!("0\r\n\r\n{second}"), &[]);
    assert_eq!(asked.len(), 1, "{asked:?}");
    assert_eq!(answer.matches("HTTP/1.1 200").count(), 1, "{answer}");
}

#[test]
fn r21_whom_a_request_is_from_only_a_trusted_proxy_says() {
    let forged = "GET /_matrix/client/v3/sync HTTP/1.1\r\nHost: example.org\r\nConnection: close\r\nX-Forwarded-For: 6.6.6.6, 198.51.100.1\r\nX-Forwarded-Proto: https\r\nX-Forwarded-Host: evil.example\r\nForwarded: for=6.6.6.6\r\nX-Real-IP: 6.6.6.6\r\nCF-Connecting-IP: 6.6.6.6\r\n\r\n";
    let (asked, _) = sent(forged, "", &[]);
    let head = &asked[0];
    assert_eq!(head.header("x-forwarded-for"), ["127.0.0.1"]);
    assert_eq!(head.header("x-real-ip"), ["127.0.0.1"]);
    assert_eq!(head.header("x-forwarded-proto"), ["http"]);
    assert_eq!(head.header("x-forwarded-host"), ["example.org"]);
    assert!(!head.head.contains("6.6.6.6"), "{}", head.head);

    let (asked, _) = sent(forged, "", &[("MATRIX_2FA_TRUSTED_PROXIES", "127.0.0.1")]);
    let head = &asked[0];
    assert_eq!(head.header("x-forwarded-for"), ["198.51.100.1"], "one address, and no list");
    assert_eq!(head.header("x-forwarded-proto"), ["https"]);
    assert_eq!(head.header("x-forwarded-host"), ["evil.example"], "that proxy is believed");
}

#[test]
fn what_concerns_one_connection_stays_on_it() {
    let request = "GET /_matrix/client/v3/sync?a=b%20c HTTP/1.1\r\nHost: example.org\r\nConnection: close, X-Hop\r\nX-Hop: a\r\nTE: trailers\r\nKeep-Alive: timeout=1\r\nUpgrade: h2c\r\nExpect: 100-continue\r\nX-End: b\r\nAuthorization: Bearer t\r\n\r\n";
    let (asked, answer) = sent(request, "", &[]);
    let head = &asked[0];
    assert_eq!(head.target, "/_matrix/client/v3/sync?a=b%20c");
    for gone in ["x-hop", "te", "keep-alive", "upgrade", "expect"] {
        assert!(head.header(gone).is_empty(), "{gone}: {}", head.head);
    }
    assert_eq!((head.header("x-end"), head.token()), (vec!["b".to_owned()], Some("t".to_owned())));
    let answer = answer.to_ascii_lowercase();
    assert!(answer.contains("x-public: b"), "{answer}");
    assert!(!answer.contains("x-private") && !answer.contains("keep-alive: timeout"), "{answer}");
}

#[test]
fn paths_that_no_client_needs_go_nowhere() {
    let stub = echo();
    let server = gateway_before(&stub, &[]);
    stub.take_asked();
    for path in [
        "//_matrix/client/v3/sync",
        "/_matrix/client/v3/rooms/../login",
        "/_matrix/client/v3/%6cogin",
        "/_matrix/client/v3/login/",
        "/_matrix/client/v3/sync%00",
        "/_synapse/admin/v1/server_version",
        "/_matrix/client/x9/sync",
    ] {
        let answer = raw(
            &server,
            format!("POST {path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: 2\r\n\r\n{{}}").as_bytes(),
        );
        assert!(answer.starts_with("HTTP/1.1 40"), "{path}: {answer}");
        assert!(
            answer.contains("M_UNRECOGNIZED") && answer.contains("access-control-allow-origin: *"),
            "{path}: {answer}"
        );
    }
    assert_eq!(stub.take_asked().len(), 0);
    server.request("GET", "/_matrix/client/v3/rooms/%21a%3Ab/state/m.room.name/").ask().expect("an answer").is(200);
    assert_eq!(stub.take_asked()[0].target, "/_matrix/client/v3/rooms/%21a%3Ab/state/m.room.name/", "byte by byte");
    server.request("POST", "sync").json(&json!({})).ask().expect("an answer").is(200);
}
