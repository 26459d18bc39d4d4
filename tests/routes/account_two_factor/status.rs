//! `GET account/two-factor`.

use serde_json::json;

use crate::harness::{R0, RECOVERY, Server, TOTP, UNSTABLE, V3, with};

#[test]
fn nothing_is_enrolled_at_first() {
    let user = Server::start().user();
    let answer = user.status();
    assert_eq!((&answer["providers"], answer.string("policy").as_str()), (&json!({}), "opt-in"));
}

#[test]
fn a_pending_authenticator_is_not_shown() {
    let user = Server::start().user();
    user.begin_enrollment();
    assert_eq!(user.status()["providers"], json!({}));
}

#[test]
fn it_shows_authenticators_and_their_use_in_milliseconds() {
    let user = Server::start().enrolled_user();
    let before = user.status();
    let authenticator = &before["providers"][TOTP]["authenticators"][0];
    assert_eq!((&authenticator["id"], &authenticator["name"]), (&json!(user.authenticator), &json!("phone")));
    assert_eq!(authenticator["last_used_at"], json!(null), "confirming is no use\n{before}");
    let created = authenticator["created_at"].as_u64().unwrap();
    let now = user.server.now_ms();
    assert!(created.abs_diff(now) < 120_000, "milliseconds: {created} against {now}");
    assert_eq!(before["providers"][TOTP]["enabled_at"], json!(created));
    user.login_with(user.totp()).access_token();
    let used = &user.status()["providers"][TOTP]["authenticators"][0]["last_used_at"];
    assert!(used.as_u64().is_some_and(|used| used >= created), "{used}");
}

#[test]
fn r44_it_counts_the_recovery_codes_that_remain() {
    let user = Server::start().enrolled_user();
    assert_eq!(user.status()["providers"][RECOVERY]["remaining"], 10);
    for used in 0..3 {
        user.login_with(user.recovery_stage(used)).access_token();
        assert_eq!(user.status()["providers"][RECOVERY]["remaining"], 9 - used);
    }
}

#[test]
fn r44_with_the_last_code_the_stage_leaves_the_flows() {
    let user = Server::start().enrolled_user();
    for place in 0..10 {
        user.login_with(user.recovery_stage(place)).access_token();
    }
    user.login().offers(&[&[crate::harness::PASSWORD, TOTP]]);
    user.login_with(user.totp()).access_token();
    let codes = user.prove("POST", "account/two-factor/recovery", &json!({})).is(200);
    assert_eq!(codes["tokens"].as_array().map(Vec::len), Some(10), "renewal is open to who spent them all\n{codes}");
}

#[test]
fn all_prefixes_are_one() {
    let user = Server::start().enrolled_user();
    let answers = [V3, R0, UNSTABLE].map(|prefix| user.get(&format!("{prefix}account/two-factor")).is(200).body);
    assert!(answers.iter().all(|answer| *answer == answers[0]), "{answers:?}");
}

#[test]
fn r27_no_endpoint_returns_a_confirmed_secret() {
    let server = Server::start();
    let user = server.user();
    let pending = user.begin_enrollment();
    let seed = pending.string("seed");
    let phone = crate::harness::Phone::new(&server, &seed);
    let confirmed = user.confirm(&pending, &phone.code()).is(200);
    let rename = format!("account/two-factor/authenticators/{}", pending.string("id"));
    let stages = [user.password_stage(), crate::harness::stage(TOTP, &phone.code())];
    let answers = [
        confirmed,
        user.status(),
        user.get("capabilities"),
        user.get("account/whoami"),
        user.get("devices"),
        user.get("sync?timeout=0"),
        user.send("PUT", &rename, &json!({ "name": "renamed" })).is(200),
        user.confirm(&pending, &phone.at_present(0)),
        user.authorize("POST", "account/two-factor/totp", &json!({ "name": "second" }), &stages).is(200),
        user.login(),
    ];
    for answer in answers {
        assert!(!answer.to_string().contains(&seed), "the seed is out\n{answer}");
    }
    assert!(with(&json!({}), &user.status().body).get("pending").is_none());
}
