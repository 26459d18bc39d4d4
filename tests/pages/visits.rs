//! Sessions of the pages among each other: who pushes whom out, what a browser keeps, and the limit of an address.

use serde_json::json;

use super::{
    account::{HOME, at, signed_in, with_code, with_password},
    redirect_url::start,
};
use crate::harness::{Browser, Needs, Server, User};

const OWNER: &str = "192.0.2.7";
const CLIENT: &str = "https://app.example.org/";

fn behind_a_proxy() -> Option<Server> {
    Server::start_with(Needs::Settings(&[("MATRIX_2FA_TRUSTED_PROXIES", "127.0.0.1")]))
}

fn browser_at(server: &Server, address: &str) -> Browser {
    let mut browser = Browser::new(server);
    browser.headers = vec![("x-forwarded-for", address.to_owned())];
    browser
}

fn gives_the_password(server: &Server, address: &str, user: &User) {
    let browser = browser_at(server, address);
    let page = browser.open(&start(CLIENT));
    browser.submit(&page, &[("user", &user.name), ("password", &user.password)]).says(200, "Enter your code");
}

/// Sixteen sign-ins with the right password, and the owner's own was gone: at its next step, "this page is over".
#[test]
fn the_password_alone_pushes_out_no_sign_in_of_the_owner() {
    let Some(server) = behind_a_proxy() else { return };
    let user = server.enrolled_user();
    let (signed_in, on_the_way) = (browser_at(&server, OWNER), browser_at(&server, OWNER));
    let page = signed_in.open(HOME);
    let page = signed_in.submit(&page, &[("user", &user.name), ("password", &user.password)]);
    signed_in.submit(&page, &[("code", &user.phone.code())]).says(200, "On: signing in needs");
    let page = on_the_way.open(&start(CLIENT));
    let page = on_the_way.submit(&page, &[("user", &user.name), ("password", &user.password)]);
    for n in 0..20 {
        gives_the_password(&server, &format!("198.51.100.{}", n % 2), &user);
    }
    on_the_way.submit(&page, &[("code", &user.phone.code())]).says(200, "Continue to");
    for n in 0..20 {
        gives_the_password(&server, &format!("203.0.113.{n}"), &user);
    }
    signed_in.open(HOME).says(200, "On: signing in needs");
}

/// Twenty addresses with the right password, and the owner's sign-in was gone between password and code.
#[test]
fn the_password_alone_pushes_out_no_browser_that_is_known() {
    let Some(server) = behind_a_proxy() else { return };
    let user = server.enrolled_user();
    let browser = browser_at(&server, OWNER);
    let sign_in = |browser: &Browser| {
        let page = browser.open(&start(CLIENT));
        browser.submit(&page, &[("user", &user.name), ("password", &user.password)]).says(200, "Enter your code")
    };
    let page = sign_in(&browser);
    browser.submit(&page, &[("code", &user.phone.code())]).says(200, "Continue to");
    let known =
        browser.cookies.borrow().iter().find(|(name, _)| name.contains("seen-")).map(|(n, v)| (n.clone(), v.clone()));
    let (name, value) = known.expect("the browser keeps that it is known");
    assert!(!name.contains(&user.name) && !value.contains(&user.name));
    let page = sign_in(&browser);
    // It is worth nothing but room, to nobody else, and not when it was changed.
    let others = browser_at(&server, "192.0.2.99");
    others.cookies.borrow_mut().insert(name.clone(), value.replacen('.', ".0", 1));
    let strange = sign_in(&others);
    server.advance(1);
    for n in 0..20 {
        gives_the_password(&server, &format!("203.0.113.{n}"), &user);
    }
    browser.submit(&page, &[("code", &user.phone.code())]).says(200, "Continue to");
    others.submit(&strange, &[("code", &user.phone.code())]).says(400, "This page is over");
}

#[test]
fn a_browser_keeps_the_newest_eight_visits() {
    let server = Server::start();
    let user = server.user();
    let browser = Browser::new(&server);
    let pages: Vec<_> = (0..30).map(|_| browser.open(&start(CLIENT)).says(200, "Sign in")).collect();
    // A browser sends the oldest first; this one sorts by name, so that which of them went is not asked here.
    assert_eq!(browser.cookies.borrow().len(), 8);
    let newest = pages.last().expect("some");
    browser.submit(newest, &[("user", &user.name), ("password", &user.password)]).says(200, "Continue to");
    // Cookies that only look like ours are left alone, and make nothing of ours go.
    let other = Browser::new(&server);
    for n in 0..20 {
        other.cookies.borrow_mut().insert(format!("2fa-login-x{n}"), "x".to_owned());
    }
    let headers = other.get(&start(CLIENT)).headers;
    assert_eq!(headers.get_all("set-cookie").iter().count(), 1);
}

/// The session of the account page, planted under the name of a visit, was led to the account page once more: for another hour, and again
/// after that, for ever.
#[test]
fn r53_an_account_session_does_not_come_back_as_a_visit() {
    let server = Server::start();
    let user = server.enrolled_user();
    let (browser, _) = signed_in(&server, &user);
    let value = browser.cookies.borrow()["2fa-account"].clone();
    let thief = Browser::new(&server);
    thief.cookies.borrow_mut().insert("2fa-login-0123456789abcdef".to_owned(), value);
    let page = thief.get("/_matrix-2fa/login/0123456789abcdef").says(400, "This page is over");
    assert!(page.headers.get("set-cookie").is_none(), "{page:?}");
    browser.open(HOME).says(200, "On: signing in needs");
}

/// A sign-in that waited for its last click, and one that waited for new recovery codes, went on after everybody was logged out: the second
/// showed ten codes of the account to whoever had its cookie.
#[test]
fn r53_logging_out_everywhere_ends_a_visit() {
    let server = Server::start();
    let user = server.enrolled_user();
    let knows = Browser::new(&server);
    let page = knows.open(&start(CLIENT));
    let code = knows.submit(&page, &[("user", &user.name), ("password", &user.password)]).says(200, "Enter your code");
    let waits = Browser::new(&server);
    let page = waits.open(&start(CLIENT));
    let page = waits.submit(&page, &[("user", &user.name), ("password", &user.password)]);
    let last = waits.submit(&page, &[("code", &user.phone.code())]).says(200, "Continue to");
    for used in 0..9 {
        with_code(&server, &user, &user.recovery[used]);
    }
    let (renews, page) = with_password(&server, &user);
    let renewal = renews.submit(&page, &[("code", &user.recovery[9])]).says(200, "No recovery code is left");
    user.post("logout/all", &json!({})).is(200);
    renews.submit(&renewal, &[]).says(400, "This page is over");
    waits.open(&last.path).says(400, "This page is over");
    waits.get(&last.after("class=\"button\" href=\"")).says(400, "This page is over");
    // Nobody types a code for what is over.
    knows.open(&code.path).says(400, "This page is over");
    let back = user.with_login(&user.login_with(user.totp()).is(200));
    let status = back.get("account/two-factor").is(200);
    assert_eq!(status["providers"]["m.login.2fa.recovery"]["remaining"], 0, "{status}");
}

/// The codes are gone: whoever signs in next makes new ones before anything else, and is not locked out by a lost phone.
#[test]
fn r44_who_spent_the_last_code_makes_new_ones_on_the_way_in() {
    let Some(server) = Server::start_with(Needs::Clock) else { return };
    let user = server.enrolled_user();
    for used in 0..9 {
        with_code(&server, &user, &user.recovery[used]);
    }
    // With the last code itself, on the way to the account page.
    let (browser, page) = with_password(&server, &user);
    let page = browser.submit(&page, &[("code", &user.recovery[9])]).says(200, "No recovery code is left");
    let visit = page.path.clone();
    browser.open(HOME).says(200, "to manage two-factor authentication");
    // On the way to a client, with the app: no token before, and no way round.
    let client = Browser::new(&server);
    let page = client.open(&start(CLIENT));
    let page = client.submit(&page, &[("user", &user.name), ("password", &user.password)]);
    let page = client.submit(&page, &[("code", &user.phone.code())]).says(200, "No recovery code is left");
    client.get(&format!("{}/continue", page.path)).says(403, "out of date");
    client.open(&page.path).says(200, "No recovery code is left");
    let (path, token) = (page.path.clone(), page.form_token());
    server.advance(1);
    let page = client.submit(&page, &[]).says(200, "They are shown only now");
    let fresh = super::account::codes(&page);
    // Sent twice: one set of codes.
    client.post(&path, &[("form_token", &token)]).says(409, "sent already");
    client.open(&path).says(200, "Continue to https://app.example.org");
    // The other sign-in rests on codes that are gone.
    browser.open(&visit).says(400, "This page is over");
    user.finish(&user.challenge(), crate::harness::stage(crate::harness::RECOVERY, &fresh[0])).is(200);
    let (_, page) = with_code(&server, &user, &user.phone.code());
    page.says(200, "9 of 10 are left");
}

#[test]
fn r22_the_doors_of_the_pages_have_the_limit_of_the_address() {
    let settings = [("MATRIX_2FA_TRUSTED_PROXIES", "127.0.0.1"), ("MATRIX_2FA_ADDRESS_TRIES", "12")];
    let Some(server) = Server::start_with(Needs::Settings(&settings)) else { return };
    let user = server.enrolled_user();
    let browser = browser_at(&server, OWNER);
    let page = browser.open(HOME);
    let page = browser.submit(&page, &[("user", &user.name), ("password", &user.password)]);
    browser.submit(&page, &[("code", &user.phone.code())]).says(200, "On: signing in needs");
    let forms: Vec<_> = ["add", "recovery"].map(|place| browser.open(&at(place))).into();
    let setup = browser.submit_to(&forms[0], &at("add"), &[("name", "phone")]);
    let attacker = browser_at(&server, OWNER);
    let page = attacker.open(&start(CLIENT));
    let mut statuses =
        (0..20).map(|_| attacker.submit(&page, &[("user", "nobody"), ("password", "wrong")])).map(|page| page.status);
    assert!(statuses.any(|status| status == 429));
    let busy = attacker.submit(&page, &[("user", "nobody"), ("password", "wrong")]).says(429, "Too much at once");
    assert!(busy.headers.get("retry-after").is_some());
    attacker.open(&start(CLIENT)).says(200, "Sign in");
    browser.submit_to(&setup, &at("confirm"), &[("code", "000000")]).says(429, "Too much at once");
    // Somebody else is not held up.
    gives_the_password(&server, "192.0.2.8", &user);
}

/// A page that one person has open made their whole office wait, with sixty pictures.
#[test]
fn r22_what_another_site_loads_costs_an_address_no_try() {
    let settings = [("MATRIX_2FA_TRUSTED_PROXIES", "127.0.0.1"), ("MATRIX_2FA_ADDRESS_TRIES", "12")];
    let Some(server) = Server::start_with(Needs::Settings(&settings)) else { return };
    let user = server.user();
    let mut victim = browser_at(&server, OWNER);
    for dest in ["image", "iframe"] {
        victim.headers.truncate(1);
        victim.headers.extend([("sec-fetch-site", "cross-site".to_owned()), ("sec-fetch-dest", dest.to_owned())]);
        for path in [start(CLIENT).as_str(), HOME] {
            assert!((0..10).all(|_| victim.get(path).status == 403), "{dest} {path}");
        }
    }
    // Links that are followed, or windows that are opened, have a limit of their own.
    victim.headers.truncate(1);
    victim.headers.extend([("sec-fetch-site", "cross-site".to_owned()), ("sec-fetch-dest", "document".to_owned())]);
    let colleague = browser_at(&server, OWNER);
    let page = colleague.open(&start(CLIENT)).says(200, "Sign in");
    let statuses: Vec<u16> = (0..30).map(|_| victim.get(&start(CLIENT)).status).collect();
    assert!(statuses.contains(&429), "{statuses:?}");
    colleague.submit(&page, &[("user", &user.name), ("password", &user.password)]).says(200, "Continue to");
}
