//! Guessing is slow, and nobody but the owner can be kept out by it.

use serde_json::json;

use crate::harness::{Answer, Enrolled, MINUTE_MS, Needs, PASSWORD, Server, TOTP, auth, stage};

const FREE: usize = 5;

/// One wrong code at /login in a session of its own.
#[track_caller]
fn guess(user: &Enrolled) -> Answer {
    user.finish(&user.challenge(), user.wrong_totp())
}

#[track_caller]
fn exhaust(user: &Enrolled) {
    for _ in 0..FREE {
        guess(user).wrong_code();
    }
}

#[test]
fn r18_the_sixth_guess_waits_and_says_how_long() {
    let user = Server::start().enrolled_user();
    exhaust(&user);
    let wait = guess(&user).throttled();
    assert!((1..=30_000).contains(&wait), "{wait} ms");
    // Only after the right password: before it nothing shows.
    user.server.post("login", &user.password_stage_of("wrong")).refused(403, "M_FORBIDDEN");
    user.login().completed(&[PASSWORD]);
}

#[test]
fn r14_waits_double_from_30_s_to_an_hour() {
    let Some(server) = Server::start_with(Needs::Clock) else { return };
    let user = server.enrolled_user();
    exhaust(&user);
    for seconds in [30, 60, 120, 240, 480, 960, 1920, 3600, 3600] {
        assert_eq!(guess(&user).throttled(), seconds * 1000);
        server.advance(seconds * 1000 - 1);
        assert_eq!(guess(&user).throttled(), 1);
        server.advance(1);
        guess(&user).wrong_code();
    }
}

#[test]
fn r14_a_right_code_ends_the_wait_and_the_run() {
    let Some(server) = Server::start_with(Needs::Clock) else { return };
    let user = server.enrolled_user();
    exhaust(&user);
    server.advance(30_000);
    user.login_with(user.totp()).access_token();
    exhaust(&user);
    guess(&user).throttled();
}

#[test]
fn r14_a_hundred_wrong_codes_lock_and_locked_is_still_enrolled() {
    let Some(server) = Server::start_with(Needs::Clock) else { return };
    let user = server.enrolled_user();
    for _ in 0..100 {
        server.advance(60 * MINUTE_MS);
        guess(&user).wrong_code();
    }
    server.advance(60 * MINUTE_MS);
    let session = user.login().completed(&[PASSWORD]).session();
    let answer = user.finish(&session, user.totp()).without_token();
    assert!([401, 403, 429].contains(&answer.status), "a locked authenticator accepts nothing\n{answer}");
    server.advance(40 * 24 * 60 * MINUTE_MS);
    let locked = user.login().completed(&[PASSWORD]);
    assert!(locked["flows"].to_string().contains(TOTP), "its stage stays in the flows\n{locked}");
    let answer = user.finish(&locked.session(), user.totp()).without_token();
    assert_ne!(answer.status, 200, "for ever\n{answer}");
    // The owner's way back is open, and the lock stays.
    let back = user.with_login(&user.login_with(user.recovery_stage(0)).is(200));
    assert_ne!(user.login_with(user.totp()).status, 200);
    let proof = [user.password_stage(), user.recovery_stage(1)];
    back.authorize("DELETE", "account/two-factor", &json!({}), &proof).is(200);
    user.login().access_token();
}

#[test]
fn r24_with_two_authenticators_fifty_wrong_codes_lock() {
    let Some(server) = Server::start_with(Needs::Clock) else { return };
    let user = server.enrolled_user();
    let (second, _id) = user.add_phone("tablet");
    for _ in 0..50 {
        server.advance(60 * MINUTE_MS);
        let near = [second.at_present(-1), second.at_present(0), second.at_present(1)];
        let wrong = user.phone.wrong_code();
        assert!(!near.contains(&wrong), "twice in a million: a wrong code of one is right for the other");
        user.finish(&user.challenge(), stage(TOTP, &wrong)).wrong_code();
    }
    server.advance(60 * MINUTE_MS);
    assert_ne!(user.login_with(user.totp()).status, 200);
    assert_ne!(user.login_with(stage(TOTP, &second.code())).status, 200);
}

#[test]
fn r16_one_budget_over_all_doors() {
    let user = Server::start().enrolled_user();
    guess(&user).wrong_code();
    for (method, path) in
        [("POST", "account/two-factor/recovery"), ("DELETE", "account/two-factor"), ("POST", "account/deactivate")]
    {
        user.prove_with(method, path, &json!({}), user.wrong_totp()).wrong_code();
    }
    guess(&user).wrong_code();
    guess(&user).throttled();
    user.prove_with("POST", "account/two-factor/disable", &json!({}), user.wrong_totp()).throttled();
}

#[test]
fn r16_recovery_stays_usable_while_the_authenticator_waits() {
    let user = Server::start().enrolled_user();
    exhaust(&user);
    guess(&user).throttled();
    user.login_with(user.recovery_stage(0)).access_token();
    // And it does not clear the other budget.
    guess(&user).throttled();
}

#[test]
fn r16_recovery_codes_wait_at_most_a_minute_and_never_lock() {
    let Some(server) = Server::start_with(Needs::Clock) else { return };
    let user = server.enrolled_user();
    let wrong = || user.login_with(stage("m.login.2fa.recovery", "0000-0000-0000-0000"));
    for _ in 0..FREE {
        wrong().wrong_code();
    }
    for wait in [30_000, 60_000, 60_000, 60_000] {
        assert_eq!(wrong().throttled(), wait);
        server.advance(wait);
        wrong().wrong_code();
    }
    for _ in 0..110 {
        server.advance(60_000);
        wrong().wrong_code();
    }
    user.login_with(user.totp()).access_token();
    server.advance(60_000);
    user.login_with(user.recovery_stage(0)).access_token();
}

#[test]
fn r17_a_right_code_during_a_wait_is_refused_and_not_spent() {
    let Some(server) = Server::start_with(Needs::Clock) else { return };
    let user = server.enrolled_user();
    exhaust(&user);
    let code = stage(TOTP, &user.phone.at_present(1));
    let (right, wrong) = (user.login_with(code.clone()), guess(&user));
    right.clone().throttled();
    assert_eq!((right.status, &right.body), (wrong.status, &wrong.body), "nobody learns that it was right");
    server.advance(30_000);
    user.login_with(code).access_token();
}

/// The run of fails belongs to the account, whatever the session, the address or the process.
#[test]
fn r13_nothing_but_a_right_code_clears_the_run() {
    let Some(server) = Server::start_with(Needs::Process) else { return };
    let user = server.enrolled_user();
    exhaust(&user);
    server.kill_9_and_restart();
    guess(&user).throttled();
    let from = |body| server.request_from([127, 0, 0, 9], "POST", "login").json(&body).send();
    let session = from(user.password_stage()).completed(&[PASSWORD]).session();
    from(auth(&json!({}), &session, &user.wrong_totp())).throttled();
}

#[test]
fn r13_enrolling_anew_clears_nothing() {
    let Some(server) = Server::start_with(Needs::Clock) else { return };
    let user = server.enrolled_user();
    exhaust(&user);
    user.prove_with("DELETE", "account/two-factor", &json!({}), user.recovery_stage(0)).is(200);
    let again = user.with_login(&user.login().is(200)).enroll();
    guess(&again).throttled();
}

#[test]
fn r20_strangers_without_the_password_keep_nobody_out() {
    let user = Server::start().enrolled_user();
    for _ in 0..30 {
        let answer = user.server.post("login", &user.password_stage_of("wrong"));
        assert!([403, 429].contains(&answer.status), "{answer}");
    }
    user.server
        .request_from([127, 0, 0, 3], "POST", "login")
        .json(&user.password_stage())
        .send()
        .completed(&[PASSWORD]);
}

/// A hundred wrong codes at one moment: the charge comes before the check, so no more than the free ones are looked at.
#[test]
fn r12_parallel_guesses_are_charged_before_they_are_checked() {
    let user = Server::start().enrolled_user();
    let session = user.challenge();
    let wrong = user.wrong_totp();
    let answers = crate::harness::simultaneously(100, |_| user.finish(&session, wrong.clone()).status);
    let evaluated = answers.iter().filter(|status| **status == 401).count();
    assert_eq!(evaluated, FREE, "{answers:?}");
    assert!(answers.iter().all(|status| [401, 429].contains(status)), "{answers:?}");
}
