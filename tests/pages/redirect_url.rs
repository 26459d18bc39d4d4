//! `GET /login/sso/redirect?redirectUrl=`: where a login token may go.

use crate::harness::{Browser, Needs, Server};

pub fn start(target: &str) -> String {
    let target: String = form_urlencoded::byte_serialize(target.as_bytes()).collect();
    format!("/_matrix/client/v3/login/sso/redirect?redirectUrl={target}")
}

#[test]
fn bad_targets_are_refused_before_a_password_is_asked_for() {
    let server = Server::start();
    let browser = Browser::new(&server);
    for target in [
        "",
        "/home",
        "//evil.example",
        "javascript:alert(1)",
        "JavaScript://x/%0aalert(1)",
        "data:text/html,x",
        "vbscript:x",
        "file:///etc/passwd",
        "intent://x#Intent;end",
        "http://example.org/",
        "http://localhost.example.org/",
        "https://app.example.org@evil.example/",
        "https://app.example.org\\@evil.example/",
        "https://app.example.org/\r\nSet-Cookie: x=y",
        " https://app.example.org/",
    ] {
        let page = browser.get(&start(target)).says(400, "leads nowhere");
        assert!(!page.html.contains("password") && page.headers.get("set-cookie").is_none(), "{target:?}");
    }
    browser.get("/_matrix/client/v3/login/sso/redirect").says(400, "leads nowhere");
    browser.get(&start("https://x.org/").replace("redirect?", "redirect/another?")).says(404, "no such page");
}

#[test]
fn trusted_clients_go_straight_on_and_all_others_need_a_click() {
    let settings = [("MATRIX_2FA_TRUSTED_CLIENTS", "https://app.example.org,https://other.example.org:8443")];
    let Some(server) = Server::start_with(Needs::Settings(&settings)) else { return };
    let user = server.user();
    for (target, leads_to) in [
        ("https://app.example.org/?a=1&loginToken=old#/room", Some("https://app.example.org/?a=1&loginToken=")),
        ("https://app.example.org:8443/", None),
        ("https://app.example.org.evil.example/", None),
        ("http://127.0.0.1:4444/", None),
        ("element://vector/", None),
    ] {
        let browser = Browser::new(&server);
        let page = browser.open(&start(target));
        let policy = page.headers["content-security-policy"].to_str().unwrap().to_owned();
        let end = browser.submit(&page, &[("user", &user.name), ("password", &user.password)]);
        match leads_to {
            Some(begin) => {
                let location = end.location().unwrap();
                assert!(location.starts_with(begin) && location.ends_with("#/room"), "{location}");
                assert_eq!(location.matches("loginToken").count(), 1, "{location}");
                assert!(policy.contains("form-action 'self' https://app.example.org;"), "{policy}");
            }
            None => {
                assert!(policy.contains("form-action 'self' ;"), "{policy}");
                let end = end.says(200, "Continue to");
                assert!(!end.html.contains("loginToken"), "no token before the click");
                let gone = browser.get(&end.after("class=\"button\" href=\""));
                assert!(gone.location().unwrap().contains("loginToken="), "{gone:?}");
            }
        }
    }
}
