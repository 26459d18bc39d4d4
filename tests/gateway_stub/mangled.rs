//! Thousands of logins that are spelled to slip past, for an enrolled user, before an upstream that would take any of them.

use proptest::{
    prelude::*,
    test_runner::{Config, TestCaseError, TestRunner},
};
use serde_json::json;

use super::{MARK, Permissive, gateway_before, raw};
use crate::harness::Server;

const CASES: u32 = 3000;

/// A path that is a login to somebody: the ways of `crates/gateway/src/doors/tests.rs`, and others.
fn path() -> impl Strategy<Value = String> {
    let base = prop::sample::select(vec![
        "/_matrix/client/v3/login",
        "/_matrix/client/r0/login",
        "/_matrix/client/v1/login",
        "/_matrix/client/unstable/login",
        "/_matrix/client/api/v1/login",
        "/_matrix/client/v3/login/get_token",
        "/_matrix/client/v1/login/get_token",
        "/_matrix/client/unstable/org.matrix.msc3882/login/get_token",
        "/_matrix/client/v3/login/token",
        "/_matrix/client/v3/register",
        "/_matrix/client/v3/unheard/of/login",
        "/_synapse/admin/v1/users/@victim:example.org/login",
        "/login",
    ]);
    let mangle = prop::collection::vec((any::<prop::sample::Index>(), 0..15_u8), 0..4);
    (base, mangle).prop_map(|(base, mangles)| {
        let mut path = base.to_owned();
        for (index, kind) in mangles {
            let at = index.index(path.len());
            let (before, after) = (path[..at].to_owned(), path[at..].to_owned());
            let byte = after.as_bytes()[0];
            let rest = &after[1..];
            path = match kind {
                0 => format!("{before}%{byte:02x}{rest}"),
                1 => format!("{before}%25{byte:02X}{rest}"),
                2 => format!("{before}{}{rest}", char::from(byte).to_ascii_uppercase()),
                3 => format!("{before}/{after}"),
                4 => format!("{before}/./{after}"),
                5 => format!("{before}/x/..{after}"),
                6 => format!("{before}%2f{rest}"),
                7 => format!("{path}/"),
                8 => format!("{path};a=b"),
                9 => format!("{path}?access_token={MARK}"),
                10 => format!("{path}?user_id=@victim:example.org&access_token=bridge"),
                11 => format!("{path}%00"),
                12 => format!("http://other.example{path}"),
                13 => format!("{path}#fragment"),
                _ => path.replace('/', "\\"),
            };
        }
        path
    })
}

/// A body that is a login of `name` to somebody.
fn body(name: String) -> impl Strategy<Value = Vec<u8>> {
    let id = json!({ "type": "m.id.user", "user": name });
    let plain = json!({ "type": "m.login.password", "identifier": id, "password": "any" }).to_string();
    let inner = plain[1..plain.len() - 1].to_owned();
    let token = json!({ "type": "m.login.token", "token": "any" }).to_string();
    let jwt = json!({ "type": "org.matrix.login.jwt", "token": "a.b.c" }).to_string();
    let bridge = json!({ "type": "m.login.application_service", "identifier": id }).to_string();
    let other = json!({ "type": "com.example.other", "user": name, "device_id": "MINE" }).to_string();
    let texts = vec![
        format!(r#"{{"type":"m.login.dummy",{inner}}}"#),
        format!(r#"{{{inner},"type":"m.login.token"}}"#),
        format!(r#"{{{inner},"identifier":{{"type":"m.id.user","user":"nobody"}}}}"#),
        format!(r#"{{"user":"nobody",{inner}}}"#),
        format!(r#"{{{inner},"user":"{}"}}"#, name.to_uppercase()),
        format!(r#"{{{inner},"auth":{{}}}}"#),
        format!(r#"{{{inner},"auth":{{"type":"m.login.2fa.totp","token":"000000"}}}}"#),
        format!(r#"{{{inner},"auth":{{"session":"{}"}}}}"#, "a".repeat(32)),
        format!(r#"{{{inner},"refresh_token":true,"device_id":"MINE"}}"#),
        format!(r#"{{{},"\u0074ype":"m.login.password"}}"#, inner.replace("m.login.password", "x")),
        plain.replace("any", "any 123456"),
        plain.replace("any", "any ABCD-EFGH-JKMN-PQRS"),
        plain.replace(&name, &format!("@{name}:EXAMPLE.ORG")),
        plain.replace(&name, &format!(" {name}")),
        plain.replace(&name, &format!("{name}\\u0000")),
        plain.replace(&name, &format!("@{name}:other.example")),
        plain.replace("m.id.user", "m.id.thirdparty"),
        plain.replace("m.login.password", "M.LOGIN.PASSWORD"),
        format!("\u{feff}{plain}"),
        format!("{plain}{plain}"),
        format!("[{plain}]"),
        plain.replace('{', "{\n"),
        String::new(),
        "null".to_owned(),
        form_urlencoded::Serializer::new(String::new())
            .append_pair("type", "m.login.password")
            .append_pair("user", &name)
            .finish(),
        token,
        jwt,
        bridge,
        other,
        plain,
    ];
    let bytes = prop_oneof![
        8 => prop::sample::select(texts.clone()).prop_map(String::into_bytes),
        1 => prop::sample::select(texts.clone()).prop_map(|text| text.encode_utf16().flat_map(u16::to_le_bytes).collect()),
        1 => (prop::sample::select(texts), any::<prop::sample::Index>(), any::<u8>()).prop_map(|(text, index, byte)| {
            let mut bytes = text.into_bytes();
            if !bytes.is_empty() {
                let at = index.index(bytes.len());
                bytes[at] = byte;
            }
            bytes
        }),
    ];
    bytes.boxed()
}

fn request(name: String) -> impl Strategy<Value = Vec<u8>> {
    let methods = prop::sample::select(vec!["POST", "POST", "POST", "POST", "PUT", "GET", "PATCH", "post", "POST "]);
    let headers = prop::collection::vec(
        prop::sample::select(vec![
            "Content-Type: application/json",
            "Content-Type: text/plain",
            "Content-Type: application/json; charset=utf-16",
            "Content-Encoding: gzip",
            "Accept-Encoding: gzip",
            "X-HTTP-Method-Override: POST",
            "Authorization: Bearer bridge-token",
            "Authorization: Basic dmljdGltOmFueQ==",
            "Upgrade: websocket\r\nConnection: upgrade\r\nSec-WebSocket-Key: a",
            "Upgrade: h2c\r\nConnection: upgrade",
            "X-Original-URL: /_matrix/client/v3/login",
            "Expect: 100-continue",
        ]),
        0..3,
    );
    let framing = 0..3_u8;
    (methods, path(), headers, framing, body(name)).prop_map(|(method, path, headers, framing, body)| {
        let mut bytes = format!("{method} {path} HTTP/1.1\r\nHost: example.org\r\n").into_bytes();
        for header in headers {
            bytes.extend_from_slice(format!("{header}\r\n").as_bytes());
        }
        match framing {
            0 => {
                let (one, other) = body.split_at(body.len() / 2);
                bytes.extend_from_slice(b"Connection: close\r\nTransfer-Encoding: chunked\r\n\r\n");
                for chunk in [one, other].into_iter().filter(|chunk| !chunk.is_empty()) {
                    bytes.extend_from_slice(format!("{:x}\r\n", chunk.len()).as_bytes());
                    bytes.extend_from_slice(chunk);
                    bytes.extend_from_slice(b"\r\n");
                }
                bytes.extend_from_slice(b"0\r\n\r\n");
            }
            _ => {
                bytes.extend_from_slice(
                    format!("Connection: close\r\nContent-Length: {}\r\n\r\n", body.len()).as_bytes(),
                );
                bytes.extend_from_slice(&body);
            }
        }
        bytes
    })
}

fn send_all(server: &Server, name: &str, cases: u32, check: impl Fn(&str) -> Result<(), String>) {
    let mut runner = TestRunner::new(Config { cases, failure_persistence: None, ..Config::default() });
    let run = runner.run(&request(name.to_owned()), |bytes| {
        let answer = raw(server, &bytes);
        check(&answer)
            .map_err(|why| TestCaseError::fail(format!("{why}: {}\n{answer}", String::from_utf8_lossy(&bytes))))
    });
    run.unwrap_or_else(|failed| panic!("{failed}"));
}

#[test]
fn r49_of_thousands_of_mangled_logins_none_gives_an_enrolled_user_a_token() {
    let (upstream, stub) = Permissive::start();
    let server = gateway_before(&stub, &[]);
    let victim = server.enrolled_user();
    let earned = upstream.alive();
    assert_eq!(earned, std::slice::from_ref(&victim.token), "that of the registration, and no other");
    send_all(&server, &victim.name, CASES, |answer| match answer.contains(MARK) {
        true => Err("a token reached the client".to_owned()),
        false => Ok(()),
    });
    assert_eq!(upstream.alive(), earned, "no token is left that nobody earned, and none that was is gone");
    assert!(upstream.users().made > 100, "the upstream was asked: it made {} tokens", upstream.users().made);
}

/// The same logins for somebody without a factor, so that the test above cannot pass because nothing ever gets through.
#[test]
fn mangled_logins_of_a_plain_user_get_through_now_and_then() {
    let (_upstream, stub) = Permissive::start();
    let server = gateway_before(&stub, &[]);
    let plain = server.user();
    let tokens = std::cell::Cell::new(0);
    send_all(&server, &plain.name, 300, |answer| {
        tokens.set(tokens.get() + usize::from(answer.contains(MARK)));
        Ok(())
    });
    assert!(tokens.get() > 10, "{} of 300", tokens.get());
}
