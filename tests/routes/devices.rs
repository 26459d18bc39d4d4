//! `GET /devices`, `GET|PUT|DELETE /devices/{device}`.

use serde_json::{Value, json};

use crate::harness::{PASSWORD, R0, RECOVERY, SSO, Server, TOTP, auth};

#[test]
fn they_are_listed_read_and_renamed() {
    let user = Server::start().user();
    let other = user.second_device();
    let answer = user.get("devices").is(200);
    let mut ids: Vec<&str> =
        answer["devices"].as_array().unwrap().iter().filter_map(|d| d["device_id"].as_str()).collect();
    let mut expected = [user.device.as_str(), other.device.as_str()];
    ids.sort_unstable();
    expected.sort_unstable();
    assert_eq!(ids, expected);
    // matrix-nio refuses a device without one of these, though all may be null.
    let whole =
        |device: &Value| ["display_name", "last_seen_ip", "last_seen_ts"].iter().all(|key| device.get(key).is_some());
    assert!(answer["devices"].as_array().unwrap().iter().all(whole), "{answer}");
    user.send("PUT", &format!("devices/{}", other.device), &json!({ "display_name": "bath room" })).is(200);
    assert_eq!(user.get(&format!("devices/{}", other.device)).is(200)["display_name"], "bath room");
    user.get("devices/NONE").refused(404, "M_NOT_FOUND");
    user.send("PUT", "devices/NONE", &json!({ "display_name": "x" })).refused(404, "M_NOT_FOUND");
}

#[test]
fn without_a_factor_deleting_needs_the_password() {
    let user = Server::start().user();
    let other = user.second_device();
    let path = format!("devices/{}", other.device);
    user.open("DELETE", &path, &json!({})).offers(&[&[PASSWORD]]);
    user.with_password("DELETE", &path, &json!({})).is(200);
    other.get("account/whoami").refused(401, "M_UNKNOWN_TOKEN");
    user.get(&path).refused(404, "M_NOT_FOUND");
}

#[test]
fn with_a_factor_deleting_needs_both() {
    let user = Server::start().enrolled_user();
    let other = user.with_login(&user.login_with(user.recovery_stage(0)).is(200));
    let path = format!("devices/{}", other.device);
    let challenge = user.open("DELETE", &path, &json!({})).offers(&[&[SSO], &[PASSWORD, TOTP], &[PASSWORD, RECOVERY]]);
    assert!(challenge.errcode().is_none(), "nothing was tried, so nothing failed\n{challenge}");
    let session = challenge.session();
    user.send("DELETE", &path, &auth(&json!({}), &session, &user.password_stage())).completed(&[PASSWORD]);
    other.get("account/whoami").is(200);
    user.send("DELETE", &path, &auth(&json!({}), &session, &user.wrong_totp())).wrong_code().completed(&[PASSWORD]);
    user.send("DELETE", &path, &auth(&json!({}), &session, &user.totp())).is(200);
    other.get("account/whoami").refused(401, "M_UNKNOWN_TOKEN");
}

/// Some clients send DELETE without any body.
#[test]
fn a_delete_without_a_body_is_challenged() {
    let user = Server::start().enrolled_user();
    let path = format!("{R0}devices/{}", user.device);
    user.request("DELETE", &path).send().completed(&[]);
}

#[test]
fn another_users_device_is_not_there() {
    let server = Server::start();
    let (one, other) = (server.user(), server.user());
    one.get(&format!("devices/{}", other.device)).refused(404, "M_NOT_FOUND");
    one.with_password("DELETE", &format!("devices/{}", other.device), &json!({}));
    other.get("account/whoami").is(200);
}
