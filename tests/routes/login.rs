//! `GET /login`, `POST /login`: every form in which a second stage can arrive.

use serde_json::{Value, json};

use crate::harness::{Answer, PASSWORD, R0, RECOVERY, Server, TOTP, auth, stage, with};

#[test]
fn flows_are_the_same_for_everybody() {
    let answer = Server::start().get("login").is(200);
    let types: Vec<&str> =
        answer["flows"].as_array().unwrap().iter().filter_map(|flow| flow["type"].as_str()).collect();
    assert!(types.contains(&PASSWORD), "{answer}");
    assert!(!types.iter().any(|kind| kind.contains("2fa")), "a second factor is no way in by itself\n{answer}");
}

/// Clients write it on a button, some below a form for the password alone.
#[test]
fn the_button_of_the_pages_says_whose_it_is() {
    let server = Server::start();
    let name = |language: &str| {
        let answer = server.request("GET", "login").header("Accept-Language", language).send().is(200);
        let flows = answer["flows"].as_array().unwrap().clone();
        let sso = flows.into_iter().find(|flow| flow["type"] == "m.login.sso").unwrap();
        sso["identity_providers"][0]["name"].as_str().unwrap().to_owned()
    };
    assert_eq!(
        ["en", "de", "fr", "x"].map(name),
        ["password and code", "Passwort und Code", "mot de passe et code", "password and code"]
    );
}

#[test]
fn without_a_factor_the_password_is_enough() {
    let user = Server::start().user();
    let login = user.login().is(200);
    assert_eq!(login.string("user_id"), user.id);
    user.with_login(&login).get("account/whoami").is(200);
}

#[test]
fn device_id_and_refresh_token_are_those_of_the_first_request() {
    let user = Server::start().enrolled_user();
    let wishes = json!({ "device_id": "PHONE", "initial_device_display_name": "my phone", "refresh_token": true });
    let session = user.server.post("login", &with(&user.password_stage(), &wishes)).completed(&[PASSWORD]).session();
    let login = user.finish(&session, user.totp()).is(200);
    assert_eq!(login.string("device_id"), "PHONE");
    assert!(!login.string("refresh_token").is_empty());
    let device = user.with_login(&login).get("devices/PHONE").is(200);
    assert_eq!(device["display_name"], "my phone");
}

#[test]
fn the_challenge_names_flows_in_order_and_says_what_to_do() {
    let user = Server::start().enrolled_user();
    let answer = user
        .login()
        .refused(401, "M_FORBIDDEN")
        .completed(&[PASSWORD])
        .offers(&[&[PASSWORD, TOTP], &[PASSWORD, RECOVERY]]);
    let session = answer.session();
    assert!(
        session.len() == 32 && session.bytes().all(|b| b.is_ascii_alphanumeric()),
        "32 characters [A-Za-z0-9]: {session}"
    );
    assert!(answer["params"].is_object(), "`params` is always there\n{answer}");
}

#[test]
fn second_request_may_repeat_the_body() {
    let user = Server::start().enrolled_user();
    let session = user.challenge();
    user.server.post("login", &auth(&user.password_stage(), &session, &user.totp())).access_token();
}

#[test]
fn second_request_may_be_auth_alone() {
    let user = Server::start().enrolled_user();
    user.finish(&user.challenge(), user.totp()).access_token();
}

/// matrix-sdk drops `auth` beside m.login.password, but sends a custom login type whole.
#[test]
fn second_request_may_be_of_the_stages_own_type() {
    let user = Server::start().enrolled_user();
    let custom = with(&user.totp(), &json!({ "session": user.challenge() }));
    user.server.post("login", &custom).access_token();
    let custom = with(&user.recovery_stage(0), &json!({ "session": user.challenge() }));
    user.server.post("login", &custom).access_token();
}

/// What matrix-sdk's `login_custom` puts on the wire: the device's wishes stand beside the stage.
#[test]
fn own_type_with_matrix_sdks_extra_keys() {
    let user = Server::start().enrolled_user();
    let wishes = json!({ "device_id": "SDK", "initial_device_display_name": "matrix-sdk" });
    let first = with(&user.password_stage(), &wishes);
    let session = user.server.post("login", &first).completed(&[PASSWORD]).session();
    let custom = with(&with(&user.totp(), &json!({ "session": session })), &wishes);
    let login = user.server.post("login", &custom).is(200);
    assert_eq!(login.string("device_id"), "SDK");
}

#[test]
fn every_alias_of_a_stage_is_that_stage() {
    let user = Server::start().enrolled_user();
    user.login_with(stage("m.login.two-factor.totp", &user.phone.code())).access_token();
    user.login_with(stage("m.login.two-factor.recovery", &user.recovery[0])).access_token();
    user.login_with(stage("m.login.recovery", &user.recovery[1])).access_token();
    user.login_with(stage("m.login.totp", &user.phone.code())).access_token();
}

#[test]
fn the_code_may_be_called_response_or_code() {
    let user = Server::start().enrolled_user();
    user.login_with(json!({ "type": TOTP, "response": user.phone.code() })).access_token();
    user.login_with(json!({ "type": TOTP, "code": user.phone.code() })).access_token();
    user.login_with(json!({ "type": RECOVERY, "response": user.recovery[0] })).access_token();
}

/// MSC2835: no `type`, an `auth` object, even an empty one.
#[test]
fn msc2835_form_challenges_everybody_alike() {
    let server = Server::start();
    let (plain, enrolled) = (server.user(), server.enrolled_user());
    let flows: &[&[&str]] = &[&[PASSWORD], &[PASSWORD, TOTP], &[PASSWORD, RECOVERY]];
    let open = || server.post("login", &json!({ "auth": {} })).completed(&[]).offers(flows).session();
    server.post("login", &auth(&json!({}), &open(), &plain.password_stage())).access_token();
    let session = open();
    let challenge = server.post("login", &auth(&json!({}), &session, &enrolled.password_stage()));
    challenge.completed(&[PASSWORD]).without_token();
    enrolled.finish(&session, enrolled.totp()).access_token();
}

#[test]
fn msc2835_form_may_start_with_the_password_stage() {
    let user = Server::start().enrolled_user();
    let first = user.server.post("login", &json!({ "auth": user.password_stage() }));
    let session = first.completed(&[PASSWORD]).without_token().session();
    user.finish(&session, user.totp()).access_token();
}

#[test]
fn msc2835_wishes_are_kept() {
    let user = Server::start().enrolled_user();
    let session = user.server.post("login", &json!({ "auth": {}, "device_id": "TABLET" })).completed(&[]).session();
    user.server.post("login", &auth(&json!({}), &session, &user.password_stage())).completed(&[PASSWORD]);
    let login = user.finish(&session, user.totp()).is(200);
    assert_eq!(login.string("device_id"), "TABLET");
}

#[test]
fn msc2835_wrong_password_names_nobody() {
    let server = Server::start();
    let user = server.enrolled_user();
    let session = server.post("login", &json!({ "auth": {} })).completed(&[]).session();
    let wrong = |stage: &Value| {
        let answer = server.post("login", &auth(&json!({}), &session, stage)).completed(&[]).without_token();
        (answer.status, answer["errcode"].clone(), answer["error"].clone(), answer["flows"].clone())
    };
    let stranger =
        json!({ "type": PASSWORD, "identifier": { "type": "m.id.user", "user": "nobody" }, "password": "x" });
    assert_eq!(wrong(&user.password_stage_of("wrong")), wrong(&stranger));
}

#[test]
fn neither_type_nor_auth_is_a_missing_param() {
    let server = Server::start();
    for body in [json!({}), json!({ "password": "x" }), json!({ "device_id": "x" })] {
        server.post("login", &body).refused(400, "M_MISSING_PARAM");
    }
}

#[test]
fn an_unknown_type_is_refused() {
    let server = Server::start();
    for kind in ["m.login.sso", "org.example.fingerprint", "", "m.login.dummy"] {
        let answer = server.post("login", &json!({ "type": kind }));
        assert_eq!(answer.status, 400, "{answer}");
    }
}

#[test]
fn a_stage_of_ours_without_a_session_opens_nothing() {
    let user = Server::start().enrolled_user();
    let answer = user.server.post("login", &user.totp()).without_token();
    assert!((400..=403).contains(&answer.status), "{answer}");
    // The code was not evaluated, so it is not spent.
    user.login_with(stage(TOTP, &user.phone.at_present(0))).access_token();
}

#[test]
fn r58_nobody_learns_who_has_a_factor_before_the_password_is_right() {
    let server = Server::start();
    let (plain, enrolled) = (server.user(), server.enrolled_user());
    let face = |name: &str| {
        let identifier = json!({ "type": "m.id.user", "user": name });
        let answer = server.post("login", &json!({ "type": PASSWORD, "identifier": identifier, "password": "wrong" }));
        let mut headers: Vec<String> = answer.headers.keys().map(ToString::to_string).collect();
        headers.sort();
        (answer.status, answer.body.clone(), headers)
    };
    let expected = face("nobody-of-this-name");
    assert_eq!((expected.0, expected.1["errcode"].as_str()), (403, Some("M_FORBIDDEN")));
    assert_eq!(face(&plain.name), expected);
    assert_eq!(face(&enrolled.name), expected);
}

#[test]
fn r58_a_challenge_says_nothing_about_the_kind_of_name() {
    let user = Server::start().enrolled_user();
    for name in [user.name.clone(), user.name.to_uppercase(), user.id.clone()] {
        let identifier = json!({ "identifier": { "type": "m.id.user", "user": name } });
        user.server.post("login", &with(&user.password_stage(), &identifier)).completed(&[PASSWORD]);
    }
}

/// Old clients: `user` beside the type instead of an identifier.
#[test]
fn the_deprecated_user_field_names_the_same_person() {
    let user = Server::start().enrolled_user();
    let body = json!({ "type": PASSWORD, "user": user.name, "password": user.password });
    let session = user.server.post("login", &body).completed(&[PASSWORD]).session();
    let login = user.finish(&session, user.totp()).is(200);
    assert_eq!(login.string("user_id"), user.id);
}

#[test]
fn a_password_changed_between_the_requests_is_a_changed_operation() {
    let user = Server::start().enrolled_user();
    let session = user.challenge();
    let body = with(&user.password_stage(), &json!({ "device_id": "OTHER" }));
    user.server.post("login", &auth(&body, &session, &user.totp())).refused(403, "M_FORBIDDEN");
}

#[test]
fn someone_else_named_in_the_second_request_is_a_changed_operation() {
    let server = Server::start();
    let (one, other) = (server.enrolled_user(), server.enrolled_user());
    let session = one.challenge();
    let answer = server.post("login", &auth(&other.password_stage(), &session, &other.totp())).without_token();
    assert!([400, 403].contains(&answer.status), "{answer}");
}

#[test]
fn a_session_alone_is_a_poll_and_never_a_token() {
    let user = Server::start().enrolled_user();
    let session = user.challenge();
    let poll = json!({ "auth": { "session": session } });
    let answer = user.server.post("login", &poll).completed(&[PASSWORD]).without_token();
    assert_eq!(answer.session(), session);
    let nameless = json!({ "auth": { "session": session, "type": TOTP } });
    user.server.post("login", &nameless).completed(&[PASSWORD]).without_token();
    user.finish(&session, user.totp()).access_token();
    let after = user.server.post("login", &poll).without_token();
    assert_eq!(after.status, 400, "a consumed session is gone\n{after}");
}

#[test]
fn r0_and_v3_are_one_door() {
    let user = Server::start().enrolled_user();
    let session = user.server.post(&format!("{R0}login"), &user.password_stage()).completed(&[PASSWORD]).session();
    user.finish(&session, user.totp()).access_token();
    user.server.get(&format!("{R0}login")).is(200);
}

#[test]
fn a_login_wants_no_content_type() {
    let user = Server::start().user();
    let url = format!("{}/_matrix/client/v3/login", user.server.base_url());
    let client = reqwest::blocking::Client::builder().no_proxy().build().unwrap();
    let response = client.post(url).body(user.password_stage().to_string()).send().unwrap();
    assert_eq!(response.status().as_u16(), 200);
}

/// Who spent the last recovery code on a login was told so on pages only: not through the API, and not with the code in one field.
#[test]
fn r44_every_login_is_told_how_few_recovery_codes_are_left() {
    let user = Server::start().enrolled_user();
    let told = |login: &Answer| login["org.matrix.msc1998.two_factor"].clone();
    for place in 0..9 {
        let login = user.login_with(user.recovery_stage(place)).is(200);
        let left = told(&login)["recovery_remaining"].as_u64();
        assert_eq!(left, Some(9 - place as u64).filter(|left| *left <= 3), "{login}");
    }
    // The last one, in one field.
    let field = format!("{} {}", user.password, user.recovery[9]);
    let login = user.server.post("login", &with(&user.password_stage(), &json!({ "password": field }))).is(200);
    assert_eq!(told(&login)["recovery_remaining"], 0, "{login}");
    assert!(told(&login)["manage_url"].as_str().is_some_and(|url| url.ends_with("/_matrix-2fa/account")), "{login}");
    // And the next login, which is made in the commit of its code.
    let login = user.login_with(user.totp()).is(200);
    assert_eq!(told(&login)["recovery_remaining"], 0, "{login}");
    user.with_login(&login).get("account/whoami").is(200);
    // New codes, and there is nothing to tell.
    user.prove("POST", "account/two-factor/recovery", &json!({})).is(200);
    let login = user.login_with(user.totp()).is(200);
    assert!(told(&login).is_null(), "{login}");
}
