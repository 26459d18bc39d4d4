//! Bodies: no JSON, other JSON, too much JSON.

use serde_json::{Value, json};

use super::WITH_BODY;
use crate::harness::{Answer, Server, User};

#[track_caller]
fn client_error(answer: &Answer) {
    assert!((400..500).contains(&answer.status), "a Matrix error was expected\n{answer}");
}

fn send(user: &User, method: &str, path: &str, body: &[u8]) -> Answer {
    user.request(method, path).bytes(body.to_vec()).send()
}

#[test]
fn what_is_not_json() {
    let user = Server::start().user();
    let bodies: [&[u8]; 8] =
        [b"{", b"not json", b"{'a': 1}", b"\xff\xfe\x00", b"{\"a\": 1} {}", b"\0", b"NaN", b"{\"a\":"];
    for (method, path) in WITH_BODY {
        for body in bodies {
            let answer = send(&user, method, path, body);
            assert_eq!((answer.status, answer.errcode()), (400, Some("M_NOT_JSON")), "{answer}");
        }
    }
}

#[test]
fn what_is_json_but_no_object() {
    let user = Server::start().user();
    for (method, path) in WITH_BODY {
        for body in ["null", "1", "\"x\"", "[]", "true", "[{}]"] {
            let answer = send(&user, method, path, body.as_bytes());
            assert_eq!((answer.status, answer.errcode()), (400, Some("M_BAD_JSON")), "{answer}");
        }
    }
}

#[test]
fn a_megabyte_is_too_much() {
    let user = Server::start().user();
    let long = json!({ "type": "m.login.password", "password": "x".repeat(1 << 20) }).to_string();
    let deep = "[".repeat(1 << 20);
    for (method, path) in WITH_BODY {
        for body in [&long, &deep] {
            let answer = send(&user, method, path, body.as_bytes());
            client_error(&answer);
            assert!([413, 400].contains(&answer.status), "{answer}");
        }
    }
}

#[test]
fn deep_json_breaks_no_stack() {
    let user = Server::start().user();
    let deep = format!("{{\"auth\":{}{}}}", "[".repeat(10_000), "]".repeat(10_000));
    for (method, path) in WITH_BODY {
        client_error(&send(&user, method, path, deep.as_bytes()));
    }
}

#[test]
fn auth_of_another_type() {
    let user = Server::start().user();
    for (method, path) in WITH_BODY {
        for auth in [json!(null), json!(1), json!("x"), json!([]), json!([{}]), json!(true)] {
            let answer = user.send(method, path, &json!({ "auth": auth }));
            client_error(&answer);
        }
        for auth in [
            json!({ "session": 1 }),
            json!({ "session": null }),
            json!({ "session": [] }),
            json!({ "type": 1 }),
            json!({ "type": {} }),
            json!({ "type": "m.login.password" }),
            json!({ "type": "m.login.password", "password": 1, "identifier": 2 }),
            json!({ "type": "m.login.password", "password": "x", "identifier": { "type": 3 } }),
            json!({ "type": "m.login.password", "password": "x", "identifier": { "type": "m.id.user", "user": 4 } }),
            json!({ "type": "m.login.2fa.totp", "token": 123_456, "session": "x" }),
        ] {
            client_error(&user.send(method, path, &json!({ "auth": auth })));
        }
    }
}

#[test]
fn a_session_that_is_no_string_is_bad_json() {
    let user = Server::start().enrolled_user();
    for session in [json!(1), json!(null), json!([]), json!({})] {
        let auth = json!({ "type": "m.login.2fa.totp", "token": "123456", "session": session });
        user.post("account/two-factor/recovery", &json!({ "auth": auth })).refused(400, "M_BAD_JSON");
        user.server.post("login", &json!({ "auth": auth })).refused(400, "M_BAD_JSON");
        user.server.post("login", &auth).refused(400, "M_BAD_JSON");
    }
}

#[test]
fn login_bodies_of_every_wrong_shape() {
    let server = Server::start();
    let kind = "m.login.password";
    for body in [
        json!({ "type": 1 }),
        json!({ "type": null }),
        json!({ "type": kind }),
        json!({ "type": kind, "password": "x" }),
        json!({ "type": kind, "identifier": {}, "password": "x" }),
        json!({ "type": kind, "identifier": "x", "password": "x" }),
        json!({ "type": kind, "identifier": { "type": "m.id.user" }, "password": "x" }),
        json!({ "type": kind, "identifier": { "type": "m.id.user", "user": 1 }, "password": "x" }),
        json!({ "type": kind, "identifier": { "type": "m.id.user", "user": "x" } }),
        json!({ "type": kind, "identifier": { "type": "m.id.user", "user": "x" }, "password": 1 }),
        json!({ "type": kind, "identifier": { "type": "m.id.user", "user": "x" }, "password": "x", "device_id": 1 }),
        json!({ "type": kind, "identifier": { "type": "m.id.unheard-of", "user": "x" }, "password": "x" }),
        json!({ "type": "m.login.token" }),
        json!({ "type": "m.login.token", "token": 1 }),
        json!({ "type": "m.login.2fa.totp" }),
        json!({ "type": "m.login.2fa.totp", "session": 1, "token": 2 }),
    ] {
        let answer = server.post("login", &body).without_token();
        assert_eq!(answer.status, 400, "{answer}");
    }
    for user in ["", "@", ":", "@:", "@x:elsewhere.example", "\u{0}", "x y", &"x".repeat(300)] {
        let identifier = json!({ "type": "m.id.user", "user": user });
        let answer = server.post("login", &json!({ "type": kind, "identifier": identifier, "password": "x" }));
        assert!([400, 403].contains(&answer.status), "{answer}");
    }
}

/// Random JSON under every endpoint: an error or an answer, never a fault.
#[test]
fn random_json_finds_no_fault() {
    use proptest::{prelude::*, test_runner::TestRunner};
    let user = Server::start().user();
    let leaf = prop_oneof![
        Just(json!(null)),
        any::<i64>().prop_map(Value::from),
        "\\PC{0,12}".prop_map(Value::from),
        any::<bool>().prop_map(Value::from)
    ];
    let key = prop_oneof![
        Just("auth"),
        Just("type"),
        Just("session"),
        Just("token"),
        Just("providers"),
        Just("name"),
        Just("password"),
        Just("identifier"),
        Just("new_password"),
        Just("devices"),
        Just("id"),
        Just("m.login.2fa.totp"),
        Just("username"),
    ];
    let object = leaf.prop_recursive(4, 24, 5, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..3).prop_map(Value::from),
            prop::collection::btree_map(key.clone().prop_map(str::to_owned), inner, 0..5).prop_map(|map| json!(map)),
        ]
    });
    let config = ProptestConfig { cases: 60, failure_persistence: None, ..ProptestConfig::default() };
    TestRunner::new_with_rng(config, proptest::test_runner::TestRng::deterministic_rng(Default::default()))
        .run(&(object, 0..WITH_BODY.len()), |(body, place)| {
            let (method, path) = WITH_BODY[place];
            let answer = user.send(method, path, &body);
            prop_assert!(answer.status < 500, "{}", answer);
            Ok(())
        })
        .unwrap();
}
