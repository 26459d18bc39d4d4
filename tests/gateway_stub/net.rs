//! The net behind the doors: answers of endpoints that nobody has heard of.

use std::{
    io::{Read as _, Write as _},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use serde_json::{Value, json};

use super::{MARK, Permissive, connect, gateway_before};
use crate::harness::{Asked, PASSWORD, Reply, Server, Stub, auth};

/// The permissive upstream, but for one path.
fn before(path: &'static str, answer: impl Fn(&Asked, &str) -> Reply + Send + Sync + 'static) -> (Permissive, Server) {
    let permissive = Permissive::default();
    let stub = Stub::start({
        let permissive = permissive.clone();
        move |asked| match asked.path() == path {
            true => answer(asked, permissive.alive().first().map_or("", String::as_str)),
            false => permissive.answer(asked),
        }
    });
    (permissive, gateway_before(&stub, &[]))
}

fn http(kind: &str, body: &str) -> Reply {
    let head = format!("HTTP/1.1 200 OK\r\n{kind}Content-Length: {}\r\n\r\n", body.len());
    Reply::Raw(format!("{head}{body}").into_bytes())
}

#[test]
fn r49_a_token_of_an_enrolled_user_from_a_path_in_no_row_is_stopped_ended_and_told() {
    let (upstream, stub) = Permissive::start();
    let server = gateway_before(&stub, &[]);
    let plain = server.user();
    assert!(plain.post("unheard/of", &json!({})).access_token().starts_with(MARK), "for a plain user it passes");
    let alice = plain.enroll();
    let before = upstream.alive();
    for path in ["unheard/of", "/unheard/of", "/_matrix/unheard/of", "/_synapse/client/unheard/of", "register"] {
        server.post(path, &json!({})).refused(403, "M_FORBIDDEN").without_token();
    }
    assert_eq!(upstream.alive(), before, "each of them was ended");
    assert!(server.log().contains("came through no door"), "and told");
    let audited = |log: &str| log.matches("event=LoginStopped").count();
    assert_eq!(audited(&server.log()), 1, "and audited, once a minute");
    assert!(server.log().contains("operation=\"POST /_matrix/client/v3/unheard/of\""));
    // Exempt by its exact path.
    server.post("refresh", &json!({ "refresh_token": "r" })).is(200);
    server.post("refresh/", &json!({ "refresh_token": "r" })).refused(403, "M_FORBIDDEN").without_token();
    assert!(alice.get("account/two-factor").status == 200);
}

#[test]
fn r49_an_administrators_login_for_an_enrolled_user_is_stopped_also_where_administration_is_open() {
    let (upstream, stub) = Permissive::start();
    let server = gateway_before(&stub, &[("MATRIX_2FA_OPEN_ADMIN_API", "true")]);
    let path = "/_synapse/admin/v1/users/@somebody:example.org/login";
    let plain = server.user();
    plain.post(path, &json!({})).is(200);
    plain.enroll();
    let before = upstream.alive();
    server.post(path, &json!({})).refused(403, "M_FORBIDDEN").without_token();
    assert_eq!(upstream.alive(), before);
    let closed = gateway_before(&stub, &[]);
    closed.post(path, &json!({})).refused(404, "M_UNRECOGNIZED");
}

#[test]
fn an_answer_that_hides_its_token_is_not_passed_on() {
    const PATH: &str = "/_matrix/client/v3/hidden";
    let hide = |how: fn(&str) -> Reply| {
        let (_, server) = before(PATH, move |_, token| how(token));
        let alice = server.enrolled_user();
        server.request("GET", PATH).header("accept-encoding", "gzip").ask().map(|answer| (alice, answer))
    };
    let json = |token: &str| json!({ "access_token": token }).to_string();
    for how in [
        |token: &str| http("", &json!({ "access_token": token }).to_string()),
        |token: &str| http("Content-Type: text/html\r\n", &json!([{ "access_token": token }]).to_string()),
        |token: &str| {
            http("Content-Type: application/json\r\n", &format!(r#"{{"access_token":"{token}","access_token":"x"}}"#))
        },
        |token: &str| http("Content-Type: application/json\r\n", &format!(r#"{{"\u0061ccess_token":"{token}"}}"#)),
        // Good for POST /refresh, which is exempt.
        |token: &str| {
            http("Content-Type: application/json\r\n", &json!({ "a": { "refresh_token": token } }).to_string())
        },
        |token: &str| http("Content-Type: application/json\r\n", &format!(r#"{{"access_token":"{token}""#)),
        |token: &str| http("Content-Encoding: gzip\r\n", &json!({ "access_token": token }).to_string()),
        |token: &str| {
            let padding = " ".repeat(1024 * 1024);
            http("Content-Type: application/json\r\n", &format!(r#"{{"a":"{padding}","access_token":"{token}"}}"#))
        },
    ] {
        match hide(how) {
            Ok((_, answer)) => {
                assert!(matches!(answer.status, 403 | 502) && !answer.to_string().contains(MARK), "{answer}")
            }
            // The large one is cut.
            Err(cut) => assert!(cut.contains("half an answer"), "{cut}"),
        }
    }
    assert!(json("t").contains("access_token"));
}

#[test]
fn what_is_no_token_passes_as_it_is() {
    const PATH: &str = "/_matrix/client/v3/page";
    let pages: [(&str, &str); 5] = [
        ("Content-Type: text/html\r\n", "<a href=\"https://app.example/?loginToken=t\">access_token</a>"),
        ("Content-Type: application/json\r\n", "{\"access_token\":\"of-somebody-else\"}"),
        ("Content-Type: application/json\r\n", "{\"text\":\"access_token\"}"),
        ("Content-Type: image/png\r\n", "{access_token}"),
        ("", ""),
    ];
    for (kind, body) in pages {
        let (_, server) = before(PATH, move |_, _| http(kind, body));
        let _alice = server.enrolled_user();
        let answer = server.request("GET", PATH).ask().expect("an answer");
        let text = match &answer.body {
            Value::String(text) => text.clone(),
            Value::Null => String::new(),
            json => json.to_string(),
        };
        assert_eq!((answer.status, text.as_str()), (200, body));
    }
}

#[test]
fn r49_interactive_auth_of_a_path_in_no_row_is_refused_to_an_enrolled_user() {
    const PATH: &str = "/_matrix/client/v3/new/operation";
    let (_, server) = before(PATH, |_, _| {
        Reply::Json(401, json!({ "flows": [{ "stages": ["m.login.password"] }], "session": "s", "params": {} }))
    });
    let plain = server.user();
    assert_eq!(plain.request("POST", PATH).ask().expect("an answer").status, 401, "for a plain user it passes");
    let alice = plain.enroll();
    alice.post(PATH, &json!({})).refused(403, "M_FORBIDDEN");
    assert!(server.log().contains("is not in the table of doors"));
    assert!(server.log().contains("event=UnguardedRefused"), "audited");
    assert_eq!(server.request("POST", PATH).ask().expect("an answer").status, 401, "nobody's");
}

/// The body of a change of the password waits until the owner has a factor, and comes then.
#[test]
fn r37_an_operation_whose_body_comes_after_the_factor_is_asked_for_it() {
    let changed = Arc::new(AtomicBool::new(false));
    let (_upstream, server) = before("/_matrix/client/v3/account/password", {
        let changed = Arc::clone(&changed);
        move |_, _| {
            changed.store(true, Ordering::Relaxed);
            Reply::Json(200, json!({}))
        }
    });
    let plain = server.user();
    let body = json!({ "new_password": "of the thief", "auth": plain.password_stage() }).to_string();
    let mut slow = connect(&server);
    let head = format!(
        "POST /_matrix/client/v3/account/password HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
        plain.token,
        body.len()
    );
    slow.write_all(head.as_bytes()).expect("sent");
    let _alice = plain.enroll();
    slow.write_all(body.as_bytes()).expect("sent");
    let mut answer = String::new();
    slow.read_to_string(&mut answer).expect("an answer");
    assert!(answer.starts_with("HTTP/1.1 401") && answer.contains("m.login.2fa.totp"), "{answer}");
    assert!(!changed.load(Ordering::Relaxed));
}

/// A session is consumed before its operation: one that fails has cost the code.
#[test]
fn r50_an_operation_that_fails_has_used_its_session() {
    const PATH: &str = "/_matrix/client/v3/delete_devices";
    for status in [403, 500] {
        let refusal = json!({ "errcode": "M_UNKNOWN", "error": "no" });
        let (_, server) = before(PATH, move |_, _| Reply::Json(status, refusal.clone()));
        let alice = server.enrolled_user();
        let body = json!({ "devices": ["DEVICE"] });
        let session = alice.with_password("POST", "delete_devices", &body).completed(&[PASSWORD]).session();
        let code = alice.totp();
        let last = auth(&body, &session, &code);
        let failed = alice.request("POST", "delete_devices").json(&last).ask().expect("an answer");
        assert_eq!(failed.status, status, "{failed}");
        alice.post("delete_devices", &json!({ "auth": { "session": session } })).refused(400, "M_UNKNOWN");
        alice.login_with(code).wrong_code();
    }
}

/// A reset by mail has no access token, so nobody here knows whose it is: it changes nothing about the factor, and logs nobody in.
#[test]
fn r46_a_reset_by_mail_removes_nothing_and_gives_no_token() {
    const PATH: &str = "/_matrix/client/v3/account/password";
    let proof = json!({ "type": "m.login.email.identity", "threepid_creds": { "sid": "1", "client_secret": "s" } });
    let reset = json!({ "new_password": "another one", "auth": proof });
    let (_, server) = before(PATH, |_, _| Reply::Json(200, json!({})));
    let alice = server.enrolled_user();
    server.post("account/password", &reset).is(200).without_token();
    alice.login_with(alice.totp()).is(200);
    alice.login().completed(&[PASSWORD]).without_token();

    let (upstream, server) = before(PATH, |_, token| {
        Reply::Json(200, json!({ "access_token": token, "device_id": "NEW", "user_id": "@somebody:example.org" }))
    });
    let _alice = server.enrolled_user();
    assert_eq!(upstream.alive().len(), 1);
    server.post("account/password", &reset).refused(403, "M_FORBIDDEN").without_token();
    assert!(upstream.alive().is_empty(), "it was ended");
    assert!(server.log().contains("came through no door"), "and told");
}
