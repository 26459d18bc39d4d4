//! `/_matrix-2fa/account`: what a thief may not do there, and what ends a proof.

use serde_json::json;

use super::account::{HOME, at, begin, secret, signed_in, with_code, with_password};
use crate::harness::{Browser, MINUTE_MS, Needs, Phone, Server, simultaneously};

/// Pages that lead to a change.
const CHANGES: [&str; 5] = ["add", "new-phone", "recovery", "off", "devices"];

#[test]
fn r53_a_proof_lasts_ten_minutes_and_nothing_lengthens_it() {
    let Some(server) = Server::start_with(Needs::Clock) else { return };
    let user = server.enrolled_user();
    let (browser, _) = signed_in(&server, &user);
    let one = at(&format!("authenticators/{}", user.authenticator));
    for minute in 0..3 {
        server.advance(3 * MINUTE_MS);
        let page = browser.open(&one);
        browser
            .submit_to(&page, &format!("{one}/rename"), &[("name", &format!("phone {minute}"))])
            .says(200, "The name is saved");
    }
    // The forms are on the screen when the proof gets too old.
    let (off, form) = (browser.open(&at("off")), browser.open(&one));
    server.advance(MINUTE_MS);
    browser.submit(&off, &[]).says(200, "Is it still you?");
    browser.submit_to(&form, &format!("{one}/rename"), &[("name", "late")]).says(200, "Is it still you?");
    browser.submit_to(&form, &format!("{one}/remove"), &[]).says(200, "Is it still you?");
    for change in CHANGES {
        browser.open(&at(change)).says(200, "Is it still you?");
    }
    assert!(!user.status().to_string().contains("late"));
    // Half a proof is none.
    let page = browser.open(&at("off"));
    let code = user.phone.code();
    for (password, code, says) in [
        ("wrong", code.as_str(), "The password is wrong"),
        (user.password.as_str(), "000000", "That code did not work"),
        (user.password.as_str(), "", "That code did not work"),
    ] {
        browser.submit_to(&page, &at("prove"), &[("password", password), ("code", code)]).says(403, says);
        browser.open(&at("off")).says(200, "Is it still you?");
    }
    // Proved again, and on to where it was.
    let before = browser.cookies.borrow().clone();
    let page = browser.submit_to(&page, &at("prove"), &[("password", &user.password), ("code", &code)]);
    let page = page.says(200, "Then your password alone");
    assert_ne!(before, *browser.cookies.borrow(), "a new value after each factor");
    // The old value is worth nothing, and the end of the session stays where it was.
    let thief = Browser::new(&server);
    *thief.cookies.borrow_mut() = before;
    thief.open(HOME).says(200, "to manage two-factor authentication");
    server.advance(51 * MINUTE_MS);
    browser.submit(&page, &[]).says(403, "You are signed out here");
    user.login().refused(401, "M_FORBIDDEN");
}

#[test]
fn r53_a_change_anywhere_else_ends_the_session() {
    let Some(server) = Server::start_with(Needs::Clock) else { return };
    let user = server.enrolled_user();
    for (method, path, body) in [
        ("POST", "account/two-factor/recovery", json!({})),
        ("POST", "account/password", json!({ "new_password": "another long one", "logout_devices": false })),
    ] {
        let (browser, _) = signed_in(&server, &user);
        let page = browser.open(&at("off"));
        server.advance(1);
        user.prove(method, path, &body).is(200);
        browser.submit(&page, &[]).says(403, "You are signed out here");
        browser.open(HOME).says(200, "to manage two-factor authentication");
    }
}

/// What was proved with factors that are gone proves nothing: whoever holds the cookie must not put a phone of their own in their place.
#[test]
fn r53_turning_everything_off_anywhere_else_ends_the_session() {
    let Some(server) = Server::start_with(Needs::Clock) else { return };
    let user = server.enrolled_user();
    let (browser, _) = signed_in(&server, &user);
    let page = browser.open(&at("off"));
    server.advance(1);
    user.prove("POST", "account/two-factor/disable", &json!({})).is(200);
    browser.submit(&page, &[]).says(403, "You are signed out here");
    browser.open(HOME).says(200, "to manage two-factor authentication");
}

/// A stolen access token may rename, and must not keep the owner from signing in, from their factors and from a change that waits for a page.
#[test]
fn r53_a_name_that_was_changed_elsewhere_ends_nothing() {
    let Some(server) = Server::start_with(Needs::Clock) else { return };
    let user = server.user();
    let second = user.second_device();
    let user = user.enroll();
    let rename = |name: &str| {
        let path = format!("account/two-factor/authenticators/{}", user.authenticator);
        server.advance(1);
        user.send("PUT", &path, &json!({ "name": name })).is(200);
    };
    // The account page goes on, and its changes too.
    let (browser, _) = signed_in(&server, &user);
    let page = browser.open(&at("recovery"));
    rename("first");
    browser.open(HOME).says(200, "On: signing in needs");
    browser.submit(&page, &[]).says(200, "They are shown only now");
    // A sign-in between the code and its end.
    let visitor = Browser::new(&server);
    let page = visitor.open(&super::redirect_url::start("https://app.example.org/"));
    let page = visitor.submit(&page, &[("user", &user.name), ("password", &user.password)]);
    server.advance(MINUTE_MS);
    let page = visitor.submit(&page, &[("code", &user.phone.code())]).says(200, "Continue to");
    rename("second");
    let location = visitor.get(&page.after("class=\"button\" href=\"")).location().expect("a target");
    assert!(location.contains("loginToken="), "{location}");
    // And what an app asked for and a page confirmed.
    let operation = format!("devices/{}", second.device);
    let session = user.open("DELETE", &operation, &json!({})).session();
    server.advance(MINUTE_MS);
    let confirming = Browser::new(&server);
    let page = confirming.open(&format!("/_matrix/client/v3/auth/m.login.sso/fallback/web?session={session}"));
    let both = [("password", user.password.as_str()), ("code", &user.phone.code())];
    confirming.submit(&page, &both).says(200, "data-auth-done");
    rename("third");
    user.send("DELETE", &operation, &json!({ "auth": { "session": session } })).is(200);
}

#[test]
fn r53_logging_out_everywhere_ends_the_session() {
    let server = Server::start();
    let user = server.enrolled_user();
    let (browser, _) = signed_in(&server, &user);
    user.post("logout/all", &json!({})).is(200);
    browser.open(HOME).says(200, "to manage two-factor authentication");
}

#[test]
fn r30_the_password_alone_sees_and_changes_nothing() {
    let server = Server::start();
    let user = server.enrolled_user();
    let (browser, page) = with_password(&server, &user);
    page.says(200, "Enter your code");
    assert!(browser.cookies.borrow().keys().all(|name| !name.contains("account")), "no session yet");
    for change in CHANGES {
        browser.open(&at(change)).says(200, "to manage two-factor authentication");
        browser.post(&at(change), &[]).says(403, "You are signed out here");
    }
    assert_eq!(user.status()["providers"]["m.login.2fa.recovery"]["remaining"], 10);
}

#[test]
fn r30_who_enrolled_meanwhile_is_asked_for_the_factor() {
    let Some(server) = Server::start_with(Needs::Clock) else { return };
    let user = server.user();
    // A thief with the password, before the owner enrolled.
    let (thief, _) = with_password(&server, &user);
    let (page, phone) = begin(&thief, &server, "thief");
    server.advance(1);
    let user = user.enroll();
    thief.submit_to(&page, &at("confirm"), &[("code", &phone.code())]).says(403, "You are signed out here");
    thief.open(HOME).says(200, "to manage two-factor authentication");
    user.finish(&user.challenge(), user.totp()).is(200);
}

#[test]
fn r30_a_recovery_code_replaces_and_renews_and_nothing_else() {
    let server = Server::start();
    let user = server.enrolled_user();
    let (browser, page) = with_code(&server, &user, &user.recovery[0]);
    page.says(200, "You signed in with a recovery code");
    let one = at(&format!("authenticators/{}", user.authenticator));
    let page = browser.open(&one);
    browser.submit_to(&page, &format!("{one}/remove"), &[]).says(403, "That needs a code from your app");
    let page = browser.open(&at("off"));
    browser.submit(&page, &[]).says(403, "That needs a code from your app");
    let page = browser.open(&at("recovery"));
    browser.submit(&page, &[]).says(200, "Your recovery codes");
    // Lost phone: the new one, then the old one goes, and it still is a recovery code's proof.
    let page = browser.open(&at("new-phone"));
    let page = browser.submit_to(&page, &at("new-phone"), &[("name", "New")]);
    let new = Phone::new(&server, &secret(&page));
    let page = browser.submit_to(&page, &at("confirm"), &[("code", &new.code())]).says(200, "The new one works");
    browser.submit_to(&page, &format!("{one}/remove"), &[]).says(200, "The authenticator is removed");
    let page = browser.open(&at("off"));
    browser.submit(&page, &[]).says(403, "That needs a code from your app");
}

#[test]
fn a_pending_authenticator_belongs_to_its_session() {
    let server = Server::start();
    let user = server.enrolled_user();
    let (one, _) = signed_in(&server, &user);
    let (other, _) = signed_in(&server, &user);
    let (page, phone) = begin(&one, &server, "phone");
    let id = page.after("name=\"id\" value=\"");
    let (theirs, _) = begin(&other, &server, "theirs");
    let code = phone.code();
    let token = theirs.form_token();
    other.post(&at("confirm"), &[("id", &id), ("code", &code), ("form_token", &token)]).says(409, "set-up is over");
    // Nor to an access token.
    user.post("account/two-factor/totp/confirm", &json!({ "id": id, "token": code })).refused(404, "M_NOT_FOUND");
    // The second set-up took the place of the first.
    one.submit_to(&page, &at("confirm"), &[("code", &code)]).says(409, "This set-up is over");
}

#[test]
fn r52_forms_of_others_and_for_other_places_are_refused() {
    let server = Server::start();
    let (user, victim) = (server.enrolled_user(), server.enrolled_user());
    let (mut browser, _) = signed_in(&server, &user);
    let (other, _) = signed_in(&server, &victim);
    let off = browser.open(&at("off"));
    let (theirs, rename) = (other.open(&at("off")), browser.open(&at("recovery")));
    for token in ["", "x", &theirs.form_token(), &rename.form_token()] {
        browser.post(&at("off"), &[("form_token", token)]).says(403, "out of date");
    }
    for place in ["add", "confirm", "new-phone", "recovery", "devices", "prove", "sign-out"] {
        browser.post(&at(place), &[("form_token", &off.form_token())]).says(403, "out of date");
    }
    let token = off.form_token();
    for (name, value) in
        [("sec-fetch-site", "cross-site"), ("sec-fetch-site", "same-site"), ("origin", "https://evil.example")]
    {
        browser.headers = vec![(name, value.to_owned())];
        browser.post(&at("off"), &[("form_token", &token)]).says(403, "Another website");
    }
    browser.headers.clear();
    // No link makes the page say that something was done, and none leads elsewhere.
    let page = browser.open(&format!("{HOME}?done=off&form_token={token}"));
    assert!(!page.html.contains("Two-factor authentication is off"), "{page:?}");
    let page = browser.open(&at("prove?then=https://evil.example/"));
    assert!(!page.html.contains("evil"), "{page:?}");
    browser.open(HOME).says(200, "On: signing in needs");
}

#[test]
fn r52_a_session_of_one_kind_is_none_of_another() {
    let server = Server::start();
    let user = server.user();
    let browser = Browser::new(&server);
    let page = browser.open(&super::redirect_url::start("https://app.example.org/"));
    browser.submit(&page, &[("user", &user.name), ("password", &user.password)]).says(200, "Continue to");
    // A login's cookie under the account's name, and the account's sign-in before its end.
    for value in browser.cookies.borrow().values() {
        let thief = Browser::new(&server);
        thief.cookies.borrow_mut().insert("2fa-account".to_owned(), value.clone());
        thief.open(HOME).says(200, "to manage two-factor authentication");
    }
    let enrolled = server.enrolled_user();
    let (half, _) = with_password(&server, &enrolled);
    let value = half.cookies.borrow().values().next().cloned().unwrap();
    half.cookies.borrow_mut().insert("2fa-account".to_owned(), value);
    half.open(HOME).says(200, "to manage two-factor authentication");
}

#[test]
fn a_form_is_taken_once_and_its_address_explains_itself() {
    let server = Server::start();
    let user = server.enrolled_user();
    let (browser, _) = signed_in(&server, &user);
    let page = browser.open(&at("recovery"));
    let (token, cookies) = (page.form_token(), browser.cookies.borrow().clone());
    let statuses = simultaneously(6, |_| {
        let twice = Browser::new(&server);
        *twice.cookies.borrow_mut() = cookies.clone();
        twice.post(&at("recovery"), &[("form_token", &token)]).status
    });
    assert!(statuses.contains(&200) && statuses.iter().all(|status| [200, 409, 429].contains(status)), "{statuses:?}");
    // Reloading what a form led to, and going back.
    for place in ["confirm", "sign-out", &format!("authenticators/{}/remove", user.authenticator)] {
        browser.open(&at(place)).says(200, "On: signing in needs");
    }
    let (page, phone) = begin(&browser, &server, "second");
    browser.submit_to(&page, &at("confirm"), &[("code", &phone.code())]).says(200, "second");
    browser.submit_to(&page, &at("confirm"), &[("code", &phone.code())]).says(403, "out of date");
}

#[test]
fn wrong_codes_here_count_with_all_others() {
    let Some(server) = Server::start_with(Needs::Clock) else { return };
    let user = server.enrolled_user();
    let (browser, page) = with_password(&server, &user);
    for _ in 0..5 {
        browser.submit(&page, &[("code", &user.phone.wrong_code())]).says(403, "That code did not work");
    }
    browser.submit(&page, &[("code", &user.phone.code())]).says(429, "Try again in");
    user.finish(&user.challenge(), user.totp()).throttled();
}

#[test]
fn r35_no_page_keeps_a_secret_or_names_it_in_an_address() {
    let server = Server::start();
    let user = server.user();
    let (browser, _) = with_password(&server, &user);
    let (page, phone) = begin(&browser, &server, "phone");
    assert_eq!(page.path, at("add"), "made by a form, not by an address");
    let shown = secret(&page);
    for place in ["", "/add", "/confirm", "/new-phone", "/old-phone"] {
        let page = browser.open(&format!("{HOME}{place}"));
        assert!(!page.html.contains(&shown) && !page.html.contains("otpauth:"), "{page:?}");
    }
    let code = phone.code();
    let page = browser.submit_to(&page, &at("confirm"), &[("code", &code)]).says(200, "Your recovery codes");
    for html in [&page.html, &browser.open(HOME).html] {
        assert!(!html.contains("http://") && !html.contains("https://"), "nothing from elsewhere");
        assert!(!html.contains("<style") && !html.contains("<script>") && !html.contains(" style="), "nothing inline");
        assert!(!html.contains(&code) && html.len() < 24 * 1024);
    }
    assert!(!server.log().contains(&shown), "nor in the log");
}

#[test]
fn r38_under_required_the_last_factor_stays_here_too() {
    let Some(server) = Server::start_with(Needs::Settings(&[("MATRIX_2FA_POLICY", "required")])) else { return };
    let user = server.enrolled_user();
    let (browser, page) = signed_in(&server, &user);
    assert!(!page.html.contains(&at("off")), "{page:?}");
    browser.open(&at("off")).says(403, "The last one has to stay");
    let one = at(&format!("authenticators/{}", user.authenticator));
    let page = browser.open(&one);
    browser.submit_to(&page, &format!("{one}/remove"), &[]).says(403, "The last one has to stay");
    user.finish(&user.challenge(), user.totp()).is(200);
}

#[test]
fn where_nobody_may_enroll_the_page_says_so() {
    let Some(server) = Server::start_with(Needs::Settings(&[("MATRIX_2FA_POLICY", "disallowed")])) else { return };
    let (browser, page) = with_password(&server, &server.user());
    let page = page.says(200, "This server does not allow second factors");
    assert!(!page.html.contains(&at("add")), "{page:?}");
    for place in ["add", "new-phone"] {
        browser.open(&at(place)).says(403, "Not on this server");
    }
}
