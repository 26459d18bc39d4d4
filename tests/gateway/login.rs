//! `POST /login` through the gateway.

use std::collections::BTreeSet;

use reqwest::header::HeaderMap;
use serde_json::{Value, json};

use super::{devices, direct, gateway, nothing_came_of_it, works};
use crate::harness::{PASSWORD, TOTP, auth, stage, with};

#[test]
fn a_plain_user_registers_logs_in_and_out() {
    let server = gateway();
    let user = server.user();
    assert!(user.id.ends_with(":example.org"), "{}", user.id);
    let fields = json!({ "device_id": "PHONE", "initial_device_display_name": "My phone" });
    let login = server.post("login", &with(&user.password_stage(), &fields)).is(200);
    assert_eq!(login["device_id"], "PHONE");
    assert!(devices(&user).contains(&("PHONE".to_owned(), "My phone".into())));
    user.with_login(&login).post("logout", &json!({})).is(200);
    assert!(!works(&login.access_token()));
}

#[test]
fn an_enrolled_user_logs_in_with_a_code_and_every_field_of_the_login_counts() {
    let server = gateway();
    let user = server.enrolled_user();
    let before = devices(&user);
    let fields = json!({ "device_id": "PHONE", "initial_device_display_name": "My phone", "refresh_token": true });
    let asked = server.post("login", &with(&user.password_stage(), &fields)).refused(401, "M_FORBIDDEN");
    let asked = asked.completed(&[PASSWORD]);
    let session = asked.session();
    nothing_came_of_it(&user, &before, asked);
    nothing_came_of_it(&user, &before, user.finish(&session, user.wrong_totp()).wrong_code());

    let login = user.finish(&session, user.totp()).is(200);
    assert_eq!((&login["device_id"], &login["user_id"]), (&json!("PHONE"), &json!(user.id)));
    assert!(login["refresh_token"].is_string(), "{login}");
    assert!(works(&login.access_token()));
    let mut after = before;
    after.push(("PHONE".to_owned(), "My phone".into()));
    after.sort_by(|one, other| one.0.cmp(&other.0));
    assert_eq!(devices(&user), after, "and nothing is left of the password check");
}

#[test]
fn password_and_code_in_one_field_and_a_recovery_code() {
    let server = gateway();
    let user = server.enrolled_user();
    let field = format!("{} {}", user.password, user.phone.code());
    let login = server.post("login", &user.password_stage_of(&field)).is(200);
    assert!(works(&login.access_token()));
    server.post("login", &user.password_stage_of(&field)).refused(403, "M_FORBIDDEN").without_token();
    let login = user.login_with(user.recovery_stage(0)).is(200);
    assert!(works(&login.access_token()));
    user.login_with(user.recovery_stage(0)).wrong_code();
}

/// R48: the device id of a login that never got its code is untouched, and so is its token.
#[test]
fn r48_a_stranger_who_knows_the_password_disturbs_no_device() {
    let server = gateway();
    let user = server.enrolled_user();
    let before = devices(&user);
    for body in [
        with(&user.password_stage(), &json!({ "device_id": user.device })),
        json!({ "type": PASSWORD, "user": user.name, "password": user.password, "device_id": user.device }),
        json!({ "type": PASSWORD, "user": user.id.to_uppercase().replace(":EXAMPLE.ORG", ":example.org"), "password": user.password, "device_id": user.device }),
        with(&user.password_stage_of(&format!("{} 000000", user.password)), &json!({ "device_id": user.device })),
    ] {
        nothing_came_of_it(&user, &before, server.post("login", &body));
        assert!(works(&user.token), "{body}");
    }
}

/// R58: who has no factor, who has one and who does not exist get Synapse's own words for a wrong password.
#[test]
fn r58_a_wrong_password_is_answered_alike_and_as_synapse_does() {
    let server = gateway();
    let (plain, enrolled) = (server.user(), server.enrolled_user());
    for wrong in ["looking glass", "looking glass 123456", "looking glass 0000-1111-2222-3333"] {
        for user in [&*plain.name, &*enrolled.name, "nobody-of-that-name"] {
            let identifier = json!({ "type": "m.id.user", "user": user });
            let body = json!({ "type": PASSWORD, "identifier": identifier, "password": wrong });
            let answer = server.post("login", &body);
            let own = direct("POST", "/_matrix/client/v3/login", None, Some(&body));
            assert_eq!((answer.status, &answer.body), (own.status, &own.json()), "{user} {wrong}");
            assert_eq!(names(&answer.headers), names(&own.headers), "{user} {wrong}");
        }
    }
    // A right password before a wrong code is no different.
    let field = format!("{} {}", enrolled.password, enrolled.phone.wrong_code());
    let answer = server.post("login", &enrolled.password_stage_of(&field));
    let own = direct("POST", "/_matrix/client/v3/login", None, Some(&enrolled.password_stage_of("looking glass")));
    assert_eq!((answer.status, &answer.body), (own.status, &own.json()));
}

fn names(headers: &HeaderMap) -> BTreeSet<String> {
    // How long the body is can be said in two ways.
    let framing = ["content-length", "transfer-encoding"];
    headers.keys().map(|name| name.as_str().to_owned()).filter(|name| !framing.contains(&&**name)).collect()
}

#[test]
fn a_gateway_that_forgot_the_password_asks_for_the_whole_body_and_burns_no_code() {
    let server = gateway();
    let user = server.enrolled_user();
    let session = user.challenge();
    server.kill_9_and_restart();
    let code = user.phone.code();
    user.finish(&session, stage(TOTP, &code)).refused(401, "M_FORBIDDEN").without_token();
    let whole = auth(&user.password_stage(), &session, &stage(TOTP, &code));
    server.post("login", &whole).is(200);
}

#[test]
fn one_body_has_one_user() {
    let server = gateway();
    let (mallory, alice) = (server.user(), server.enrolled_user());
    let before = devices(&alice);
    let named = |name: &str| json!({ "type": "m.id.user", "user": name });
    let body =
        json!({ "type": PASSWORD, "identifier": named(&mallory.name), "user": alice.name, "password": alice.password });
    nothing_came_of_it(&alice, &before, server.post("login", &body).refused(400, "M_INVALID_PARAM"));
    // Of keys that stand twice the last counts, and nothing else goes upstream.
    for (first, last) in [(&mallory.name, &alice.name), (&alice.name, &mallory.name)] {
        let raw = format!(
            r#"{{"type":"{PASSWORD}","identifier":{},"identifier":{},"password":"{}"}}"#,
            named(first),
            named(last),
            alice.password
        );
        let answer = server.request("POST", "login").bytes(raw.into_bytes()).send();
        assert!(matches!(answer.status, 401 | 403), "{answer}");
        nothing_came_of_it(&alice, &before, answer);
    }
    let token: Value = json!({ "type": PASSWORD, "identifier": named(&alice.name), "password": alice.password, "token": "x", "address": "a@b", "medium": "email" });
    nothing_came_of_it(&alice, &before, server.post("login", &token).refused(400, "M_INVALID_PARAM"));
}
