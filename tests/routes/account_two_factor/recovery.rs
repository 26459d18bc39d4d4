//! `POST account/two-factor/recovery`.

use serde_json::{Value, json};

use crate::harness::{Needs, PASSWORD, R0, RECOVERY, Server, TOTP, UNSTABLE, auth, recovery_codes, stage, with};

const PATH: &str = "account/two-factor/recovery";

#[test]
fn it_renews_the_codes_and_the_old_set_dies() {
    let user = Server::start().enrolled_user();
    user.login_with(user.recovery_stage(0)).access_token();
    user.open("POST", PATH, &json!({})).offers(&[&[PASSWORD, TOTP], &[PASSWORD, RECOVERY]]);
    let fresh = recovery_codes(&user.prove("POST", PATH, &json!({})).is(200)["tokens"]);
    assert!(fresh.iter().all(|code| !user.recovery.contains(code)));
    assert_eq!(user.status()["providers"][RECOVERY]["remaining"], 10);
    user.login_with(user.recovery_stage(1)).wrong_code();
    user.login_with(stage(RECOVERY, &fresh[9])).access_token();
}

#[test]
fn without_a_factor_there_is_nothing_to_renew() {
    let user = Server::start().user();
    for prefix in ["", R0, UNSTABLE] {
        let path = format!("{prefix}{PATH}");
        let mut answer = user.post(&path, &json!({}));
        if answer.status == 401 {
            answer = user.post(&path, &auth(&json!({}), &answer.session(), &user.password_stage()));
        }
        assert_eq!(answer.status, 400, "{answer}");
    }
}

#[test]
fn r30_the_password_alone_renews_nothing() {
    let user = Server::start().enrolled_user();
    user.with_password("POST", PATH, &json!({})).completed(&[PASSWORD]);
    user.prove_with("POST", PATH, &json!({}), user.wrong_totp()).wrong_code();
    user.login_with(user.recovery_stage(0)).access_token();
}

#[test]
fn r43_a_renewal_that_was_answered_survives_kill_9_whole() {
    let Some(server) = Server::start_with(Needs::Process) else { return };
    let user = server.enrolled_user();
    let fresh = recovery_codes(&user.prove("POST", PATH, &json!({})).is(200)["tokens"]);
    server.kill_9_and_restart();
    assert_eq!(user.status()["providers"][RECOVERY]["remaining"], 10);
    user.login_with(user.recovery_stage(0)).wrong_code();
    for code in &fresh {
        user.login_with(stage(RECOVERY, code)).access_token();
    }
}

/// The server dies somewhere between the request and its answer: the old set works whole, or it is gone and a new one is there.
#[test]
fn r43_kill_9_at_any_point_leaves_the_old_set_or_the_new_one() {
    let Some(server) = Server::start_with(Needs::Process) else { return };
    let user = server.enrolled_user();
    let (mut codes, mut spent) = (user.recovery.clone(), 0);
    for meanwhile in [0, 2, 5, 20, 60] {
        let session = user.open("POST", PATH, &json!({})).session();
        user.post(PATH, &auth(&json!({}), &session, &user.password_stage())).completed(&[PASSWORD]);
        let (last, now) = (auth(&json!({}), &session, &user.totp()), server.now_ms());
        let answer = std::thread::scope(|scope| {
            let renewal = scope.spawn(|| user.post(PATH, &last));
            for _ in 0..meanwhile {
                server.get("/_matrix/client/versions");
            }
            server.kill_9();
            renewal.join().ok()
        });
        server.restart();
        server.set_clock(now);
        let old = user.login_with(stage(RECOVERY, &codes[spent]));
        if let Some(answer) = answer {
            old.wrong_code();
            (codes, spent) = (recovery_codes(&answer["tokens"]), 0);
        } else if old.status == 200 {
            spent += 1;
            assert_eq!(user.status()["providers"][RECOVERY]["remaining"], 10 - spent);
        } else {
            assert_eq!(user.status()["providers"][RECOVERY]["remaining"], 10, "a whole new set, which nobody saw");
            (codes, spent) = (recovery_codes(&user.prove("POST", PATH, &json!({})).is(200)["tokens"]), 0);
        }
    }
}

/// The exception: who lost the phone and comes back with the last code must not be locked out.
#[test]
fn r30_a_recovery_login_may_renew_with_the_password_for_ten_minutes() {
    let Some(server) = Server::start_with(Needs::Clock) else { return };
    let user = server.enrolled_user();
    for place in 0..9 {
        user.login_with(user.recovery_stage(place)).access_token();
    }
    let back = user.with_login(&user.login_with(user.recovery_stage(9)).is(200));
    // Another token of the same user has no such right.
    user.with_password("POST", PATH, &json!({})).completed(&[PASSWORD]);
    let fresh = recovery_codes(&back.with_password("POST", PATH, &json!({})).is(200)["tokens"]);
    user.login_with(stage(RECOVERY, &fresh[0])).access_token();
    server.advance(10 * crate::harness::MINUTE_MS);
    back.with_password("POST", PATH, &json!({})).completed(&[PASSWORD]);
}

#[test]
fn r30_a_recovery_login_may_replace_the_authenticator_and_nothing_else() {
    let user = Server::start().enrolled_user();
    let back = user.with_login(&user.login_with(user.recovery_stage(0)).is(200));
    let new_password = json!({ "new_password": "thief's password" });
    back.with_password("POST", "account/password", &new_password).completed(&[PASSWORD]);
    back.with_password("POST", "account/deactivate", &json!({})).completed(&[PASSWORD]);
    let pending = back.with_password("POST", "account/two-factor/totp", &json!({ "name": "new phone" })).is(200);
    let phone = crate::harness::Phone::new(&user.server, &pending.string("seed"));
    back.confirm(&pending, &phone.code()).is(200);
    let lost = format!("account/two-factor/authenticators/{}", user.authenticator);
    back.with_password("DELETE", &lost, &json!({})).is(200);
    user.login_with(user.totp()).wrong_code();
    user.login_with(stage(TOTP, &phone.code())).access_token();
}

/// The id of a device is no secret: whoever logs in with it by another factor has none of the right.
#[test]
fn r30_another_login_on_the_device_has_no_recovery_right() {
    let user = Server::start().enrolled_user();
    for separate in [true, false] {
        let body = with(&user.password_stage(), &json!({ "device_id": "PHONE" }));
        let log_in = |factor: Value| {
            let session = user.server.post("login", &body).completed(&[PASSWORD]).session();
            user.server.post("login", &auth(&body, &session, &factor)).is(200)
        };
        log_in(user.recovery_stage(usize::from(separate)));
        let other = match separate {
            true => user.with_login(&log_in(user.totp())),
            false => {
                let field = format!("{} {}", user.password, user.phone.code());
                user.with_login(&user.server.post("login", &with(&body, &json!({ "password": field }))).is(200))
            }
        };
        assert_eq!(other.device, "PHONE");
        other.with_password("POST", PATH, &json!({})).completed(&[PASSWORD]);
        other.with_password("POST", "account/two-factor/totp", &json!({})).completed(&[PASSWORD]);
    }
}
