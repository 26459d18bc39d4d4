//! Ids with capital letters, as Synapse made them in its first years.

use std::sync::LazyLock;

use serde_json::json;

use super::{devices, direct, gateway, nothing_came_of_it, works};
use crate::harness::{Enrolled, Server, User, synapse, with};

static ADMINISTRATOR: LazyLock<String> = LazyLock::new(|| synapse().administrator("admin-of-old-ids"));

/// Somebody who was there before ids were in lower case. An application service may still make such users.
fn old_user(server: &Server, name: &str) -> User {
    let body = json!({ "type": "m.login.application_service", "username": name, "inhibit_login": true });
    let made = direct("POST", "/_matrix/client/v3/register", Some("bridge-token"), Some(&body));
    assert_eq!(made.status, 200, "{}", made.json());
    let (id, password) = (format!("@{name}:example.org"), format!("correct horse {name}"));
    assert_eq!(made.json()["user_id"], id);
    let path = format!("/_synapse/admin/v2/users/{id}");
    let set =
        direct("PUT", &path, Some(&*ADMINISTRATOR), Some(&json!({ "password": password, "logout_devices": false })));
    assert_eq!(set.status, 200, "{}", set.json());
    let stage = json!({ "type": "m.login.password", "identifier": { "type": "m.id.user", "user": name }, "password": password });
    let login = server.post("login", &stage).is(200);
    assert_eq!(login["user_id"], id);
    let (token, device) = (login.access_token(), login.string("device_id"));
    User { server: server.clone(), name: name.to_owned(), id, password, token, device }
}

#[test]
fn r49_an_old_id_enrolls_and_logs_in_however_it_is_typed() {
    let server = gateway();
    let alice = old_user(&server, "Alice.Old").enroll();
    let before = devices(&alice);
    for typed in ["Alice.Old", "alice.old", "@Alice.Old:example.org", "@ALICE.OLD:example.org"] {
        let identifier = json!({ "type": "m.id.user", "user": typed });
        let body = with(&alice.password_stage(), &json!({ "identifier": identifier, "device_id": alice.device }));
        nothing_came_of_it(&alice, &before, server.post("login", &body).refused(401, "M_FORBIDDEN"));
        assert!(works(&alice.token), "{typed}: no device is disturbed");
        let field = format!("{} {}", alice.password, alice.phone.wrong_code());
        let body = with(&body, &json!({ "password": field }));
        nothing_came_of_it(&alice, &before, server.post("login", &body).refused(403, "M_FORBIDDEN"));
    }
    let login = alice.login_with(alice.totp()).is(200);
    assert_eq!(login["user_id"], alice.id);
    assert!(works(&login.access_token()));

    // A guarded operation, through Synapse's own interactive auth.
    let phone = login.string("device_id");
    let body = json!({ "devices": [phone] });
    alice.post("delete_devices", &body).completed(&[]);
    assert!(works(&login.access_token()));
    alice.prove("POST", "delete_devices", &body).is(200);
    assert!(!works(&login.access_token()));
}

/// Nobody can make such a pair any more; some servers have one.
#[test]
fn r49_of_two_ids_that_differ_in_capitals_one_has_the_factor_and_the_other_logs_in_as_ever() {
    let server = gateway();
    let lower = old_user(&server, "twin.name").enroll();
    let upper = old_user(&server, "Twin.Name");
    assert_eq!(upper.get("account/two-factor").status, 403, "the name is taken");
    one_has_the_factor(&lower, &upper);

    let lower = old_user(&server, "other.name");
    let upper = old_user(&server, "Other.Name");
    assert_eq!(lower.get("account/two-factor").status, 403, "the name is taken by who was seen with capitals");
    one_has_the_factor(&upper.enroll(), &lower);
}

fn one_has_the_factor(alice: &Enrolled, other: &User) {
    let before = devices(alice);
    let login = other.login().is(200);
    assert_eq!(login["user_id"], other.id);
    nothing_came_of_it(alice, &before, alice.login().refused(401, "M_FORBIDDEN"));
    other.with_login(&login).post("logout/all", &json!({})).is(200);
    assert!(works(&alice.login_with(alice.totp()).is(200).access_token()));
}
