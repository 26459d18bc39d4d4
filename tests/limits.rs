//! Limits for client addresses, and the alarm for the whole server. The suite reaches its servers through loopback; here a server takes
//! loopback for a proxy that it trusts, and the tests say for whom they speak.

use serde_json::{Value, json};

use crate::harness::{
    Answer, Browser, Enrolled, MINUTE_MS, Needs, PASSWORD, Request, Server, TOKEN, TOTP, auth, stage,
};

const ATTACKER: &str = "198.51.100.1";
const OWNER: &str = "203.0.113.7";

fn behind_a_proxy(more: &[(&str, &str)]) -> Option<Server> {
    let settings = [&[("MATRIX_2FA_TRUSTED_PROXIES", "127.0.0.1")], more].concat();
    Server::start_with(Needs::Settings(&settings))
}

fn from(server: &Server, address: &str, path: &str) -> Request {
    server.request("POST", path).header("x-forwarded-for", address)
}

#[track_caller]
fn login(server: &Server, address: &str, body: &Value) -> Answer {
    from(server, address, "login").json(body).send()
}

fn password_of(name: &str, password: &str) -> Value {
    json!({ "type": PASSWORD, "identifier": { "type": "m.id.user", "user": name }, "password": password })
}

/// Uses up what an address may try, with passwords of nobody.
#[track_caller]
fn exhaust(server: &Server, address: &str) -> usize {
    let wrong = password_of("nobody", "not the password");
    let mut tried = 0;
    loop {
        match login(server, address, &wrong).status {
            403 => tried += 1,
            429 => return tried,
            other => panic!("{other}"),
        }
    }
}

#[test]
fn r18_r21_an_address_that_tries_too_much_waits_and_no_other_does() {
    let Some(server) = behind_a_proxy(&[("MATRIX_2FA_ADDRESS_TRIES", "12")]) else { return };
    let user = server.user();
    assert_eq!(exhaust(&server, ATTACKER), 12);
    // One answer for everybody, whatever the password: nobody learns anything by it.
    let right = login(&server, ATTACKER, &user.password_stage());
    let wrong = login(&server, ATTACKER, &user.password_stage_of("wrong"));
    let unknown = login(&server, ATTACKER, &password_of("nobody", "wrong"));
    assert!((1..=1001).contains(&right.clone().throttled()), "{right}");
    assert_eq!((&right.body, right.status), (&wrong.body, wrong.status));
    assert_eq!((&right.body, right.status), (&unknown.body, unknown.status));
    // What a client writes before what its proxy writes is nobody's address.
    let forged = from(&server, &format!("{OWNER}, {ATTACKER}"), "login").json(&user.password_stage()).send();
    forged.throttled();
    login(&server, OWNER, &user.password_stage()).access_token();
    server.advance(MINUTE_MS);
    login(&server, ATTACKER, &user.password_stage()).access_token();
}

#[test]
fn r21_a_forged_header_from_an_untrusted_peer_changes_nothing() {
    let settings = [("MATRIX_2FA_TRUSTED_PROXIES", "none"), ("MATRIX_2FA_ADDRESS_TRIES", "12")];
    let Some(server) = Server::start_with(Needs::Settings(&settings)) else { return };
    let user = server.user();
    let mut answers =
        (0..20).map(|n| login(&server, &format!("198.51.100.{n}"), &user.password_stage_of("wrong")).status);
    assert!(answers.any(|status| status == 429));
    server.request_from([127, 0, 0, 9], "POST", "login").json(&user.password_stage()).send().access_token();
}

#[test]
fn r21_an_ipv6_64_is_one_client() {
    let Some(server) = behind_a_proxy(&[("MATRIX_2FA_ADDRESS_TRIES", "12")]) else { return };
    let wrong = password_of("nobody", "not the password");
    let answers: Vec<u16> = (0..13).map(|n| login(&server, &format!("2001:db8:0:1::{n:x}"), &wrong).status).collect();
    assert_eq!(answers.iter().filter(|status| **status == 429).count(), 1, "{answers:?}");
    login(&server, "2001:db8:0:2::1", &wrong).refused(403, "M_FORBIDDEN");
}

/// With the limits that ship: a thousand wrong passwords for one user, from several places at once.
#[test]
fn r20_a_thousand_wrong_passwords_keep_nobody_out() {
    let Some(server) = behind_a_proxy(&[]) else { return };
    let user = server.enrolled_user();
    let wrong = user.password_stage_of("not the password");
    let answers = crate::harness::simultaneously(4, |n| {
        let address = format!("198.51.100.{n}");
        (0..250).map(|_| login(&server, &address, &wrong).status).collect::<Vec<_>>()
    });
    let evaluated = answers.concat().iter().filter(|status| **status == 403).count();
    assert_eq!(evaluated, 4 * 60, "the others were answered before the hash");
    let session = login(&server, OWNER, &user.password_stage()).completed(&[PASSWORD]).session();
    login(&server, OWNER, &auth(&json!({}), &session, &user.totp())).access_token();
}

/// One connection of somebody with a factor, or with a stolen token, made 600 events a second, and every event is kept. The suite's address is
/// that of a hidden client: only the limit of the user is between.
#[test]
fn r22_names_and_enrollments_are_no_way_to_fill_the_audit() {
    let Some(server) = Server::start_with(Needs::Clock) else { return };
    let user = server.enrolled_user();
    let path = format!("account/two-factor/authenticators/{}", user.authenticator);
    let rename = |n: usize| user.send("PUT", &path, &json!({ "name": format!("n{n}") }));
    let named = (0..100).map(rename).position(|answer| answer.status != 200).expect("a limit");
    assert!(named >= 30, "{named}");
    rename(200).throttled();
    assert!(!user.status().to_string().contains("n200"));
    // Nobody is kept from anything else by it, and not for ever.
    user.login_with(user.totp()).access_token();
    server.advance(MINUTE_MS);
    rename(300).is(200);
    // The same on the page, for secrets that nobody confirms.
    let plain = server.user();
    let browser = Browser::new(&server);
    let page = browser.open("/_matrix-2fa/account");
    browser.submit(&page, &[("user", &plain.name), ("password", &plain.password)]).says(200, "Off: your password");
    let add = "/_matrix-2fa/account/add";
    let page = browser.open(add);
    let begin = || browser.submit_to(&page, add, &[("name", "phone")]).status;
    let begun = (0..100).map(|_| begin()).position(|status| status != 200).expect("a limit");
    assert!(begun >= 30, "{begun}");
    assert_eq!(begin(), 429);
}

/// Each door answers 429 to the address that has tried enough, even with everything right; the other limit, that of the account, is
/// `codes::guessing::r16_one_budget_over_all_doors`.
#[test]
fn r22_every_door_has_the_limit_of_the_address() {
    let Some(server) = behind_a_proxy(&[]) else { return };
    let (user, plain) = (server.enrolled_user(), server.user());
    let get_token = "/_matrix/client/v1/login/get_token";
    let login_token = plain.with_password("POST", get_token, &json!({})).is(200).string("login_token");
    let pending = plain.begin_enrollment();
    let (challenge, code) = (user.challenge(), user.totp());
    exhaust(&server, ATTACKER);

    login(&server, ATTACKER, &user.password_stage()).throttled();
    login(&server, ATTACKER, &json!({ "auth": {} })).throttled();
    login(&server, ATTACKER, &json!({ "type": TOKEN, "token": login_token })).throttled();
    login(&server, ATTACKER, &auth(&json!({}), &challenge, &code)).throttled();
    let register = json!({ "username": "late", "password": "correct horse", "auth": { "type": "m.login.dummy" } });
    from(&server, ATTACKER, "register").json(&register).send().throttled();
    let confirm = json!({ "id": pending["id"], "token": "000000" });
    let path = "account/two-factor/totp/confirm";
    from(&server, ATTACKER, path).token(&plain.token).json(&confirm).send().throttled();

    for (method, path) in [
        ("POST", "account/two-factor"),
        ("DELETE", "account/two-factor"),
        ("POST", "account/two-factor/totp"),
        ("POST", "account/two-factor/recovery"),
        ("POST", "account/two-factor/disable"),
        ("DELETE", &format!("account/two-factor/authenticators/{}", user.authenticator)),
        ("POST", "account/deactivate"),
        ("POST", "account/password"),
        ("POST", "delete_devices"),
        ("POST", get_token),
    ] {
        let body = json!({ "new_password": "a new password", "devices": [], "providers": { TOTP: {} } });
        let body = if path.ends_with("disable") || method == "DELETE" { json!({}) } else { body };
        let body = if path == "account/two-factor/totp" { json!({ "name": "x" }) } else { body };
        let session = user.open(method, path, &body).session();
        let request = server.request(method, path).header("x-forwarded-for", ATTACKER).token(&user.token);
        request.json(&auth(&body, &session, &user.password_stage())).send().throttled();
    }
    // Nothing of all that cost the owner anything.
    login(&server, OWNER, &auth(&json!({}), &challenge, &code)).access_token();
}

/// The wait belongs to the account: whoever comes from an address that was never seen waits as well, and recovery codes are another budget.
#[test]
fn r13_another_address_is_no_way_round_the_wait() {
    let Some(server) = behind_a_proxy(&[]) else { return };
    let user = server.enrolled_user();
    let types = |address: &str, stage: Value| {
        let session = login(&server, address, &user.password_stage()).completed(&[PASSWORD]).session();
        login(&server, address, &auth(&json!({}), &session, &stage))
    };
    for _ in 0..5 {
        types(ATTACKER, user.wrong_totp()).wrong_code();
    }
    types(OWNER, user.totp()).throttled();
    types(OWNER, user.recovery_stage(0)).access_token();
}

fn wrong_code_of(user: &Enrolled) -> Answer {
    user.finish(&user.challenge(), user.wrong_totp())
}

#[test]
fn r23_too_many_wrong_codes_of_the_whole_server_raise_an_alarm_at_once() {
    let settings = [("MATRIX_2FA_ALARM_FAILURES_PER_MINUTE", "3"), ("MATRIX_2FA_ALARM_SLOWS", "true")];
    let Some(server) = Server::start_with(Needs::Settings(&settings)) else { return };
    let users = [server.enrolled_user(), server.enrolled_user()];
    let alarms =
        || server.log().lines().filter(|line| line.contains("ERROR") && line.contains("wrong second factors")).count();
    (0..3).for_each(|n| drop(wrong_code_of(&users[n % 2]).wrong_code()));
    assert_eq!(alarms(), 0);
    wrong_code_of(&users[1]).wrong_code();
    assert_eq!(alarms(), 1);
    // While it lasts, one wrong code is enough for a wait.
    wrong_code_of(&users[0]).throttled();
    server.advance(MINUTE_MS);
    users[0].login_with(users[0].totp()).access_token();
    wrong_code_of(&users[0]).wrong_code();
    wrong_code_of(&users[0]).wrong_code();
}

/// Without a lock the month has a bound, and the way back by a recovery code stays open.
#[test]
fn r15_without_the_lock_a_month_has_a_bound() {
    let settings = [("MATRIX_2FA_TOTP_LOCK_AT", "never"), ("MATRIX_2FA_TOTP_MONTHLY_TRIES", "7")];
    let Some(server) = Server::start_with(Needs::Settings(&settings)) else { return };
    let user = server.enrolled_user();
    for _ in 0..7 {
        server.advance(60 * MINUTE_MS);
        wrong_code_of(&user).wrong_code();
    }
    server.advance(60 * MINUTE_MS);
    let wait = user.finish(&user.challenge(), stage(TOTP, &user.phone.code())).throttled();
    assert!(wait > 29 * 24 * 60 * MINUTE_MS, "{wait}");
    user.login_with(user.recovery_stage(0)).access_token();
    server.advance(wait);
    user.login_with(user.totp()).access_token();
}

/// A clock that is set back ten minutes accepts nothing twice, and somebody is told.
#[test]
fn r68_a_clock_set_back_ten_minutes_accepts_nothing_twice_and_is_told() {
    let Some(server) = Server::start_with(Needs::Clock) else { return };
    let user = server.enrolled_user();
    let now = server.now_ms();
    let codes: Vec<_> = (0..20).map(|n| (now + n * 30_000, user.phone.at_step((now + n * 30_000) / 30_000))).collect();
    for (at, code) in codes.iter().skip(1) {
        server.set_clock(*at);
        user.login_with(stage(TOTP, code)).access_token();
    }
    assert!(!server.log().contains("the clock of this server was set"));
    server.set_clock(now);
    for (at, code) in &codes {
        server.set_clock(*at);
        user.login_with(stage(TOTP, code)).wrong_code();
    }
    assert!(server.log().contains("the clock of this server was set"), "{}", server.log());
    server.advance(MINUTE_MS);
    user.login_with(stage(TOTP, &user.phone.at_present(0))).access_token();
}
