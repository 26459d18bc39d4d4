//! `POST /_matrix/client/v1/login/get_token`, and the `m.login.token` login that it leads to.

use serde_json::json;

use crate::harness::{Answer, MINUTE_MS, Needs, PASSWORD, RECOVERY, Server, TOKEN, TOTP, auth};

const PATH: &str = "/_matrix/client/v1/login/get_token";

fn login_with_token(server: &Server, token: &str) -> Answer {
    server.post("login", &json!({ "type": TOKEN, "token": token }))
}

#[test]
fn with_a_factor_it_needs_both_and_the_token_carries_them() {
    let user = Server::start().enrolled_user();
    user.open("POST", PATH, &json!({})).offers(&[&[PASSWORD, TOTP], &[PASSWORD, RECOVERY]]);
    let answer = user.prove("POST", PATH, &json!({})).is(200);
    assert!(answer["expires_in_ms"].as_u64().is_some_and(|ms| ms > 0), "{answer}");
    let login = login_with_token(&user.server, &answer.string("login_token")).is(200);
    assert_eq!(login.string("user_id"), user.id);
}

#[test]
fn a_login_token_works_once() {
    let user = Server::start().user();
    let token = user.with_password("POST", PATH, &json!({})).is(200).string("login_token");
    login_with_token(&user.server, &token).access_token();
    login_with_token(&user.server, &token).without_token().refused(403, "M_FORBIDDEN");
    login_with_token(&user.server, "no-such-token").refused(403, "M_FORBIDDEN");
}

#[test]
fn a_login_token_works_once_even_at_the_same_moment() {
    let user = Server::start().user();
    let token = user.with_password("POST", PATH, &json!({})).is(200).string("login_token");
    let answers = crate::harness::simultaneously(20, |_| login_with_token(&user.server, &token).status);
    assert_eq!(answers.iter().filter(|status| **status == 200).count(), 1, "{answers:?}");
}

#[test]
fn a_login_token_dies_soon() {
    let Some(server) = Server::start_with(Needs::Clock) else { return };
    let user = server.user();
    let answer = user.with_password("POST", PATH, &json!({})).is(200);
    let lifetime = answer["expires_in_ms"].as_u64().unwrap();
    assert!(lifetime <= 5 * MINUTE_MS, "{answer}");
    server.advance(lifetime);
    login_with_token(&server, &answer.string("login_token")).refused(403, "M_FORBIDDEN");
}

/// A token that is older than the factor opens nothing, not even with a code.
#[test]
fn r48_a_token_made_before_the_factor_opens_nothing() {
    let user = Server::start().user();
    let token = user.with_password("POST", PATH, &json!({})).is(200).string("login_token");
    let user = user.enroll();
    let challenge = login_with_token(&user.server, &token).without_token();
    if challenge.status == 401 {
        user.finish(&challenge.session(), user.totp()).refused(400, "M_UNKNOWN").without_token();
    }
    login_with_token(&user.server, &token).without_token();
}

#[test]
fn its_session_is_no_login_session() {
    let user = Server::start().enrolled_user();
    let session = user.open("POST", PATH, &json!({})).session();
    user.post(PATH, &auth(&json!({}), &session, &user.password_stage())).completed(&[PASSWORD]);
    let answer = user.finish(&session, user.totp()).without_token();
    assert!([400, 403].contains(&answer.status), "{answer}");
}
