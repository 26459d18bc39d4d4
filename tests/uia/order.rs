//! Stages in order, always.

use proptest::{prelude::*, test_runner::TestRunner};
use serde_json::json;

use crate::harness::{PASSWORD, Server, TOTP, auth, stage};

const PATH: &str = "account/two-factor/recovery";

#[test]
fn r51_a_factor_before_the_password_is_not_evaluated() {
    let user = Server::start().enrolled_user();
    let session = user.open("POST", PATH, &json!({})).session();
    let code = user.phone.code();
    user.post(PATH, &auth(&json!({}), &session, &stage(TOTP, &code))).completed(&[]);
    for _ in 0..6 {
        user.post(PATH, &auth(&json!({}), &session, &user.wrong_totp())).completed(&[]);
    }
    user.post(PATH, &auth(&json!({}), &session, &user.password_stage())).completed(&[PASSWORD]);
    // Neither spent nor charged.
    user.post(PATH, &auth(&json!({}), &session, &stage(TOTP, &code))).is(200);
}

#[test]
fn a_completed_stage_is_not_run_again() {
    let user = Server::start().enrolled_user();
    let session = user.open("POST", PATH, &json!({})).session();
    for password in [user.password.as_str(), "wrong now", user.password.as_str()] {
        let again = auth(&json!({}), &session, &user.password_stage_of(password));
        user.post(PATH, &again).completed(&[PASSWORD]);
    }
    user.post(PATH, &auth(&json!({}), &session, &user.totp())).is(200);
}

/// Skipped, reordered, empty, repeated or half stages never succeed: whatever is sent, the operation happens only after a password and
/// a factor, in this order, in one session.
#[test]
fn r51_random_sequences_of_stages_never_skip_one() {
    let user = Server::start().enrolled_user();
    let stages = [
        json!({}),
        json!({ "type": TOTP }),
        user.wrong_totp(),
        user.password_stage_of("wrong"),
        user.password_stage(),
        json!({ "type": "m.login.dummy" }),
        stage("m.login.2fa.recovery", "not a code"),
    ];
    let config = ProptestConfig { cases: 12, failure_persistence: None, ..ProptestConfig::default() };
    TestRunner::new_with_rng(config, proptest::test_runner::TestRng::deterministic_rng(Default::default()))
        .run(&prop::collection::vec(0..stages.len(), 1..7), |sequence| {
            let session = user.open("POST", PATH, &json!({})).session();
            let mut password = false;
            for place in sequence {
                let answer = user.post(PATH, &auth(&json!({}), &session, &stages[place]));
                prop_assert!(answer.status != 200, "passed without a factor\n{}", answer);
                password |= place == 4;
                let completed: Vec<&str> = if password { vec![PASSWORD] } else { vec![] };
                if answer.status == 401 {
                    answer.completed(&completed);
                }
            }
            Ok(())
        })
        .unwrap();
    assert_eq!(user.status()["providers"]["m.login.2fa.recovery"]["remaining"], 10);
}

#[test]
fn r29_half_a_login_can_do_nothing_but_finish() {
    let user = Server::start().enrolled_user();
    let session = user.challenge();
    let doors = [
        ("GET", "account/two-factor"),
        ("POST", "account/two-factor"),
        ("POST", "account/two-factor/totp"),
        ("POST", "account/two-factor/totp/confirm"),
        ("POST", "account/two-factor/recovery"),
        ("POST", "account/two-factor/disable"),
        ("DELETE", "account/two-factor"),
        ("PUT", "account/two-factor/authenticators/x"),
        ("DELETE", "account/two-factor/authenticators/x"),
    ];
    for (method, path) in doors {
        let body = json!({ "auth": { "session": session }, "session": session });
        user.server.request(method, path).json(&body).send().refused(401, "M_MISSING_TOKEN");
        user.server.request(method, path).token(&session).json(&body).send().refused(401, "M_UNKNOWN_TOKEN");
        user.server.request(method, &format!("{path}?access_token={session}")).send().refused(401, "M_UNKNOWN_TOKEN");
    }
}

#[test]
fn r10_two_factors_at_once_give_one_login() {
    let user = Server::start().enrolled_user();
    for _ in 0..2 {
        let session = user.challenge();
        let stages = [user.totp(), user.recovery_stage(0), user.recovery_stage(1), user.recovery_stage(2)];
        let before = user.get("devices").is(200)["devices"].as_array().map(Vec::len).unwrap();
        let answers = crate::harness::simultaneously(4, |n| user.finish(&session, stages[n].clone()).status);
        assert_eq!(answers.iter().filter(|status| **status == 200).count(), 1, "{answers:?}");
        let after = user.get("devices").is(200)["devices"].as_array().map(Vec::len).unwrap();
        assert_eq!(after, before + 1, "one device");
    }
}
