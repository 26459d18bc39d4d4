//! The accepted window: one step each way, to the millisecond.

use crate::harness::{Needs, STEP_MS, Server, TOTP, stage};

#[test]
fn r34_a_code_is_accepted_from_30_s_before_its_step_to_59_s_after() {
    let Some(server) = Server::start_with(Needs::Clock) else { return };
    let user = server.enrolled_user();
    let mut step = server.now_ms() / STEP_MS + 10;
    let mut at = |shift: i64, accepted: bool| {
        step += 10;
        server.set_clock((step * STEP_MS).checked_add_signed(shift).unwrap());
        let answer = user.login_with(stage(TOTP, &user.phone.at_step(step)));
        if accepted {
            answer.access_token();
        } else {
            answer.wrong_code();
        }
    };
    at(-30_001, false);
    at(-30_000, true);
    at(0, true);
    at(29_999, true);
    at(59_999, true);
    at(60_000, false);
}

#[test]
fn a_clock_set_back_revives_no_code() {
    let Some(server) = Server::start_with(Needs::Clock) else { return };
    let user = server.enrolled_user();
    let (now, code) = (server.now_ms(), user.totp());
    user.login_with(code.clone()).access_token();
    server.set_clock(now + 20 * STEP_MS);
    user.login_with(user.totp()).access_token();
    server.set_clock(now);
    user.login_with(code).wrong_code();
    user.login_with(stage(TOTP, &user.phone.at_present(1))).wrong_code();
    server.set_clock(now + 21 * STEP_MS);
    user.login_with(user.totp()).access_token();
}
