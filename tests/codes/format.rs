//! What counts as a code at all.

use serde_json::{Value, json};

use crate::harness::{Needs, PASSWORD, RECOVERY, Server, TOTP, stage};

/// Strings that no authenticator shows.
const SHAPES: [&str; 12] = [
    "",
    "1",
    "12345",
    "1234567",
    "12345678901",
    "+12345",
    "-123456-7",
    "12345a",
    "１２３４５６",
    "٠١٢٣٤٥",
    "123456\u{0}",
    "0x1234",
];

#[test]
fn r06_another_shape_gets_the_wrong_code_answer_and_is_no_guess() {
    let user = Server::start().enrolled_user();
    let session = user.challenge();
    let wrong = user.finish(&session, user.wrong_totp()).wrong_code();
    for shape in SHAPES {
        let answer = user.finish(&session, stage(TOTP, shape)).wrong_code().completed(&[PASSWORD]);
        assert_eq!(answer.body, wrong.body, "for {shape:?}");
    }
    // Twelve of them made nobody wait.
    user.finish(&session, user.totp()).access_token();
}

#[test]
fn r06_another_json_type_is_bad_json() {
    let user = Server::start().enrolled_user();
    let session = user.challenge();
    for token in [json!(null), json!(123_456), json!(["123456"]), json!({}), json!(true)] {
        let stage = json!({ "type": TOTP, "token": token });
        user.finish(&session, stage).refused(400, "M_BAD_JSON").without_token();
        let stage = json!({ "type": RECOVERY, "token": token });
        user.finish(&session, stage).refused(400, "M_BAD_JSON").without_token();
    }
    user.finish(&session, user.totp()).access_token();
}

#[test]
fn r06_spaces_and_hyphens_make_no_other_code() {
    let user = Server::start().enrolled_user();
    let spaced = |code: &str, with: &str| format!(" {}{with}{} ", &code[..3], &code[3..]);
    let code = user.phone.code();
    user.login_with(stage(TOTP, &spaced(&code, " "))).access_token();
    for again in [code.clone(), spaced(&code, " "), spaced(&code, "-"), spaced(&code, "")] {
        user.login_with(stage(TOTP, &again)).wrong_code();
    }
    user.login_with(stage(TOTP, &spaced(&user.phone.code(), "-"))).access_token();
}

#[test]
fn r33_a_code_with_leading_zeros_works() {
    let Some(server) = Server::start_with(Needs::Clock) else { return };
    let user = server.enrolled_user();
    let mut step = server.now_ms() / crate::harness::STEP_MS + 2;
    let code = loop {
        let code = user.phone.at_step(step);
        if code.starts_with('0') {
            break code;
        }
        step += 1;
    };
    server.set_clock(step * crate::harness::STEP_MS);
    user.login_with(stage(TOTP, code.trim_start_matches('0'))).wrong_code();
    user.login_with(stage(TOTP, &code)).access_token();
}

#[test]
fn r33_steps_past_two_to_the_32_work() {
    let Some(server) = Server::start_with(Needs::Clock) else { return };
    let user = server.enrolled_user();
    server.set_clock(((1 << 32) + 7) * crate::harness::STEP_MS);
    let code = user.totp();
    user.login_with(code.clone()).access_token();
    user.login_with(code).wrong_code();
}

#[test]
fn r40_ten_codes_of_sixteen_crockford_characters_in_groups_of_four() {
    let user = Server::start().enrolled_user();
    let mut all = user.recovery.clone();
    all.sort();
    all.dedup();
    assert_eq!(all.len(), 10, "all different");
    for code in &all {
        let groups: Vec<&str> = code.split('-').collect();
        assert!(groups.len() == 4 && groups.iter().all(|group| group.len() == 4), "{code}");
        let alphabet = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";
        assert!(groups.concat().chars().all(|c| alphabet.contains(c)), "{code}");
    }
}

#[test]
fn r40_case_hyphens_and_look_alikes_do_not_matter() {
    let user = Server::start().enrolled_user();
    let typed: [fn(&str) -> String; 4] = [
        |code| code.to_lowercase(),
        |code| code.replace('-', ""),
        |code| format!("  {} ", code.replace('-', " ")),
        |code| code.replace('0', "O").replace('1', "l"),
    ];
    for (place, typed) in typed.into_iter().enumerate() {
        user.login_with(stage(RECOVERY, &typed(&user.recovery[place]))).access_token();
        user.login_with(user.recovery_stage(place)).wrong_code();
    }
}

#[test]
fn malformed_recovery_codes_cost_nothing() {
    let user = Server::start().enrolled_user();
    let session = user.challenge();
    let bad: [Value; 4] = ["", "0000-0000-0000-000", "UUUU-UUUU-UUUU-UUUU", "123456"].map(|code| stage(RECOVERY, code));
    for _ in 0..3 {
        for stage in &bad {
            user.finish(&session, stage.clone()).wrong_code();
        }
    }
    user.finish(&session, user.recovery_stage(0)).access_token();
}
