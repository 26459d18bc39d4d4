//! `GET /account/whoami`, and how access tokens arrive.

use crate::harness::{MINUTE_MS, Needs, R0, Server};

#[test]
fn it_names_user_and_device() {
    let user = Server::start().user();
    let answer = user.get("account/whoami").is(200);
    assert_eq!((answer.string("user_id"), answer.string("device_id")), (user.id.clone(), user.device.clone()));
}

/// sytest sends tokens only like this.
#[test]
fn a_token_may_stand_in_the_query() {
    let user = Server::start().enrolled_user();
    for path in ["account/whoami", &format!("{R0}account/whoami"), "account/two-factor", "devices"] {
        user.server.get(&format!("{path}?access_token={}", user.token)).is(200);
    }
}

#[test]
fn without_a_token_and_with_a_strange_one() {
    let server = Server::start();
    for path in ["account/whoami", "account/two-factor", "devices", "capabilities", "sync"] {
        server.get(path).refused(401, "M_MISSING_TOKEN");
        server.request("GET", path).token("no-such-token").send().refused(401, "M_UNKNOWN_TOKEN");
        server.get(&format!("{path}?access_token=no-such-token")).refused(401, "M_UNKNOWN_TOKEN");
        server.request("GET", path).header("authorization", "Basic dTpw").send().refused(401, "M_MISSING_TOKEN");
    }
}

#[test]
fn a_login_session_ends_after_seven_days_softly() {
    let Some(server) = Server::start_with(Needs::Clock) else { return };
    let user = server.user();
    let week = 7 * 24 * 60 * MINUTE_MS;
    server.advance(week - 1000);
    user.get("account/whoami").is(200);
    server.advance(2000);
    let answer = user.get("account/whoami").refused(401, "M_UNKNOWN_TOKEN");
    assert_eq!(answer["soft_logout"], true, "{answer}");
}
