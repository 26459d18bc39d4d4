//! `/auth/{stage}/fallback/web?session=`: confirming what a client asked for.

use serde_json::{Value, json};

use crate::harness::{Browser, Enrolled, MINUTE_MS, Needs, PASSWORD, SSO, Server, TOTP, User, auth, simultaneously};

fn path(stage: &str, session: &str) -> String {
    format!("/_matrix/client/v3/auth/{stage}/fallback/web?session={session}")
}

/// Somebody with two devices, and the session of a request to remove the second.
fn removing(server: &Server) -> (Enrolled, User, String, String) {
    let user = server.user();
    let second = user.second_device();
    let user = user.enroll();
    let operation = format!("devices/{}", second.device);
    let session = user.open("DELETE", &operation, &json!({})).session();
    (user, second, operation, session)
}

fn pass_password(user: &Enrolled, operation: &str, session: &str) {
    user.send("DELETE", operation, &auth(&json!({}), session, &user.password_stage())).completed(&[PASSWORD]);
}

fn go_on(user: &Enrolled, operation: &str, session: &str) -> crate::harness::Answer {
    user.send("DELETE", operation, &json!({ "auth": { "session": session } }))
}

#[test]
fn r49_the_page_takes_the_code_and_the_session_alone_goes_on() {
    let server = Server::start();
    for (stage, with_recovery) in [
        (TOTP, false),
        (TOTP, true),
        ("m.login.2fa.recovery", false),
        ("m.login.two-factor.totp", false),
        ("m.login.totp", false),
    ] {
        let (user, second, operation, session) = removing(&server);
        pass_password(&user, &operation, &session);
        let browser = Browser::new(&server);
        let page = browser.open(&path(stage, &session)).says(200, "Remove this device");
        for named in [&user.id, &user.device, &second.device, "127.0.0.1", "Less than a minute ago"] {
            assert!(page.html.contains(named), "{named} is not named\n{page:?}");
        }
        browser.submit(&page, &[("code", &user.phone.wrong_code())]).says(403, "That code did not work");
        go_on(&user, &operation, &session).completed(&[PASSWORD]);
        let code = if with_recovery { user.recovery[0].clone() } else { user.phone.code() };
        browser.submit(&page, &[("code", &code)]).says(200, "data-auth-done");
        // Reloading is harmless, and r0 is the same page.
        browser.open(&path(stage, &session)).says(200, "data-auth-done");
        browser.open(&path(stage, &session).replace("/v3/", "/r0/")).says(200, "data-auth-done");
        go_on(&user, &operation, &session).is(200);
        user.get(&operation).refused(404, "M_NOT_FOUND");
        // Single use.
        go_on(&user, &operation, &session).refused(400, "M_UNKNOWN");
        browser.open(&path(stage, &session)).says(400, "Nothing is waiting here");
    }
}

#[test]
fn one_page_asks_for_both_factors_and_no_cookie_satisfies_it() {
    let server = Server::start();
    let (user, _, operation, session) = removing(&server);
    let browser = Browser::new(&server);
    let page = browser.open(&path(SSO, &session)).says(200, "name=\"password\"");
    let code = user.phone.code();
    browser.submit(&page, &[("code", &code)]).says(403, "The password is wrong");
    browser.submit(&page, &[("password", "wrong"), ("code", &code)]).says(403, "The password is wrong");
    browser.submit(&page, &[("password", &user.password)]).says(403, "That code did not work");
    go_on(&user, &operation, &session).completed(&[]);
    // The code was not touched by a wrong password.
    let right = [("password", user.password.as_str()), ("code", code.as_str()), ("user", "somebody")];
    browser.submit(&page, &right).says(200, "data-auth-done");
    let with_type = json!({ "auth": { "type": SSO, "session": session } });
    user.send("DELETE", &operation, &with_type).is(200);
    // The next one asks again.
    let session = user.open("POST", "account/deactivate", &json!({})).session();
    browser.open(&path(SSO, &session)).says(200, "name=\"password\"").says(200, "Delete the account for ever");
}

#[test]
fn r49_a_login_has_no_page_and_a_poll_logs_nobody_in() {
    let server = Server::start();
    let user = server.enrolled_user();
    let session = user.challenge();
    let browser = Browser::new(&server);
    for stage in [TOTP, SSO] {
        browser.open(&path(stage, &session)).says(400, "Nothing is waiting here");
    }
    let page = browser.post(&path(TOTP, &session), &[("code", &user.phone.code())]);
    page.says(400, "Nothing is waiting here");
    server.post("login", &json!({ "auth": { "session": session } })).completed(&[PASSWORD]).without_token();
}

/// A page that somebody is lured to must not give the account away for good: a stolen access token and the password open the session, and a
/// code that its owner types on the page would add a phone of the thief's, or sign a device in.
#[test]
fn r49_what_gives_a_token_or_a_factor_has_no_page() {
    let server = Server::start();
    let user = server.enrolled_user();
    let authenticator = format!("account/two-factor/authenticators/{}", user.authenticator);
    for (method, operation, body) in [
        ("POST", "/_matrix/client/v1/login/get_token", json!({})),
        ("POST", "account/two-factor", json!({ "providers": { TOTP: {} } })),
        ("POST", "account/two-factor/totp", json!({})),
        ("POST", "account/two-factor/recovery", json!({})),
        ("POST", "account/two-factor/disable", json!({})),
        ("DELETE", &authenticator, json!({})),
    ] {
        let opened = user.open(method, operation, &body);
        assert!(!opened["flows"].to_string().contains(SSO), "{opened}");
        let session = opened.session();
        user.send(method, operation, &auth(&body, &session, &user.password_stage())).completed(&[PASSWORD]);
        let browser = Browser::new(&server);
        for stage in [TOTP, "m.login.2fa.recovery", SSO] {
            browser.open(&path(stage, &session)).says(403, "This needs your code in the app");
            browser.post(&path(stage, &session), &[("code", &user.recovery[0])]).says(403, "This needs your code");
        }
        // The code was not taken, and nothing was passed.
        let alone = user.send(method, operation, &auth(&body, &session, &json!({}))).completed(&[PASSWORD]);
        assert!(alone.get("errcode").is_null(), "{alone}");
    }
    assert_eq!(user.status()["providers"]["m.login.2fa.recovery"]["remaining"], 10);
}

/// One read of the store for each name that a body lists: thousands of them for one page, again at every reload.
#[test]
fn twenty_of_many_devices_are_named_and_all_are_counted() {
    let server = Server::start();
    let user = server.enrolled_user();
    let devices: Vec<String> = (0..2000).map(|n| format!("DEVICE{n}")).collect();
    let session = user.open("POST", "delete_devices", &json!({ "devices": devices })).session();
    let page = Browser::new(&server).open(&path(SSO, &session)).says(200, "Remove these 2000 devices");
    assert_eq!(page.html.matches("<li>").count(), 20, "{page:?}");
}

#[test]
fn the_page_says_what_the_arguments_mean() {
    let server = Server::start();
    let user = server.enrolled_user();
    for (path_of, body, says) in [
        ("account/deactivate", json!({}), "Delete the account for ever</p>"),
        ("account/deactivate", json!({ "erase": true }), "Delete the account for ever and erase its messages</p>"),
        ("account/password", json!({ "new_password": "long and new" }), "and sign out all other devices</p>"),
        (
            "account/password",
            json!({ "new_password": "long and new", "logout_devices": false }),
            "Change the password</p>",
        ),
    ] {
        let session = user.open("POST", path_of, &body).session();
        let page = Browser::new(&server).open(&path(SSO, &session)).says(200, says);
        assert!(!page.html.contains("long and new"), "{page:?}");
    }
}

#[test]
fn the_page_needs_the_password_first_and_only_who_asked_goes_on() {
    let server = Server::start();
    let (user, second, operation, session) = removing(&server);
    let browser = Browser::new(&server);
    browser.open(&path(TOTP, &session)).says(409, "First your password");
    pass_password(&user, &operation, &session);
    let page = browser.open(&path(TOTP, &session));
    browser.submit(&page, &[("code", &user.phone.code())]).says(200, "data-auth-done");
    // Another device, another operation, another body.
    let auth = json!({ "auth": { "session": session } });
    second.send("DELETE", &operation, &auth).refused(403, "M_FORBIDDEN");
    user.send("DELETE", &format!("devices/{}", user.device), &auth).refused(403, "M_FORBIDDEN");
    user.post("account/deactivate", &auth).refused(403, "M_FORBIDDEN");
    let changed = json!({ "auth": { "session": session }, "more": 1 });
    user.send("DELETE", &operation, &changed).refused(403, "M_FORBIDDEN");
    go_on(&user, &operation, &session).is(200);
}

#[test]
fn a_completed_session_authorises_once_even_at_once() {
    let server = Server::start();
    let (user, _, operation, session) = removing(&server);
    let browser = Browser::new(&server);
    let page = browser.open(&path(SSO, &session));
    let code = user.phone.code();
    let token = page.form_token();
    let cookies = browser.cookies.borrow().clone();
    let fields = [("password", user.password.as_str()), ("code", &code), ("form_token", &token)];
    // Double submit: whoever clicked ten times has succeeded ten times, with one code.
    let pages = simultaneously(10, |_| {
        let twice = Browser::new(&server);
        *twice.cookies.borrow_mut() = cookies.clone();
        twice.post(&page.path, &fields).status
    });
    assert!(pages.iter().all(|status| *status == 200 || *status == 409), "{pages:?}");
    let answers = simultaneously(10, |_| go_on(&user, &operation, &session).status);
    assert_eq!(answers.iter().filter(|status| **status == 200).count(), 1, "{answers:?}");
}

#[test]
fn r52_forged_forms_and_other_browsers_are_refused() {
    let server = Server::start();
    let (user, _, operation, session) = removing(&server);
    pass_password(&user, &operation, &session);
    let (mut browser, other) = (Browser::new(&server), Browser::new(&server));
    let page = browser.open(&path(TOTP, &session));
    let elsewhere = other.open(&path(TOTP, &session));
    let code = user.phone.code();
    browser.post(&page.path, &[("code", &code)]).says(403, "out of date");
    browser.post(&page.path, &[("code", &code), ("form_token", &elsewhere.form_token())]).says(403, "out of date");
    Browser::new(&server)
        .post(&page.path, &[("code", &code), ("form_token", &page.form_token())])
        .says(403, "out of date");
    browser.headers = vec![("sec-fetch-site", "cross-site".to_owned())];
    browser.submit(&page, &[("code", &code)]).says(403, "Another website");
    browser.headers.clear();
    browser.submit(&page, &[("code", &code)]).says(200, "data-auth-done");
}

#[test]
fn wrong_codes_wait_at_every_door_and_sessions_end() {
    let Some(server) = Server::start_with(Needs::Clock) else { return };
    let (user, _, operation, session) = removing(&server);
    pass_password(&user, &operation, &session);
    let browser = Browser::new(&server);
    let page = browser.open(&path(TOTP, &session));
    for _ in 0..5 {
        browser.submit(&page, &[("code", &user.phone.wrong_code())]).says(403, "That code did not work");
    }
    browser.submit(&page, &[("code", &user.phone.code())]).says(429, "Try again in");
    user.finish(&user.challenge(), user.totp()).throttled();
    browser.submit(&page, &[("code", &user.recovery[0])]).says(200, "data-auth-done");
    server.advance(10 * MINUTE_MS);
    browser.open(&path(TOTP, &session)).says(400, "Nothing is waiting here");
    go_on(&user, &operation, &session).refused(400, "M_UNKNOWN");
}

#[test]
fn what_was_proved_with_a_factor_ends_with_it() {
    let Some(server) = Server::start_with(Needs::Clock) else { return };
    let (user, _, operation, session) = removing(&server);
    let browser = Browser::new(&server);
    let page = browser.open(&path(SSO, &session));
    browser.submit(&page, &[("password", &user.password), ("code", &user.phone.code())]).says(200, "data-auth-done");
    server.advance(1);
    user.prove("POST", "account/two-factor/recovery", &Value::Object(Default::default())).is(200);
    go_on(&user, &operation, &session).refused(400, "M_UNKNOWN");
}

#[test]
fn r35_no_page_shows_a_code_or_lets_itself_be_framed() {
    // The headers are asserted for every page by the harness; here is what stands in the page.
    let server = Server::start();
    let (user, _, operation, session) = removing(&server);
    pass_password(&user, &operation, &session);
    let browser = Browser::new(&server);
    let page = browser.open(&path(TOTP, &session));
    let typed = user.phone.wrong_code();
    let again = browser.submit(&page, &[("code", &typed)]);
    assert!(!again.html.contains(&typed), "what was typed does not come back");
    assert!(!again.html.contains("http://") && !again.html.contains("https://"), "nothing from elsewhere\n{again:?}");
    assert!(!again.html.contains("<style") && !again.html.contains("<script>"), "nothing inline");
    assert_eq!(again.headers["x-frame-options"], "DENY");
}
