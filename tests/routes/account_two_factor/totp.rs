//! `POST account/two-factor/totp`: begins an enrollment.

use std::collections::HashSet;

use data_encoding::BASE32_NOPAD;
use serde_json::json;

use crate::harness::{MINUTE_MS, Needs, PASSWORD, Phone, R0, RECOVERY, Server, TOTP, UNSTABLE, auth, stage};

const PATH: &str = "account/two-factor/totp";

#[test]
fn the_first_enrollment_needs_the_password() {
    let user = Server::start().user();
    user.open("POST", PATH, &json!({})).offers(&[&[PASSWORD]]);
    let answer = user.begin_enrollment();
    assert_eq!(answer["pending"], true);
    assert_eq!(answer["params"], json!({ "type": "m.totp.v1.rfc6238-sha1", "step": 30, "size": 6 }), "{answer}");
    assert!(
        answer["expires_at"].as_u64().unwrap().abs_diff(user.server.now_ms() + 10 * MINUTE_MS) < 120_000,
        "{answer}"
    );
    assert!(answer.body.get("qr").is_none(), "{answer}");
}

#[test]
fn a_wrong_password_begins_nothing() {
    let user = Server::start().user();
    let wrong =
        json!({ "type": PASSWORD, "identifier": { "type": "m.id.user", "user": user.name }, "password": "wrong" });
    user.authorize("POST", PATH, &json!({}), &[wrong]).refused(401, "M_FORBIDDEN").completed(&[]);
}

#[test]
fn a_qr_code_comes_if_it_is_asked_for() {
    let user = Server::start().user();
    let answer = user.with_password("POST", "account/two-factor/totp?qr=true", &json!({})).is(200);
    assert!(answer.string("qr").starts_with("data:image/svg+xml"), "{answer}");
}

#[test]
fn every_prefix_begins_an_enrollment() {
    let user = Server::start().user();
    for prefix in [R0, UNSTABLE] {
        user.with_password("POST", &format!("{prefix}{PATH}"), &json!({ "name": "x" })).is(200);
    }
}

#[test]
fn names_have_1_to_100_characters_and_no_control_characters() {
    let user = Server::start().user();
    for bad in [json!(""), json!("a\nb"), json!("\u{7}"), json!("x".repeat(101)), json!(1), json!(null)] {
        let body = json!({ "name": bad });
        let mut answer = user.post(PATH, &body);
        if answer.status == 401 {
            answer = user.post(PATH, &auth(&body, &answer.session(), &user.password_stage()));
        }
        assert_eq!(answer.status, 400, "for {bad}\n{answer}");
    }
    user.with_password("POST", PATH, &json!({ "name": "ä".repeat(100) })).is(200);
}

#[test]
fn r26_secrets_are_160_bits_in_upper_case_base32_and_never_the_same() {
    let user = Server::start().user();
    let mut seen = HashSet::new();
    for _ in 0..20 {
        let seed = user.begin_enrollment().string("seed");
        assert_eq!((seed.len(), BASE32_NOPAD.decode(seed.as_bytes()).map(|bytes| bytes.len())), (32, Ok(20)), "{seed}");
        assert!(seen.insert(seed), "the same secret twice");
    }
}

#[test]
fn r28_a_secret_of_the_clients_choice_is_refused() {
    let user = Server::start().user();
    for key in ["seed", "secret", "uri"] {
        let body = json!({ "name": "phone", key: "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP" });
        let mut answer = user.post(PATH, &body);
        if answer.status == 401 {
            answer = user.post(PATH, &auth(&body, &answer.session(), &user.password_stage()));
        }
        answer.refused(400, "M_INVALID_PARAM");
    }
}

#[test]
fn r25_a_pending_authenticator_changes_nothing_at_login() {
    let user = Server::start().user();
    user.begin_enrollment();
    user.login().access_token();
    user.with_password("DELETE", &format!("devices/{}", user.second_device().device), &json!({})).is(200);
}

#[test]
fn r25_a_pending_authenticator_dies_after_ten_minutes() {
    let Some(server) = Server::start_with(Needs::Clock) else { return };
    let user = server.user();
    let begin = || {
        let pending = user.begin_enrollment();
        let phone = Phone::new(&server, &pending.string("seed"));
        (pending, phone)
    };
    let (pending, phone) = begin();
    server.advance(10 * MINUTE_MS);
    user.confirm(&pending, &phone.code()).refused(404, "M_NOT_FOUND");
    let (pending, phone) = begin();
    server.advance(10 * MINUTE_MS - 1);
    user.confirm(&pending, &phone.code()).is(200);
}

#[test]
fn r31_a_new_enrollment_never_weakens_the_old_factor() {
    let user = Server::start().enrolled_user();
    let pending = user.prove("POST", PATH, &json!({ "name": "second" })).is(200);
    let stranger = Phone::new(&user.server, &pending.string("seed"));
    user.login_with(stage(TOTP, &stranger.code())).wrong_code();
    user.login_with(user.totp()).access_token();
    assert_eq!(user.status()["providers"][TOTP]["authenticators"].as_array().map(Vec::len), Some(1));
}

/// Enrolling when enrolled: the password alone would let a thief of the password add a phone of their own.
#[test]
fn r30_a_second_authenticator_needs_an_existing_factor() {
    let user = Server::start().enrolled_user();
    user.open("POST", PATH, &json!({ "name": "thief" })).offers(&[&[PASSWORD, TOTP], &[PASSWORD, RECOVERY]]);
    let answer = user.with_password("POST", PATH, &json!({ "name": "thief" }));
    answer.completed(&[PASSWORD]);
    let (second, _id) = user.add_phone("tablet");
    user.login_with(stage(TOTP, &second.code())).access_token();
}

#[test]
fn r32_the_uri_parses_back_to_the_same_values() {
    let user = Server::start().user();
    let answer = user.begin_enrollment();
    let uri = answer.string("uri");
    let (label, query) =
        uri.strip_prefix("otpauth://totp/").and_then(|rest| rest.split_once('?')).expect("otpauth://totp/..?..");
    let (issuer, account) = label.split_once(':').expect("one plain colon");
    let mxid = user.id.replace('@', "%40").replace(':', "%3a");
    assert_eq!(account.to_lowercase(), mxid.to_lowercase(), "{uri}");
    assert!(!uri.contains('+') && !uri.contains(' ') && account.starts_with("%40"), "{uri}");
    let expected = format!("secret={}&issuer={issuer}&algorithm=SHA1&digits=6&period=30", answer.string("seed"));
    assert_eq!(query, expected);
}

#[test]
fn one_pending_authenticator_replaces_the_other() {
    let server = Server::start();
    let user = server.user();
    let (first, second) = (user.begin_enrollment(), user.begin_enrollment());
    assert_ne!(first["id"], second["id"]);
    let phone = Phone::new(&server, &first.string("seed"));
    user.confirm(&first, &phone.code()).refused(404, "M_NOT_FOUND");
    let phone = Phone::new(&server, &second.string("seed"));
    user.confirm(&second, &phone.code()).is(200);
}
