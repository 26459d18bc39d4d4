//! The 401 body, and what counts as which kind of `auth`.

use serde_json::{Value, json};

use crate::harness::{PASSWORD, RECOVERY, Server, TOTP, auth, stage, with};

const PATH: &str = "account/two-factor/recovery";

#[test]
fn the_whole_body_comes_back_after_a_failed_try() {
    let user = Server::start().enrolled_user();
    let first = user.open("POST", PATH, &json!({}));
    assert!(first["params"].is_object() && first.errcode().is_none(), "{first}");
    let session = first.session();
    let wrong =
        user.post(PATH, &auth(&json!({}), &session, &user.password_stage_of("wrong"))).wrong_code().completed(&[]);
    assert_eq!(
        (&wrong["session"], &wrong["flows"], &wrong["params"]),
        (&first["session"], &first["flows"], &first["params"])
    );
    let half = user.post(PATH, &auth(&json!({}), &session, &user.password_stage())).completed(&[PASSWORD]);
    assert!(half.errcode().is_none(), "a passed stage is no failure\n{half}");
    let wrong = user.post(PATH, &auth(&json!({}), &session, &user.wrong_totp())).wrong_code().completed(&[PASSWORD]);
    assert_eq!(
        (&wrong["session"], &wrong["flows"]),
        (&first["session"], &first["flows"]),
        "flows are final in the first 401"
    );
}

#[test]
fn empty_auth_counts_as_no_auth() {
    let user = Server::start().enrolled_user();
    // matrix-js-sdk's setPassword sends null.
    for auth in [json!({}), json!(null)] {
        let answer = user.post(PATH, &json!({ "auth": auth })).completed(&[]);
        assert!(answer.errcode().is_none(), "{answer}");
        answer.session();
    }
}

/// matrix-commander, Cinny and Element X send the password at once, without a session.
#[test]
fn a_first_request_may_bring_a_stage() {
    let user = Server::start().enrolled_user();
    let answer = user.post(PATH, &json!({ "auth": user.password_stage() })).completed(&[PASSWORD]);
    // Without an errcode matrix-rust-sdk would send the password again for two minutes.
    assert_eq!(answer.errcode(), Some("M_FORBIDDEN"), "{answer}");
    user.post(PATH, &auth(&json!({}), &answer.session(), &user.totp())).is(200);
}

#[test]
fn for_somebody_without_a_factor_the_first_request_can_be_the_last() {
    let user = Server::start().user();
    user.post("account/two-factor/totp", &json!({ "auth": user.password_stage() })).is(200);
}

#[test]
fn a_stage_without_its_code_is_a_poll_and_not_a_failed_try() {
    let user = Server::start().enrolled_user();
    let session = user.open("POST", PATH, &json!({})).session();
    user.post(PATH, &auth(&json!({}), &session, &user.password_stage())).completed(&[PASSWORD]);
    for poll in [json!({}), json!({ "type": TOTP }), json!({ "type": RECOVERY })] {
        for _ in 0..3 {
            let answer = user.post(PATH, &auth(&json!({}), &session, &poll)).completed(&[PASSWORD]);
            assert!(answer.errcode().is_none() && answer["session"] == json!(session), "{answer}");
        }
    }
    // Nine polls are no nine wrong codes: nobody waits.
    user.post(PATH, &auth(&json!({}), &session, &user.totp())).is(200);
}

#[test]
fn deprecated_user_and_full_ids_name_the_same_person() {
    let user = Server::start().enrolled_user();
    let session = user.open("POST", PATH, &json!({})).session();
    let old = json!({ "type": PASSWORD, "user": user.id, "password": user.password });
    user.post(PATH, &auth(&json!({}), &session, &old)).completed(&[PASSWORD]);
}

#[test]
fn another_users_password_is_no_first_factor_here() {
    let server = Server::start();
    let (user, thief) = (server.enrolled_user(), server.user());
    let session = user.open("POST", PATH, &json!({})).session();
    let answer = user.post(PATH, &auth(&json!({}), &session, &thief.password_stage()));
    assert!(answer.status == 401 || answer.status == 403, "{answer}");
    assert!(answer.body.get("completed").is_none_or(|completed| *completed == json!([])), "{answer}");
}

#[test]
fn two_different_first_factors_are_refused() {
    let user = Server::start().user();
    let path = format!("devices/{}", user.second_device().device);
    let session = user.open("DELETE", &path, &json!({})).session();
    let both = with(&user.password_stage(), &json!({ "type": "m.login.token", "token": "x" }));
    let answer = user.send("DELETE", &path, &auth(&json!({}), &session, &both));
    assert!([400, 401].contains(&answer.status), "{answer}");
    user.get(&path).is(200);
}

#[test]
fn every_alias_works_outside_login_too() {
    let user = Server::start().enrolled_user();
    for (name, key) in [("m.login.two-factor.totp", "token"), ("m.login.totp", "response")] {
        let alias = json!({ "type": name, key: user.phone.code() });
        user.prove_with("POST", PATH, &json!({}), alias).is(200);
    }
}

#[test]
fn unknown_stages_are_not_passed() {
    let user = Server::start().enrolled_user();
    for kind in
        ["m.login.dummy", "m.login.sso", "m.login.2fa.sms", "m.login.2fa.", "org.example.magic", "m.login.token"]
    {
        let session = user.open("POST", PATH, &json!({})).session();
        let answer = user.post(PATH, &auth(&json!({}), &session, &stage(kind, "x")));
        assert!([400, 401].contains(&answer.status), "{answer}");
        assert!(answer.body.get("completed").is_none_or(|completed| *completed == json!([])), "{answer}");
    }
}

#[test]
fn the_values_of_params_are_strings_and_never_urls() {
    let user = Server::start().enrolled_user();
    let answer = user.open("POST", PATH, &json!({}));
    for (stage, params) in answer["params"].as_object().unwrap() {
        let params = params.as_object().unwrap();
        assert!(params.values().all(Value::is_string), "matrix-nio takes only strings\n{answer}");
        assert!(!stage.contains("2fa") || !params.contains_key("url"), "{answer}");
    }
}
