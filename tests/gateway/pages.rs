//! The pages on the gateway: their password check is Synapse's.

use serde_json::json;

use super::{devices, gateway, works};
use crate::harness::{Browser, Phone, auth, with};

#[test]
fn the_sign_in_page_asks_for_both_and_its_token_logs_in_on_the_clients_own_device() {
    let server = gateway();
    let user = server.enrolled_user();
    let browser = Browser::new(&server);
    let page = browser.open("/_matrix/client/v3/login/sso/redirect?redirectUrl=https%3A%2F%2Fapp.example.org%2F");
    browser.submit(&page, &[("user", &user.name), ("password", "looking glass")]).says(403, "wrong");
    let page =
        browser.submit(&page, &[("user", &user.name), ("password", &user.password)]).says(200, "Enter your code");
    let page = browser.submit(&page, &[("code", &user.phone.code())]).says(200, "Continue to");
    let location = browser.get(&page.after("class=\"button\" href=\"")).location().expect("a target");
    let (_, token) = location.split_once("loginToken=").expect("a token");
    let body = json!({ "type": "m.login.token", "token": token, "device_id": "BROWSER" });
    let login = server.post("login", &body).is(200);
    assert_eq!((login.string("user_id"), login.string("device_id")), (user.id.clone(), "BROWSER".to_owned()));
    assert!(works(&login.access_token()));
    server.post("login", &with(&body, &json!({ "device_id": "AGAIN" }))).refused(403, "M_FORBIDDEN").without_token();
}

#[test]
fn the_confirm_page_takes_both_and_the_session_alone_goes_on() {
    let server = gateway();
    let user = server.enrolled_user();
    let other = user.with_login(&user.login_with(user.totp()).is(200));
    let path = format!("devices/{}", other.device);
    let session = user.open("DELETE", &path, &json!({})).session();
    let browser = Browser::new(&server);
    let page = browser.open(&format!("/_matrix/client/v3/auth/m.login.sso/fallback/web?session={session}"));
    let page = page.says(200, "Remove this device");
    let fields = [("password", user.password.as_str()), ("code", &user.phone.code())];
    browser.submit(&page, &fields).says(200, "data-auth-done");
    assert!(works(&other.token), "the page proves, the client acts");
    user.send("DELETE", &path, &auth(&json!({}), &session, &json!({}))).is(200);
    assert!(!works(&other.token));
}

#[test]
fn the_account_page_adds_an_authenticator_to_an_account_of_synapse() {
    let server = gateway();
    let user = server.user();
    let browser = Browser::new(&server);
    let page = browser.open("/_matrix-2fa/account").says(200, "to manage two-factor authentication");
    browser.submit(&page, &[("user", &user.name), ("password", &user.password)]);
    let (home, add) = ("/_matrix-2fa/account", "/_matrix-2fa/account/add");
    let page = browser.open(add).says(200, "Give it a name");
    let page = browser.submit_to(&page, add, &[("name", "phone")]).says(200, "Scan the code");
    let (_, shown) = page.html.split_once("class=\"secret\"><code>").expect("a secret");
    let secret = shown.split('<').next().expect("text").replace(' ', "");
    let phone = Phone::new(&server, &secret);
    let confirm = "/_matrix-2fa/account/confirm";
    browser.submit_to(&page, confirm, &[("code", &phone.code())]).says(200, "recovery codes");
    browser.open(home).says(200, "On: signing in needs");
    assert_eq!(user.login().status, 401);
    assert_eq!(devices(&user).len(), 1, "the page leaves no device behind");
}
