//! The policy `required` on the way in: no token without a factor, and a page that leads there.

use serde_json::json;

use super::{
    account::{HOME, codes, secret, with_password},
    redirect_url::start,
};
use crate::harness::{Browser, Needs, PASSWORD, Phone, Server, simultaneously};

const REQUIRED: Needs<'static> = Needs::Settings(&[("MATRIX_2FA_POLICY", "required")]);
const CLIENT: &str = "https://app.example.org/";

#[test]
fn the_sign_in_page_sets_a_factor_up_and_only_then_gives_a_token() {
    let Some(server) = Server::start_with(REQUIRED) else { return };
    let user = server.user();
    let browser = Browser::new(&server);
    let page = browser.open(&start(CLIENT));
    let page = browser.submit(&page, &[("user", &user.name), ("password", &user.password)]);
    let visit = page.path.clone();
    let page = page.says(200, "Set up a second factor");
    // No way round it.
    browser.get(&format!("{visit}/continue")).says(403, "out of date");
    let page = browser.submit(&page, &[]).says(200, "Scan the code");
    let phone = Phone::new(&server, &secret(&page));
    let page = browser.submit_to(&page, &visit, &[("code", &phone.wrong_code())]).says(403, "That code did not work");
    browser.open(&visit).says(200, "Set up a second factor");
    let before = browser.cookies.borrow().clone();
    let page = browser.submit_to(&page, &visit, &[("code", &phone.code())]);
    codes(&page.says(200, "They are shown only now"));
    assert_ne!(before, *browser.cookies.borrow(), "a new value after each factor");
    let page = browser.open(&visit).says(200, "Continue to https://app.example.org");
    let location = browser.get(&page.after("class=\"button\" href=\"")).location().expect("a target");
    let (_, token) = location.split_once("loginToken=").expect("a token");
    let login = server.post("login", &json!({ "type": "m.login.token", "token": token })).is(200);
    user.with_login(&login).get("devices").is(200);
}

#[test]
fn in_the_grace_period_the_set_up_can_be_put_off() {
    let settings = [("MATRIX_2FA_POLICY", "required"), ("MATRIX_2FA_GRACE_PERIOD", "1h")];
    let Some(server) = Server::start_with(Needs::Settings(&settings)) else { return };
    let user = server.user();
    let until = user.status().get("grace_until").as_u64().expect("a moment");
    let browser = Browser::new(&server);
    let page = browser.open(&start(CLIENT));
    let page = browser.submit(&page, &[("user", &user.name), ("password", &user.password)]);
    let visit = page.path.clone();
    page.says(200, "You can go on without one until");
    let page = browser.open(&format!("{visit}?later")).says(200, "Continue to https://app.example.org");
    let location = browser.get(&page.after("class=\"button\" href=\"")).location().expect("a target");
    let (_, token) = location.split_once("loginToken=").expect("a token");
    let login = server.post("login", &json!({ "type": "m.login.token", "token": token })).is(200);
    assert_eq!(login["org.matrix.msc1998.two_factor"]["grace_until"], json!(until), "{login}");
    // The account page says it too.
    let (_browser, page) = with_password(&server, &user);
    page.says(200, "You can go on without one until");

    server.set_clock(until);
    let page = browser.open(&start(CLIENT));
    let page = browser.submit(&page, &[("user", &user.name), ("password", &user.password)]);
    let visit = page.path.clone();
    assert!(!page.says(200, "Set up a second factor").html.contains("Not now"));
    browser.open(&format!("{visit}?later")).says(200, "Set up a second factor");
}

#[test]
fn a_login_through_the_api_is_told_where_to_set_it_up() {
    let Some(server) = Server::start_with(REQUIRED) else { return };
    let user = server.user();
    for body in [user.password_stage(), json!({ "auth": user.password_stage() })] {
        let refused = server.post("login", &body).refused(403, "M_FORBIDDEN").without_token();
        let address = refused.string("org.matrix.msc1998.enroll_url");
        assert!(address.ends_with(HOME) && !address.contains('?'), "{address}");
    }
    // Not before the right password.
    let wrong = server.post("login", &user.password_stage_of("wrong")).refused(403, "M_FORBIDDEN");
    let nobody = json!({ "type": PASSWORD, "user": "nobody", "password": "wrong" });
    assert_eq!(wrong.body, server.post("login", &nobody).refused(403, "M_FORBIDDEN").body);
    // That page does it, and then the login is as everywhere.
    let (browser, page) = with_password(&server, &user);
    page.says(200, "This server requires a second factor");
    let (page, phone) = super::account::begin(&browser, &server, "phone");
    browser.submit_to(&page, &super::account::at("confirm"), &[("code", &phone.code())]).says(200, "only now");
    let session = user.login().completed(&[PASSWORD]).session();
    let auth = crate::harness::auth(&json!({}), &session, &crate::harness::stage(crate::harness::TOTP, &phone.code()));
    server.post("login", &auth).is(200);
}

#[test]
fn without_pages_a_login_gets_a_token_that_may_only_enroll() {
    let settings = [("MATRIX_2FA_POLICY", "required"), ("MATRIX_2FA_PAGES", "false")];
    let Some(server) = Server::start_with(Needs::Settings(&settings)) else { return };
    let user = server.user();
    let login = user.login().is(200);
    assert_eq!(login["org.matrix.msc1998.two_factor"]["required"], true, "{login}");
    user.with_login(&login).get("devices").refused(403, "M_FORBIDDEN");
    user.with_login(&login).begin_enrollment();
}

#[test]
fn of_two_that_set_up_at_once_one_has_the_factor() {
    let Some(server) = Server::start_with(REQUIRED) else { return };
    let user = server.user();
    let browsers: Vec<_> = (0..4)
        .map(|_| {
            let browser = Browser::new(&server);
            let page = browser.open(&start(CLIENT));
            let page = browser.submit(&page, &[("user", &user.name), ("password", &user.password)]);
            let page = browser.submit(&page, &[]).says(200, "Scan the code");
            let code = Phone::new(&server, &secret(&page)).code();
            let cookies = browser.cookies.borrow().clone();
            (cookies, page.path.clone(), page.form_token(), page.after("name=\"id\" value=\""), code)
        })
        .collect();
    let statuses = simultaneously(4, |n| {
        let (cookies, path, token, id, code) = &browsers[n];
        let browser = Browser::new(&server);
        *browser.cookies.borrow_mut() = cookies.clone();
        browser.post(path, &[("form_token", token), ("id", id), ("code", code)]).status
    });
    assert_eq!(statuses.iter().filter(|status| **status == 200).count(), 1, "the last one counts: {statuses:?}");
    assert_eq!(user.status()["providers"]["m.login.2fa.totp"]["authenticators"].as_array().unwrap().len(), 1);
}

#[test]
fn r37_the_way_in_goes_on_though_every_other_login_ends() {
    let settings = [("MATRIX_2FA_POLICY", "required"), ("MATRIX_2FA_ENROLLMENT_SIGNS_OUT", "true")];
    let Some(server) = Server::start_with(Needs::Settings(&settings)) else { return };
    let user = server.user();
    let browser = Browser::new(&server);
    let page = browser.open(&start(CLIENT));
    let page = browser.submit(&page, &[("user", &user.name), ("password", &user.password)]);
    let visit = page.path.clone();
    let page = browser.submit(&page, &[]).says(200, "Scan the code");
    let phone = Phone::new(&server, &secret(&page));
    let page = browser.submit_to(&page, &visit, &[("code", &phone.code())]);
    codes(&page.says(200, "You are signed out in all your apps"));
    user.get("account/whoami").is(401);
    let page = browser.open(&visit).says(200, "Continue to https://app.example.org");
    let location = browser.get(&page.after("class=\"button\" href=\"")).location().expect("a target");
    let (_, token) = location.split_once("loginToken=").expect("a token");
    let login = server.post("login", &json!({ "type": "m.login.token", "token": token })).is(200);
    user.with_login(&login).get("devices").is(200);
}
