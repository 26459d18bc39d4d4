//! Operations with interactive auth, through the gateway.

use matrix_2fa_core::Account;
use serde_json::{Value, json};

use super::{devices, direct, gateway, identical::through, works};
use crate::harness::{PASSWORD, RECOVERY, SSO, Server, TOTP, auth, with};

#[test]
fn a_plain_user_deletes_a_device_and_changes_the_password_as_ever() {
    let server = gateway();
    let user = server.user();
    let other = user.second_device();
    // Synapse's own dance: its bodies are not of the shape that ours are.
    let dance = |method: &str, path: &str, body: Value| {
        let path = format!("/_matrix/client/v3/{path}");
        let (status, asked) = through(&server, method, &path, Some(&user.token), Some(&body));
        let asked: Value = serde_json::from_slice(&asked).expect("JSON");
        assert_eq!((status, &asked["flows"]), (401, &json!([{ "stages": [PASSWORD] }])), "{asked}");
        let stage = with(&user.password_stage(), &json!({ "session": asked["session"] }));
        let body = with(&body, &json!({ "auth": stage }));
        assert_eq!(through(&server, method, &path, Some(&user.token), Some(&body)).0, 200, "{path}");
    };
    dance("DELETE", &format!("devices/{}", other.device), json!({}));
    assert!(!works(&other.token));
    dance("POST", "account/password", json!({ "new_password": "another one" }));
    server.post("login", &user.password_stage()).refused(403, "M_FORBIDDEN");
    server.post("login", &user.password_stage_of("another one")).is(200);
}

#[test]
fn an_enrolled_user_proves_the_factor_and_nothing_reaches_synapse_before() {
    let server = gateway();
    let user = server.enrolled_user();
    let other = user.with_login(&user.login_with(user.totp()).is(200));
    let path = format!("devices/{}", other.device);
    let asked = user.open("DELETE", &path, &json!({}));
    let asked = asked.offers(&[&[SSO], &[PASSWORD, TOTP], &[PASSWORD, RECOVERY]]);
    let session = asked.session();
    assert_eq!(session.len(), 32, "that is ours\n{asked}");
    let half = auth(&json!({}), &session, &user.password_stage());
    user.send("DELETE", &path, &half).completed(&[PASSWORD]);
    user.send("DELETE", &path, &auth(&json!({}), &session, &user.wrong_totp())).wrong_code();
    assert!(works(&other.token));
    user.send("DELETE", &path, &auth(&json!({}), &session, &user.totp())).is(200);
    assert!(!works(&other.token));
    assert!(devices(&user).iter().all(|(id, _)| *id != other.device));
}

/// Synapse's own session, opened past the gateway with the password, opens no door of it.
#[test]
fn r50_a_session_of_the_upstream_is_nothing_here() {
    let server = gateway();
    let user = server.enrolled_user();
    let other = user.with_login(&user.login_with(user.totp()).is(200));
    let body = json!({ "devices": [other.device] });
    let asked = direct("POST", "/_matrix/client/v3/delete_devices", Some(&user.token), Some(&body)).json();
    let stage = with(&user.password_stage(), &json!({ "session": asked["session"] }));
    user.post("delete_devices", &with(&body, &json!({ "auth": stage }))).refused(400, "M_UNKNOWN");
    assert!(works(&other.token));
    user.prove("POST", "delete_devices", &body).is(200);
    assert!(!works(&other.token));
}

#[test]
fn an_enrolled_user_changes_the_password_and_begun_logins_end() {
    let server = gateway();
    let user = server.enrolled_user();
    let begun = user.challenge();
    let body = json!({ "new_password": "another one", "logout_devices": false });
    user.send("POST", "account/password", &json!({ "new_password": "stolen", "auth": user.password_stage() }))
        .refused(401, "M_FORBIDDEN");
    user.prove("POST", "account/password", &body).is(200);
    assert_eq!(user.finish(&begun, user.totp()).status, 400, "what rests on the old password is over");
    server.post("login", &user.password_stage()).refused(403, "M_FORBIDDEN");
    server.post("login", &user.password_stage_of("another one")).completed(&[PASSWORD]);
    assert!(works(&user.token));
}

#[test]
fn an_enrolled_user_uploads_signing_keys_only_with_the_factor() {
    let server = gateway();
    let user = server.enrolled_user();
    let key = |usage: &str| json!({ "user_id": user.id, "usage": [usage], "keys": { "ed25519:nqOvzeuGWT/sRx3h7+MHoInYj3Uk2LD/unI9kDYcHwk": "nqOvzeuGWT/sRx3h7+MHoInYj3Uk2LD/unI9kDYcHwk" } });
    let body = json!({ "master_key": key("master") });
    // Synapse takes the first keys without asking.
    user.open("POST", "keys/device_signing/upload", &body);
    let known = user.post("keys/query", &json!({ "device_keys": { &user.id: [] } })).is(200);
    assert!(known["master_keys"].get(&user.id).is_none(), "nothing was uploaded\n{known}");
    user.prove("POST", "keys/device_signing/upload", &body).is(200);
    let known = user.post("keys/query", &json!({ "device_keys": { &user.id: [] } })).is(200);
    assert!(known["master_keys"].get(&user.id).is_some(), "{known}");
}

#[test]
fn r39_an_enrolled_user_who_is_deactivated_is_forgotten() {
    let server = gateway();
    let user = server.enrolled_user();
    user.with_password("POST", "account/deactivate", &json!({})).completed(&[PASSWORD]);
    assert!(works(&user.token));
    user.prove("POST", "account/deactivate", &json!({ "erase": false })).is(200);
    assert!(!works(&user.token));
    server.post("login", &user.password_stage()).without_token();
    server.terminate();
    assert_eq!(server.stored_account(&user.id), Account::default());
}

#[test]
fn enrolling_ends_the_other_sessions_on_request() {
    let server = gateway();
    let user = server.user();
    let other = user.second_device();
    let pending = user.begin_enrollment();
    let phone = crate::harness::Phone::new(&server, &pending.string("seed"));
    let body = json!({ "id": pending["id"], "token": phone.code(), "logout_devices": true });
    user.post("account/two-factor/totp/confirm", &body).is(200);
    assert!(works(&user.token));
    assert!(!works(&other.token));
    assert_eq!(devices(&user).len(), 1, "{:?}", devices(&user));
}

#[test]
fn r37_an_operator_can_have_everybody_signed_out_who_turns_it_on() {
    let server = Server::gateway(&[("MATRIX_2FA_ENROLLMENT_SIGNS_OUT", "true")]);
    let user = server.user();
    let other = user.second_device();
    let user = user.enroll();
    assert!(!super::works(&other.token) && super::works(&user.token));
}
