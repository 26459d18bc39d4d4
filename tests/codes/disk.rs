//! A store that cannot write: nobody is let in, and nobody is lied to.

use serde_json::json;

use crate::harness::{Answer, Enrolled, Needs, PASSWORD, RECOVERY, Server, TOTP, auth, with};

/// The server cannot tell, says so, and gives nothing away.
#[track_caller]
fn unavailable(answer: Answer) {
    let answer = answer.without_token().refused(503, "M_UNKNOWN");
    assert!(answer.body.get("flows").is_none(), "{answer}");
}

/// What is only read is true, or not answered at all: never "no such token", never "no second factor".
#[track_caller]
fn true_or_unavailable(answer: Answer) -> bool {
    if answer.status == 503 {
        unavailable(answer);
        return false;
    }
    answer.is(200);
    true
}

fn reads_are_true(user: &Enrolled) {
    let whoami = user.get("account/whoami");
    if true_or_unavailable(whoami.clone()) {
        assert_eq!((&whoami["user_id"], &whoami["device_id"]), (&json!(user.id), &json!(user.device)), "{whoami}");
    }
    let status = user.get("account/two-factor");
    if true_or_unavailable(status.clone()) {
        assert!(status["providers"][TOTP].is_object(), "{status}");
        assert_eq!(status["providers"][RECOVERY]["remaining"], 10, "{status}");
    }
    let strange = user.server.request("GET", "account/whoami").token("no-such-token").send();
    assert!([401, 503].contains(&strange.status), "{strange}");
}

#[test]
fn r08_r66_a_store_that_cannot_write_answers_503_and_lets_nobody_in() {
    let Some(server) = Server::start_with(Needs::Disk) else { return };
    let (user, plain) = (server.enrolled_user(), server.user());
    // One session for each: the commit that meets the full disk may take its own along, until the next start.
    let [one, two, three] = [(); 3].map(|()| user.challenge());
    let path = "account/two-factor/disable";
    let uia = user.open("POST", path, &json!({})).session();
    user.post(path, &auth(&json!({}), &uia, &user.password_stage())).completed(&[PASSWORD]);
    let (now, code) = (server.now_ms(), user.totp());

    server.forbid_writing();
    // The right code, the right recovery code, both in one field, a guess: whatever has to be counted or spent.
    unavailable(user.finish(&one, code.clone()));
    unavailable(user.finish(&two, user.recovery_stage(0)));
    unavailable(user.finish(&three, user.wrong_totp()));
    for factor in [code["token"].as_str().unwrap(), &user.recovery[1]] {
        let field = format!("{} {factor}", user.password);
        unavailable(server.post("login", &with(&user.password_stage(), &json!({ "password": field }))));
    }
    unavailable(user.post(path, &auth(&json!({}), &uia, &code)));
    // The password alone is not enough now either, and makes no login for those for whom it is.
    unavailable(user.login());
    unavailable(plain.login());
    unavailable(plain.post("account/two-factor/totp", &json!({ "auth": plain.password_stage() })));
    unavailable(plain.post("logout", &json!({})));
    user.server.post("login", &user.password_stage_of("wrong")).without_token();
    reads_are_true(&user);

    server.kill_9();
    server.restart();
    server.set_clock(now);
    reads_are_true(&user);
    plain.get("account/whoami").is(200);
    // Nothing that was refused has happened.
    user.login_with(code).access_token();
    user.login_with(user.recovery_stage(0)).access_token();
}
