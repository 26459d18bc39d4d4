//! Two servers over one database are one server: for codes, for guessing, for logins; whatever their clocks show.

use std::{
    fs,
    path::{Path, PathBuf},
    sync::atomic::{AtomicUsize, Ordering},
};

use matrix_2fa_store_postgres::cluster::Cluster;
use serde_json::{Value, json};

use crate::harness::{
    Answer, Enrolled, Needs, PASSWORD, RECOVERY, STEP_MS, Server, TOTP, auth, clean_command, cluster, server_binary,
    simultaneously, stage,
};

mod outages;

const FREE: usize = 5;

/// Two servers whose clocks stand still at the same moment.
fn pair() -> [Server; 2] {
    let binary = server_binary("MATRIX_2FA_BIN_TEST_CLOCK");
    let one = Server::launch_over(&binary, Needs::Process, &cluster().database());
    let other = one.replica(&binary, Needs::Process);
    other.set_clock(one.now_ms());
    [one, other]
}

#[track_caller]
fn challenge(server: &Server, user: &Enrolled) -> String {
    server.post("login", &user.password_stage()).refused(401, "M_FORBIDDEN").completed(&[PASSWORD]).session()
}

#[track_caller]
fn finish(server: &Server, session: &str, factor: &Value) -> Answer {
    server.post("login", &auth(&json!({}), session, factor))
}

#[track_caller]
fn login(server: &Server, user: &Enrolled, factor: &Value) -> Answer {
    finish(server, &challenge(server, user), factor)
}

#[track_caller]
fn one_of(answers: &[u16]) {
    assert_eq!(answers.iter().filter(|status| **status == 200).count(), 1, "one success: {answers:?}");
    assert!(answers.iter().all(|status| [200, 400, 401, 403, 429].contains(status)), "{answers:?}");
}

#[test]
fn r01_one_code_one_success_of_100_over_two_replicas() {
    let servers = pair();
    let user = servers[0].enrolled_user();
    let (session, code) = (challenge(&servers[0], &user), user.totp());
    one_of(&simultaneously(100, |n| finish(&servers[n % 2], &session, &code).status));
}

#[test]
fn r01_one_code_one_success_over_sessions_of_two_replicas() {
    let servers = pair();
    let user = servers[0].enrolled_user();
    let sessions = [0, 1, 0, 1].map(|n: usize| challenge(&servers[n], &user));
    for _ in 0..3 {
        let code = user.totp();
        servers[1].set_clock(servers[0].now_ms());
        let answers = simultaneously(100, |n| finish(&servers[n % 2], &sessions[n % 4], &code).status);
        // A session that brought somebody in is over, and the others go on to the next round.
        let entered = answers.iter().filter(|status| **status == 200).count();
        assert!(entered <= 1, "{answers:?}");
    }
    let code = user.totp();
    servers[1].set_clock(servers[0].now_ms());
    let fresh = [0, 1, 0, 1].map(|n: usize| challenge(&servers[n], &user));
    one_of(&simultaneously(100, |n| finish(&servers[n % 2], &fresh[n % 4], &code).status));
}

#[test]
fn r07_one_recovery_code_one_success_over_two_replicas() {
    let servers = pair();
    let user = servers[0].enrolled_user();
    let sessions = [0, 1].map(|n: usize| challenge(&servers[n], &user));
    let code = user.recovery_stage(0);
    one_of(&simultaneously(40, |n| finish(&servers[n % 2], &sessions[n % 2], &code).status));
    assert_eq!(user.status()["providers"][RECOVERY]["remaining"], 9);
}

/// 5,000 of them, over 500 connections at once.
#[test]
fn r12_guesses_over_two_replicas_are_charged_before_they_are_checked() {
    const GUESSES: usize = 5000;
    let servers = pair();
    let user = servers[0].enrolled_user();
    let sessions = [0, 1, 0, 1].map(|n: usize| challenge(&servers[n], &user));
    let wrong = user.wrong_totp();
    let (evaluated, next) = (AtomicUsize::new(0), AtomicUsize::new(0));
    simultaneously(500, |_| {
        loop {
            let n = next.fetch_add(1, Ordering::SeqCst);
            if n >= GUESSES {
                break;
            }
            match finish(&servers[n % 2], &sessions[n % 4], &wrong).status {
                401 => drop(evaluated.fetch_add(1, Ordering::SeqCst)),
                status => assert_eq!(status, 429),
            }
        }
    });
    assert_eq!(evaluated.into_inner(), FREE);
}

#[test]
fn r17_r19_the_wait_is_shared_and_survives_kill_9() {
    let servers = pair();
    let user = servers[0].enrolled_user();
    let wrong = user.wrong_totp();
    for n in 0..FREE {
        login(&servers[n % 2], &user, &wrong).wrong_code();
    }
    let right = stage(TOTP, &user.phone.at_present(1));
    for server in &servers {
        let (right, wrong) = (login(server, &user, &right), login(server, &user, &wrong));
        assert_eq!(right.clone().throttled(), 30_000);
        assert_eq!((right.status, &right.body), (wrong.status, &wrong.body), "nobody learns that it was right");
    }
    for server in &servers {
        server.kill_9_and_restart();
        login(server, &user, &right).throttled();
    }
    servers.iter().for_each(|server| server.advance(30_000));
    login(&servers[1], &user, &right).access_token();
    login(&servers[0], &user, &right).wrong_code();
}

#[test]
fn a_login_begun_on_one_replica_ends_on_the_other() {
    let [one, other] = pair();
    let user = one.enrolled_user();
    let session = challenge(&one, &user);
    let token = finish(&other, &session, &user.totp()).access_token();
    one.request("GET", "account/whoami").token(&token).send().is(200);
    other.request("POST", "logout").token(&token).json(&json!({})).send().is(200);
    one.request("GET", "account/whoami").token(&token).send().refused(401, "M_UNKNOWN_TOKEN");
    finish(&one, &session, &user.totp()).refused(400, "M_UNKNOWN");
}

#[test]
fn an_administrator_can_reset_somebody_while_servers_run() {
    let [one, other] = pair();
    let user = one.enrolled_user();
    let folder = tempfile::tempdir().unwrap();
    let data = one.data_folder();
    let mut command = clean_command(&server_binary("MATRIX_2FA_BIN"));
    command.args(["admin", "reset", &user.id, "--data"]).arg(data).envs(one.database()).current_dir(folder.path());
    let output = command.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    for server in [one, other] {
        server.post("login", &user.password_stage()).access_token();
    }
}

#[test]
fn r64_a_replica_without_the_key_of_the_others_does_not_start() {
    let one = Server::launch_over(&server_binary("MATRIX_2FA_BIN"), Needs::Process, &cluster().database());
    let folder = tempfile::tempdir().unwrap();
    let refused = |words: &str| {
        let mut command = clean_command(&server_binary("MATRIX_2FA_BIN"));
        command.args(["serve", "--listen", "127.0.0.1:0"]).envs(one.database()).current_dir(folder.path());
        let output = command.output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(2), "{said}");
        assert!(said.contains(".key") && said.contains(words), "{said}");
    };
    refused("missing");
    let other = Server::launch(&server_binary("MATRIX_2FA_BIN"), Needs::Process);
    let (right, foreign) = (key_file(&one), key_file(&other));
    let here = folder.path().join("data/keys").join(right.file_name().unwrap());
    fs::create_dir_all(here.parent().unwrap()).unwrap();
    fs::copy(&foreign, &here).unwrap();
    refused("another id");
    let id = |file: &Path| file.file_stem().unwrap().to_str().unwrap().to_owned();
    let renamed = fs::read_to_string(&foreign).unwrap().replace(&id(&foreign), &id(&right));
    fs::write(&here, renamed).unwrap();
    refused("not the one");
}

/// The key file of a server that has one.
fn key_file(server: &Server) -> PathBuf {
    let files: Vec<_> = fs::read_dir(server.data_folder().join("keys")).unwrap().flatten().collect();
    assert_eq!(files.len(), 1);
    files[0].path()
}

#[test]
fn a_backup_moves_a_folder_into_a_database_and_back() {
    let binary = server_binary("MATRIX_2FA_BIN_TEST_CLOCK");
    let scratch = tempfile::tempdir().unwrap();
    let path = |name: &str| scratch.path().join(name).to_str().unwrap().to_owned();
    let does = |database: Option<(&str, &str)>, arguments: &[&str]| {
        let output =
            clean_command(&binary).args(arguments).envs(database).current_dir(scratch.path()).output().unwrap();
        let (said, complained) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        assert!(output.status.success(), "{arguments:?}: {said}\n{complained}");
        said.into_owned()
    };
    let old = Server::launch(&binary, Needs::Process);
    let user = old.enrolled_user();
    let database = cluster().database();
    let over_it = Some(("MATRIX_2FA_DATABASE", database.as_str()));
    let (file, data) = (path("backup"), path("data"));
    let since = ["admin", "restored", "--since", "2026-01-01T00:00:00Z", "--data"];

    does(old.database(), &["backup", &file, "--with-keys", "--data", old.data_folder().to_str().unwrap()]);
    does(over_it, &["restore", &file, "--data", &data]);
    let said = does(over_it, &[&since[..], &[&data]].concat());
    assert!(said.contains("1 accounts, 1 of them"), "{said}");
    let new = old.moved_to(&binary, Needs::Process, &database);
    old.advance(4 * STEP_MS);
    new.set_clock(old.now_ms());
    login(&new, &user, &user.recovery_stage(0)).wrong_code();
    login(&new, &user, &user.totp()).access_token();

    // While that server runs.
    let (file, back) = (path("another"), path("back"));
    does(over_it, &["backup", &file, "--with-keys", "--data", &data]);
    does(None, &["restore", &file, "--data", &back]);
    let said = does(None, &[&since[..], &[&back]].concat());
    assert!(said.contains("1 accounts, 1 of them"), "{said}");
    does(None, &["keys", "check", "--data", &back]);
}

/// Servers as people run them, a minute fast and a minute slow, against a database that has the time right.
#[test]
fn r68_on_replicas_with_clocks_apart_the_database_decides() {
    let binary = server_binary("MATRIX_2FA_BIN");
    let right = Server::launch_over(&binary, Needs::Process, &cluster().database());
    let fast = with_clock(Some(&right), "+60s");
    let slow = with_clock(Some(&right), "-60s");
    let user = right.enrolled_user();

    let present = stage(TOTP, &user.phone.at_present(0));
    // By its own clock this code would be two steps old.
    login(&fast, &user, &present).access_token();
    for server in [&right, &fast, &slow] {
        login(server, &user, &present).wrong_code();
    }
    // By its own clock this one would be three steps early.
    let next = stage(TOTP, &user.phone.at_present(1));
    login(&slow, &user, &next).access_token();
    let far = stage(TOTP, &user.phone.at_present(3));
    for server in [&right, &fast, &slow] {
        login(server, &user, &next).wrong_code();
        login(server, &user, &far).wrong_code();
    }
}

/// That the trick of the test above tricks: a server with a store of its own goes by the false clock.
#[test]
fn without_a_database_a_server_goes_by_its_own_clock() {
    let fast = with_clock(None, "+120s");
    let user = fast.user();
    let pending = user.begin_enrollment();
    let phone = crate::harness::Phone::new(&fast, &pending.string("seed"));
    user.confirm(&pending, &phone.at_present(0)).refused(403, "M_FORBIDDEN");
    user.confirm(&pending, &phone.at_present(4)).is(200);
}

/// A server whose machine's clock is wrong by so much.
fn with_clock(beside: Option<&Server>, shift: &str) -> Server {
    let library = libfaketime();
    let settings =
        [("LD_PRELOAD", library.to_str().unwrap()), ("FAKETIME", shift), ("FAKETIME_DONT_FAKE_MONOTONIC", "1")];
    let (binary, needs) = (server_binary("MATRIX_2FA_BIN"), Needs::Settings(&settings));
    beside.map_or_else(|| Server::launch(&binary, needs), |server| server.replica(&binary, needs))
}

fn libfaketime() -> PathBuf {
    let places = fs::read_dir("/usr/lib").unwrap().flatten().map(|entry| entry.path());
    places
        .chain([PathBuf::from("/usr/lib")])
        .map(|place| place.join(Path::new("faketime/libfaketimeMT.so.1")))
        .find(|library| library.exists())
        .expect("libfaketime is installed: `cargo xtask test` does it")
}

/// A cluster that a test may stop, with a server over it.
fn on_a_cluster_of_its_own() -> (Cluster, Server) {
    let cluster = Cluster::start();
    let server = Server::launch_over(&server_binary("MATRIX_2FA_BIN_TEST_CLOCK"), Needs::Process, &cluster.database());
    (cluster, server)
}
