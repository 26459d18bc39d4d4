//! `POST /refresh`.

use serde_json::json;

use crate::harness::{Server, with};

#[test]
fn a_refresh_token_gives_the_next_pair_for_the_same_device() {
    let user = Server::start().user();
    let login = user.server.post("login", &with(&user.password_stage(), &json!({ "refresh_token": true }))).is(200);
    let refresh = login.string("refresh_token");
    let next = user.server.post("refresh", &json!({ "refresh_token": refresh })).is(200);
    assert_ne!(next.string("access_token"), login.string("access_token"));
    let whoami = user.server.request("GET", "account/whoami").token(&next.access_token()).send().is(200);
    assert_eq!(whoami["device_id"], login["device_id"]);
}

#[test]
fn a_strange_refresh_token_is_refused() {
    let server = Server::start();
    server.post("refresh", &json!({ "refresh_token": "no-such-token" })).refused(401, "M_UNKNOWN_TOKEN");
    server.post("refresh", &json!({})).refused(400, "M_MISSING_PARAM");
    server.post("refresh", &json!({ "refresh_token": 1 })).refused(400, "M_BAD_JSON");
}

#[test]
fn r48_a_challenge_gives_no_refresh_token() {
    let user = Server::start().enrolled_user();
    let body = with(&user.password_stage(), &json!({ "refresh_token": true }));
    user.server.post("login", &body).refused(401, "M_FORBIDDEN").without_token();
}
