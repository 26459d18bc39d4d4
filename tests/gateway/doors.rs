//! R49: the other doors to a token, for an enrolled user.

use std::process::Command;

use data_encoding::BASE64URL_NOPAD;
use serde_json::{Value, json};

use super::{devices, direct, gateway, nothing_came_of_it, works};
use crate::harness::{PASSWORD, Reply, Server, Stub, with};

/// A login that Synapse itself would take.
fn jwt(name: &str) -> Value {
    let part = |value: Value| BASE64URL_NOPAD.encode(value.to_string().as_bytes());
    let signed = format!("{}.{}", part(json!({ "alg": "HS256", "typ": "JWT" })), part(json!({ "sub": name })));
    let script = "printf %s \"$1\" | openssl dgst -sha256 -hmac \"$2\" -binary";
    let made = Command::new("sh").args(["-c", script, "sh", &signed, "jwt secret"]).output().expect("openssl");
    json!({ "type": "org.matrix.login.jwt", "token": format!("{signed}.{}", BASE64URL_NOPAD.encode(&made.stdout)) })
}

#[test]
fn r49_jwt_logs_a_plain_user_in_and_an_enrolled_one_not() {
    let server = gateway();
    let (plain, alice) = (server.user(), server.enrolled_user());
    let login = server.post("login", &with(&jwt(&plain.name), &json!({ "device_id": "JWT" }))).is(200);
    assert_eq!(login["device_id"], "JWT");
    assert!(works(&login.access_token()));
    let before = devices(&alice);
    for body in [jwt(&alice.name), with(&jwt(&alice.name), &json!({ "device_id": alice.device }))] {
        nothing_came_of_it(&alice, &before, server.post("login", &body).refused(403, "M_FORBIDDEN"));
        assert!(works(&alice.token));
    }
}

#[test]
fn r49_an_application_service_logs_its_users_in_and_no_enrolled_one() {
    let server = gateway();
    let (plain, alice) = (server.user(), server.enrolled_user());
    let before = devices(&alice);
    let login = |name: &str| {
        let identifier = json!({ "type": "m.id.user", "user": name });
        let body = json!({ "type": "m.login.application_service", "identifier": identifier });
        server.request("POST", "login").token("bridge-token").json(&body).send()
    };
    assert!(works(&login(&plain.name).access_token()));
    nothing_came_of_it(&alice, &before, login(&alice.name).refused(403, "M_FORBIDDEN"));
    // The type is no credential.
    let identifier = json!({ "type": "m.id.user", "user": plain.name });
    let body = json!({ "type": "m.login.application_service", "identifier": identifier });
    let answer = plain.post("login", &body).without_token();
    assert!(matches!(answer.status, 401 | 403), "{answer}");
}

#[test]
fn r49_a_login_token_of_the_upstream_is_stopped_and_one_of_ours_carries_the_factor() {
    let server = gateway();
    let (plain, alice) = (server.user(), server.enrolled_user());
    let get_token = "/_matrix/client/v1/login/get_token";
    let made = |user: &crate::harness::User| {
        let asked = direct("POST", get_token, Some(&user.token), Some(&json!({}))).json();
        let stage = with(&user.password_stage(), &json!({ "session": asked["session"] }));
        direct("POST", get_token, Some(&user.token), Some(&json!({ "auth": stage }))).json()["login_token"].clone()
    };
    let login = |token: Value| server.post("login", &json!({ "type": "m.login.token", "token": token }));
    assert!(works(&login(made(&plain)).access_token()));
    let token = made(&alice);
    let before = devices(&alice);
    nothing_came_of_it(&alice, &before, login(token.clone()).refused(403, "M_FORBIDDEN"));
    login(token).refused(403, "M_FORBIDDEN");

    let ours = alice.prove("POST", get_token, &json!({})).is(200);
    assert!(works(&login(ours["login_token"].clone()).access_token()));
    login(ours["login_token"].clone()).refused(403, "M_FORBIDDEN").without_token();
}

#[test]
fn r49_the_password_alone_gets_no_login_token() {
    let server = gateway();
    let alice = server.enrolled_user();
    let get_token = "/_matrix/client/v1/login/get_token";
    let asked = alice.post(get_token, &json!({}));
    let session = asked.session();
    let stage = with(&alice.password_stage(), &json!({ "session": session }));
    alice.post(get_token, &json!({ "auth": stage })).completed(&[PASSWORD]).without_token();
}

#[test]
fn two_access_tokens_are_no_access_token() {
    let server = gateway();
    let (mallory, alice) = (server.user(), server.enrolled_user());
    let path = format!("delete_devices?access_token={}", alice.token);
    let body = json!({ "devices": [alice.device] });
    mallory.post(&path, &body).refused(401, "M_MISSING_TOKEN");
    assert!(works(&alice.token));
}

#[test]
fn a_user_id_in_the_query_names_nobody() {
    let server = gateway();
    let alice = server.enrolled_user();
    let path = format!("account/password?user_id={}", alice.id);
    let stage = alice.password_stage();
    let body = json!({ "new_password": "stolen", "auth": stage });
    server.request("POST", &path).token("bridge-token").json(&body).send().refused(403, "M_FORBIDDEN");
    assert_eq!(alice.login().status, 401, "the password is what it was");
}

#[test]
fn an_upstream_that_is_away_is_an_error_and_no_login() {
    let nobody = std::net::TcpListener::bind("127.0.0.1:0").and_then(|free| free.local_addr()).expect("a port");
    let server = Server::gateway_before(&format!("http://{nobody}"), &[("MATRIX_2FA_SERVER_NAME", "example.org")]);
    let identifier = json!({ "type": "m.id.user", "user": "alice" });
    let body = json!({ "type": PASSWORD, "identifier": identifier, "password": "wonderland" });
    for request in [
        server.request("POST", "login").json(&body),
        server.request("GET", "sync").token("x"),
        server.request("GET", "account/two-factor").token("x"),
        server.request("POST", "delete_devices").token("x").json(&json!({})),
    ] {
        let answer = request.ask().expect("an answer");
        assert!(matches!(answer.status, 502..=504), "{answer}");
        assert!(answer.errcode().is_some(), "{answer}");
    }
}

#[test]
fn an_upstream_that_leaves_logins_to_oauth_is_told_of_in_the_log() {
    for flag in ["oauth_aware_preferred", "org.matrix.msc3824.delegated_oidc_compatibility", "nothing of the kind"] {
        let delegating = flag != "nothing of the kind";
        let stub = Stub::start(move |asked| match asked.path() {
            "/_matrix/key/v2/server" => Reply::Json(200, json!({ "server_name": "example.org" })),
            "/_matrix/client/v3/login" => Reply::Json(200, json!({ "flows": [{ "type": "m.login.sso", flag: true }] })),
            _ => Reply::Json(404, json!({ "errcode": "M_UNRECOGNIZED", "error": "no" })),
        });
        let server = Server::gateway_before(&stub.url(), &[]);
        assert_eq!(server.log().contains("MSC3861"), delegating, "{}", server.log());
    }
}
