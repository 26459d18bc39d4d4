//! `POST /login` and the password stage, with the password and the code in one field: the only way for clients that know no stages.

use serde_json::{Value, json};

use crate::harness::{Enrolled, PASSWORD, Server, with};

fn one_field(user: &Enrolled, password: &str) -> Value {
    with(&user.password_stage(), &json!({ "password": password }))
}

#[test]
fn password_and_totp_code_in_one_field() {
    let user = Server::start().enrolled_user();
    let field = format!("{}{}", user.password, user.phone.code());
    user.server.post("login", &one_field(&user, &field)).access_token();
    user.server.post("login", &one_field(&user, &field)).without_token().refused(403, "M_FORBIDDEN");
}

#[test]
fn password_space_and_recovery_code_in_one_field() {
    let user = Server::start().enrolled_user();
    let field = format!("{} {}", user.password, user.recovery[0]);
    user.server.post("login", &one_field(&user, &field)).access_token();
    user.server.post("login", &one_field(&user, &field)).without_token().refused(403, "M_FORBIDDEN");
    let typed = user.recovery[1].replace('-', "").to_lowercase();
    user.server.post("login", &one_field(&user, &format!("{} {typed}", user.password))).access_token();
}

#[test]
fn either_part_wrong_is_the_same_refusal_as_an_unknown_user() {
    let server = Server::start();
    let user = server.enrolled_user();
    let stranger =
        json!({ "type": PASSWORD, "identifier": { "type": "m.id.user", "user": "nobody" }, "password": "wrong123456" });
    let expected = server.post("login", &stranger).refused(403, "M_FORBIDDEN");
    let wrong_code = format!("{}{}", user.password, user.phone.wrong_code());
    let wrong_password = format!("wrong{}", user.phone.at_present(0));
    let wrong_recovery = format!("{} 0000-0000-0000-0000", user.password);
    for field in [wrong_code, wrong_password, wrong_recovery] {
        let answer = server.post("login", &one_field(&user, &field)).without_token();
        assert_eq!((answer.status, &answer.body), (expected.status, &expected.body), "for {field:?}");
    }
}

#[test]
fn a_code_is_charged_only_after_a_right_password() {
    let user = Server::start().enrolled_user();
    for _ in 0..7 {
        let field = format!("wrong{}", user.phone.wrong_code());
        user.server.post("login", &one_field(&user, &field)).refused(403, "M_FORBIDDEN");
    }
    user.login_with(user.totp()).access_token();
}

#[test]
fn a_password_that_ends_in_digits_is_a_password() {
    let server = Server::start();
    let name = server.user().name + "x";
    let body = json!({ "username": name, "password": "hunter 123456", "auth": { "type": "m.login.dummy" } });
    server.post("register", &body).is(200);
    let login =
        json!({ "type": PASSWORD, "identifier": { "type": "m.id.user", "user": name }, "password": "hunter 123456" });
    server.post("login", &login).access_token();
}

#[test]
fn somebody_without_a_factor_cannot_log_in_with_digits_behind_the_password() {
    let user = Server::start().user();
    let body = with(&user.password_stage(), &json!({ "password": format!("{}123456", user.password) }));
    user.server.post("login", &body).refused(403, "M_FORBIDDEN");
}

/// matrix-commander deletes devices with m.login.password and nothing else.
#[test]
fn one_field_completes_the_password_stage_of_interactive_auth_and_the_factor() {
    let user = Server::start().enrolled_user();
    let other = user.with_login(&user.login_with(user.recovery_stage(0)).is(200));
    let field = format!("{}{}", user.password, user.phone.code());
    let body = json!({ "auth": one_field(&user, &field) });
    let path = format!("devices/{}", other.device);
    user.send("DELETE", &path, &body).is(200);
    other.get("account/whoami").refused(401, "M_UNKNOWN_TOKEN");
}

/// The code of a one-field login lies in the same ledger as all others.
#[test]
fn r04_a_code_spent_in_one_field_is_spent_in_the_stage() {
    let user = Server::start().enrolled_user();
    let code = user.phone.code();
    user.server.post("login", &one_field(&user, &format!("{}{code}", user.password))).access_token();
    user.login_with(crate::harness::stage(crate::harness::TOTP, &code)).wrong_code();
}
