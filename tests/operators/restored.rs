//! An older store is noticed, and nothing works again that was used since.

use std::{fs, path::Path, process::Stdio};

use super::{SERVE, command, does, refuses};
use crate::harness::{Needs, RECOVERY, STEP_MS, Server, stage};

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let place = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy(&entry.path(), &place);
        } else {
            fs::copy(entry.path(), place).unwrap();
        }
    }
}

const RESTORED: [&str; 4] = ["admin", "restored", "--since", "2026-01-01T00:00:00Z"];

#[test]
fn r67_an_older_store_is_noticed_and_nothing_used_since_works_again() {
    let Some(server) = Server::start_with(Needs::Process) else { return };
    let person = server.enrolled_user();
    server.terminate();
    let (store, older) = (server.data_folder().join("store"), server.data_folder().join("../older"));
    copy(&store, &older);
    server.restart();
    let code = person.totp();
    person.login_with(code.clone()).access_token();
    person.login_with(person.recovery_stage(0)).access_token();
    let now = server.now_ms();
    server.kill_9();
    fs::remove_dir_all(&store).unwrap();
    copy(&older, &store);

    refuses(&server, &SERVE, 2, &["older than its last run", "marker.json", "admin restored --since"]);
    refuses(&server, &["keys", "check"], 2, &["admin restored --since"]);
    refuses(&server, &["admin", "restored"], 2, &["--since"]);
    refuses(&server, &["admin", "restored", "--since", "yesterday"], 2, &["--since"]);
    let said = does(&server, &RESTORED);
    for word in
        ["1 sets of recovery codes ended", "1 users were signed out", "added since are gone", "removed or reset since"]
    {
        assert!(said.contains(word), "{said}");
    }
    server.restart();
    server.set_clock(now.max(server.now_ms()));
    person.get("account/whoami").is(401);
    person.login_with(code).wrong_code();
    person.login_with(stage(RECOVERY, &person.recovery[0])).wrong_code();
    person.login_with(stage(RECOVERY, &person.recovery[1])).wrong_code();
    server.advance(4 * STEP_MS);
    person.login_with(person.totp()).access_token();
    // It is said once.
    server.kill_9_and_restart();
    person.login_with(person.totp()).access_token();
}

#[test]
fn r67_a_restored_backup_stays_shut_until_making_it_safe_has_finished() {
    let Some(server) = Server::start_with(Needs::Process) else { return };
    let person = server.enrolled_user();
    for _ in 0..20 {
        server.user();
    }
    let file = server.data_folder().join("../backup");
    does(&server, &["backup", file.to_str().unwrap()]);
    // Within the minute in which nothing else is counted.
    person.login_with(person.recovery_stage(0)).access_token();
    server.kill_9();
    fs::remove_dir_all(server.data_folder().join("store")).unwrap();
    does(&server, &["restore", file.to_str().unwrap()]);
    refuses(&server, &SERVE, 2, &["restored from a backup"]);
    let (mut killed, mut pause) = (0, 0);
    loop {
        let mut child = command(&server, &RESTORED).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        // Not a wait for anything: where in its work it dies is different every time, and any place will do.
        for _ in 0..pause {
            std::thread::yield_now();
        }
        child.kill().unwrap();
        if child.wait().unwrap().success() || killed == 12 {
            break;
        }
        killed += 1;
        pause = pause * 3 + 500;
        let output = super::run(&server, &["keys", "check"]);
        if output.status.success() {
            break;
        }
    }
    assert!(killed > 0);
    does(&server, &RESTORED);
    server.restart();
    person.get("account/whoami").is(401);
    for code in &person.recovery {
        person.login_with(stage(RECOVERY, code)).wrong_code();
        server.advance(2 * STEP_MS);
    }
    person.login_with(person.totp()).access_token();
}

#[test]
fn a_marker_of_another_store_is_not_passed_over() {
    let Some(server) = Server::start_with(Needs::Process) else { return };
    let Some(other) = Server::start_with(Needs::Process) else { return };
    server.terminate();
    other.terminate();
    let marker = server.data_folder().join("marker.json");
    fs::copy(other.data_folder().join("marker.json"), &marker).unwrap();
    refuses(&server, &SERVE, 2, &["marker.json", "another store"]);
    fs::write(&marker, "{").unwrap();
    refuses(&server, &SERVE, 2, &["marker.json", "cannot be read"]);
    fs::remove_file(&marker).unwrap();
    server.restart();
    server.get("login").is(200);
}
