//! `POST /register`.

use serde_json::json;

use crate::harness::{Needs, Server, auth};

#[test]
fn it_is_interactive_auth_with_the_dummy_stage() {
    let server = Server::start();
    let name = format!("{}r", server.user().name);
    let body = json!({ "username": name, "password": "a long enough password" });
    let challenge = server.post("register", &body).completed(&[]).offers(&[&["m.login.dummy"]]);
    let answer = server.post("register", &auth(&body, &challenge.session(), &json!({ "type": "m.login.dummy" })));
    assert_eq!(
        answer.clone().is(200).string("user_id"),
        format!("@{name}:{}", answer.string("user_id").split_once(':').unwrap().1)
    );
    server.post("register", &auth(&body, &challenge.session(), &json!({ "type": "m.login.dummy" }))).without_token();
}

#[test]
fn inhibit_login_makes_no_device() {
    let server = Server::start();
    let name = format!("{}i", server.user().name);
    let dummy = json!({ "type": "m.login.dummy" });
    let body = json!({ "username": name, "password": "a long enough password", "inhibit_login": true, "auth": dummy });
    server.post("register", &body).is(200).without_token();
}

#[test]
fn a_name_is_given_once_in_any_case() {
    let server = Server::start();
    let user = server.user();
    let register = |name: &str| {
        let dummy = json!({ "type": "m.login.dummy" });
        server.post("register", &json!({ "username": name, "password": "another password", "auth": dummy }))
    };
    register(&user.name).refused(400, "M_USER_IN_USE");
    let upper = register(&user.name.to_uppercase()).without_token();
    assert!(matches!(upper.errcode(), Some("M_USER_IN_USE" | "M_INVALID_USERNAME")), "{upper}");
    for bad in ["a b", "a:b", "@a", "é", ""] {
        register(bad).refused(400, "M_INVALID_USERNAME");
    }
}

#[test]
fn it_is_closed_unless_the_operator_opens_it() {
    let Some(server) = Server::start_with(Needs::ClosedRegistration) else { return };
    let body =
        json!({ "username": "someone", "password": "a long enough password", "auth": { "type": "m.login.dummy" } });
    server.post("register", &body).refused(403, "M_FORBIDDEN");
    server.post("register", &json!({})).refused(403, "M_FORBIDDEN");
}
