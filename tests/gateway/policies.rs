//! The three policies before an unmodified homeserver.

use serde_json::json;

use crate::harness::Server;

#[test]
fn r55_required_leaves_a_token_without_a_factor_nothing_but_enrolling() {
    let settings = [("MATRIX_2FA_POLICY", "required"), ("MATRIX_2FA_PAGES", "false")];
    let server = Server::gateway(&settings);
    let user = server.user();
    for (method, path) in [("GET", "sync"), ("GET", "joined_rooms"), ("POST", "createRoom"), ("GET", "devices")] {
        user.send(method, path, &json!({})).refused(403, "M_FORBIDDEN");
    }
    user.get("account/whoami").is(200);
    let login = server.post("login", &user.password_stage()).is(200);
    assert_eq!(login["org.matrix.msc1998.two_factor"]["required"], true);
    let user = user.enroll();
    user.get("joined_rooms").is(200);
    // A bridge has no password and no factor.
    server.request("GET", "joined_rooms").token("bridge-token").send().is(200);
}

#[test]
fn required_with_pages_gives_no_token_and_says_where_to_enroll() {
    let server = Server::gateway(&[("MATRIX_2FA_POLICY", "required")]);
    let user = server.user();
    let refused = server.post("login", &user.password_stage()).refused(403, "M_FORBIDDEN").without_token();
    assert!(refused["org.matrix.msc1998.enroll_url"].is_string(), "{refused}");
    server.post("login", &user.password_stage_of("wrong")).refused(403, "M_FORBIDDEN").without_token();
}

#[test]
fn disallowed_enrolls_nobody() {
    let server = Server::gateway(&[("MATRIX_2FA_POLICY", "disallowed")]);
    let user = server.user();
    user.post("account/two-factor/totp", &json!({})).refused(403, "M_FORBIDDEN");
    user.login().is(200);
}
