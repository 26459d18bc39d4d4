//! A session belongs to one operation of one user on one device.

use serde_json::json;

use crate::harness::{Answer, PASSWORD, R0, Server, UNSTABLE, User, V3, auth, with};

const PATH: &str = "account/two-factor/recovery";

/// Of no use here: unknown, consumed, expired.
#[track_caller]
fn dead(answer: Answer) {
    let answer = answer.without_token().is(400);
    assert!(answer.body.get("flows").is_none(), "{answer}");
}

#[test]
fn an_unknown_session_is_refused() {
    let user = Server::start().enrolled_user();
    for session in ["x", "", "0123456789abcdef0123456789ABCDEF", &"x".repeat(5000)] {
        for stage in [json!({}), user.password_stage(), user.wrong_totp()] {
            dead(user.post(PATH, &auth(&json!({}), session, &stage)));
        }
        dead(user.finish(session, user.wrong_totp()));
    }
}

#[test]
fn r50_another_operation_is_refused() {
    let user = Server::start().enrolled_user();
    let session = user.open("POST", PATH, &json!({})).session();
    user.post(PATH, &auth(&json!({}), &session, &user.password_stage())).completed(&[PASSWORD]);
    let code = user.totp();
    for (method, path) in [
        ("POST", "account/two-factor/disable"),
        ("DELETE", "account/two-factor"),
        ("POST", "account/two-factor/totp"),
        ("POST", "account/deactivate"),
        ("DELETE", &format!("devices/{}", user.device)),
    ] {
        user.send(method, path, &auth(&json!({}), &session, &code)).refused(403, "M_FORBIDDEN");
    }
    // Nothing of it was evaluated.
    user.post(PATH, &auth(&json!({}), &session, &code)).is(200);
}

#[test]
fn r50_a_path_parameter_is_part_of_the_operation() {
    let user = Server::start().enrolled_user();
    let one = user.with_login(&user.login_with(user.recovery_stage(0)).is(200));
    let session = user.open("DELETE", &format!("devices/{}", one.device), &json!({})).session();
    let other = format!("devices/{}", user.device);
    user.send("DELETE", &other, &auth(&json!({}), &session, &user.password_stage())).refused(403, "M_FORBIDDEN");
}

#[test]
fn all_prefixes_of_an_endpoint_are_one_operation() {
    let user = Server::start().enrolled_user();
    let session = user.open("POST", &format!("{R0}{PATH}"), &json!({})).session();
    user.post(&format!("{UNSTABLE}{PATH}"), &auth(&json!({}), &session, &user.password_stage())).completed(&[PASSWORD]);
    user.post(&format!("{V3}{PATH}"), &auth(&json!({}), &session, &user.totp())).is(200);
}

#[test]
fn r50_the_body_may_shrink_but_not_change_or_grow() {
    let user = Server::start().enrolled_user();
    let path = "account/two-factor/totp";
    let body = json!({ "name": "my tablet" });
    let session = user.open("POST", path, &body).session();
    user.post(path, &auth(&body, &session, &user.password_stage())).completed(&[PASSWORD]);
    let code = user.totp();
    for changed in [json!({ "name": "another" }), json!({ "name": "my tablet", "more": 1 }), json!({ "more": {} })] {
        user.post(path, &auth(&changed, &session, &code)).refused(403, "M_FORBIDDEN");
    }
    let pending = user.post(path, &auth(&json!({}), &session, &code)).is(200);
    let phone = crate::harness::Phone::new(&user.server, &pending.string("seed"));
    let confirmed = user.confirm(&pending, &phone.code()).is(200);
    assert_eq!(confirmed["authenticator"]["name"], "my tablet", "missing keys are those of the first request");
}

#[test]
fn r50_another_user_or_device_cannot_use_it() {
    let server = Server::start();
    let (user, thief) = (server.enrolled_user(), server.enrolled_user());
    let other_device = user.with_login(&user.login_with(user.recovery_stage(0)).is(200));
    let session = user.open("POST", PATH, &json!({})).session();
    for stranger in [&*thief, &other_device] {
        for stage in [json!({}), stranger.password_stage()] {
            let answer = stranger.post(PATH, &auth(&json!({}), &session, &stage)).without_token();
            assert!([400, 403].contains(&answer.status), "{answer}");
        }
    }
    user.post(PATH, &auth(&json!({}), &session, &user.password_stage())).completed(&[PASSWORD]);
}

/// Who takes a device over, by logging in on it or by a refresh, has another access token: what the old one began is not theirs.
#[test]
fn r50_another_token_of_the_same_device_cannot_use_it() {
    let user = Server::start().enrolled_user();
    let log_in = || {
        let wishes = json!({ "device_id": "SAME", "refresh_token": true });
        let session = user.server.post("login", &with(&user.password_stage(), &wishes)).session();
        user.finish(&session, user.totp()).is(200)
    };
    let login = log_in();
    let first = user.with_login(&login);
    let session = first.open("POST", PATH, &json!({})).session();
    first.post(PATH, &auth(&json!({}), &session, &user.password_stage())).completed(&[PASSWORD]);
    first.post(PATH, &auth(&json!({}), &session, &json!({}))).completed(&[PASSWORD]);

    let pair = user.server.post("refresh", &json!({ "refresh_token": login.string("refresh_token") })).is(200);
    let refreshed = User { token: pair.access_token(), ..user.with_login(&login) };
    for stage in [json!({}), user.recovery_stage(0)] {
        refreshed.post(PATH, &auth(&json!({}), &session, &stage)).refused(403, "M_FORBIDDEN");
    }
    let taken_over = user.with_login(&log_in());
    for stage in [json!({}), user.recovery_stage(0)] {
        taken_over.post(PATH, &auth(&json!({}), &session, &stage)).refused(403, "M_FORBIDDEN");
    }
    // Nothing of it was evaluated.
    user.login_with(user.recovery_stage(0)).access_token();
}

#[test]
fn a_login_session_is_none_of_an_account_endpoint() {
    let user = Server::start().enrolled_user();
    let session = user.challenge();
    let answer = user.post(PATH, &auth(&json!({}), &session, &user.totp()));
    assert!([400, 403].contains(&answer.status), "{answer}");
}

#[test]
fn r50_it_is_used_once() {
    let user = Server::start().enrolled_user();
    let session = user.open("POST", PATH, &json!({})).session();
    user.post(PATH, &auth(&json!({}), &session, &user.password_stage())).completed(&[PASSWORD]);
    user.post(PATH, &auth(&json!({}), &session, &user.totp())).is(200);
    dead(user.post(PATH, &auth(&json!({}), &session, &json!({}))));
    dead(user.post(PATH, &auth(&json!({}), &session, &user.totp())));
}
