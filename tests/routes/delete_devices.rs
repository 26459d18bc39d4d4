//! `POST /delete_devices`.

use serde_json::json;

use crate::harness::{PASSWORD, R0, Server, auth};

#[test]
fn several_at_once_with_both_factors() {
    let user = Server::start().enrolled_user();
    let one = user.with_login(&user.login_with(user.recovery_stage(0)).is(200));
    let two = user.with_login(&user.login_with(user.recovery_stage(1)).is(200));
    let body = json!({ "devices": [one.device, two.device] });
    user.prove("POST", "delete_devices", &body).is(200);
    for gone in [one, two] {
        gone.get("account/whoami").refused(401, "M_UNKNOWN_TOKEN");
    }
    user.get("account/whoami").is(200);
}

/// Later requests may leave out what the first one said, but not change it.
#[test]
fn r50_the_list_is_that_of_the_first_request() {
    let user = Server::start().enrolled_user();
    let one = user.with_login(&user.login_with(user.recovery_stage(0)).is(200));
    let body = json!({ "devices": [one.device] });
    let session = user.open("POST", "delete_devices", &body).session();
    user.post("delete_devices", &auth(&json!({}), &session, &user.password_stage())).completed(&[PASSWORD]);
    let swapped = json!({ "devices": [user.device] });
    user.post("delete_devices", &auth(&swapped, &session, &user.totp())).refused(403, "M_FORBIDDEN");
    user.post(&format!("{R0}delete_devices"), &auth(&json!({}), &session, &user.totp())).is(200);
    one.get("account/whoami").refused(401, "M_UNKNOWN_TOKEN");
}

#[test]
fn the_list_must_be_a_list() {
    let user = Server::start().user();
    for body in [json!({ "devices": "x" }), json!({ "devices": [1] }), json!({ "auth": user.password_stage() })] {
        let mut answer = user.post("delete_devices", &body);
        if answer.status == 401 {
            answer = user.post("delete_devices", &auth(&body, &answer.session(), &user.password_stage()));
        }
        assert_eq!(answer.status, 400, "{answer}");
    }
}
