//! `POST /logout`, `POST /logout/all`.

use serde_json::json;

use crate::harness::Server;

#[test]
fn one_or_all() {
    let user = Server::start().user();
    let (one, two) = (user.second_device(), user.second_device());
    one.post("logout", &json!({})).is(200);
    one.get("account/whoami").refused(401, "M_UNKNOWN_TOKEN");
    two.get("account/whoami").is(200);
    user.get(&format!("devices/{}", one.device)).refused(404, "M_NOT_FOUND");
    user.post("logout/all", &json!({})).is(200);
    for gone in [&user, &two] {
        gone.get("account/whoami").refused(401, "M_UNKNOWN_TOKEN");
    }
    user.login().access_token();
}

#[test]
fn a_logout_wants_no_body() {
    let user = Server::start().user();
    user.request("POST", "logout").send().is(200);
}

#[test]
fn a_half_login_ends_with_all_sessions_and_costs_no_code() {
    let user = Server::start().enrolled_user();
    let session = user.challenge();
    user.post("logout/all", &json!({})).is(200);
    let code = user.totp();
    user.finish(&session, code.clone()).without_token().refused(400, "M_UNKNOWN");
    user.login_with(code).access_token();
}
