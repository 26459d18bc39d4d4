//! `POST /account/password`.

use serde_json::{Value, json};

use crate::harness::{Enrolled, PASSWORD, Server, User, auth, with};

fn login_with_password(user: &User, password: &str) -> crate::harness::Answer {
    user.server.post("login", &with(&user.password_stage(), &json!({ "password": password })))
}

fn new_password(password: &str) -> Value {
    json!({ "new_password": password, "logout_devices": false })
}

#[test]
fn without_a_factor_it_needs_the_password() {
    let user = Server::start().user();
    user.with_password("POST", "account/password", &new_password("a new password")).is(200);
    login_with_password(&user, "a new password").access_token();
    user.login().refused(403, "M_FORBIDDEN");
}

#[test]
fn with_a_factor_it_needs_both() {
    let user = Server::start().enrolled_user();
    let body = new_password("a new password");
    let session = user.open("POST", "account/password", &body).session();
    user.post("account/password", &auth(&body, &session, &user.password_stage())).completed(&[PASSWORD]);
    user.login().completed(&[PASSWORD]);
    user.post("account/password", &auth(&body, &session, &user.totp())).is(200);
    login_with_password(&user, "a new password").completed(&[PASSWORD]);
}

#[test]
fn r46_a_new_password_neither_skips_nor_removes_the_factor_nor_logs_in() {
    let user = Server::start().enrolled_user();
    let answer = user.prove("POST", "account/password", &new_password("after the reset")).is(200).without_token();
    assert_eq!(answer.body, json!({}), "{answer}");
    login_with_password(&user, "after the reset").refused(401, "M_FORBIDDEN").completed(&[PASSWORD]).without_token();
    assert_eq!(user.status()["providers"]["m.login.2fa.recovery"]["remaining"], 10);
    let session = login_with_password(&user, "after the reset").session();
    user.finish(&session, user.totp()).access_token();
}

#[test]
fn other_devices_are_signed_out_unless_told_otherwise() {
    let user = Server::start().user();
    let (kept, gone) = (user.second_device(), user.second_device());
    user.with_password("POST", "account/password", &new_password("a second password")).is(200);
    kept.get("account/whoami").is(200);
    let body = json!({ "new_password": "a third password" });
    let stage = with(&user.password_stage(), &json!({ "password": "a second password" }));
    user.authorize("POST", "account/password", &body, &[stage]).is(200);
    gone.get("account/whoami").refused(401, "M_UNKNOWN_TOKEN");
    kept.get("account/whoami").refused(401, "M_UNKNOWN_TOKEN");
    user.get("account/whoami").is(200);
}

fn opened(user: &Enrolled) -> String {
    let body = new_password("the intended password");
    let session = user.open("POST", "account/password", &body).session();
    user.post("account/password", &auth(&body, &session, &user.password_stage())).completed(&[PASSWORD]);
    session
}

#[test]
fn r50_the_new_password_must_be_the_one_that_was_shown_at_first() {
    let user = Server::start().enrolled_user();
    let session = opened(&user);
    let swapped = new_password("the attacker's password");
    user.post("account/password", &auth(&swapped, &session, &user.totp())).refused(403, "M_FORBIDDEN");
    user.login().completed(&[PASSWORD]);
}

/// Secrets are never kept: the request that completes the session brings them again.
#[test]
fn a_missing_new_password_is_a_missing_param() {
    let user = Server::start().enrolled_user();
    let session = opened(&user);
    user.post("account/password", &auth(&json!({}), &session, &user.totp())).refused(400, "M_MISSING_PARAM");
    user.login().completed(&[PASSWORD]);
}

#[test]
fn the_new_password_must_be_a_string() {
    let user = Server::start().user();
    for bad in [json!(null), json!(1), json!([])] {
        let body = json!({ "new_password": bad, "auth": user.password_stage() });
        let answer = user.post("account/password", &body);
        assert_eq!(answer.status, 400, "{answer}");
    }
    user.login().is(200);
}
