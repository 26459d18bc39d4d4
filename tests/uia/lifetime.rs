//! Sessions end: by age, by number.

use serde_json::json;

use crate::harness::{MINUTE_MS, Needs, PASSWORD, Server, auth};

const PATH: &str = "account/two-factor/recovery";

#[test]
fn r50_a_session_lives_ten_minutes_from_its_creation_however_much_it_is_used() {
    let Some(server) = Server::start_with(Needs::Clock) else { return };
    let user = server.enrolled_user();
    let (uia, login) = (user.open("POST", PATH, &json!({})).session(), user.challenge());
    server.advance(6 * MINUTE_MS);
    user.post(PATH, &auth(&json!({}), &uia, &user.password_stage())).completed(&[PASSWORD]);
    server.advance(4 * MINUTE_MS - 1);
    user.post(PATH, &auth(&json!({}), &uia, &json!({}))).completed(&[PASSWORD]);
    server.advance(1);
    user.post(PATH, &auth(&json!({}), &uia, &user.totp())).is(400);
    user.finish(&login, user.totp()).without_token().is(400);
}

/// The suite comes over loopback, which may be a proxy that hides who asks: there only the limit of the user counts, not that of 4 for
/// each client address.
#[test]
fn at_most_sixteen_sessions_of_one_user_live_and_the_oldest_goes_first() {
    let Some(server) = Server::start_with(Needs::Clock) else { return };
    let user = server.enrolled_user();
    let sessions: Vec<String> = (0..17)
        .map(|_| {
            server.advance(1);
            user.open("POST", PATH, &json!({})).session()
        })
        .collect();
    user.post(PATH, &auth(&json!({}), &sessions[0], &json!({}))).is(400);
    for alive in &sessions[1..] {
        user.post(PATH, &auth(&json!({}), alive, &json!({}))).completed(&[]);
    }
}

#[test]
fn r50_a_consumed_session_stays_consumed_after_kill_9() {
    let Some(server) = Server::start_with(Needs::Process) else { return };
    let user = server.enrolled_user();
    let session = user.open("POST", PATH, &json!({})).session();
    user.post(PATH, &auth(&json!({}), &session, &user.password_stage())).completed(&[PASSWORD]);
    user.post(PATH, &auth(&json!({}), &session, &user.totp())).is(200);
    server.kill_9_and_restart();
    user.post(PATH, &auth(&json!({}), &session, &json!({}))).is(400);
}
