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

#[test]
fn at_most_four_sessions_of_one_user_and_client_live_and_the_oldest_goes_first() {
    let Some(server) = Server::start_with(Needs::Clock) else { return };
    let user = server.enrolled_user();
    let sessions: Vec<String> = (0..5)
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

/// A stranger who opens sessions in somebody's name cannot push out those of the owner, who has another address.
#[test]
fn sessions_of_another_address_are_not_pushed_out() {
    let Some(server) = Server::start_with(Needs::Clock) else { return };
    let user = server.enrolled_user();
    let mine = user.challenge();
    for _ in 0..6 {
        server.advance(1);
        let stranger = server.request_from([127, 0, 0, 2], "POST", "login").json(&user.password_stage());
        stranger.send().completed(&[PASSWORD]);
    }
    user.finish(&mine, user.totp()).access_token();
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
