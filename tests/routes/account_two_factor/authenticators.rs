//! `PUT account/two-factor/authenticators/{id}`, `DELETE account/two-factor/authenticators/{id}`.

use serde_json::json;

use crate::harness::{Needs, PASSWORD, R0, RECOVERY, Server, TOTP, UNSTABLE, stage};

fn path(id: &str) -> String {
    format!("account/two-factor/authenticators/{id}")
}

#[test]
fn renaming_needs_no_interactive_auth() {
    let user = Server::start().enrolled_user();
    for (prefix, name) in [("", "Telefon"), (R0, "téléphone"), (UNSTABLE, "電話")] {
        let url = format!("{prefix}{}", path(&user.authenticator));
        let answer = user.send("PUT", &url, &json!({ "name": name })).is(200);
        assert_eq!((answer.string("id"), answer.string("name")), (user.authenticator.clone(), name.to_owned()));
        assert_eq!(user.status()["providers"][TOTP]["authenticators"][0]["name"], name);
    }
}

#[test]
fn bad_names_are_refused() {
    let user = Server::start().enrolled_user();
    for bad in [json!(""), json!("a\nb"), json!("x".repeat(101)), json!(1), json!(null)] {
        let answer = user.send("PUT", &path(&user.authenticator), &json!({ "name": bad }));
        assert_eq!(answer.status, 400, "for {bad}\n{answer}");
    }
    user.send("PUT", &path(&user.authenticator), &json!({})).refused(400, "M_MISSING_PARAM");
    assert_eq!(user.status()["providers"][TOTP]["authenticators"][0]["name"], "phone");
}

#[test]
fn what_is_not_there_or_not_yours_is_not_found() {
    let server = Server::start();
    let (user, other) = (server.enrolled_user(), server.enrolled_user());
    let mut spare = user.recovery.iter();
    for id in ["nothing", other.authenticator.as_str(), "x%00y"] {
        user.send("PUT", &path(id), &json!({ "name": "mine" })).refused(404, "M_NOT_FOUND");
        let mut answer = user.send("DELETE", &path(id), &json!({}));
        if answer.status == 401 {
            let code = spare.next().unwrap();
            answer = user.prove_with("DELETE", &path(id), &json!({}), stage(RECOVERY, code));
        }
        answer.refused(404, "M_NOT_FOUND");
    }
    assert_eq!(other.status()["providers"][TOTP]["authenticators"][0]["name"], "phone");
}

#[test]
fn one_of_two_is_removed_and_its_codes_with_it() {
    let Some(server) = Server::start_with(Needs::Clock) else { return };
    let user = server.enrolled_user();
    let (second, id) = user.add_phone("tablet");
    user.open("DELETE", &path(&id), &json!({})).offers(&[&[PASSWORD, TOTP], &[PASSWORD, RECOVERY]]);
    let answer = user.prove("DELETE", &path(&id), &json!({})).is(200);
    assert_eq!((&answer["providers"], &answer["enabled"]), (&json!([]), &json!([TOTP, RECOVERY])), "{answer}");
    user.login_with(stage(TOTP, &second.code())).wrong_code();
    user.login_with(user.totp()).access_token();
    user.login_with(user.recovery_stage(0)).access_token();
}

#[test]
fn r36_removing_the_last_one_is_disabling() {
    let user = Server::start().enrolled_user();
    let answer = user.prove("DELETE", &path(&user.authenticator), &json!({})).is(200);
    assert_eq!((&answer["providers"], &answer["enabled"]), (&json!([TOTP, RECOVERY]), &json!([])), "{answer}");
    user.login().access_token();
    assert_eq!(user.status()["providers"], json!({}));
}

#[test]
fn r30_the_password_alone_removes_nothing() {
    let user = Server::start().enrolled_user();
    user.with_password("DELETE", &path(&user.authenticator), &json!({})).completed(&[PASSWORD]);
    user.login().completed(&[PASSWORD]);
}

/// A session opened for one authenticator is no permission for the other: the id is a part of the operation.
#[test]
fn r50_the_id_is_part_of_the_operation() {
    let Some(server) = Server::start_with(Needs::Clock) else { return };
    let user = server.enrolled_user();
    let (_second, id) = user.add_phone("tablet");
    let session = user.open("DELETE", &path(&id), &json!({})).session();
    let other = crate::harness::auth(&json!({}), &session, &user.password_stage());
    user.send("DELETE", &path(&user.authenticator), &other).refused(403, "M_FORBIDDEN");
}

#[test]
fn an_account_has_at_most_ten() {
    let Some(server) = Server::start_with(Needs::Clock) else { return };
    let user = server.enrolled_user();
    for n in 2..=10 {
        user.add_phone(&format!("phone {n}"));
    }
    // Said before anything is asked: no code is spent on it.
    user.send("POST", "account/two-factor/totp", &json!({ "name": "phone 11" })).refused(400, "M_INVALID_PARAM");
}
