//! One code, one success: at every door, at the same moment, for one person.

use serde_json::json;

use crate::harness::{Enrolled, RECOVERY, STEP_MS, Server, TOTP, auth, simultaneously, stage, with};

/// Many requests at one moment, some of which may be turned away because too many wait: exactly one succeeds.
#[track_caller]
fn one_of(answers: &[u16]) {
    assert_eq!(answers.iter().filter(|status| **status == 200).count(), 1, "one success: {answers:?}");
    assert!(answers.iter().all(|status| [200, 400, 401, 403, 429].contains(status)), "{answers:?}");
}

#[test]
fn r01_one_code_one_success_of_100() {
    let user = Server::start().enrolled_user();
    let (session, code) = (user.challenge(), user.totp());
    one_of(&simultaneously(100, |_| user.finish(&session, code.clone()).status));
}

#[test]
fn r01_one_code_one_success_of_100_over_several_sessions() {
    let user = Server::start().enrolled_user();
    let sessions: Vec<String> = (0..4).map(|_| user.challenge()).collect();
    let code = user.totp();
    one_of(&simultaneously(100, |n| user.finish(&sessions[n % 4], code.clone()).status));
}

#[test]
fn r01_one_code_one_success_over_different_doors_at_once() {
    let user = Server::start().enrolled_user();
    let path = "account/two-factor/recovery";
    let (login, code) = (user.challenge(), user.phone.code());
    let uia = user.open("POST", path, &json!({})).session();
    user.post(path, &auth(&json!({}), &uia, &user.password_stage())).completed(&["m.login.password"]);
    let one_field = with(&user.password_stage(), &json!({ "password": format!("{}{code}", user.password) }));
    let totp = stage(TOTP, &code);
    one_of(&simultaneously(30, |n| match n % 3 {
        0 => user.finish(&login, totp.clone()).status,
        1 => user.post(path, &auth(&json!({}), &uia, &totp)).status,
        _ => user.server.post("login", &one_field).status,
    }));
}

#[test]
fn r07_one_recovery_code_one_success_of_100() {
    let user = Server::start().enrolled_user();
    let session = user.challenge();
    one_of(&simultaneously(100, |_| user.finish(&session, user.recovery_stage(0)).status));
    assert_eq!(user.status()["providers"][RECOVERY]["remaining"], 9);
}

#[test]
fn r07_one_recovery_code_one_success_over_several_sessions() {
    let user = Server::start().enrolled_user();
    let sessions: Vec<String> = (0..4).map(|_| user.challenge()).collect();
    one_of(&simultaneously(40, |n| user.finish(&sessions[n % 4], user.recovery_stage(0)).status));
}

#[test]
fn r02_after_a_step_it_and_all_earlier_ones_are_refused() {
    let user = Server::start().enrolled_user();
    let phone = &user.phone;
    // A phone 30 s fast: the step that comes next. A ledger of the time of use would take it twice.
    let fast = phone.at_present(1);
    user.login_with(stage(TOTP, &fast)).access_token();
    for code in [phone.at_present(1), phone.at_present(0), phone.at_present(-1)] {
        user.login_with(stage(TOTP, &code)).wrong_code();
    }
}

#[test]
fn r02_the_next_step_is_accepted_and_the_one_before_is_not() {
    let Some(server) = Server::start_with(crate::harness::Needs::Clock) else { return };
    let user = server.enrolled_user();
    user.login_with(stage(TOTP, &user.phone.at_present(1))).access_token();
    server.advance(STEP_MS);
    user.login_with(stage(TOTP, &user.phone.at_present(0))).wrong_code();
    user.login_with(stage(TOTP, &user.phone.at_present(1))).access_token();
}

#[test]
fn r04_a_code_spent_at_one_door_is_spent_at_all() {
    let user = Server::start().enrolled_user();
    let code = user.totp();
    user.prove_with("POST", "account/two-factor/recovery", &json!({}), code.clone()).is(200);
    user.login_with(code.clone()).wrong_code();
    for (method, path) in
        [("POST", "account/two-factor/disable"), ("POST", "account/two-factor/totp"), ("POST", "account/deactivate")]
    {
        user.prove_with(method, path, &json!({}), code.clone()).wrong_code();
    }
    user.login_with(user.totp()).access_token();
}

#[test]
fn r09_somebody_elses_codes_are_wrong_codes() {
    let server = Server::start();
    let (one, other) = (server.enrolled_user(), server.enrolled_user());
    one.login_with(other.totp()).wrong_code();
    one.login_with(other.recovery_stage(0)).wrong_code();
    // And they are not spent by it.
    other.login_with(other.recovery_stage(0)).access_token();
    other.login_with(stage(TOTP, &other.phone.at_present(-1))).wrong_code();
    other.login_with(other.totp()).access_token();
}

#[test]
fn r11_a_replay_looks_like_a_wrong_code_and_is_no_guess() {
    let user = Server::start().enrolled_user();
    let code = user.totp();
    user.login_with(code.clone()).access_token();
    let session = user.challenge();
    let wrong = user.finish(&session, user.wrong_totp()).wrong_code();
    for _ in 0..12 {
        let replay = user.finish(&session, code.clone()).wrong_code();
        assert_eq!(replay.body, wrong.body, "a replay must not be told from a wrong code");
    }
    user.finish(&session, user.totp()).access_token();
}

#[test]
fn r48_no_device_row_before_the_last_stage() {
    let user = Server::start().enrolled_user();
    let devices = |user: &Enrolled| user.get("devices").is(200)["devices"].clone();
    let before = devices(&user);
    let wishes = json!({ "device_id": "HALFWAY", "refresh_token": true });
    let session = user.server.post("login", &with(&user.password_stage(), &wishes)).without_token().session();
    user.finish(&session, user.wrong_totp()).wrong_code().without_token();
    assert_eq!(devices(&user), before);
    user.finish(&session, user.totp()).access_token();
    assert_ne!(devices(&user), before);
}

/// A login without the factor must not end the session of a device whose id it names.
#[test]
fn r48_half_a_login_with_a_known_device_id_leaves_that_device_alone() {
    let user = Server::start().enrolled_user();
    let wishes = json!({ "device_id": user.device });
    user.server.post("login", &with(&user.password_stage(), &wishes)).completed(&["m.login.password"]);
    user.get("account/whoami").is(200);
}
