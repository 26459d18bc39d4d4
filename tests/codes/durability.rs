//! What was answered stays so: `kill -9` is the referee.

use serde_json::json;

use crate::harness::{Needs, Phone, RECOVERY, Server, TOTP, stage};

#[test]
fn r05_code_stays_spent_after_kill_9() {
    let Some(server) = Server::start_with(Needs::Process) else { return };
    let user = server.enrolled_user();
    for _ in 0..3 {
        let code = user.totp();
        user.login_with(code.clone()).access_token();
        server.kill_9_and_restart();
        user.login_with(code).wrong_code();
    }
    user.login_with(user.totp()).access_token();
}

#[test]
fn r05_the_code_that_confirmed_stays_spent_after_kill_9() {
    let Some(server) = Server::start_with(Needs::Process) else { return };
    let user = server.user();
    let pending = user.begin_enrollment();
    let phone = Phone::new(&server, &pending.string("seed"));
    let code = phone.code();
    user.confirm(&pending, &code).is(200);
    server.kill_9_and_restart();
    let session = user.login().session();
    let body = crate::harness::auth(&json!({}), &session, &stage(TOTP, &code));
    server.post("login", &body).wrong_code();
}

#[test]
fn r08_recovery_code_stays_spent_after_kill_9() {
    let Some(server) = Server::start_with(Needs::Process) else { return };
    let user = server.enrolled_user();
    for place in 0..3 {
        user.login_with(user.recovery_stage(place)).access_token();
        server.kill_9_and_restart();
        user.login_with(user.recovery_stage(place)).wrong_code();
        assert_eq!(user.status()["providers"][RECOVERY]["remaining"], 9 - place);
    }
}

#[test]
fn logins_devices_and_passwords_survive_kill_9() {
    let Some(server) = Server::start_with(Needs::Process) else { return };
    let user = server.enrolled_user();
    let login = user.with_login(&user.login_with(user.totp()).is(200));
    user.prove("POST", "account/password", &json!({ "new_password": "another password", "logout_devices": false }))
        .is(200);
    server.kill_9_and_restart();
    login.get("account/whoami").is(200);
    user.get(&format!("devices/{}", login.device)).is(200);
    user.login().refused(403, "M_FORBIDDEN");
}

#[test]
fn a_half_login_goes_on_after_a_restart_or_starts_again() {
    let Some(server) = Server::start_with(Needs::Process) else { return };
    let user = server.enrolled_user();
    let session = user.challenge();
    server.kill_9_and_restart();
    let answer = user.finish(&session, user.totp());
    assert!([200, 400].contains(&answer.status), "progress may be lost, never gained\n{answer}");
}

#[test]
fn r41_the_data_folder_holds_no_code_and_no_seed() {
    let Some(server) = Server::start_with(Needs::Process) else { return };
    let user = server.user();
    let pending = user.begin_enrollment();
    let seed = pending.string("seed");
    let phone = Phone::new(&server, &seed);
    let confirmed = user.confirm(&pending, &phone.code()).is(200);
    let codes = crate::harness::recovery_codes(&confirmed["recovery"]["tokens"]);
    server.terminate();
    let dump = server.dump();
    let holds = |needle: &[u8]| dump.windows(needle.len()).any(|window| window == needle);
    assert!(holds(user.name.as_bytes()), "this is the right folder");
    let raw = data_encoding::BASE32_NOPAD.decode(seed.as_bytes()).unwrap();
    assert!(!holds(seed.as_bytes()) && !holds(&raw), "the seed lies in the clear");
    assert!(!holds(user.password.as_bytes()), "the password lies in the clear");
    assert!(!holds(user.token.as_bytes()), "the access token lies in the clear");
    for code in codes {
        assert!(
            !holds(code.as_bytes()) && !holds(code.replace('-', "").as_bytes()),
            "a recovery code lies in the clear"
        );
    }
}
