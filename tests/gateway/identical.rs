//! What a user without a second factor sees of the gateway: nothing, but for four endpoints that say a little more.

use serde_json::{Value, json};

use super::{direct, gateway};
use crate::harness::{Server, User};

/// Method, path, body, with the access token?
type Recorded = (&'static str, String, Option<Value>, bool);

/// Requests whose answers do not depend on when they are asked, or how often.
fn recorded(user: &User) -> Vec<Recorded> {
    let (id, name, device) = (&user.id, &user.name, &user.device);
    let v3 = |path: &str| format!("/_matrix/client/v3/{path}");
    let mut recorded: Vec<Recorded> = Vec::new();
    for path in [
        "account/whoami",
        "account/3pid",
        "devices",
        "joined_rooms",
        "pushrules/",
        "pushrules/global/",
        "pushers",
        "notifications",
        "thirdparty/protocols",
        "voip/turnServer",
        "room_keys/version",
        "rooms/!no:example.org/state",
        "rooms/!no:example.org/messages?dir=b",
        "rooms/!no:example.org/members",
        "rooms/!no:example.org/event/$no",
        "directory/room/%23no:example.org",
        "user_directory/search",
        "no/such/endpoint",
        "publicRooms",
        "sync?timeout=0&filter=not-a-filter",
        "keys/changes?from=x&to=y",
        "register/available?username=free-name",
        "register/available?username=UPPER",
        "login/sso/redirect/nobody?redirectUrl=http://a",
    ] {
        for with_token in [true, false] {
            recorded.push(("GET", v3(path), None, with_token));
        }
    }
    recorded.extend([
        ("GET", v3(&format!("devices/{device}")), None, true),
        ("GET", v3("devices/NOBODYS"), None, true),
        ("GET", v3(&format!("profile/{id}")), None, true),
        ("GET", v3(&format!("profile/{id}/displayname")), None, false),
        ("GET", v3("profile/@nobody:example.org"), None, true),
        ("GET", v3(&format!("user/{id}/account_data/m.direct")), None, true),
        ("GET", "/_matrix/client/r0/account/whoami".to_owned(), None, true),
        ("GET", "/_matrix/media/v3/download/example.org/nothing".to_owned(), None, false),
        ("GET", "/_matrix/federation/v1/version".to_owned(), None, false),
        ("GET", "/".to_owned(), None, false),
        ("PUT", v3(&format!("profile/{id}/displayname")), Some(json!({ "displayname": "A name" })), true),
        ("PUT", v3(&format!("devices/{device}")), Some(json!({ "display_name": "A device" })), true),
        ("PUT", v3(&format!("user/{id}/account_data/m.test")), Some(json!({ "a": [1, 2] })), true),
        ("POST", v3("keys/query"), Some(json!({ "device_keys": { id: [] } })), true),
        ("POST", v3("keys/query"), Some(json!([])), true),
        ("POST", v3("join/%23no:example.org"), Some(json!({})), true),
        ("POST", v3("account/password"), Some(json!({})), false),
        ("POST", v3("delete_devices"), Some(json!({ "devices": [] })), false),
        ("POST", v3("refresh"), Some(json!({ "refresh_token": "x" })), false),
        ("POST", v3("logout"), Some(json!({})), false),
        ("POST", v3("login"), Some(json!({ "type": "m.login.password", "identifier": { "type": "m.id.user", "user": name }, "password": "x" })), false),
        ("POST", v3("login"), Some(json!({ "type": "m.login.password", "user": name, "password": "x" })), false),
        ("POST", v3("login"), Some(json!({ "type": "m.login.password", "identifier": { "type": "m.id.thirdparty", "medium": "email", "address": "a@b.c" }, "password": "x" })), false),
        ("POST", v3("login"), Some(json!({ "type": "m.login.token", "token": "x" })), false),
        ("POST", v3("login"), Some(json!({ "type": "m.login.nobodys" })), false),
        ("POST", v3("login"), Some(json!({})), false),
        ("POST", v3("register"), Some(json!({ "username": "UPPER", "auth": { "type": "m.login.dummy" } })), false),
        ("DELETE", v3("devices/NOBODYS"), None, false),
        ("GET", v3("sync?timeout=0"), None, false),
    ]);
    recorded
}

#[test]
fn a_plain_user_gets_the_bytes_that_synapse_sends() {
    let server = gateway();
    let user = server.user();
    let recorded = recorded(&user);
    assert!(recorded.len() >= 60, "{}", recorded.len());
    let mut different = Vec::new();
    for (method, path, body, with_token) in recorded {
        let token = with_token.then_some(user.token.as_str());
        let (through, own) =
            (through(&server, method, &path, token, body.as_ref()), direct(method, &path, token, body.as_ref()));
        if (through.0, without_session(&through.1)) != (own.status, without_session(&own.bytes)) {
            let (here, there) = (String::from_utf8_lossy(&through.1), String::from_utf8_lossy(&own.bytes));
            different.push(format!("{method} {path}\n  {} {here}\n  {} {there}", through.0, own.status));
        }
    }
    assert!(different.is_empty(), "{}", different.join("\n"));
}

/// A session has another name each time.
fn without_session(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(bytes);
    match text.split_once("{\"session\":\"") {
        Some((before, rest)) => format!("{before}{}", rest.split_once('"').map_or(rest, |(_, after)| after)),
        None => text.into_owned(),
    }
}

pub fn through(server: &Server, method: &str, path: &str, token: Option<&str>, body: Option<&Value>) -> (u16, Vec<u8>) {
    let client =
        reqwest::blocking::Client::builder().redirect(reqwest::redirect::Policy::none()).build().expect("a client");
    let mut request = client.request(method.parse().expect("a method"), format!("{}{path}", server.base_url()));
    if let Some(token) = token {
        request = request.bearer_auth(token);
    }
    if let Some(body) = body {
        request = request.header("content-type", "application/json").body(body.to_string());
    }
    let response = request.send().expect("an answer");
    (response.status().as_u16(), response.bytes().expect("whole").to_vec())
}

#[test]
fn four_endpoints_say_a_little_more() {
    let server = gateway();
    let user = server.user();
    let own = |path: &str, token| direct("GET", path, token, None).json();

    let flows = server.get("login").is(200);
    let mut kinds: Vec<_> = flows["flows"].as_array().expect("flows").iter().map(|flow| flow["type"].clone()).collect();
    kinds.retain(|kind| kind != "m.login.sso");
    let theirs = own("/_matrix/client/v3/login", None)["flows"].clone();
    let theirs: Vec<_> = theirs.as_array().expect("flows").iter().map(|flow| flow["type"].clone()).collect();
    assert_eq!(kinds, theirs);

    let mut versions = server.get("/_matrix/client/versions").is(200).body;
    for flag in ["org.matrix.msc1998", "org.matrix.msc2835"] {
        assert_eq!(versions["unstable_features"].as_object_mut().expect("features").remove(flag), Some(true.into()));
    }
    assert_eq!(versions, own("/_matrix/client/versions", None));

    let mut capabilities = user.get("capabilities").is(200).body;
    let ours = capabilities["capabilities"].as_object_mut().expect("an object").remove("org.matrix.msc1998.two_factor");
    assert_eq!(ours.expect("ours")["enrolled"], false);
    assert_eq!(capabilities, own("/_matrix/client/v3/capabilities", Some(&user.token)));
}

#[test]
fn pages_in_login_takes_even_that_back() {
    let server = Server::gateway(&[("MATRIX_2FA_PAGES_IN_LOGIN", "false")]);
    let flows = server.get("login").is(200).body;
    assert_eq!(flows, direct("GET", "/_matrix/client/v3/login", None, None).json());
}
