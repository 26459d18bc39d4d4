//! `matrix-2fa keys`.

use std::{fs, path::PathBuf, process::Stdio};

use matrix_2fa_store::{AccountChange, Commit, Committed, Store};
use matrix_2fa_store_sled::{Options, SledStore};

use super::{SERVE, command, does, refuses};
use crate::harness::{Needs, Server};

fn key_ids(server: &Server) -> Vec<String> {
    let files = fs::read_dir(server.data_folder().join("keys")).unwrap();
    files.map(|file| file.unwrap().path().file_stem().unwrap().to_str().unwrap().to_owned()).collect()
}

fn key_file(server: &Server, id: &str) -> PathBuf {
    server.data_folder().join("keys").join(format!("{id}.key"))
}

#[test]
fn r64_rotation_goes_on_through_logins_and_kill_9() {
    let Some(server) = Server::start_with(Needs::Process) else { return };
    let first = key_ids(&server).remove(0);
    let mut people = vec![server.enrolled_user()];
    for _ in 0..40 {
        // Pending enrollments are sealed too.
        server.user().begin_enrollment();
    }
    people.push(server.enrolled_user());
    for kill in 0..6 {
        let rotating = command(&server, &["keys", "rotate"]).stdout(Stdio::null()).stderr(Stdio::null()).spawn();
        let mut rotating = rotating.unwrap();
        // Sometimes before it is begun, sometimes in the middle, sometimes after the end.
        for _ in 0..kill / 2 {
            people[0].login_with(people[0].totp()).access_token();
        }
        let now = server.now_ms();
        server.kill_9();
        // If it came too late for the server, it does it by itself.
        rotating.wait().unwrap();
        server.restart();
        server.set_clock(now);
        for person in &people {
            person.login_with(person.totp()).access_token();
        }
    }
    does(&server, &["keys", "rotate"]);
    let said = does(&server, &["keys", "check"]);
    assert!(said.contains("every seed of 42 accounts opens") && said.contains("42 seeds, active"), "{said}");
    let old: Vec<&str> =
        said.lines().filter_map(|line| line.strip_prefix("key ")?.strip_suffix(": 0 seeds, can be removed")).collect();
    assert!(old.contains(&first.as_str()), "{said}");
    let active = said.lines().find_map(|line| line.strip_prefix("key ")?.strip_suffix(": 42 seeds, active")).unwrap();
    refuses(&server, &["keys", "remove", active], 1, &[active, "active"]);
    for old in &old {
        does(&server, &["keys", "remove", old]);
        fs::remove_file(key_file(&server, old)).unwrap();
    }
    refuses(&server, &["keys", "remove", &first], 1, &[&first, "not a key of this store"]);
    server.kill_9_and_restart();
    for person in &people {
        person.login_with(person.totp()).access_token();
        person.login_with(person.recovery_stage(0)).access_token();
    }
    // The same without a server.
    server.terminate();
    does(&server, &["keys", "check"]);
    let said = does(&server, &["keys", "rotate"]);
    assert!(said.contains("42 seeds were sealed anew"), "{said}");
}

#[test]
fn r64_with_several_keys_a_missing_one_stops_the_start_by_name() {
    let Some(server) = Server::start_with(Needs::Process) else { return };
    let person = server.enrolled_user();
    let first = key_ids(&server).remove(0);
    does(&server, &["keys", "rotate"]);
    let second = key_ids(&server).into_iter().find(|id| *id != first).unwrap();
    server.terminate();
    for id in [&first, &second] {
        let kept = server.data_folder().join("kept");
        fs::rename(key_file(&server, id), &kept).unwrap();
        refuses(&server, &SERVE, 2, &[&format!("{id}.key"), "missing"]);
        fs::rename(kept, key_file(&server, id)).unwrap();
    }
    let swapped = fs::read_to_string(key_file(&server, &first)).unwrap();
    let right = fs::read_to_string(key_file(&server, &second)).unwrap();
    fs::write(key_file(&server, &second), swapped.replace(&first, &second)).unwrap();
    refuses(&server, &SERVE, 2, &[&format!("{second}.key"), "not the one"]);
    fs::write(key_file(&server, &second), right).unwrap();
    server.restart();
    person.login_with(person.totp()).access_token();
}

#[test]
fn r63_a_row_copied_to_another_user_opens_nothing() {
    let Some(server) = Server::start_with(Needs::Process) else { return };
    let (alice, mallory) = (server.enrolled_user(), server.user());
    server.terminate();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let store = SledStore::open(&server.data_folder().join("store"), Options::default()).unwrap();
        let account = store.load(&alice.id).await.unwrap().account;
        let change = AccountChange { user: mallory.id.clone(), expected: 0, account };
        let commit = Commit { account: Some(change), ..Commit::default() };
        assert_eq!(store.commit(commit).await.unwrap(), Committed::Done);
    });
    drop(runtime);
    server.restart();
    let session = mallory.login().session();
    let body = crate::harness::auth(&serde_json::json!({}), &session, &alice.totp());
    // Past the harness, which lets no server be at fault.
    let login = format!("{}/_matrix/client/v3/login", server.base_url());
    let answer = reqwest::blocking::Client::new().post(login).body(body.to_string()).send().unwrap();
    assert_eq!(answer.status(), 503, "neither a login nor a wrong code");
    refuses(&server, &["keys", "check"], 1, &["1 of the seeds do not open"]);
    alice.login_with(alice.totp()).access_token();
}
