//! The audit log: every audited thing once, also of a server that was killed, and what was done to the file shows.

use std::{collections::BTreeMap, fs};

use serde_json::{Value, json};
use tempfile::TempDir;

use super::{command, does};
use crate::harness::{Needs, Server};

/// The events in the file, in their order.
fn events(file: &str) -> Vec<Value> {
    let text = fs::read_to_string(file).unwrap_or_default();
    let whole = &text[..text.rfind('\n').map_or(0, |end| end + 1)];
    let lines = whole.lines().map(|line| serde_json::from_str::<Value>(line).expect("JSON"));
    lines.filter_map(|line| line.get("event").cloned()).collect()
}

fn counts(file: &str) -> BTreeMap<String, usize> {
    let mut counts = BTreeMap::new();
    for event in events(file) {
        *counts.entry(event["kind"]["event"].as_str().unwrap().to_owned()).or_default() += 1;
    }
    counts
}

/// The file, once it has what is expected: the server writes it after it has answered.
#[track_caller]
fn wait_for(server: &Server, file: &str, expected: &[(&str, usize)]) {
    let expected = expected.iter().map(|(name, count)| ((*name).to_owned(), *count)).collect();
    for _ in 0..3000 {
        if counts(file) == expected {
            return;
        }
        server.get("/_matrix/client/versions");
    }
    assert_eq!(counts(file), expected, "{}", fs::read_to_string(file).unwrap_or_default());
}

/// `events verify`: did it hold, and what it said.
fn verify(server: &Server, file: &str) -> (bool, String) {
    let output = command(server, &["events", "verify", file]).output().unwrap();
    let said = [output.stdout, output.stderr].concat();
    (output.status.success(), String::from_utf8(said).unwrap())
}

#[test]
fn r61_every_event_is_one_line_also_after_kill_9_and_what_is_done_to_the_file_shows() {
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("audit.jsonl").to_str().unwrap().to_owned();
    let Some(server) = Server::start_with(Needs::Settings(&[("MATRIX_2FA_EVENTS_OUT", &file)])) else { return };
    let user = server.enrolled_user();
    let code = user.totp();
    user.login_with(code.clone()).access_token();
    user.login_with(code).refused(401, "M_FORBIDDEN");
    user.login_with(user.wrong_totp()).refused(401, "M_FORBIDDEN");
    user.login_with(user.recovery_stage(0)).access_token();
    let path = format!("account/two-factor/authenticators/{}", user.authenticator);
    user.send("PUT", &path, &json!({ "name": "old" })).is(200);
    // The last ones may not be in the file yet. The next server finds them in the store.
    server.kill_9_and_restart();
    user.prove("POST", "account/two-factor/recovery", &json!({})).is(200);
    user.prove("POST", "account/two-factor/disable", &json!({})).is(200);
    does(&server, &["admin", "reset", &user.id]);
    let expected = [
        ("enrollment_started", 1),
        ("enrollment_confirmed", 1),
        ("factor_verified", 4),
        ("factor_replayed", 1),
        ("factor_failed", 1),
        ("recovery_code_used", 1),
        ("authenticator_renamed", 1),
        ("recovery_codes_regenerated", 1),
        ("disabled", 1),
        ("reset", 1),
    ];
    wait_for(&server, &file, &expected);
    for event in events(&file) {
        assert_eq!(event["user"], user.id, "{event}");
        assert!(event["at"].as_u64().is_some() && event["origin"].is_object(), "{event}");
    }
    assert_eq!(server.terminate(), Some(0));
    let (whole, said) = verify(&server, &file);
    assert!(whole && said.contains("13 events are as they were written"), "{said}");
    assert_eq!(counts(&file), expected.map(|(name, count)| (name.to_owned(), count)).into());
    server.restart();

    let text = fs::read_to_string(&file).unwrap();
    let secrets = [user.phone.seed(), &user.token, &user.password, &user.recovery[0]];
    assert!(!secrets.iter().any(|secret| text.contains(*secret)), "{text}");
    let copy = folder.path().join("copy.jsonl").to_str().unwrap().to_owned();
    let lines: Vec<&str> = text.lines().collect();
    let place = lines.iter().position(|line| line.contains("factor_failed")).unwrap();
    let without = [&lines[..place], &lines[place + 1..]].concat();
    fs::write(&copy, without.join("\n") + "\n").unwrap();
    let (whole, said) = verify(&server, &copy);
    assert!(!whole && said.contains("missing"), "{said}");
    fs::write(&copy, text.replace("factor_failed", "factor_passed")).unwrap();
    let (whole, said) = verify(&server, &copy);
    assert!(!whole && said.contains("this event was changed"), "{said}");
}
