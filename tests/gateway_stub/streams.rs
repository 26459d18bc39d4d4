//! Bodies that stream, upstreams that are silent or break off, tunnels, the end of the process, and health.

use std::{
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::{TcpListener, TcpStream},
    sync::{Mutex, mpsc},
};

use serde_json::json;

use super::{Permissive, connect, gateway_before, raw};
use crate::harness::{Reply, Server, Stub};

const GET: &str = "GET /_matrix/client/v3/sync HTTP/1.1\r\nHost: example.org\r\nConnection: close\r\n\r\n";

/// An upstream that answers the beginning of something, and the rest when it is told to.
fn in_two_halves() -> (Stub, mpsc::Sender<()>) {
    let (go_on, wait) = mpsc::channel();
    let wait = std::sync::Arc::new(Mutex::new(wait));
    let stub = Stub::start(move |asked| {
        if !asked.path().ends_with("/sync") {
            return Reply::Json(404, json!({}));
        }
        let wait = std::sync::Arc::clone(&wait);
        Reply::Own(Box::new(move |stream| {
            stream.write_all(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nfirst\r\n").expect("sent");
            let _ = wait.lock().expect("one").recv();
            let _ = stream.write_all(b"6\r\nsecond\r\n0\r\n\r\n");
        }))
    });
    (stub, go_on)
}

fn read_until(stream: &mut TcpStream, wanted: &str) -> String {
    let (mut text, mut byte) = (Vec::new(), [0]);
    while !String::from_utf8_lossy(&text).contains(wanted) {
        assert_eq!(stream.read(&mut byte).expect("more"), 1, "{}", String::from_utf8_lossy(&text));
        text.push(byte[0]);
    }
    String::from_utf8_lossy(&text).into_owned()
}

#[test]
fn an_answer_arrives_while_it_is_still_being_made() {
    let (stub, go_on) = in_two_halves();
    let server = gateway_before(&stub, &[]);
    let mut stream = connect(&server);
    stream.write_all(GET.as_bytes()).expect("sent");
    read_until(&mut stream, "first");
    go_on.send(()).expect("it waits");
    read_until(&mut stream, "second");
}

/// An upstream that hands over every upload, from its head on.
fn receiving() -> (String, mpsc::Receiver<BufReader<TcpStream>>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let url = format!("http://{}", listener.local_addr().expect("an address"));
    let (arrived, uploads) = mpsc::channel();
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let mut reader = BufReader::new(stream);
            let mut head = String::new();
            while !head.ends_with("\r\n\r\n") && reader.read_line(&mut head).expect("a head") > 0 {}
            // What the gateway asks when it starts is left without an answer.
            if head.starts_with("POST") {
                arrived.send(reader).expect("it is waited for");
            }
        }
    });
    (url, uploads)
}

/// An upload of which the upstream has the first half.
fn half_an_upload(
    server: &Server,
    uploads: &mpsc::Receiver<BufReader<TcpStream>>,
) -> (TcpStream, BufReader<TcpStream>) {
    let mut client = connect(server);
    client
        .write_all(b"POST /_matrix/media/v3/upload HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\nConnection: close\r\n\r\nfirst")
        .expect("sent");
    let mut upstream = uploads.recv().expect("a connection");
    let mut half = [0; 5];
    upstream.read_exact(&mut half).expect("the first half");
    assert_eq!(&half, b"first");
    (client, upstream)
}

/// The other half, and the answer.
fn the_other_half((mut client, mut upstream): (TcpStream, BufReader<TcpStream>)) {
    client.write_all(b"other").expect("sent");
    let mut half = [0; 5];
    upstream.read_exact(&mut half).expect("the other half");
    assert_eq!(&half, b"other");
    upstream.get_mut().write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}").expect("sent");
    read_until(&mut client, "{}");
}

#[test]
fn an_upload_arrives_while_it_is_still_being_sent() {
    let (url, uploads) = receiving();
    let server = Server::gateway_before(&url, &[("MATRIX_2FA_SERVER_NAME", "example.org")]);
    the_other_half(half_an_upload(&server, &uploads));
}

#[test]
fn who_is_uploading_when_the_process_is_told_to_end_uploads_the_rest() {
    let (url, uploads) = receiving();
    let server = Server::gateway_before(&url, &[("MATRIX_2FA_SERVER_NAME", "example.org")]);
    let upload = half_an_upload(&server, &uploads);
    std::thread::scope(|scope| {
        let ended = scope.spawn(|| server.terminate());
        until_it_takes_no_more(&server);
        the_other_half(upload);
        assert_eq!(ended.join().expect("no panic"), Some(0));
    });
}

fn until_it_takes_no_more(server: &Server) {
    let address = server.base_url();
    while TcpStream::connect(address.strip_prefix("http://").expect("http")).is_ok() {
        std::thread::yield_now();
    }
}

/// An upstream that speaks HTTP/2 without TLS, and nothing else: what it was asked, in which version.
fn speaking_http2() -> String {
    let answer = |request: axum::extract::Request| async move {
        let (parts, body) = request.into_parts();
        let body = axum::body::to_bytes(body, 1024).await.expect("whole");
        let host = parts.headers.contains_key("host");
        let said = json!({
            "version": format!("{:?}", parts.version), "path": parts.uri.path(), "length": body.len(), "host": host,
            "server_name": "example.org", "user_id": "@alice:example.org", "device_id": "D",
        });
        match parts.version {
            axum::http::Version::HTTP_2 => axum::Json(said),
            _ => axum::Json(json!({})),
        }
    };
    let (address, wait) = mpsc::channel();
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        runtime.block_on(async {
            let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
            address.send(listener.local_addr().expect("an address")).expect("it is waited for");
            axum::serve(listener, axum::Router::new().fallback(answer)).await.expect("it serves");
        });
    });
    format!("h2c://{}", wait.recv().expect("an address"))
}

#[test]
fn an_upstream_may_speak_http2_without_tls() {
    // The server name is asked of it, so the gateway's own calls are HTTP/2, too.
    let server = Server::gateway_before(&speaking_http2(), &[]);
    for path in ["/_matrix/client/v3/sync", "/_matrix/client/v3/unheard/of"] {
        let answer = server.request("GET", path).ask().expect("an answer");
        assert_eq!((&answer["version"], &answer["path"]), (&json!("HTTP/2.0"), &json!(path)), "{answer}");
    }
    let answer = server.request("POST", "/_matrix/media/v3/upload").bytes(vec![1; 1000]).ask().expect("an answer");
    assert_eq!((answer.status, &answer["length"], &answer["version"]), (200, &json!(1000), &json!("HTTP/2.0")));
    assert_eq!(answer["host"], false, "the name stands in :authority alone: {answer}");
    let status = server.request("GET", "account/two-factor").token("t").ask().expect("an answer");
    assert_eq!((status.status, &status["providers"]), (200, &json!({})), "whoami over HTTP/2: {status}");
}

#[test]
fn an_upstream_that_is_silent_is_504_and_one_that_breaks_off_is_502() {
    let silent = Stub::start(|_| Reply::Own(Box::new(|stream| drop(stream.read(&mut [0])))));
    let server = gateway_before(&silent, &[("MATRIX_2FA_UPSTREAM_TIMEOUT", "1")]);
    for path in ["/_matrix/client/v3/sync", "/_matrix/client/v3/unheard/of"] {
        let answer = server.request("GET", path).ask().expect("an answer");
        assert_eq!((answer.status, answer.errcode()), (504, Some("M_UNKNOWN")), "{answer}");
    }
    let broken = Stub::start(|_| Reply::Raw(b"HTTP/1.1 200 OK\r\nContent-Le".to_vec()));
    let _ = broken;
    let hangs_up = Stub::start(|_| Reply::Own(Box::new(|stream| drop(stream.write_all(b"HTTP/1.1 200 O")))));
    let server = gateway_before(&hangs_up, &[]);
    let answer = server.request("GET", "sync").ask().expect("an answer");
    assert_eq!((answer.status, answer.errcode()), (502, Some("M_UNKNOWN")), "{answer}");
    let half = Stub::start(|_| {
        Reply::Own(Box::new(|stream| drop(stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf"))))
    });
    let server = gateway_before(&half, &[]);
    let answer = raw(&server, GET.as_bytes());
    assert!(
        answer.ends_with("half") && answer.contains("content-length: 9"),
        "half an answer is not made whole: {answer}"
    );
}

const UPGRADE: &str = "GET /_matrix/client/unstable/org.example/socket HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: a\r\nSec-WebSocket-Version: 13\r\n\r\n";

#[test]
fn a_web_socket_becomes_a_tunnel_and_nothing_else_does() {
    let stub = Stub::start(|asked| match asked.header("upgrade").as_slice() {
        [protocol] if protocol == "websocket" => Reply::Own(Box::new(|stream| {
            let head = b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: b\r\n\r\n";
            stream.write_all(head).expect("sent");
            let mut said = [0; 4];
            stream.read_exact(&mut said).expect("four bytes");
            said.reverse();
            stream.write_all(&said).expect("sent");
        })),
        _ => Reply::Raw(b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n".to_vec()),
    });
    let server = gateway_before(&stub, &[]);
    let mut stream = connect(&server);
    stream.write_all(UPGRADE.as_bytes()).expect("sent");
    let head = read_until(&mut stream, "\r\n\r\n").to_ascii_lowercase();
    assert!(head.starts_with("http/1.1 101") && head.contains("sec-websocket-accept: b"), "{head}");
    stream.write_all(b"ping").expect("sent");
    let mut said = [0; 4];
    stream.read_exact(&mut said).expect("an echo");
    assert_eq!(&said, b"gnip");
    for not in [
        UPGRADE.replace("websocket", "h2c"),
        UPGRADE.replace("Sec-WebSocket-Key: a\r\n", ""),
        UPGRADE.replace("GET", "POST"),
    ] {
        let mut stream = connect(&server);
        stream.write_all(not.as_bytes()).expect("sent");
        let head = read_until(&mut stream, "\r\n\r\n");
        assert!(head.starts_with("HTTP/1.1 502"), "an upstream that switches unasked is not followed: {head}");
    }
    let login = UPGRADE.replace("unstable/org.example/socket", "v3/login");
    let mut stream = connect(&server);
    stream.write_all(login.as_bytes()).expect("sent");
    let head = read_until(&mut stream, "\r\n\r\n");
    assert!(!head.starts_with("HTTP/1.1 101"), "no tunnel through a guarded path: {head}");
}

#[test]
fn who_is_being_answered_when_the_process_is_told_to_end_gets_the_whole_answer() {
    let (stub, go_on) = in_two_halves();
    let server = gateway_before(&stub, &[]);
    let mut stream = connect(&server);
    stream.write_all(GET.as_bytes()).expect("sent");
    read_until(&mut stream, "first");
    std::thread::scope(|scope| {
        let ended = scope.spawn(|| server.terminate());
        until_it_takes_no_more(&server);
        go_on.send(()).expect("it waits");
        read_until(&mut stream, "second");
        assert_eq!(ended.join().expect("no panic"), Some(0));
    });
}

#[test]
fn health_says_who_is_not_well() {
    let (_upstream, stub) = Permissive::start();
    let server = gateway_before(&stub, &[]);
    let answer = server.get("/_matrix-2fa/health").is(200);
    assert_eq!((answer["store"].as_bool(), answer["homeserver"].as_bool()), (Some(true), Some(true)));
    let nobody = TcpListener::bind("127.0.0.1:0").and_then(|free| free.local_addr()).expect("a port");
    let server = Server::gateway_before(&format!("http://{nobody}"), &[("MATRIX_2FA_SERVER_NAME", "example.org")]);
    let answer = server.request("GET", "/_matrix-2fa/health").ask().expect("an answer").is(503);
    assert_eq!((answer["store"].as_bool(), answer["homeserver"].as_bool()), (Some(true), Some(false)));
}
