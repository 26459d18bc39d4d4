//! The command `matrix-2fa`.

use std::{net::TcpListener, process::Output};

use serde_json::json;
use tempfile::TempDir;

use crate::harness::{Needs, PASSWORD, RECOVERY, Server, clean_command, server_binary};

fn matrix_2fa(arguments: &[&str], settings: &[(&str, &str)]) -> Output {
    let folder = TempDir::new().unwrap();
    let mut command = clean_command(&server_binary("MATRIX_2FA_BIN_TEST_CLOCK"));
    command.args(arguments).envs(settings.iter().copied()).current_dir(folder.path()).output().expect("it runs")
}

/// One clear line on stderr and exit code 2.
#[track_caller]
fn refuses(output: &Output, naming: &str) {
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{said}");
    assert_eq!(said.trim().lines().count(), 1, "one line, not:\n{said}");
    assert!(said.contains(naming), "it names {naming:?}: {said}");
}

#[test]
fn help_names_every_flag_and_its_default() {
    let help = |arguments: &[&str]| {
        let output = matrix_2fa(arguments, &[]);
        assert!(output.status.success());
        String::from_utf8(output.stdout).unwrap()
    };
    assert!(help(&["--help"]).contains("serve") && help(&["--help"]).contains("admin"));
    let serve = help(&["serve", "--help"]);
    for word in
        ["--listen", "127.0.0.1:8008", "--data", "--server-name", "localhost", "--open-registration", "--config"]
    {
        assert!(serve.contains(word), "{word} is missing in\n{serve}");
    }
}

#[test]
fn a_port_in_use_is_one_clear_line() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    refuses(&matrix_2fa(&["serve", "--listen", &address], &[]), &address);
}

#[test]
fn bad_settings_are_one_clear_line() {
    refuses(
        &matrix_2fa(&["serve", "--listen", "127.0.0.1:0"], &[("MATRIX_2FA_NO_SUCH_KEY", "1")]),
        "MATRIX_2FA_NO_SUCH_KEY",
    );
    refuses(&matrix_2fa(&["serve", "--listen", "127.0.0.1:0"], &[("MATRIX_2FA_POLICY", "perhaps")]), "perhaps");
    refuses(&matrix_2fa(&["serve", "--listen", "127.0.0.1:0", "--config", "not-there.toml"], &[]), "not-there.toml");
}

#[test]
fn a_configuration_file_is_read_and_checked() {
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("matrix-2fa.toml");
    let run = |text: &str| {
        std::fs::write(&file, text).unwrap();
        matrix_2fa(&["serve", "--listen", "127.0.0.1:0", "--config", file.to_str().unwrap()], &[])
    };
    refuses(&run("no_such_key = 1\n"), "no_such_key");
    refuses(&run("policy = \"perhaps\"\n"), "perhaps");
    refuses(&run("this is not toml"), "matrix-2fa.toml");
}

#[test]
fn it_ends_cleanly_when_told_to() {
    let Some(server) = Server::start_with(Needs::Process) else { return };
    server.user();
    assert_eq!(server.terminate(), Some(0));
}

#[test]
fn the_key_file_is_for_the_owner_alone_and_a_missing_one_stops_the_start() {
    use std::os::unix::fs::PermissionsExt;
    let Some(server) = Server::start_with(Needs::Process) else { return };
    server.enrolled_user();
    server.terminate();
    let files = std::fs::read_dir(server.data_folder().join("keys")).unwrap().flatten();
    let key = files.map(|entry| entry.path()).next().expect("a key file in the data folder");
    assert_eq!(std::fs::metadata(&key).unwrap().permissions().mode() & 0o777, 0o600);
    std::fs::remove_file(&key).unwrap();
    let data = server.data_folder();
    let database: Vec<_> = server.database().into_iter().collect();
    let output = matrix_2fa(&["serve", "--listen", "127.0.0.1:0", "--data", data.to_str().unwrap()], &database);
    refuses(&output, &key.file_name().unwrap().to_string_lossy());
}

#[test]
fn an_administrator_can_reset_somebody_on_a_stopped_server() {
    let Some(server) = Server::start_with(Needs::Process) else { return };
    let user = server.enrolled_user();
    server.terminate();
    let data = server.data_folder();
    let database: Vec<_> = server.database().into_iter().collect();
    let reset = |user: &str| matrix_2fa(&["admin", "reset", user, "--data", data.to_str().unwrap()], &database);
    let output = reset(&user.id);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    server.restart();
    user.login().access_token();
    assert_eq!(user.status()["providers"], json!({}));
    let again = user.with_login(&user.login().is(200)).enroll();
    again.login().completed(&[PASSWORD]);
    again.login_with(crate::harness::stage(RECOVERY, &user.recovery[0])).wrong_code();
}

/// The clock of the tests is a door of its own: a build without the feature does not have it.
#[test]
fn without_the_feature_there_is_no_test_clock() {
    let Some(server) = Server::start_with(Needs::Process) else { return };
    drop(server);
    let server = Server::launch(&server_binary("MATRIX_2FA_BIN"), Needs::Process);
    let answer = server.post("/_test/clock", &json!({ "now_ms": 1 }));
    assert_eq!(answer.status, 404, "{answer}");
    server.get("/_test/clock").is(404);
    server.get("login").is(200);
}
