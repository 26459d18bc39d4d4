//! Methods, paths, queries and headers.

use serde_json::json;

use super::WITH_BODY;
use crate::harness::{R0, Server, UNSTABLE, V3};

#[test]
fn wrong_methods() {
    let user = Server::start().user();
    let endpoints = [
        ("login", "PUT DELETE PATCH"),
        ("register", "PUT DELETE PATCH"),
        ("account/two-factor", "PUT PATCH"),
        ("account/two-factor/totp", "GET PUT DELETE PATCH"),
        ("account/two-factor/totp/confirm", "GET PUT DELETE PATCH"),
        ("account/two-factor/recovery", "GET PUT DELETE PATCH"),
        ("account/two-factor/disable", "GET PUT DELETE PATCH"),
        ("account/two-factor/authenticators/x", "GET POST PATCH"),
        ("account/password", "GET PUT DELETE"),
        ("account/deactivate", "GET PUT DELETE"),
        ("account/whoami", "POST PUT DELETE"),
        ("delete_devices", "GET PUT DELETE"),
        ("devices", "POST PUT DELETE"),
        ("keys/device_signing/upload", "GET PUT DELETE"),
        ("logout", "GET PUT DELETE"),
        ("/_matrix/client/versions", "POST PUT DELETE"),
    ];
    for (path, methods) in endpoints {
        for method in methods.split(' ').chain(["BREW"]) {
            user.send(method, path, &json!({})).refused(405, "M_UNRECOGNIZED");
        }
    }
}

#[test]
fn unknown_paths() {
    let user = Server::start().user();
    for prefix in [V3, R0, UNSTABLE, "/_matrix/client/v99/", "/_matrix/", "/"] {
        for path in [
            "account/two-factor/nothing",
            "account/two-factor/totp/confirm/x",
            "account/two-factor/authenticators",
            "account/two-factor/authenticators/",
            "account/two-factor/authenticators/a/b",
            "login/x",
            "nothing",
            "%2e%2e/login",
            "account%2Ftwo-factor",
            "%ff",
        ] {
            for method in ["GET", "POST", "DELETE"] {
                let answer = user.send(method, &format!("{prefix}{path}"), &json!({}));
                assert!([404, 405, 400].contains(&answer.status), "{answer}");
            }
        }
    }
    user.get("account/two-factor/nothing").refused(404, "M_UNRECOGNIZED");
    user.get("/").refused(404, "M_UNRECOGNIZED");
}

#[test]
fn preflight_requests_are_answered_for_every_endpoint() {
    let server = Server::start();
    for (method, path) in WITH_BODY {
        let answer = server
            .request("OPTIONS", path)
            .header("origin", "https://client.example")
            .header("access-control-request-method", method)
            .header("access-control-request-headers", "authorization,content-type")
            .send();
        assert!([200, 204].contains(&answer.status), "{answer}");
        let allowed = |header: &str| {
            let value = answer.headers.get(header).and_then(|value| value.to_str().ok()).unwrap_or_default();
            value.to_ascii_lowercase()
        };
        assert!(
            allowed("access-control-allow-methods").contains(&method.to_ascii_lowercase()),
            "{answer} {:?}",
            answer.headers
        );
        for header in ["authorization", "content-type"] {
            assert!(allowed("access-control-allow-headers").contains(header), "{answer} {:?}", answer.headers);
        }
    }
}

#[test]
fn errors_have_cors_headers_for_a_browsers_origin() {
    let server = Server::start();
    let answer = server.request("POST", "login").header("origin", "https://client.example").json(&json!({})).send();
    answer.refused(400, "M_MISSING_PARAM");
}

#[test]
fn strange_queries_and_headers() {
    let user = Server::start().enrolled_user();
    for query in [
        "?",
        "?access_token=",
        "?access_token",
        "?a=%ff",
        "?access_token=%ff%00",
        "?&&&=",
        "?access_token=a&access_token=b",
    ] {
        let answer = user.server.get(&format!("account/two-factor{query}"));
        assert_eq!(answer.status, 401, "{answer}");
    }
    for value in ["Bearer", "Bearer ", "bearer x", "Bearer \u{e4}", "Bearer a b"] {
        let answer = user.server.request("GET", "account/two-factor").header("authorization", value).send();
        assert_eq!(answer.status, 401, "{answer}");
    }
    user.get("account/two-factor?unknown=1").is(200);
    user.get("account/two-factor?qr=banana").is(200);
}
