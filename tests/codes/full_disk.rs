//! A disk that is full. The test runs itself in a mount namespace, where the temporary folder is a small tmpfs.

use std::{
    env,
    fs::{self, File},
    io::Write,
    path::Path,
    process::Command,
    time::Duration,
};

use serde_json::json;

use crate::harness::{Answer, Enrolled, Needs, Server, auth};

const INSIDE: &str = "CONFORMANCE_SMALL_DISK";

/// Longer than the longest pause between two tries to open the store again.
const PATIENCE: Duration = Duration::from_secs(60);

#[test]
fn r66_a_full_disk_is_503_and_no_login_and_recovers_without_a_restart() {
    let test = "r66_a_full_disk_is_503_and_no_login_and_recovers_without_a_restart";
    let Some(disk) = env::var_os(INSIDE) else { return in_a_small_disk(test) };
    let Some(server) = Server::start_with(Needs::Process) else { return };
    let user = server.enrolled_user();
    let login = user.with_login(&user.login_with(user.totp()).is(200));
    user.login_with(user.recovery_stage(0)).access_token();
    let (session, code) = (user.challenge(), user.totp());

    let filler = Path::new(&disk).join("filler");
    fill(&filler);
    let full = (0..1000).map(|_| ask(&user, "login", &user.password_stage())).find(|answer| answer.status != 401);
    let full = full.expect("a thousand sessions do not fit");
    assert_eq!((full.status, full.errcode()), (503, Some("M_UNKNOWN")), "{full}");
    for _ in 0..5 {
        let refused = ask(&user, "login", &auth(&json!({}), &session, &code)).without_token();
        assert_eq!(refused.status, 503, "{refused}");
    }

    fs::remove_file(filler).unwrap();
    let code = user.totp();
    #[expect(clippy::disallowed_methods, reason = "the server pauses before it tries again, in real time")]
    let begin = std::time::Instant::now();
    let answer = loop {
        let answer = ask(&user, "login", &user.password_stage());
        if answer.status != 503 {
            break answer;
        }
        assert!(begin.elapsed() < PATIENCE, "it does not recover");
    };
    user.finish(&answer.session(), code).access_token();
    login.get("account/whoami").is(200);
    assert_eq!(user.status()["providers"]["m.login.2fa.recovery"]["remaining"], 9);
    user.login_with(user.recovery_stage(0)).wrong_code();
    server.kill_9_and_restart();
    login.get("account/whoami").is(200);
    user.login_with(user.recovery_stage(0)).wrong_code();
}

#[test]
fn r66_a_read_only_data_folder_is_refused_by_name() {
    let test = "r66_a_read_only_data_folder_is_refused_by_name";
    if env::var_os(INSIDE).is_none() {
        return in_a_small_disk(test);
    }
    let Some(server) = Server::start_with(Needs::Process) else { return };
    let user = server.enrolled_user();
    server.kill_9();
    let data = server.data_folder();
    let run = |command: &mut Command| assert!(command.status().unwrap().success(), "{command:?}");
    run(Command::new("mount").arg("--bind").args([&data, &data]));
    run(Command::new("mount").args(["-o", "remount,ro,bind"]).arg(&data));
    let (code, said) = server.refuses_to_start();
    assert_eq!(code, Some(2), "{said}");
    assert!(said.contains("cannot be opened for reading and writing") && said.contains("store"), "{said}");
    run(Command::new("umount").arg(&data));
    server.restart();
    user.get("account/whoami").is(200);
}

fn ask(user: &Enrolled, path: &str, body: &serde_json::Value) -> Answer {
    user.server.request("POST", path).json(body).ask().expect("an answer")
}

fn fill(path: &Path) {
    let mut file = File::create(path).unwrap();
    for size in [1024 * 1024, 4096, 1] {
        while file.write_all(&vec![0; size]).is_ok() {}
    }
}

/// Root is not needed where user namespaces are allowed.
fn in_a_small_disk(test: &str) {
    let disk = tempfile::tempdir().unwrap();
    let script = r#"mount -t tmpfs -o size=40m none "$0" && exec "$1" "$2" --nocapture"#;
    let output = Command::new("unshare")
        .args(["--map-root-user", "--mount", "sh", "-c", script])
        .args([disk.path().as_os_str(), env::current_exe().unwrap().as_os_str(), test.as_ref()])
        .env(INSIDE, disk.path())
        .env("TMPDIR", disk.path())
        .output()
        .expect("unshare, of util-linux");
    let said = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && said.contains("1 passed"), "{said}");
}
