//! `matrix-2fa backup` and `restore`.

use std::{
    fs,
    os::unix::fs::PermissionsExt,
    sync::atomic::{AtomicBool, Ordering},
};

use serde_json::json;

use super::{SERVE, does, refuses};
use crate::harness::{Needs, RECOVERY, STEP_MS, Server, stage};

#[test]
fn a_backup_of_a_stopped_server_moves_it() {
    let Some(server) = Server::start_with(Needs::Process) else { return };
    let person = server.enrolled_user();
    let (spent, login) = (person.totp(), person.login_with(person.recovery_stage(0)).is(200));
    person.login_with(spent.clone()).access_token();
    let device = person.with_login(&login);
    let now = server.now_ms();
    server.terminate();
    let file = server.data_folder().join("../backup");
    fs::write(&file, "something dear").unwrap();
    refuses(&server, &["backup", file.to_str().unwrap()], 1, &["exists already"]);
    fs::remove_file(&file).unwrap();
    let said = does(&server, &["backup", file.to_str().unwrap()]);
    assert!(said.contains("WITHOUT the key files"), "{said}");
    assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);

    let restore = ["restore", file.to_str().unwrap()];
    refuses(&server, &restore, 2, &["has a store already"]);
    fs::remove_dir_all(server.data_folder().join("store")).unwrap();
    let said = does(&server, &restore);
    assert!(said.contains("nothing ran since"), "{said}");
    server.restart();
    server.set_clock(now);
    device.get("account/whoami").is(200);
    person.login_with(spent).wrong_code();
    person.login_with(person.recovery_stage(0)).wrong_code();
    person.login_with(person.recovery_stage(1)).access_token();
    assert_eq!(person.status()["providers"][RECOVERY]["remaining"], 8);
    person.login_with(person.totp()).access_token();
    does(&server, &["keys", "check"]);
}

#[test]
fn a_backup_of_a_busy_server_is_whole() {
    let Some(server) = Server::start_with(Needs::Process) else { return };
    let person = server.enrolled_user();
    let file = server.data_folder().join("../backup");
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| {
                while !stop.load(Ordering::SeqCst) {
                    let busy = server.user();
                    busy.login().access_token();
                }
            });
        }
        for place in 0..3 {
            person.login_with(person.recovery_stage(place)).access_token();
        }
        does(&server, &["backup", file.to_str().unwrap(), "--with-keys"]);
        stop.store(true, Ordering::SeqCst);
    });
    server.terminate();

    // Everything is gone, keys and marker too.
    fs::remove_dir_all(server.data_folder()).unwrap();
    fs::create_dir(server.data_folder()).unwrap();
    let said = does(&server, &["restore", file.to_str().unwrap()]);
    assert!(said.contains("admin restored --since"), "{said}");
    refuses(&server, &SERVE, 2, &["restored from a backup", "admin restored"]);
    does(&server, &["admin", "restored", "--since", "2026-01-01T00:00:00Z"]);
    server.restart();
    server.advance(4 * STEP_MS);
    person.login_with(stage(RECOVERY, &person.recovery[5])).wrong_code();
    person.login_with(person.totp()).access_token();
}

/// The files below the store keep old bytes until their place is written anew. A backup and its restore leave them behind.
#[test]
fn r39_what_a_deactivated_user_left_in_old_segments_is_gone_from_a_restored_store() {
    let Some(server) = Server::start_with(Needs::Process) else { return };
    let person = server.enrolled_user();
    let path = format!("account/two-factor/authenticators/{}", person.authenticator);
    // It stands in one value with the sealed seed and the hashed codes.
    person.send("PUT", &path, &json!({ "name": "marker-of-the-account" })).is(200);
    let store = server.data_folder().join("store");
    let marked = || {
        let files = fs::read_dir(&store).unwrap().map(|file| file.unwrap().path()).filter(|file| file.is_file());
        let found = |bytes: Vec<u8>| bytes.windows(21).any(|window| window == b"marker-of-the-account");
        files.map(|file| fs::read(file).unwrap()).any(found)
    };
    person.prove("POST", "account/deactivate", &json!({})).is(200);
    server.terminate();
    assert!(marked(), "the search finds what is left behind");
    let file = server.data_folder().join("../backup");
    does(&server, &["backup", file.to_str().unwrap()]);
    fs::remove_dir_all(&store).unwrap();
    does(&server, &["restore", file.to_str().unwrap()]);
    assert!(!marked(), "nothing of the account is in the new files");
}

#[test]
fn a_damaged_backup_is_not_restored() {
    let Some(server) = Server::start_with(Needs::Process) else { return };
    server.enrolled_user();
    let file = server.data_folder().join("../backup");
    does(&server, &["backup", file.to_str().unwrap()]);
    server.terminate();
    fs::remove_dir_all(server.data_folder().join("store")).unwrap();
    let whole = fs::read(&file).unwrap();
    let restore = ["restore", file.to_str().unwrap()];
    let mut flipped = whole.clone();
    let middle = flipped.len() / 2;
    flipped[middle] ^= 1;
    for bad in [&flipped[..], &whole[..whole.len() - 1], &whole[..whole.len() / 2]] {
        fs::write(&file, bad).unwrap();
        refuses(&server, &restore, 2, &["checksum"]);
        assert!(!server.data_folder().join("store").exists(), "nothing was begun");
    }
    for foreign in [&b""[..], b"something else, and longer than any checksum"] {
        fs::write(&file, foreign).unwrap();
        refuses(&server, &restore, 2, &["not a backup"]);
    }
    fs::write(&file, whole).unwrap();
    does(&server, &restore);
}
