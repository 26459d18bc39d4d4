//! Recovery codes.

use serde_json::json;

use crate::harness::{Needs, PASSWORD, RECOVERY, Server, auth, simultaneously, stage};

#[test]
fn a_recovery_code_logs_in_once() {
    let user = Server::start().enrolled_user();
    let login = user.login_with(user.recovery_stage(4)).is(200);
    user.with_login(&login).get("account/whoami").is(200);
    user.login_with(user.recovery_stage(4)).wrong_code().without_token();
    user.login_with(user.recovery_stage(5)).access_token();
}

#[test]
fn r45_a_recovery_code_never_logs_in_without_the_password() {
    let user = Server::start().enrolled_user();
    let code = user.recovery_stage(0);
    let session = user.server.post("login", &json!({ "auth": {} })).session();
    user.server.post("login", &auth(&json!({}), &session, &code)).completed(&[]).without_token();
    assert_ne!(user.server.post("login", &code).without_token().status, 200);
    assert_ne!(user.server.post("login", &json!({ "auth": code })).without_token().status, 200);
    user.server.post("login", &user.password_stage_of(&user.recovery[0])).refused(403, "M_FORBIDDEN");
    let wrong = user.password_stage_of(&format!("wrong {}", user.recovery[0]));
    user.server.post("login", &wrong).refused(403, "M_FORBIDDEN");
    // Nothing of this spent it.
    user.login_with(code).access_token();
}

#[test]
fn a_totp_code_is_no_recovery_code_and_the_other_way_round() {
    let user = Server::start().enrolled_user();
    user.login_with(stage(RECOVERY, &user.phone.at_present(0))).wrong_code();
    user.login_with(stage(crate::harness::TOTP, &user.recovery[0])).wrong_code();
    user.login_with(user.recovery_stage(0)).access_token();
}

/// One slow hash in flight an account, a bounded queue for the server: overload is 429 and never a full memory. A hash takes 19 MiB; two may
/// run at once, and twenty would if nobody bounded them.
#[test]
fn r42_a_thousand_tries_at_once_stay_within_the_memory_that_is_meant_for_them() {
    const ACCOUNTS: usize = 20;
    const MIB: u64 = 1 << 20;
    let Some(server) = Server::start_with(Needs::Process) else { return };
    let users: Vec<_> = (0..ACCOUNTS).map(|_| server.enrolled_user()).collect();
    let sessions: Vec<_> = users.iter().map(|user| user.challenge()).collect();
    let wrong = stage(RECOVERY, "0000-0000-0000-0000");
    let before = server.peak_memory();
    let answers = simultaneously(1000, |n| {
        let n = n % ACCOUNTS;
        users[n].finish(&sessions[n], wrong.clone()).status
    });
    let grown = server.peak_memory() - before;
    assert!(answers.iter().all(|status| [401, 429].contains(status)), "{answers:?}");
    assert!(answers.contains(&401) && answers.contains(&429), "{answers:?}");
    assert!(grown < 150 * MIB, "{} MiB", grown / MIB);
}

/// Of one account.
#[test]
fn r42_many_tries_at_once_are_bounded() {
    let Some(server) = Server::start_with(Needs::Clock) else { return };
    let user = server.enrolled_user();
    let session = user.challenge();
    let wrong = stage(RECOVERY, "0000-0000-0000-0000");
    let answers = simultaneously(60, |_| user.finish(&session, wrong.clone()).status);
    assert!(answers.iter().all(|status| [401, 429].contains(status)), "{answers:?}");
    let evaluated = answers.iter().filter(|status| **status == 401).count();
    assert!((1..=5).contains(&evaluated), "no more than the free tries are hashed: {answers:?}");
    server.advance(60_000);
    user.login_with(user.recovery_stage(0)).access_token();
    user.login().completed(&[PASSWORD]);
}
