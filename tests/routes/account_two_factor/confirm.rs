//! `POST account/two-factor/totp/confirm`.

use serde_json::json;

use crate::harness::{Needs, Phone, R0, Server, TOTP, recovery_codes, stage, with};

const PATH: &str = "account/two-factor/totp/confirm";

#[test]
fn a_right_code_makes_the_first_factor_and_ten_recovery_codes() {
    let server = Server::start();
    let user = server.user();
    let pending = user.begin_enrollment();
    let phone = Phone::new(&server, &pending.string("seed"));
    let answer = user.confirm(&pending, &phone.code()).is(200);
    assert_eq!((&answer["authenticator"]["id"], &answer["authenticator"]["name"]), (&pending["id"], &json!("phone")));
    recovery_codes(&answer["recovery"]["tokens"]);
    user.login().refused(401, "M_FORBIDDEN");
}

#[test]
fn r03_the_code_that_confirmed_cannot_log_in() {
    let server = Server::start();
    let user = server.user();
    let pending = user.begin_enrollment();
    let phone = Phone::new(&server, &pending.string("seed"));
    let code = phone.at_present(0);
    user.confirm(&pending, &code).is(200);
    let session = user.login().session();
    let finish = |code: &str| server.post("login", &crate::harness::auth(&json!({}), &session, &stage(TOTP, code)));
    finish(&code).wrong_code();
    finish(&phone.at_present(-1)).wrong_code();
    finish(&phone.at_present(1)).access_token();
}

#[test]
fn five_wrong_codes_discard_the_pending_authenticator() {
    let server = Server::start();
    let user = server.user();
    let pending = user.begin_enrollment();
    let phone = Phone::new(&server, &pending.string("seed"));
    for bad in [phone.wrong_code(), "1".to_owned(), "no code".to_owned(), phone.wrong_code(), phone.wrong_code()] {
        user.confirm(&pending, &bad).refused(403, "M_FORBIDDEN");
    }
    user.confirm(&pending, &phone.code()).refused(404, "M_NOT_FOUND");
    user.login().access_token();
}

#[test]
fn an_unknown_id_is_not_found() {
    let user = Server::start().user();
    user.post(PATH, &json!({ "id": "nothing", "token": "123456" })).refused(404, "M_NOT_FOUND");
    let pending = user.begin_enrollment();
    user.post(PATH, &json!({ "id": "nothing", "token": "123456" })).refused(404, "M_NOT_FOUND");
    user.post(PATH, &json!({ "id": pending["id"] })).refused(400, "M_MISSING_PARAM");
    user.post(PATH, &json!({ "token": "123456" })).refused(400, "M_MISSING_PARAM");
    user.post(PATH, &json!({ "id": 1, "token": "123456" })).refused(400, "M_BAD_JSON");
    user.post(PATH, &json!({ "id": pending["id"], "token": 123456 })).refused(400, "M_BAD_JSON");
}

/// No `auth`: instead it belongs to the access token that began it.
#[test]
fn another_token_cannot_confirm() {
    let server = Server::start();
    let user = server.user();
    let (other_device, other_user) = (user.second_device(), server.user());
    let pending = user.begin_enrollment();
    let phone = Phone::new(&server, &pending.string("seed"));
    let code = phone.code();
    other_device.confirm(&pending, &code).refused(404, "M_NOT_FOUND");
    other_user.confirm(&pending, &code).refused(404, "M_NOT_FOUND");
    user.post(&format!("{R0}{PATH}"), &json!({ "id": pending["id"], "token": code })).is(200);
}

#[test]
fn it_is_confirmed_once() {
    let server = Server::start();
    let user = server.user();
    let pending = user.begin_enrollment();
    let phone = Phone::new(&server, &pending.string("seed"));
    let code = phone.code();
    let answers = crate::harness::simultaneously(10, |_| user.confirm(&pending, &code).status);
    assert_eq!(answers.iter().filter(|status| **status == 200).count(), 1, "{answers:?}");
    assert_eq!(user.status()["providers"][TOTP]["authenticators"].as_array().map(Vec::len), Some(1));
}

/// Whoever stole the password or a token before: asked for, everything else ends, and what was begun with the password alone is worth
/// nothing, asked for or not.
#[test]
fn r37_what_was_begun_before_the_factor_opens_nothing_after_it() {
    let server = Server::start();
    for wish in [false, true] {
        let user = server.user();
        let login = with(&user.password_stage(), &json!({ "refresh_token": true }));
        let other_login = server.post("login", &login).is(200);
        let other = user.with_login(&other_login);
        // An interactive-auth session, a login session and a login token, all resting on the password.
        let uia = other.open("POST", "account/password", &json!({ "new_password": "another password" })).session();
        let msc2835 = server.post("login", &json!({ "auth": {} })).session();
        let half = other.post("login/get_token", &json!({ "auth": other.password_stage() })).is(200);

        let pending = user.begin_enrollment();
        let phone = Phone::new(&server, &pending.string("seed"));
        user.post(PATH, &json!({ "id": pending["id"], "token": phone.code(), "logout_devices": wish })).is(200);

        other.get("account/whoami").is(if wish { 401 } else { 200 });
        let refreshed = server.post("refresh", &json!({ "refresh_token": other_login.string("refresh_token") }));
        assert_eq!(refreshed.status, if wish { 401 } else { 200 }, "{refreshed}");
        let body = json!({ "new_password": "another password" });
        let answer = other.post("account/password", &crate::harness::auth(&body, &uia, &other.password_stage()));
        assert!([400, 401].contains(&answer.status), "{answer}");
        let token = json!({ "type": "m.login.token", "token": half.string("login_token") });
        let answer = server.post("login", &token).without_token();
        assert!([401, 403].contains(&answer.status), "{answer}");
        let answer = server.post("login", &crate::harness::auth(&json!({}), &msc2835, &user.password_stage()));
        answer.without_token().completed(&[crate::harness::PASSWORD]);
        user.get("account/whoami").is(200);
        user.login().refused(401, "M_FORBIDDEN");
    }
}

/// A token that is left is worth what it was, but for the factor: that it cannot touch.
#[test]
fn r37_a_token_that_is_left_manages_no_factor() {
    let user = Server::start().user();
    let other = user.second_device();
    let user = user.enroll();
    other.get("account/whoami").is(200);
    for (method, path) in [
        ("POST", "account/two-factor/totp"),
        ("POST", "account/two-factor/disable"),
        ("POST", "account/two-factor/recovery"),
        ("DELETE", &format!("account/two-factor/authenticators/{}", user.authenticator)),
        ("POST", "account/password"),
        ("POST", "account/deactivate"),
    ] {
        let body = if path == "account/password" { json!({ "new_password": "another password" }) } else { json!({}) };
        let session = other.open(method, path, &body).session();
        let proved = crate::harness::auth(&body, &session, &other.password_stage());
        other.send(method, path, &proved).completed(&[crate::harness::PASSWORD]);
    }
}

#[test]
fn r37_other_devices_are_signed_out_if_asked() {
    let server = Server::start();
    for (wish, status) in [(json!(null), 200), (json!(false), 200), (json!(true), 401)] {
        let user = server.user();
        let other = user.second_device();
        let pending = user.begin_enrollment();
        let phone = Phone::new(&server, &pending.string("seed"));
        let mut body = json!({ "id": pending["id"], "token": phone.code() });
        if !wish.is_null() {
            body["logout_devices"] = wish.clone();
        }
        user.post(PATH, &body).is(200);
        other.get("account/whoami").is(status);
        user.get("account/whoami").is(200);
    }
}

#[test]
fn r37_an_operator_can_have_everybody_signed_out_who_turns_it_on() {
    let Some(server) = Server::start_with(Needs::Settings(&[("MATRIX_2FA_ENROLLMENT_SIGNS_OUT", "true")])) else {
        return;
    };
    let user = server.user();
    let other = user.second_device();
    let user = user.enroll();
    other.get("account/whoami").is(401);
    user.get("account/whoami").is(200);
    // A login with the factor stays when there is a second authenticator.
    let other = user.login_with(user.totp()).access_token();
    user.add_phone("tablet");
    server.request("GET", "account/whoami").token(&other).send().is(200);
}
