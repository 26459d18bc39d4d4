//! `POST account/two-factor/disable`, `DELETE account/two-factor`.

use serde_json::json;

use crate::harness::{Needs, PASSWORD, R0, RECOVERY, Server, TOTP, UNSTABLE, stage};

const POST: &str = "account/two-factor/disable";
const DELETE: &str = "account/two-factor";

#[test]
fn everything_goes_if_nothing_is_named() {
    let server = Server::start();
    for (method, path) in
        [("POST", POST.to_owned()), ("DELETE", DELETE.to_owned()), ("DELETE", format!("{R0}{DELETE}"))]
    {
        let user = server.enrolled_user();
        user.open(method, &path, &json!({})).offers(&[&[PASSWORD, TOTP], &[PASSWORD, RECOVERY]]);
        let answer = user.prove(method, &path, &json!({})).is(200);
        assert_eq!((&answer["providers"], &answer["enabled"]), (&json!([TOTP, RECOVERY]), &json!([])), "{answer}");
        assert_eq!(user.status()["providers"], json!({}));
        user.login().access_token();
    }
}

#[test]
fn the_wildcard_is_everything() {
    let server = Server::start();
    for wildcard in ["m.login.2fa.*", "m.login.two-factor.*"] {
        let user = server.enrolled_user();
        let path = format!("{UNSTABLE}{POST}");
        user.prove("POST", &path, &json!({ "providers": [wildcard] })).is(200);
        user.login().access_token();
    }
}

#[test]
fn recovery_alone_leaves_the_authenticator() {
    let user = Server::start().enrolled_user();
    let answer = user.prove("POST", POST, &json!({ "providers": [RECOVERY] })).is(200);
    assert_eq!((&answer["providers"], &answer["enabled"]), (&json!([RECOVERY]), &json!([TOTP])), "{answer}");
    user.login().offers(&[&[PASSWORD, TOTP]]);
    user.login_with(user.totp()).access_token();
}

#[test]
fn r36_recovery_dies_with_the_last_other_factor_and_never_comes_back() {
    let user = Server::start().user().enroll();
    let old = user.recovery.clone();
    let answer = user.prove("POST", POST, &json!({ "providers": [TOTP] })).is(200);
    assert_eq!((&answer["providers"], &answer["enabled"]), (&json!([TOTP, RECOVERY]), &json!([])), "{answer}");
    user.login().access_token();
    let again = user.with_login(&user.login().is(200)).enroll();
    assert!(again.recovery.iter().all(|code| !old.contains(code)), "fresh codes");
    again.login_with(stage(RECOVERY, &old[0])).wrong_code();
    again.login_with(user.totp()).wrong_code();
    again.login_with(again.recovery_stage(0)).access_token();
}

#[test]
fn a_recovery_code_is_proof_enough() {
    let user = Server::start().enrolled_user();
    user.prove_with("POST", POST, &json!({}), user.recovery_stage(0)).is(200);
    user.login().access_token();
}

#[test]
fn r30_the_password_alone_disables_nothing() {
    let user = Server::start().enrolled_user();
    user.with_password("POST", POST, &json!({})).completed(&[PASSWORD]);
    user.prove_with("DELETE", DELETE, &json!({}), user.wrong_totp()).wrong_code();
    user.login().completed(&[PASSWORD]);
}

#[test]
fn nothing_and_nonsense_are_refused() {
    let server = Server::start();
    let user = server.enrolled_user();
    for (body, errcode) in [
        (json!({ "providers": ["m.login.2fa.sms"] }), "M_INVALID_PARAM"),
        (json!({ "providers": [TOTP, "m.login.password"] }), "M_INVALID_PARAM"),
        (json!({ "providers": "m.login.2fa.totp" }), "M_BAD_JSON"),
        (json!({ "providers": [1] }), "M_BAD_JSON"),
    ] {
        let mut answer = user.post(POST, &body);
        if answer.status == 401 {
            answer = user.prove_with("POST", POST, &body, user.recovery_stage(0));
        }
        answer.refused(400, errcode);
    }
    user.login().completed(&[PASSWORD]);
}

#[test]
fn it_stays_disabled_after_kill_9() {
    let Some(server) = Server::start_with(Needs::Process) else { return };
    let user = server.enrolled_user();
    user.prove("POST", POST, &json!({})).is(200);
    server.kill_9_and_restart();
    assert_eq!(user.status()["providers"], json!({}));
    user.login().access_token();
}
