//! Logins that end at an age.

use serde_json::json;

use super::{Permissive, gateway_before};
use crate::harness::MINUTE_MS;

const DAY_MS: u64 = 24 * 60 * MINUTE_MS;

#[test]
fn r56_a_login_ends_at_its_age_however_often_its_token_is_renewed() {
    let (upstream, stub) = Permissive::start();
    let server = gateway_before(&stub, &[("MATRIX_2FA_UPSTREAM_SESSION_LIFETIME", "1d")]);
    "alice".clone_into(&mut upstream.users().name);
    let identifier = json!({ "type": "m.id.user", "user": "alice" });
    let body = json!({ "type": "m.login.password", "identifier": identifier, "password": "x", "device_id": "PHONE" });
    let log_in = || server.post("login", &body).access_token();
    let ask = |path: &str, token: &str| server.request("GET", path).token(token).send();

    let token = log_in();
    ask("account/whoami", &token).is(200);
    server.advance(DAY_MS - MINUTE_MS);
    ask("account/whoami", &token).is(200);
    // As after a refresh: another token of the same device.
    upstream.users().alive.insert("renewed".to_owned(), ("PHONE".to_owned(), String::new()));
    ask("account/whoami", "renewed").is(200);
    server.advance(MINUTE_MS);
    for path in ["account/whoami", "sync", "account/two-factor", "keys/changes"] {
        let ended = ask(path, "renewed").refused(401, "M_UNKNOWN_TOKEN");
        assert_eq!(ended["soft_logout"], false, "{path}");
    }
    assert!(!upstream.alive().contains(&"renewed".to_owned()), "the upstream was told");

    // A new login on the same device has its whole life before it.
    let token = log_in();
    ask("account/whoami", &token).is(200);
    server.advance(DAY_MS - MINUTE_MS);
    ask("account/whoami", &token).is(200);
    // Logging out is what an old login may always do.
    server.advance(MINUTE_MS);
    server.request("POST", "logout").token(&token).json(&json!({})).send().is(200);
}
