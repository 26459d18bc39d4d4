//! The program as a person or a script sees it: its lines, its exit codes, its end.

#![expect(clippy::expect_used, reason = "tests")]

use std::{
    fs,
    io::{BufRead, BufReader},
    net::TcpListener,
    os::unix::fs::PermissionsExt,
    path::Path,
    process::{Child, Command, Output, Stdio},
};

use tempfile::TempDir;

/// The program in a folder of its own, with nothing of our environment that it could take for a setting.
fn program(folder: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_matrix-2fa"));
    for (key, _) in std::env::vars_os().filter(|(key, _)| key.to_string_lossy().starts_with("MATRIX_2FA_")) {
        command.env_remove(key);
    }
    command.current_dir(folder).stdin(Stdio::null());
    command
}

fn folder() -> TempDir {
    TempDir::new().expect("a temporary folder")
}

/// Asserts exit code 2 and one line on stderr with all of `words`, and nothing on stdout.
#[track_caller]
fn refuses(command: &mut Command, words: &[&str]) {
    ends(command, 2, words);
}

/// It ends with this code and one line on stderr with all of `words`.
#[track_caller]
fn ends(command: &mut Command, code: i32, words: &[&str]) {
    let Output { status, stdout, stderr } = command.output().expect("runs");
    let text = String::from_utf8(stderr).expect("UTF-8");
    assert_eq!(status.code(), Some(code), "{text}");
    assert_eq!(text.lines().count(), 1, "{text}");
    assert!(stdout.is_empty(), "{}", String::from_utf8_lossy(&stdout));
    for word in words {
        assert!(text.contains(word), "no {word:?} in {text}");
    }
}

/// A running server; it is killed if a test fails.
struct Server {
    child: Child,
    url: String,
}

impl Server {
    fn start(folder: &Path) -> Self {
        Self::start_with(folder, &[], Stdio::null())
    }

    fn start_with(folder: &Path, more: &[&str], stderr: Stdio) -> Self {
        let mut command = program(folder);
        command.args(["serve", "--listen", "127.0.0.1:0", "--open-registration"]).args(more);
        let mut child = command.stdout(Stdio::piped()).stderr(stderr).spawn().expect("starts");
        let mut line = String::new();
        BufReader::new(child.stdout.take().expect("piped")).read_line(&mut line).expect("readable");
        let url = line.trim().strip_prefix("matrix-2fa is ready: ").expect("the ready line").to_owned();
        Self { child, url }
    }

    fn signal(&mut self, name: &str) -> Option<i32> {
        let told = Command::new("kill").args([name, &self.child.id().to_string()]).status().expect("kill runs");
        assert!(told.success());
        self.child.wait().expect("ends").code()
    }

    fn post(&self, path: &str, body: &'static str) -> (u16, String) {
        let client = reqwest::blocking::Client::new();
        let answer = client.post(format!("{}{path}", self.url)).body(body).send().expect("answers");
        (answer.status().as_u16(), answer.text().expect("a body"))
    }

    fn register(&self, name: &'static str) -> String {
        let (status, body) = self.post("/_matrix/client/v3/register", name);
        assert_eq!(status, 200, "{body}");
        body.split('"').skip_while(|part| *part != "access_token").nth(2).expect("a token").to_owned()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It has ended already if the test went well.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

const ALICE: &str = r#"{"username": "alice", "password": "correct horse", "auth": {"type": "m.login.dummy"}}"#;

#[test]
fn unknown_settings_are_named() {
    let folder = folder();
    let file = folder.path().join("matrix-2fa.toml");
    fs::write(&file, "server_nam = \"localhost\"\n").expect("writes");
    refuses(program(folder.path()).arg("serve"), &["server_nam", "matrix-2fa.toml", "no such setting"]);
    fs::remove_file(file).expect("removes");
    refuses(
        program(folder.path()).arg("serve").env("MATRIX_2FA_POLICI", "required"),
        &["MATRIX_2FA_POLICI", "no such setting"],
    );
    refuses(program(folder.path()).args(["serve", "--polici", "required"]), &["--polici", "--help"]);
}

#[test]
fn bad_values_are_named_with_their_source() {
    let folder = folder();
    let file = folder.path().join("other.toml");
    let from_file = |content: &str, words: &[&str]| {
        fs::write(&file, content).expect("writes");
        refuses(program(folder.path()).args(["serve", "--config", "other.toml"]), words);
    };
    from_file("policy = \"sometimes\"", &["policy", "other.toml", "sometimes", "opt-in"]);
    from_file("open_registration = 7", &["open_registration", "other.toml", "bool"]);
    from_file("session_lifetime = \"soon\"", &["session_lifetime", "other.toml", "7d, 12h or never"]);
    from_file("this is not TOML", &["other.toml"]);
    refuses(
        program(folder.path()).arg("serve").env("MATRIX_2FA_LISTEN", "nowhere"),
        &["MATRIX_2FA_LISTEN", "socket address"],
    );
    refuses(program(folder.path()).args(["serve", "--listen", "nowhere"]), &["--listen", "nowhere"]);
    refuses(program(folder.path()).args(["serve", "--policy", "maybe"]), &["--policy", "maybe"]);
    refuses(program(folder.path()).args(["serve", "--config", "missing.toml"]), &["--config", "missing.toml"]);
    refuses(program(folder.path()).args(["serve", "--stage-prefix", "Nonsense"]), &["stage_prefix"]);
    refuses(program(folder.path()).args(["serve", "--log", "=,="]), &["log"]);
    let bad_name = ["serve", "--listen", "127.0.0.1:0", "--server-name", "no name"];
    refuses(program(folder.path()).args(bad_name), &["server_name", "no name"]);
}

#[test]
fn numbers_out_of_range_are_named() {
    let folder = folder();
    for (flag, key, given) in [
        ("--cache-mib", "cache_mib", "0"),
        ("--cache-mib", "cache_mib", "18446744073709551615"),
        ("--password-hash-jobs", "password_hash_jobs", "0"),
        ("--password-hash-queue", "password_hash_queue", "18446744073709551615"),
        ("--recovery-hash-jobs", "recovery_hash_jobs", "18446744073709551615"),
        ("--recovery-hash-queue", "recovery_hash_queue", "1000000000"),
    ] {
        refuses(program(folder.path()).args(["serve", flag, given]), &[key, given, "number from"]);
    }
    assert!(!folder.path().join("data").exists());
}

/// The variable was read as a number, and a number is no name.
#[test]
fn a_text_that_looks_like_a_number_is_a_text() {
    let folder = folder();
    let mut command = program(folder.path());
    command.envs([("MATRIX_2FA_ISSUER", "2024"), ("MATRIX_2FA_DATA", "007"), ("MATRIX_2FA_CACHE_MIB", "16")]);
    command.env("MATRIX_2FA_OPEN_REGISTRATION", "true");
    refuses(command.args(["serve", "--listen", "127.0.0.1:0", "--server-name", "no name"]), &["no name"]);
    assert!(folder.path().join("007").is_dir(), "as it was written");
    let mut command = program(folder.path());
    command.env("MATRIX_2FA_CACHE_MIB", "much");
    refuses(command.arg("serve"), &["MATRIX_2FA_CACHE_MIB (environment)", "much"]);
}

#[test]
fn help_of_reset_names_only_what_matters_to_it() {
    let folder = folder();
    let help = program(folder.path()).args(["admin", "reset", "--help"]).output().expect("runs");
    let help = String::from_utf8(help.stdout).expect("UTF-8");
    let flags = help.split_whitespace().filter(|word| word.starts_with("--")).collect::<Vec<_>>();
    assert_eq!(flags, ["--json", "--author", "--config", "--data", "--database", "--server-name", "--help"], "{help}");
}

#[test]
fn folders_that_others_can_look_into_are_named_and_keys_that_others_can_read_are_refused() {
    let folder = folder();
    let mut server = Server::start(folder.path());
    server.register(ALICE);
    assert_eq!(server.signal("-TERM"), Some(0));
    let chmod = |path: &str, mode| {
        fs::set_permissions(folder.path().join(path), fs::Permissions::from_mode(mode)).expect("changes");
    };
    let reset = || program(folder.path()).args(["admin", "reset", "alice"]).output().expect("runs");
    assert!(reset().stderr.is_empty(), "nothing to say");
    for (path, mode) in [("data", 0o750), ("data/store", 0o701)] {
        chmod(path, mode);
        let Output { status, stderr, .. } = reset();
        let said = String::from_utf8(stderr).expect("UTF-8");
        assert!(status.success() && said.lines().count() == 1, "{said}");
        assert!(said.contains("warning") && said.contains(&format!("chmod 700 ./{path}")), "{said}");
        chmod(path, 0o700);
    }
    let key = fs::read_dir(folder.path().join("data/keys")).expect("listed").next().expect("a key").expect("an entry");
    fs::set_permissions(key.path(), fs::Permissions::from_mode(0o640)).expect("changes");
    refuses(program(folder.path()).args(["admin", "reset", "alice"]), &[".key", "640", "chmod 600"]);
}

#[test]
fn r15_limits_that_are_none_do_not_start_and_say_what_they_are_worth() {
    let folder = folder();
    let serve = |more: &[&str]| {
        let mut command = program(folder.path());
        command.args(["serve", "--listen", "127.0.0.1:0"]).args(more);
        command
    };
    refuses(&mut serve(&["--totp-lock-at", "1000"]), &["totp_lock_at", "3.6e-2", "1.0e-2", "max_guess_probability"]);
    refuses(&mut serve(&["--totp-lock-at", "never", "--totp-monthly-tries", "500"]), &["totp_monthly_tries", "1.8e-2"]);
    refuses(&mut serve(&["--max-guess-probability", "0.001"]), &["3.6e-3", "1.0e-3"]);
    refuses(&mut serve(&["--max-guess-probability", "NaN"]), &["max_guess_probability"]);
    refuses(&mut serve(&["--totp-free-tries", "0"]), &["totp_free_tries"]);
    refuses(&mut serve(&["--totp-first-wait", "0s"]), &["totp_first_wait"]);
    refuses(&mut serve(&["--totp-first-wait", "2h"]), &["totp_max_wait"]);
    refuses(&mut serve(&["--totp-lock-at", "sometimes"]), &["sometimes", "never"]);
    refuses(&mut serve(&["--trusted-proxies", "localhost"]), &["localhost", "10.0.0.0/8"]);
    refuses(&mut serve(&["--proxy-header", "x-real-ip"]), &["x-real-ip", "forwarded"]);
    assert!(!folder.path().join("data").exists());
}

#[test]
fn check_tells_what_is_wrong() {
    let folder = folder();
    let check = |more: &[&str]| {
        let output = program(folder.path()).arg("check").args(more).output().expect("runs");
        (output.status.code(), String::from_utf8(output.stdout).expect("UTF-8"))
    };
    let (code, said) = check(&[]);
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains("WRONG  store") && !folder.path().join("data").exists(), "{said}");

    let mut server = Server::start(folder.path());
    server.register(ALICE);
    // Beside a running server it is that server who is asked.
    let (code, said) = check(&[]);
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("ok     store: a server runs over it, and answers"), "{said}");
    assert_eq!(server.signal("-TERM"), Some(0));

    let (code, said) = check(&[]);
    assert_eq!(code, Some(0), "{said}");
    for fine in ["limits", "3.6e-3", "folder", "store", "key", "seeds", "codes", "clock", "proxies"] {
        assert!(said.contains(fine) && !said.contains("WRONG"), "{fine}: {said}");
    }
    let (code, said) = check(&["--time-source", "127.0.0.1:1"]);
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains("WRONG  clock"), "{said}");
    let data = folder.path().join("data");
    fs::set_permissions(&data, fs::Permissions::from_mode(0o755)).expect("changes");
    let (code, said) = check(&[]);
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains("WRONG  folder") && said.contains("755"), "{said}");
}

#[test]
fn flags_win_over_variables_and_variables_over_the_file() {
    let folder = folder();
    fs::write(folder.path().join("matrix-2fa.toml"), "listen = \"127.0.0.1:1\"\ndata = \"from-file\"\n")
        .expect("writes");
    let mut command = program(folder.path());
    // Port 1 would need root or be refused: only the flag's port can be taken. The name is bad, so that it ends after the merge.
    command.env("MATRIX_2FA_DATA", "from-variable").args([
        "serve",
        "--listen",
        "127.0.0.1:0",
        "--server-name",
        "no name",
    ]);
    refuses(&mut command, &["no name"]);
    assert!(folder.path().join("from-variable").is_dir() && !folder.path().join("from-file").exists());
}

#[test]
fn a_port_in_use_is_one_line_and_touches_no_data() {
    let folder = folder();
    let taken = TcpListener::bind("127.0.0.1:0").expect("binds");
    let address = taken.local_addr().expect("has one").to_string();
    refuses(program(folder.path()).args(["serve", "--listen", &address]), &[&address, "in use", "--listen"]);
    assert!(!folder.path().join("data").exists());
}

#[test]
fn help_names_every_setting() {
    let folder = folder();
    let help = program(folder.path()).args(["serve", "--help"]).output().expect("runs");
    assert!(help.status.success());
    let help = String::from_utf8(help.stdout).expect("UTF-8");
    for setting in [
        "--config",
        "--listen",
        "--data",
        "--database",
        "--database-connections",
        "--keys",
        "--state",
        "--server-name",
        "--open-registration",
        "--policy",
        "--stage-prefix",
        "--password-and-code",
        "--session-lifetime",
        "--issuer",
        "--public-base-url",
        "--log",
        "--password-hash-jobs",
        "--password-hash-queue",
        "--recovery-hash-jobs",
        "--recovery-hash-queue",
        "--cache-mib",
        "--trusted-proxies",
        "--address-tries",
        "--totp-lock-at",
        "--max-guess-probability",
        "--alarm-failures-per-minute",
        "--time-source",
        "MATRIX_2FA_",
    ] {
        assert!(help.contains(setting), "{setting} is not in the help");
    }
}

#[test]
fn the_data_folder_is_its_owners_alone_and_the_wrong_key_does_not_start() {
    let folder = folder();
    let mut server = Server::start(folder.path());
    server.register(ALICE);
    let mode = |path: &str| fs::metadata(folder.path().join(path)).expect("exists").permissions().mode() & 0o777;
    let mut keys = fs::read_dir(folder.path().join("data/keys")).expect("a folder");
    let key = keys.next().expect("a key").expect("readable").path();
    let name = key.file_name().and_then(|name| name.to_str()).expect("a name");
    assert_eq!((mode("data"), mode("data/keys"), mode(&format!("data/keys/{name}"))), (0o700, 0o700, 0o600));
    assert_eq!((mode("data/control.sock"), mode("data/marker.json")), (0o600, 0o600));
    assert_eq!(server.signal("-TERM"), Some(0));
    assert!(!folder.path().join("data/control.sock").exists());

    fs::rename(&key, folder.path().join("kept")).expect("renames");
    refuses(program(folder.path()).args(["serve", "--listen", "127.0.0.1:0"]), &[name, "missing", "backup"]);
    fs::rename(folder.path().join("kept"), &key).expect("renames");
    let other_name = ["serve", "--listen", "127.0.0.1:0", "--server-name", "example.org"];
    refuses(program(folder.path()).args(other_name), &["localhost", "example.org"]);
}

#[test]
fn a_second_server_over_the_same_data_is_refused_and_the_administrator_reaches_the_first() {
    let folder = folder();
    let mut server = Server::start(folder.path());
    server.register(ALICE);
    refuses(program(folder.path()).args(["serve", "--listen", "127.0.0.1:0"]), &["in use", "stop"]);
    refuses(program(folder.path()).args(["admin", "restored", "--since", "2026-01-01T00:00:00Z"]), &["in use", "stop"]);
    let reset = ["admin", "reset", "@alice:localhost", "--data", "./data"];
    let does = || {
        let done = program(folder.path()).args(reset).output().expect("runs");
        assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
        assert!(String::from_utf8_lossy(&done.stdout).contains("@alice:localhost"));
        let stranger = program(folder.path()).args(["admin", "reset", "@bob:localhost"]).output().expect("runs");
        assert_eq!(stranger.status.code(), Some(1));
        assert!(String::from_utf8_lossy(&stranger.stderr).contains("@bob:localhost"));
    };
    does();
    assert_eq!(server.signal("-INT"), Some(0));
    does();
    // A killed server leaves its socket, which answers nobody.
    let mut server = Server::start(folder.path());
    server.signal("-KILL");
    assert!(folder.path().join("data/control.sock").exists());
    does();
    refuses(program(folder.path()).args(["admin", "reset", "alice", "--data", "./nothing"]), &["./nothing", "--data"]);
}

/// The poll would take 30 s, and a stopping server waits 10 s for those who do not end: only a poll that was ended gets an answer.
#[test]
fn a_long_poll_does_not_hold_up_the_end() {
    let folder = folder();
    let mut server = Server::start_with(folder.path(), &["--log", "info,tower_http=debug"], Stdio::piped());
    let log = BufReader::new(server.child.stderr.take().expect("piped"));
    let token = server.register(ALICE);
    let url = format!("{}/_matrix/client/v3/sync?since=s1&timeout=30000", server.url);
    let poll = std::thread::spawn(move || reqwest::blocking::Client::new().get(url).bearer_auth(token).send());
    let arrived = log.lines().map_while(Result::ok).any(|line| line.contains("/sync") && line.contains("started"));
    assert!(arrived, "the log does not tell of the poll");
    // From here on nobody reads the log: writing to the closed pipe once made the server panic instead of stop.
    assert_eq!(server.signal("-TERM"), Some(0));
    let answer = poll.join().expect("no panic").expect("an answer, not a broken connection");
    assert_eq!(answer.status().as_u16(), 200);
}

#[cfg(not(feature = "test-clock"))]
#[test]
fn without_the_feature_there_is_no_test_clock() {
    let folder = folder();
    let server = Server::start(folder.path());
    let (status, body) = server.post("/_test/clock", r#"{"now_ms": 1}"#);
    assert_eq!(status, 404);
    assert!(body.contains("M_UNRECOGNIZED"), "{body}");
}

#[cfg(feature = "test-clock")]
#[test]
fn with_the_feature_the_clock_obeys_and_the_server_says_so_first() {
    let folder = folder();
    let mut server = Server::start_with(folder.path(), &[], Stdio::piped());
    let mut line = String::new();
    BufReader::new(server.child.stderr.take().expect("piped")).read_line(&mut line).expect("readable");
    assert!(line.contains("warning") && line.contains("for tests") && line.contains("/_test/clock"), "{line}");
    assert_eq!(server.post("/_test/clock", r#"{"now_ms": 12345}"#), (200, r#"{"now_ms":12345}"#.to_owned()));
    assert_eq!(server.post("/_test/clock", r#"{"now_ms": "x"}"#).0, 400);
}

#[test]
fn a_database_that_cannot_be_used_is_one_line_without_its_password() {
    let folder = folder();
    let without_password = |command: &mut Command, code: i32, words: &[&str]| {
        let output = command.output().expect("runs");
        let said = [output.stdout, output.stderr].concat();
        assert!(!String::from_utf8_lossy(&said).contains("hunter2"), "{}", String::from_utf8_lossy(&said));
        ends(command, code, words);
    };
    for (url, code, words) in [
        ("mysql://u:hunter2@127.0.0.1/x", 2, ["database", "postgres://"]),
        ("postgres://u:hunter2@127.0.0.1:port/x", 2, ["database", "port"]),
        // It may be starting: whoever started us tries again.
        ("postgres://u:hunter2@127.0.0.1:1/x", 1, ["database", "refused"]),
        ("postgres://u:hunter2@127.0.0.1:1/x?sslmode=prefer", 2, ["database", "verify-full"]),
        ("postgres://u:hunter2@127.0.0.1:1/x?sslrootcert=nowhere.pem", 2, ["database", "nowhere.pem"]),
    ] {
        let serve = ["serve", "--listen", "127.0.0.1:0"];
        without_password(program(folder.path()).args(serve).args(["--database", url]), code, &words);
        without_password(program(folder.path()).args(serve).env("MATRIX_2FA_DATABASE", url), code, &words);
    }
    let file = folder.path().join("matrix-2fa.toml");
    for content in
        ["database = \"postgres://u:hunter2@127.0.0.1/x", "database = [\"postgres://u:hunter2@127.0.0.1/x\"]"]
    {
        fs::write(&file, content).expect("writes");
        without_password(program(folder.path()).args(["serve", "--listen", "127.0.0.1:0"]), 2, &["matrix-2fa.toml"]);
    }
    fs::write(&file, "database_connections = 1").expect("writes");
    refuses(program(folder.path()).arg("serve"), &["database_connections", "two"]);
}

#[test]
fn a_gateway_names_what_it_needs_of_its_homeserver() {
    let folder = folder();
    refuses(program(folder.path()).arg("gateway"), &["upstream:", "--upstream http://"]);
    refuses(
        program(folder.path()).args(["gateway", "--upstream", "https://example.org"]),
        &["upstream:", "http://127"],
    );
    let nobody = TcpListener::bind("127.0.0.1:0").and_then(|free| free.local_addr()).expect("a port");
    let upstream = format!("http://{nobody}");
    // It may be starting, too.
    ends(program(folder.path()).args(["gateway", "--upstream", &upstream]), 1, &["server name", "set server_name"]);
}
