//! `matrix-2fa admin`, beside a running server and over HTTP.

use std::{
    io::{BufRead, BufReader},
    process::{Command, Stdio},
    time::Duration,
};

use serde_json::{Value, json};
use tempfile::TempDir;

use super::{command, does, refuses};
use crate::harness::{Enrolled, Needs, PASSWORD, RECOVERY, Server, User, stage};

/// The answer of a command with `--json`.
#[track_caller]
fn asks(server: &Server, arguments: &[&str]) -> Value {
    let said = does(server, &[arguments, &["--json", "--author", "root"]].concat());
    serde_json::from_str(&said).unwrap_or_else(|error| panic!("{error}: {said}"))
}

fn issue(server: &Server, user: &Enrolled, more: &[&str]) -> String {
    let id = format!("@{}:localhost", user.name);
    asks(server, &[&["admin", "issue-code", &id], more].concat())["code"].as_str().expect("a code").to_owned()
}

#[test]
fn r47_an_issued_code_lets_its_owner_in_once_and_nobody_sees_a_seed() {
    let Some(server) = Server::start_with(Needs::Process) else { return };
    let (alice, bob) = (server.enrolled_user(), server.enrolled_user());
    let code = issue(&server, &alice, &[]);
    assert_eq!(code.replace('-', "").len(), 24, "120 bit: {code}");
    // Not another's, not after a kill, and only after the password.
    bob.login_with(stage(RECOVERY, &code)).refused(401, "M_FORBIDDEN");
    server.kill_9_and_restart();
    let wrong = json!({ "type": PASSWORD, "user": alice.name, "password": format!("wrong {code}") });
    server.post("login", &wrong).refused(403, "M_FORBIDDEN");
    let login = alice.login_with(stage(RECOVERY, &code)).is(200);
    alice.login_with(stage(RECOVERY, &code)).refused(401, "M_FORBIDDEN");
    // It stands for a recovery code: a new phone, with the password alone.
    alice.with_login(&login).with_password("POST", "account/two-factor/totp", &json!({})).is(200);
    // In the one field that every client has.
    let code = issue(&server, &alice, &[]).to_lowercase();
    let field = json!({ "type": PASSWORD, "user": alice.name, "password": format!("{} {code}", alice.password) });
    server.post("login", &field).is(200);

    let id = format!("@{}:localhost", alice.name);
    let audit = asks(&server, &["admin", "events", &id]);
    let issued: Vec<&Value> =
        audit["events"].as_array().unwrap().iter().filter(|e| e["kind"]["event"] == "code_issued").collect();
    assert_eq!((issued.len(), issued[0]["kind"]["author"].as_str()), (2, Some("root")), "{audit}");
    let dump = server.dump();
    for text in [code.replace('-', "").to_uppercase(), code.to_uppercase()] {
        assert!(!dump.windows(text.len()).any(|bytes| bytes == text.as_bytes()), "the code is not stored");
    }
    let status = asks(&server, &["admin", "status", &id]).to_string();
    assert!(!status.to_lowercase().contains("seed") && !status.contains(&code), "{status}");
}

#[test]
fn r47_an_issued_code_ends_in_time_and_its_lifetime_has_a_bound() {
    let Some(server) = Server::start_with(Needs::Clock) else { return };
    let user = server.enrolled_user();
    let code = issue(&server, &user, &["--valid-for", "10m"]);
    server.advance(10 * 60 * 1000);
    user.login_with(stage(RECOVERY, &code)).refused(401, "M_FORBIDDEN");
    let id = format!("@{}:localhost", user.name);
    refuses(&server, &["admin", "issue-code", &id, "--valid-for", "25h"], 2, &["a day at most"]);
    let nobody = server.user();
    refuses(&server, &["admin", "issue-code", &nobody.name], 1, &["has no second factor"]);
    refuses(&server, &["admin", "issue-code", "nobody"], 1, &["no user @nobody:localhost"]);
    refuses(&server, &["admin", "status", "@someone:else.example"], 2, &["else.example"]);
}

#[test]
fn r13_an_administrator_lifts_a_lock_and_that_is_audited() {
    let Some(server) = Server::start_with(Needs::Settings(&[("MATRIX_2FA_TOTP_LOCK_AT", "5")])) else { return };
    let user = server.enrolled_user();
    for _ in 0..5 {
        user.login_with(user.wrong_totp()).refused(401, "M_FORBIDDEN");
    }
    let id = format!("@{}:localhost", user.name);
    assert_eq!(asks(&server, &["admin", "status", &id])["locked"], true);
    let locked = asks(&server, &["admin", "list", "--locked"]);
    assert_eq!(locked["users"].as_array().unwrap().len(), 1, "{locked}");
    assert!(does(&server, &["admin", "list", "--disabled"]).contains(&id));
    user.login_with(user.totp()).refused(401, "M_FORBIDDEN");
    asks(&server, &["admin", "unlock", &id]);
    user.login_with(user.totp()).is(200);
    let audit = asks(&server, &["admin", "events", &id]);
    let unlocked = audit["events"].as_array().unwrap().iter().find(|event| event["kind"]["event"] == "unlocked");
    assert_eq!(unlocked.unwrap()["origin"]["operation"], "admin unlock by root", "{audit}");
    refuses(&server, &["admin", "unlock", &server.user().name], 1, &["no second factor"]);
}

#[test]
fn r55_exemptions_and_demands_are_listed_audited_and_end() {
    let Some(server) = Server::start_with(Needs::Settings(&[("MATRIX_2FA_POLICY", "required")])) else { return };
    let bridge = server.user();
    let id = format!("@{}:localhost", bridge.name);
    bridge.get("devices").refused(403, "M_FORBIDDEN");
    refuses(&server, &["admin", "exempt", &id, "--reason", "a bridge"], 2, &["--until"]);
    refuses(&server, &["admin", "exempt", &id, "--reason", "a bridge", "--until", "2001-01-01"], 2, &["over"]);
    asks(&server, &["admin", "exempt", &id, "--reason", "a bridge", "--until", "30d"]);
    bridge.get("devices").is(200);
    bridge.login().is(200);
    let exempt = asks(&server, &["admin", "list", "--exempt"]);
    assert_eq!(exempt["users"].as_array().unwrap().len(), 1, "{exempt}");
    let status = does(&server, &["admin", "status", &id]);
    assert!(status.contains("a bridge") && status.contains("exempt"), "{status}");
    server.kill_9_and_restart();
    bridge.get("devices").is(200);
    server.advance(31 * 24 * 60 * 60 * 1000);
    // The login lives seven days, and so another one is asked; it is refused again.
    bridge.login().refused(403, "M_FORBIDDEN").without_token();
    assert_eq!(asks(&server, &["admin", "list", "--exempt"])["users"], json!([]));
    asks(&server, &["admin", "exempt", &id, "--reason", "again", "--until", "2099-01-01"]);
    bridge.login().is(200);
    asks(&server, &["admin", "exempt", &id, "--end"]);
    bridge.login().refused(403, "M_FORBIDDEN");
    let audit = asks(&server, &["admin", "events", &id]).to_string();
    assert!(audit.contains("exempted") && audit.contains("exemption_ended") && audit.contains("a bridge"), "{audit}");
}

#[test]
fn r55_an_administrator_requires_enrollment_of_one() {
    let Some(server) = Server::start_with(Needs::Clock) else { return };
    let (user, other) = (server.user(), server.user());
    asks(&server, &["admin", "require-enrollment", &user.name, "--grace", "1h"]);
    assert!(user.login().is(200)["org.matrix.msc1998.two_factor"]["grace_until"].is_u64());
    server.advance(60 * 60 * 1000);
    user.get("devices").refused(403, "M_FORBIDDEN");
    other.get("devices").is(200);
    asks(&server, &["admin", "require-enrollment", &user.name, "--withdraw"]);
    user.get("devices").is(200);
}

/// Whom an administrator requires it of cannot turn the last factor off, whatever the policy of the server.
#[test]
fn r38_who_must_enroll_keeps_the_last_factor_and_nobody_else_has_to() {
    let Some(server) = Server::start_with(Needs::Clock) else { return };
    let (user, other) = (server.enrolled_user(), server.enrolled_user());
    asks(&server, &["admin", "require-enrollment", &user.name]);
    let one = format!("account/two-factor/authenticators/{}", user.authenticator);
    for path in ["account/two-factor", one.as_str()] {
        user.send("DELETE", path, &json!({})).refused(403, "M_FORBIDDEN");
    }
    other.prove("DELETE", "account/two-factor", &json!({})).is(200);
    asks(&server, &["admin", "require-enrollment", &user.name, "--withdraw"]);
    user.prove("DELETE", "account/two-factor", &json!({})).is(200);
}

/// A changed file and SIGHUP, seen by somebody who follows the audit; then the same by command.
#[test]
fn r55_a_policy_changes_while_the_server_runs() {
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("matrix-2fa.toml");
    std::fs::write(&file, "policy = \"opt-in\"\n").unwrap();
    let settings = [("MATRIX_2FA_CONFIG", file.to_str().unwrap())];
    let Some(server) = Server::start_with(Needs::Settings(&settings)) else { return };
    let user = server.user();
    user.get("devices").is(200);
    let mut following = command(&server, &["admin", "events", "--follow"]);
    let mut following = following.stdout(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(following.stdout.take().unwrap()).lines();
    // It has the answer of what was, so it listens.
    user.begin_enrollment();
    assert!(lines.next().unwrap().unwrap().contains("enrollment_started"));

    std::fs::write(&file, "policy = \"required\"\n").unwrap();
    server.hang_up();
    assert!(lines.by_ref().any(|line| line.unwrap().contains("policy_changed")));
    following.kill().unwrap();
    following.wait().unwrap();
    user.get("devices").refused(403, "M_FORBIDDEN");

    std::fs::write(&file, "policy = \"perhaps\"\n").unwrap();
    refuses(&server, &["admin", "policy", "reload"], 1, &["perhaps"]);
    user.get("devices").refused(403, "M_FORBIDDEN");
    std::fs::write(&file, "policy = \"disallowed\"\n").unwrap();
    does(&server, &["admin", "policy", "reload"]);
    user.get("devices").is(200);
    assert!(does(&server, &["admin", "policy", "show"]).contains("disallowed"));
}

#[test]
fn r55_who_administrates_changes_while_the_server_runs() {
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("matrix-2fa.toml");
    let administrators = |names: &str| {
        let group = "[[groups]]\nname = \"chiefs\"\nadmins = true\npolicy = \"required\"\n";
        std::fs::write(&file, format!("admins = \"{names}\"\n{group}")).unwrap();
    };
    administrators("old");
    let settings = [("MATRIX_2FA_CONFIG", file.to_str().unwrap())];
    let Some(server) = Server::start_with(Needs::Settings(&settings)) else { return };
    let [old, new] = ["old", "new"].map(|name| User::register(&server, name));
    let barred = || [&old, &new].map(|user| user.get("devices").status);
    assert_eq!(barred(), [403, 200]);
    administrators("new, @third:localhost");
    does(&server, &["admin", "policy", "reload"]);
    assert_eq!(barred(), [200, 403]);
    assert!(does(&server, &["admin", "policy", "show"]).contains("@third:localhost"));
    administrators("@new:elsewhere.example");
    refuses(&server, &["admin", "policy", "reload"], 1, &["@new:elsewhere.example"]);
    assert_eq!(barred(), [200, 403]);
}

#[test]
fn lists_are_paged_and_counted() {
    let Some(server) = Server::start_with(Needs::Process) else { return };
    let mut names: Vec<String> = (0..7).map(|n| format!("@listed{n}:localhost")).collect();
    names.iter().for_each(|name| drop(User::register(&server, &name[1..name.len() - ":localhost".len()])));
    let enrolled = server.enrolled_user();
    names.push(format!("@{}:localhost", enrolled.name));
    let (mut after, mut seen) = (None::<String>, Vec::new());
    loop {
        let mut arguments = vec!["admin", "list", "--limit", "3"];
        arguments.extend(after.as_deref().map(|user| ["--after", user]).into_iter().flatten());
        let page = asks(&server, &arguments);
        let users = page["users"].as_array().unwrap();
        assert!(users.len() <= 3);
        seen.extend(users.iter().map(|row| row["user"].as_str().unwrap().to_owned()));
        let Some(next) = page["next"].as_str() else { break };
        after = Some(next.to_owned());
    }
    assert_eq!(seen, names, "each once, in order");
    let stats = asks(&server, &["admin", "stats"]);
    assert_eq!((&stats["users"], &stats["enrolled"], &stats["barred"]), (&json!(8), &json!(1), &json!(0)), "{stats}");
    assert!(!does(&server, &["admin", "list", "--without-factor"]).contains(&enrolled.name));
    // And over the data of a server that does not run.
    server.terminate();
    assert_eq!(asks(&server, &["admin", "stats"])["users"], 8);
    refuses(&server, &["admin", "events", "--follow"], 1, &["no server runs"]);
}

#[test]
fn the_http_api_needs_its_token_and_does_the_same() {
    let folder = TempDir::new().unwrap();
    let (token, file) = ("0123456789abcdef0123456789abcdef", folder.path().join("token"));
    std::fs::write(&file, token).unwrap();
    let told = Command::new("chmod").args(["600", file.to_str().unwrap()]).status().unwrap();
    assert!(told.success());
    let settings =
        [("MATRIX_2FA_ADMIN_LISTEN", "127.0.0.1:0"), ("MATRIX_2FA_ADMIN_TOKEN_FILE", file.to_str().unwrap())];
    let Some(server) = Server::start_with(Needs::Settings(&settings)) else { return };
    let user = server.enrolled_user();
    let log = server.log();
    let url = log.split("answered at ").nth(1).and_then(|rest| rest.split_whitespace().next()).expect("where");
    let client = reqwest::blocking::Client::builder().timeout(Duration::from_secs(30)).build().unwrap();
    let ask = |method: &str, path: &str, token: &str, body: Option<Value>| {
        let request = client.request(method.parse().unwrap(), format!("{url}{path}")).header("x-author", "carol");
        let request = body.into_iter().fold(request.bearer_auth(token), |request, body| request.json(&body));
        let response = request.send().unwrap();
        (response.status().as_u16(), response.json::<Value>().unwrap_or_default())
    };
    let id = format!("@{}:localhost", user.name);
    for (method, path) in [("GET", "users"), ("POST", "users/x/reset"), ("GET", "nowhere"), ("GET", "openapi.json")] {
        for wrong in ["", "wrong", &token[1..]] {
            assert_eq!(ask(method, path, wrong, None).0, 401, "{method} {path} {wrong}");
        }
    }
    // Not on the port where users are, whatever token.
    server.request("GET", "/admin/v1/users").token(token).send().refused(404, "M_UNRECOGNIZED");
    let (status, page) = ask("GET", "users?limit=1000", token, None);
    assert_eq!((status, page["users"][0]["user"].as_str()), (200, Some(id.as_str())), "{page}");
    let path = format!("users/{id}");
    assert_eq!(ask("GET", &path, token, None).1["enrolled"], true);
    let (status, issued) = ask("POST", &format!("{path}/code"), token, Some(json!({ "valid_seconds": 60 })));
    assert_eq!(status, 200, "{issued}");
    user.login_with(stage(RECOVERY, issued["code"].as_str().unwrap())).is(200);
    let (_, audit) = ask("GET", &format!("{path}/events"), token, None);
    assert!(audit.to_string().contains("carol (the HTTP API)"), "{audit}");
    for (method, path, body, expected) in [
        ("GET", "users/@nobody:localhost", None, 404),
        ("GET", "users?limit=0", None, 400),
        ("GET", "users?filter=nonsense", None, 400),
        ("POST", "users/@nobody:localhost/code", Some(json!({})), 400),
        ("DELETE", &*format!("{path}/exemption"), None, 409),
        ("GET", "nowhere", None, 404),
        ("PATCH", "users", None, 405),
    ] {
        let (status, answer) = ask(method, path, token, body);
        assert_eq!(status, expected, "{method} {path}: {answer}");
        assert!(answer["error"].is_string(), "{method} {path}: {answer}");
    }
    assert_eq!(ask("GET", "openapi.json", token, None).1["info"]["title"], "matrix-2fa for administrators");
}
