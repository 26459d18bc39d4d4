//! `POST account/two-factor` (MSC1998).

use serde_json::{Value, json};

use crate::harness::{Answer, PASSWORD, Phone, RECOVERY, Server, TOTP, UNSTABLE, User, auth, recovery_codes, stage};

const PATH: &str = "account/two-factor";

fn providers(names: &[&str]) -> Value {
    json!({ "providers": names.iter().map(|name| ((*name).to_owned(), json!({}))).collect::<serde_json::Map<_, _>>() })
}

/// Sends a request that may be refused before or after its password.
fn refusal(user: &User, body: &Value) -> Answer {
    let answer = user.post(PATH, body);
    if answer.status != 401 {
        return answer;
    }
    user.post(PATH, &auth(body, &answer.session(), &user.password_stage()))
}

#[test]
fn totp_and_recovery_together() {
    let server = Server::start();
    let user = server.user();
    let answer = user.with_password("POST", PATH, &providers(&[TOTP, RECOVERY])).is(200);
    assert_eq!(answer["providers"][RECOVERY], json!({ "pending": true }), "codes come with the confirmation\n{answer}");
    let totp = &answer["providers"][TOTP];
    assert_eq!((&totp["pending"], &totp["params"]["type"]), (&json!(true), &json!("m.totp.v1.rfc6238-sha1")));
    user.login().access_token();
    let phone = Phone::new(&server, totp["seed"].as_str().unwrap());
    let confirm = json!({ "id": totp["id"], "token": phone.code() });
    let confirmed = user.post("account/two-factor/totp/confirm", &confirm).is(200);
    recovery_codes(&confirmed["recovery"]["tokens"]);
    user.login().completed(&[PASSWORD]);
}

#[test]
fn msc1998s_own_names_and_path_work_whole() {
    let server = Server::start();
    let user = server.user();
    let path = format!("{UNSTABLE}{PATH}");
    let answer = user.with_password("POST", &path, &providers(&["m.login.two-factor.totp"])).is(200);
    let totp = answer["providers"].as_object().unwrap().values().next().unwrap().clone();
    let phone = Phone::new(&server, totp["seed"].as_str().unwrap());
    let confirm = json!({ "id": totp["id"], "token": phone.code() });
    user.post(&format!("{UNSTABLE}account/two-factor/totp/confirm"), &confirm).is(200);
    let session = user.login().session();
    let code = stage("m.login.two-factor.totp", &phone.code());
    server.post("login", &auth(&json!({}), &session, &code)).access_token();
}

#[test]
fn recovery_beside_totp_renews_the_codes_of_a_confirmed_factor() {
    let user = Server::start().enrolled_user();
    let answer = user.prove("POST", PATH, &providers(&[TOTP, RECOVERY])).is(200);
    let codes = recovery_codes(&answer["providers"][RECOVERY]["tokens"]);
    assert_eq!(answer["providers"][TOTP]["pending"], true, "{answer}");
    user.login_with(user.recovery_stage(0)).wrong_code();
    user.login_with(stage(RECOVERY, &codes[0])).access_token();
    user.login_with(user.totp()).access_token();
}

#[test]
fn recovery_alone_is_refused() {
    let server = Server::start();
    refusal(&server.user(), &providers(&[RECOVERY])).refused(400, "M_INVALID_PARAM");
    refusal(&server.enrolled_user(), &providers(&[RECOVERY])).refused(400, "M_INVALID_PARAM");
}

#[test]
fn an_unknown_provider_is_refused() {
    let user = Server::start().user();
    for name in ["m.login.2fa.sms", "m.login.password", "", "m.login.2fa.*"] {
        refusal(&user, &providers(&[name])).refused(400, "M_INVALID_PARAM");
        refusal(&user, &providers(&[TOTP, name])).refused(400, "M_INVALID_PARAM");
    }
    assert_eq!(user.status()["providers"], json!({}));
}

#[test]
fn r28_a_secret_of_the_clients_choice_is_refused() {
    let user = Server::start().user();
    for key in ["seed", "secret", "uri"] {
        let body = json!({ "providers": { TOTP: { key: "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP" } } });
        refusal(&user, &body).refused(400, "M_INVALID_PARAM");
    }
}

#[test]
fn malformed_providers_are_refused() {
    let user = Server::start().user();
    for body in
        [json!({ "providers": [] }), json!({ "providers": "x" }), json!({ "providers": { TOTP: 1 } }), json!({})]
    {
        let answer = refusal(&user, &body);
        assert_eq!(answer.status, 400, "{answer}");
    }
}

#[test]
fn an_enrolled_user_needs_an_existing_factor() {
    let user = Server::start().enrolled_user();
    user.open("POST", PATH, &providers(&[TOTP])).offers(&[&[PASSWORD, TOTP], &[PASSWORD, RECOVERY]]);
    let answer = user.prove("POST", PATH, &providers(&[TOTP])).is(200);
    assert!(answer["providers"].get(RECOVERY).is_none(), "{answer}");
}
