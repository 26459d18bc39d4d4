//! `/_matrix-2fa/account`: what people do with their factors there.

use serde_json::json;

use crate::harness::{Browser, Enrolled, MINUTE_MS, Needs, Page, Phone, RECOVERY, Server, TOTP, User, stage};

pub const HOME: &str = "/_matrix-2fa/account";

/// An address under the account page.
pub fn at(name: &str) -> String {
    format!("{HOME}/{name}")
}

/// The page that a new browser gets with the password.
pub fn with_password(server: &Server, user: &User) -> (Browser, Page) {
    let browser = Browser::new(server);
    let page = browser.open(HOME).says(200, "to manage two-factor authentication");
    let page = browser.submit(&page, &[("user", &user.name), ("password", &user.password)]);
    (browser, page)
}

/// The page of somebody who has signed in with password and this code.
pub fn with_code(server: &Server, user: &Enrolled, code: &str) -> (Browser, Page) {
    let (browser, page) = with_password(server, user);
    let page = browser.submit(&page, &[("code", code)]).says(200, "On: signing in needs");
    (browser, page)
}

pub fn signed_in(server: &Server, user: &Enrolled) -> (Browser, Page) {
    with_code(server, user, &user.phone.code())
}

/// The page with the QR code, and the phone that scanned it.
pub fn begin(browser: &Browser, server: &Server, name: &str) -> (Page, Phone) {
    let page = browser.open(&at("add")).says(200, "Give it a name");
    let page = browser.submit_to(&page, &at("add"), &[("name", name)]).says(200, "Scan the code");
    let phone = Phone::new(server, &secret(&page));
    (page, phone)
}

/// The secret as it is shown for typing.
pub fn secret(page: &Page) -> String {
    let (_, rest) = page.html.split_once("class=\"secret\"><code>").expect("a secret");
    let shown = rest.split('<').next().unwrap();
    assert!(shown.split(' ').all(|group| group.len() == 4), "{shown}");
    shown.replace(' ', "")
}

/// The recovery codes of a page.
pub fn codes(page: &Page) -> Vec<String> {
    let codes = page.html.split("<li><code>").skip(1);
    let codes: Vec<String> = codes.map(|rest| rest.split('<').next().unwrap().to_owned()).collect();
    assert_eq!(codes.len(), 10, "{page:?}");
    codes
}

#[test]
fn from_no_factor_to_saved_recovery_codes_in_four_clicks() {
    let server = Server::start();
    let user = server.user();
    let (browser, page) = with_password(&server, &user);
    // 1. The link on the overview. 2. The name.
    assert_eq!(page.says(200, "Off: your password alone").after("class=\"button\" href=\""), at("add"));
    let (page, phone) = begin(&browser, &server, "My phone");
    assert!(page.html.contains("<svg") && page.html.contains("href=\"otpauth://totp/"), "{page:?}");
    assert!(page.html.len() < 36 * 1024, "{} bytes with the QR code", page.html.len());
    // 3. The code.
    let page = browser.submit_to(&page, &at("confirm"), &[("code", &phone.code())]);
    let recovery = codes(&page.says(200, "They are shown only now"));
    // 4. "I saved them".
    let page = browser.open(HOME).says(200, "My phone").says(200, "10 of 10 are left");
    assert!(!page.html.contains(&recovery[0]), "shown once");
    // The session that added it goes on, and both kinds of codes work elsewhere.
    let session = user.login().refused(401, "M_FORBIDDEN").session();
    let auth = crate::harness::auth(&json!({}), &session, &stage(TOTP, &phone.code()));
    server.post("login", &auth).is(200);
    let session = user.login().refused(401, "M_FORBIDDEN").session();
    server.post("login", &crate::harness::auth(&json!({}), &session, &stage(RECOVERY, &recovery[3]))).is(200);
    browser.open(HOME).says(200, "9 of 10 are left").says(200, "Two-factor authentication was turned on");
}

#[test]
fn wrong_codes_of_a_new_authenticator_ask_again_and_end_it() {
    let server = Server::start();
    let (browser, _) = with_password(&server, &server.user());
    let (mut page, phone) = begin(&browser, &server, "phone");
    for _ in 0..4 {
        page = browser.submit_to(&page, &at("confirm"), &[("code", &phone.wrong_code())]);
        assert!(!page.html.contains("<svg") && page.status == 403, "the secret is shown once\n{page:?}");
        page = page.says(403, "That code did not work. Wait for the next one");
    }
    browser.submit_to(&page, &at("confirm"), &[("code", &phone.wrong_code())]).says(409, "This set-up is over");
    browser.submit_to(&page, &at("confirm"), &[("code", &phone.code())]).says(409, "This set-up is over");
    browser.open(HOME).says(200, "Off: your password alone");
}

#[test]
fn a_new_phone_comes_before_the_old_one_goes() {
    let server = Server::start();
    let user = server.enrolled_user();
    let (browser, page) = signed_in(&server, &user);
    assert!(page.html.contains(&at("new-phone")), "{page:?}");
    let page = browser.open(&at("new-phone")).says(200, "First the new phone is added");
    let page = browser.submit_to(&page, &at("new-phone"), &[("name", "New phone")]);
    let new = Phone::new(&server, &secret(&page));
    let page = browser.submit_to(&page, &at("confirm"), &[("code", &new.code())]).says(200, "The new one works");
    assert!(!page.html.contains("New phone"), "only the old one is offered\n{page:?}");
    let remove = at(&format!("authenticators/{}/remove", user.authenticator));
    browser.submit_to(&page, &remove, &[]).says(200, "The authenticator is removed").says(200, "New phone");
    user.finish(&user.challenge(), user.totp()).wrong_code();
    user.finish(&user.challenge(), stage(TOTP, &new.code())).is(200);
}

#[test]
fn an_authenticator_is_renamed_and_removed() {
    let server = Server::start();
    let user = server.enrolled_user();
    let (browser, _) = signed_in(&server, &user);
    let one = at(&format!("authenticators/{}", user.authenticator));
    let page = browser.open(&one).says(200, "This is the last one");
    browser.submit_to(&page, &format!("{one}/rename"), &[("name", "a\u{202e}b")]).says(400, "A name has 1 to 100");
    browser
        .submit_to(&page, &format!("{one}/rename"), &[("name", "<b>Blue</b> phone")])
        .says(200, "The name is saved")
        .says(200, "&#60;b&#62;Blue&#60;/b&#62; phone");
    let page = browser.open(&one);
    browser.submit_to(&page, &format!("{one}/remove"), &[]).says(200, "Two-factor authentication is off");
    user.login().is(200);
    browser.get(&one).says(404, "no such page");
}

#[test]
fn everything_is_turned_off_at_once() {
    let server = Server::start();
    let user = server.enrolled_user();
    let (browser, _) = signed_in(&server, &user);
    let page = browser.open(&at("off")).says(200, "Then your password alone");
    let page = browser.submit(&page, &[]).says(200, "Two-factor authentication is off").says(200, "was turned off");
    assert!(!page.html.contains("Recovery codes</h2>"), "{page:?}");
    assert_eq!(user.status()["providers"], json!({}));
    user.login().is(200);
}

#[test]
fn r44_what_remains_is_shown_and_few_are_warned_of() {
    let server = Server::start();
    let user = server.enrolled_user();
    let few = "Make new ones now";
    for used in 0..7 {
        let (_, page) = with_code(&server, &user, &user.recovery[used]);
        assert_eq!(page.html.contains(few), used == 6, "{page:?}");
    }
    let (browser, page) = signed_in(&server, &user);
    page.says(200, "Only 3 recovery codes are left").says(200, "3 of 10 are left");
    let page = browser.open(&at("recovery")).says(200, "The old ones stop working at once");
    let fresh = codes(&browser.submit(&page, &[]));
    let page = browser.open(HOME).says(200, "10 of 10 are left");
    assert!(!page.html.contains(few), "{page:?}");
    user.finish(&user.challenge(), user.recovery_stage(8)).wrong_code();
    user.finish(&user.challenge(), stage(RECOVERY, &fresh[0])).is(200);
}

#[test]
fn all_devices_are_signed_out_and_every_page_too() {
    let server = Server::start();
    let user = server.enrolled_user();
    let (elsewhere, _) = signed_in(&server, &user);
    let (browser, _) = signed_in(&server, &user);
    let page = browser.open(&at("devices")).says(200, "check your key backup first");
    browser.submit(&page, &[]).says(200, "All devices are signed out");
    user.get("account/whoami").refused(401, "M_UNKNOWN_TOKEN");
    for browser in [&browser, &elsewhere] {
        browser.open(HOME).says(200, "to manage two-factor authentication");
    }
}

#[test]
fn the_history_is_told_in_the_language_of_the_visitor() {
    let server = Server::start();
    let user = server.enrolled_user();
    user.finish(&user.challenge(), user.wrong_totp()).wrong_code();
    let (mut browser, page) = signed_in(&server, &user);
    page.says(200, "A wrong code after the right password").says(200, "127.0.0.1").says(200, "does not decrypt");
    for (language, line) in [("de", "Ein falscher Code nach dem richtigen Passwort"), ("fr", "Un code faux après")] {
        browser.headers = vec![("accept-language", language.to_owned())];
        browser.open(HOME).says(200, line).says(200, &format!("lang=\"{language}\""));
    }
}

#[test]
fn answers_point_to_the_page() {
    let server = Server::start();
    let user = server.user();
    let address = user.status().string("manage_url");
    assert_eq!(
        address,
        user.get("capabilities")["capabilities"]["org.matrix.msc1998.two_factor"].as_object().unwrap()["manage_url"]
    );
    assert!(address.ends_with(HOME) && !address.contains('?'), "{address}");
    let Some(without) = Server::start_with(Needs::Settings(&[("MATRIX_2FA_PAGES", "false")])) else { return };
    assert_eq!(without.user().status().get("manage_url"), &json!(null));
    without.request("GET", HOME).send().refused(404, "M_UNRECOGNIZED");
}

/// While servers are replaced one by one, a page of the new one can get its stylesheet from an old one: a browser kept that for a year.
#[test]
fn files_are_kept_only_under_the_address_of_their_contents() {
    let server = Server::start();
    let browser = Browser::new(&server);
    let style = browser.open(HOME).after("rel=\"stylesheet\" href=\"");
    let (_, version) = style.rsplit_once("/assets/").expect("a version");
    let version = version.split('/').next().unwrap();
    for (path, kept) in [(style.clone(), true), (style.replace(version, "000000000000"), false)] {
        let answer = reqwest::blocking::get(format!("{}{path}", server.base_url())).expect("an answer");
        let control = answer.headers()["cache-control"].to_str().unwrap().to_owned();
        assert_eq!(control.contains("immutable"), kept, "{path}: {control}");
    }
}

#[test]
fn a_session_ends_after_an_hour_and_by_signing_out() {
    let Some(server) = Server::start_with(Needs::Clock) else { return };
    let user = server.enrolled_user();
    let (browser, page) = signed_in(&server, &user);
    let cookies = browser.cookies.borrow().clone();
    browser.submit_to(&page, &at("sign-out"), &[]).says(200, "to manage two-factor authentication");
    *browser.cookies.borrow_mut() = cookies;
    browser.open(HOME).says(200, "to manage two-factor authentication");
    let (browser, _) = signed_in(&server, &user);
    server.advance(59 * MINUTE_MS);
    browser.open(HOME).says(200, "On: signing in needs");
    server.advance(MINUTE_MS);
    browser.open(HOME).says(200, "to manage two-factor authentication");
}

#[test]
fn r37_who_turns_it_on_here_is_signed_out_everywhere_if_the_operator_wants_it() {
    let Some(server) = Server::start_with(Needs::Settings(&[("MATRIX_2FA_ENROLLMENT_SIGNS_OUT", "true")])) else {
        return;
    };
    let user = server.user();
    let (browser, _) = with_password(&server, &user);
    let (page, phone) = begin(&browser, &server, "My phone");
    let page = browser.submit_to(&page, &at("confirm"), &[("code", &phone.code())]);
    codes(&page.says(200, "You are signed out in all your apps"));
    user.get("account/whoami").is(401);
    browser.open(HOME).says(200, "My phone");
}
