//! `/_matrix-2fa/login/{visit}`: password, code, and back to the client.

use serde_json::json;

use super::redirect_url::start;
use crate::harness::{Answer, Browser, MINUTE_MS, Needs, Page, Server, User, simultaneously};

const CLIENT: &str = "https://app.example.org/";

fn begin(server: &Server) -> (Browser, Page) {
    let browser = Browser::new(server);
    let page = browser.open(&start(CLIENT));
    (browser, page)
}

fn password(browser: &Browser, page: &Page, user: &User) -> Page {
    browser.submit(page, &[("user", &user.name), ("password", &user.password)])
}

/// The click on the client's name, and the token that it gets.
fn token(browser: &Browser, page: &Page) -> String {
    let location = browser.get(&page.after("class=\"button\" href=\"")).location().expect("a target");
    let (_, token) = location.split_once("loginToken=").expect("a token");
    token.to_owned()
}

fn use_token(server: &Server, token: &str) -> Answer {
    server.post("login", &json!({ "type": "m.login.token", "token": token }))
}

#[test]
fn a_user_without_a_factor_needs_the_password_only() {
    let server = Server::start();
    let user = server.user();
    let (browser, page) = begin(&server);
    let page = password(&browser, &page, &user).says(200, "Continue to https://app.example.org");
    let token = token(&browser, &page);
    assert_eq!(use_token(&server, &token).is(200).string("user_id"), user.id);
    use_token(&server, &token).refused(403, "M_FORBIDDEN");
}

#[test]
fn r49_the_page_asks_an_enrolled_user_for_the_code_and_its_token_for_no_second_one() {
    let server = Server::start();
    let user = server.enrolled_user();
    let (browser, page) = begin(&server);
    let page = password(&browser, &page, &user).says(200, "Enter your code");
    // No way round the code.
    browser.get(&format!("{}/continue", page.path)).says(403, "out of date");
    browser.submit(&page, &[("code", &user.phone.wrong_code())]).says(403, "That code did not work");
    let code = user.phone.code();
    let spaced = format!("{} {}", &code[..3], &code[3..]);
    let page = browser.submit(&page, &[("code", &spaced)]).says(200, "Continue to");
    use_token(&server, &token(&browser, &page)).is(200);
    // One ledger for all doors.
    user.finish(&user.challenge(), crate::harness::stage(crate::harness::TOTP, &code)).wrong_code();
}

#[test]
fn a_recovery_code_does_it_too_and_gives_the_right_to_renew() {
    let server = Server::start();
    let user = server.enrolled_user();
    let (browser, page) = begin(&server);
    let page = password(&browser, &page, &user);
    let page = browser.submit(&page, &[("code", &user.recovery[0].to_lowercase())]).says(200, "Continue to");
    let back = user.with_login(&use_token(&server, &token(&browser, &page)).is(200));
    back.with_password("POST", "account/two-factor/recovery", &json!({})).is(200);
}

#[test]
fn unknown_users_and_wrong_passwords_get_one_answer() {
    let server = Server::start();
    let user = server.enrolled_user();
    let (browser, page) = begin(&server);
    let wrong = browser.submit(&page, &[("user", &user.name), ("password", "wrong")]).says(403, "is wrong");
    let unknown = browser.submit(&page, &[("user", "nobody"), ("password", "wrong")]).says(403, "is wrong");
    assert_eq!(wrong.html.replace(&user.name, "nobody"), unknown.html);
    browser.submit(&page, &[("user", "not:a:name"), ("password", "")]).says(403, "is wrong");
}

#[test]
fn r52_the_session_is_new_after_the_password_and_after_the_code() {
    let server = Server::start();
    let user = server.enrolled_user();
    let (browser, page) = begin(&server);
    let value = || browser.cookies.borrow().values().next().cloned().unwrap();
    let mut values = vec![value()];
    let page = password(&browser, &page, &user);
    values.push(value());
    browser.submit(&page, &[("code", &user.phone.code())]).says(200, "Continue to");
    values.push(value());
    values.dedup();
    assert_eq!(values.len(), 3, "{values:?}");
    // Whoever planted or saw an earlier value has nothing.
    for old in &values[..2] {
        let thief = Browser::new(&server);
        let name = browser.cookies.borrow().keys().next().cloned().unwrap();
        thief.cookies.borrow_mut().insert(name, old.clone());
        thief.get(&page.path).says(400, "This page is over");
    }
    assert!(!String::from_utf8_lossy(&server.dump()).contains(&values[2]), "only a digest is stored");
}

#[test]
fn r52_cookies_follow_the_public_base_url() {
    let settings = [("MATRIX_2FA_PUBLIC_BASE_URL", "https://matrix.example.org/hs/")];
    let Some(server) = Server::start_with(Needs::Settings(&settings)) else { return };
    let page = Browser::new(&server).get(&start(CLIENT));
    let cookie = page.headers["set-cookie"].to_str().unwrap();
    assert!(cookie.starts_with("__Host-2fa-login-") && cookie.contains("; Secure"), "{cookie}");
    assert!(page.location().unwrap().starts_with("/hs/_matrix-2fa/login/"), "{page:?}");
    let plain = Server::start();
    let page = Browser::new(&plain).get(&start(CLIENT));
    let cookie = page.headers["set-cookie"].to_str().unwrap();
    assert!(cookie.starts_with("2fa-login-") && !cookie.contains("Secure"), "{cookie}");
}

#[test]
fn r52_forms_of_others_are_refused() {
    let server = Server::start();
    let user = server.user();
    let (mut browser, page) = begin(&server);
    let (other, other_page) = begin(&server);
    let fields = [("user", user.name.as_str()), ("password", user.password.as_str())];
    browser.post(&page.path, &fields).says(403, "out of date");
    let forged = other_page.form_token();
    browser.post(&page.path, &[&fields[..], &[("form_token", &forged)]].concat()).says(403, "out of date");
    // Somebody else's page with our cookies, and ours with theirs.
    browser.get(&other_page.path).says(400, "This page is over");
    other.get(&page.path).says(400, "This page is over");
    for (name, value) in
        [("sec-fetch-site", "cross-site"), ("sec-fetch-site", "same-site"), ("origin", "https://evil.example")]
    {
        browser.headers = vec![(name, value.to_owned())];
        browser.submit(&page, &fields).says(403, "Another website");
    }
    browser.headers = vec![("sec-fetch-site", "same-origin".to_owned()), ("origin", "null".to_owned())];
    browser.submit(&page, &fields).says(200, "Continue to");
}

#[test]
fn two_tabs_go_their_own_ways() {
    let server = Server::start();
    let user = server.user();
    let (browser, one) = begin(&server);
    let two = browser.open(&start("https://two.example.org/"));
    let two = password(&browser, &two, &user).says(200, "Continue to https://two.example.org");
    let one = password(&browser, &one, &user).says(200, "Continue to https://app.example.org");
    use_token(&server, &token(&browser, &one)).is(200);
    use_token(&server, &token(&browser, &two)).is(200);
}

#[test]
fn a_form_is_taken_once_and_going_back_explains_itself() {
    let server = Server::start();
    let user = server.enrolled_user();
    let (browser, first) = begin(&server);
    let page = password(&browser, &first, &user);
    // The form of the step before, from a page that the browser still shows.
    browser.submit(&first, &[("user", &user.name), ("password", &user.password)]).says(403, "out of date");
    let code = user.phone.code();
    let token_of_form = page.form_token();
    let (cookies, fields) =
        (browser.cookies.borrow().clone(), [("code", code.as_str()), ("form_token", &token_of_form)]);
    let statuses = simultaneously(10, |_| {
        let twice = Browser::new(&server);
        *twice.cookies.borrow_mut() = cookies.clone();
        twice.post(&page.path, &fields).status
    });
    assert_eq!(statuses.iter().filter(|status| **status == 303).count(), 1, "{statuses:?}");
    assert!(statuses.iter().all(|status| [303, 400, 409].contains(status)), "{statuses:?}");
}

#[test]
fn a_visit_and_its_token_end() {
    let Some(server) = Server::start_with(Needs::Clock) else { return };
    let user = server.user();
    let (browser, page) = begin(&server);
    server.advance(10 * MINUTE_MS);
    password(&browser, &page, &user).says(400, "This page is over");
    let (browser, page) = begin(&server);
    let page = password(&browser, &page, &user);
    let token = token(&browser, &page);
    server.advance(30_000);
    use_token(&server, &token).refused(403, "M_FORBIDDEN");
    browser.get(&page.path).says(400, "This page is over");
}

#[test]
fn a_changed_password_ends_what_rests_on_the_old_one() {
    let server = Server::start();
    let user = server.user();
    let (browser, page) = begin(&server);
    let page = password(&browser, &page, &user).says(200, "Continue to");
    user.with_password("POST", "account/password", &json!({ "new_password": "another long one" })).is(200);
    browser.get(&page.path).says(400, "This page is over");
}

#[test]
fn pages_can_be_turned_off() {
    let Some(server) = Server::start_with(Needs::Settings(&[("MATRIX_2FA_PAGES", "false")])) else { return };
    server.get("login/sso/redirect?redirectUrl=https://x.org/").refused(404, "M_UNRECOGNIZED");
    let flows = server.get("login").is(200);
    assert!(!flows["flows"].to_string().contains("m.login.sso"), "{flows}");
    let user = server.enrolled_user();
    user.open("DELETE", &format!("devices/{}", user.device), &json!({}))
        .offers(&[&["m.login.password", "m.login.2fa.totp"], &["m.login.password", "m.login.2fa.recovery"]]);
}
