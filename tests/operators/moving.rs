//! `matrix-2fa admin export` and `import`, with the programs of age and with lists of pyotp.

use std::{
    fs,
    io::{BufRead, BufReader, Write},
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use serde_json::{Value, json};
use tempfile::TempDir;

use super::{command, does, refuses, run};
use crate::harness::{Answer, Needs, PASSWORD, Phone, RECOVERY, STEP_MS, Server, TOTP, User, auth, client_tool, stage};

/// A folder with a key of age.
pub struct Age {
    folder: TempDir,
    pub recipient: String,
}

impl Age {
    pub fn new() -> Self {
        let folder = TempDir::new().unwrap();
        let key = folder.path().join("key");
        program("age-keygen", &["-o", text(&key)], b"");
        let recipient = String::from_utf8(program("age-keygen", &["-y", text(&key)], b"")).unwrap().trim().to_owned();
        Self { folder, recipient }
    }

    pub fn path(&self, name: &str) -> String {
        text(&self.folder.path().join(name)).to_owned()
    }

    fn lines(&self, file: &str) -> Vec<Value> {
        let plain = program("age", &["-d", "-i", &self.path("key"), file], b"");
        String::from_utf8(plain).unwrap().lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    /// Seals these lines with the program, as text.
    fn seal(&self, lines: &[Value], name: &str) -> String {
        let plain: String = lines.iter().map(|line| format!("{line}\n")).collect();
        let to = self.path(name);
        program("age", &["-a", "-r", &self.recipient, "-o", &to], plain.as_bytes());
        to
    }
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

fn program(name: &str, arguments: &[&str], input: &[u8]) -> Vec<u8> {
    let mut child = Command::new(name)
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap_or_else(|error| panic!("{name}: {error}; `cargo xtask test` installs it (Debian's package age)"));
    child.stdin.take().unwrap().write_all(input).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "{name}: {}", String::from_utf8_lossy(&output.stderr));
    output.stdout
}

/// The same person at another server: with the same password, and without a factor there.
fn at(new: &Server, user: &User) -> User {
    let body = json!({ "username": user.name, "password": user.password, "auth": { "type": "m.login.dummy" } });
    // Two gateways before one homeserver have the same users.
    let made = new.post("register", &body);
    assert!(made.status == 200 || made["errcode"] == "M_USER_IN_USE", "{made}");
    User {
        server: new.clone(),
        name: user.name.clone(),
        id: user.id.clone(),
        password: user.password.clone(),
        token: String::new(),
        device: String::new(),
    }
}

fn login_with(user: &User, stage: &Value) -> Answer {
    let session = user.login().refused(401, "M_FORBIDDEN").completed(&[PASSWORD]).without_token().session();
    user.server.post("login", &auth(&json!({}), &session, stage))
}

/// What the server and its command said must not have it.
fn nobody_said(server: &Server, said: &str, seeds: &[&str]) {
    let log = server.log();
    for seed in seeds {
        assert!(!said.contains(seed), "a seed was said");
        assert!(!log.contains(seed), "a seed is in the log");
    }
}

fn two() -> Option<(Server, Server)> {
    let (old, new) = (Server::start_with(Needs::Process)?, Server::start_with(Needs::Process)?);
    new.set_clock(old.now_ms());
    Some((old, new))
}

/// The same moment for both, `steps` later.
fn later(servers: [&Server; 2], steps: u64) {
    let moment = servers.map(Server::now_ms).into_iter().max().unwrap() + steps * STEP_MS;
    servers.iter().for_each(|server| server.set_clock(moment));
}

#[test]
fn an_export_is_sealed_holds_what_was_used_and_moves_its_users() {
    let Some((old, new)) = two() else { return };
    let age = Age::new();
    let (alice, bridge) = (old.enrolled_user(), old.user());
    let used = alice.totp();
    alice.login_with(used.clone()).access_token();
    alice.login_with(alice.recovery_stage(0)).access_token();
    does(&old, &["admin", "exempt", &bridge.name, "--reason", "a bridge", "--until", "30d", "--author", "root"]);

    let file = age.path("export.age");
    let secret = fs::read_to_string(age.path("key")).unwrap();
    let secret = secret.lines().last().unwrap();
    let refused = run(&old, &["admin", "export", &file, "--recipient", secret]);
    assert_eq!(refused.status.code(), Some(2));
    assert!(!String::from_utf8_lossy(&refused.stderr).contains(secret), "what was given by mistake is not shown");
    let export = ["admin", "export", &file, "--recipient", &age.recipient, "--author", "root"];
    let said = does(&old, &export);
    assert!(said.contains("2 users") && said.contains(&age.recipient), "{said}");
    assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    refuses(&old, &export, 1, &["exists already"]);
    nobody_said(&old, &said, &[alice.phone.seed()]);

    let lines = age.lines(&file);
    assert_eq!(lines[0]["matrix-2fa export"]["format"], 1, "{}", lines[0]);
    let of = |id: &str| lines.iter().find(|line| line["user"]["id"] == id).unwrap()["user"]["factors"].clone();
    let factors = of(&alice.id);
    assert_eq!(factors["authenticators"][0]["seed"], alice.phone.seed());
    assert!(factors["authenticators"][0]["last_step"].as_u64().unwrap() >= old.now_ms() / STEP_MS - 2);
    let codes = factors["recovery"]["codes"].as_array().unwrap();
    assert_eq!(codes.iter().filter(|code| code["spent_at"].is_null()).count(), 9);
    assert_eq!(of(&bridge.id)["duty"]["exemption"]["reason"], "a bridge");
    assert_eq!(lines.last().unwrap()["end"]["users"], 2);
    let audit = |user: &[&str]| does(&old, &[&["admin", "events"], user, &["--json"]].concat());
    assert!(audit(&[&alice.id]).contains("\"event\":\"exported\""));
    let all = audit(&[]);
    assert!(all.contains("export_started") && all.contains("export_finished") && all.contains(&age.recipient), "{all}");

    // What age's own program sealed is as good.
    let sealed = age.seal(&lines, "again.age");
    let (here, _there) = (at(&new, &alice), at(&new, &bridge));
    let import = ["admin", "import", &sealed, "--identity", &age.path("key")];
    let said = does(&new, &[&import[..], &["--dry-run"]].concat());
    assert!(said.contains("2 users would be imported"), "{said}");
    here.login().access_token();
    let said = does(&new, &import);
    assert!(said.contains("2 users imported"), "{said}");
    nobody_said(&new, &said, &[alice.phone.seed()]);

    login_with(&here, &used).wrong_code();
    login_with(&here, &alice.recovery_stage(0)).wrong_code();
    later([&old, &new], 3);
    let phone = Phone::new(&new, alice.phone.seed());
    login_with(&here, &stage(TOTP, &phone.code())).access_token();
    login_with(&here, &stage(RECOVERY, &alice.recovery[1])).access_token();
    let status = does(&new, &["admin", "status", &bridge.id]);
    assert!(status.contains("a bridge"), "{status}");
    let said = does(&new, &import);
    assert!(said.contains("0 users imported, 2 were here already, 0 refused"), "{said}");
}

#[test]
fn who_has_another_factor_is_left_alone_and_a_damaged_file_changes_nobody() {
    let Some((old, new)) = two() else { return };
    let age = Age::new();
    let (alice, bob) = (old.enrolled_user(), old.enrolled_user());
    let gone = old.enrolled_user();
    let file = age.path("export.age");
    does(&old, &["admin", "export", &file, "--recipient", &age.recipient]);
    let (here, other) = (at(&new, &alice), at(&new, &bob));
    let token = other.login().access_token();
    let own = User { token, ..other }.enroll();
    let import = |file: &str, more: &[&str]| {
        let key = age.path("key");
        run(&new, &[&["admin", "import", file, "--identity", &key, "--json"], more].concat())
    };

    // Nothing of it is taken before all of it is known to be whole.
    let whole = fs::read(&file).unwrap();
    let mut flipped = whole.clone();
    let middle = flipped.len() - 40;
    flipped[middle] ^= 1;
    let mut lines = age.lines(&file);
    let less = age.seal(&lines[..lines.len() - 1], "less.age");
    lines[1]["user"]["factors"]["authenticators"][0]["seed"] = json!("GEZDGNBVGY3TQOJQ");
    let bad = age.seal(&lines, "bad.age");
    for (name, content) in [("cut.age", &whole[..whole.len() - 1]), ("flipped.age", &flipped)] {
        fs::write(age.path(name), content).unwrap();
    }
    for name in [age.path("cut.age"), age.path("flipped.age"), less, bad] {
        let refused = import(&name, &[]);
        assert!(!refused.status.success(), "{name}");
        here.login().access_token();
    }
    let others = Age::new();
    refuses(&new, &["admin", "import", &file, "--identity", &others.path("key")], 2, &["does not open"]);

    let refused = import(&file, &[]);
    let said = String::from_utf8_lossy(&refused.stdout);
    assert_eq!(refused.status.code(), Some(1), "{said}");
    let told: Vec<Value> = said.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let names: Vec<_> = told.iter().filter_map(|line| line["refused"]["user"].as_str()).collect();
    let gateway = std::env::var_os("MATRIX_2FA_TEST_GATEWAY").is_some();
    assert!(names.contains(&bob.id.as_str()), "{said}");
    // Behind a gateway only the homeserver knows who is there.
    assert_eq!(names.contains(&gone.id.as_str()), !gateway, "{said}");
    here.login().refused(401, "M_FORBIDDEN");
    own.login_with(own.totp()).access_token();
    login_with(&own, &stage(TOTP, &bob.phone.at_present(1))).refused(401, "M_FORBIDDEN");

    import(&file, &["--add"]);
    later([&old, &new], 3);
    login_with(&own, &stage(TOTP, &Phone::new(&new, bob.phone.seed()).code())).access_token();
    own.login_with(own.totp()).access_token();
    nobody_said(&new, &said, &[alice.phone.seed(), bob.phone.seed(), gone.phone.seed()]);
}

/// Two URIs of pyotp for each of these users, and whose they are.
fn pyotp(folder: &Path, users: &[&User]) -> (PathBuf, PathBuf, Vec<String>) {
    let script = "import pyotp, sys\n\
        for name in sys.argv[1:]:\n    for place in ('phone', 'tablet'):\n        \
        secret = pyotp.random_base32()\n        print(secret)\n        \
        print(pyotp.TOTP(secret).provisioning_uri(name=f'{name} {place}', issuer_name='Old & good'))\n";
    let names: Vec<&str> = users.iter().map(|user| user.name.as_str()).collect();
    let python = client_tool("MATRIX_2FA_PYTHON", "python/bin/python");
    let said = Command::new(python).args(["-c", script]).args(&names).output().expect("python runs");
    let said = String::from_utf8(said.stdout).unwrap();
    let (list, map) = (folder.join("list"), folder.join("map.toml"));
    let lines: Vec<&str> = said.lines().collect();
    let (secrets, uris): (Vec<&str>, Vec<&str>) = lines.iter().partition(|line| !line.starts_with("otpauth:"));
    assert_eq!((secrets.len(), uris.len()), (2 * users.len(), 2 * users.len()));
    fs::write(&list, uris.concat().replace("otpauth:", "\notpauth:")).unwrap();
    let whose = users.iter().flat_map(|user| {
        ["phone", "tablet"].map(|place| format!("\"Old & good:{} {place}\" = \"{}\"\n", user.name, user.id))
    });
    fs::write(&map, whose.collect::<String>()).unwrap();
    (list, map, secrets.into_iter().map(str::to_owned).collect())
}

#[test]
fn a_list_of_pyotp_is_imported_and_a_bad_one_is_not() {
    let Some(server) = Server::start_with(Needs::Process) else { return };
    let folder = TempDir::new().unwrap();
    let (alice, bob) = (server.user(), server.user());
    let (list, map, secrets) = pyotp(folder.path(), &[&alice, &bob]);
    let good = fs::read_to_string(&list).unwrap();
    let bad =
        format!("{good}\notpauth://totp/x?secret={}\notpauth://hotp/y?secret={}&counter=1\n", secrets[0], secrets[1]);
    fs::write(&list, &bad).unwrap();
    let import = ["admin", "import", "--otpauth", text(&list), "--map", text(&map)];
    let refused = run(&server, &import);
    let said = String::from_utf8([refused.stdout, refused.stderr].concat()).unwrap();
    assert_eq!(refused.status.code(), Some(1), "{said}");
    // The first line is empty.
    assert!(
        said.contains("line 6: the mapping file does not say") && said.contains("line 7: it is a counter"),
        "{said}"
    );
    assert!(said.contains("nothing was imported") && said.contains("--skip-bad-lines"), "{said}");
    alice.login().access_token();
    // Whoever mixes the files up sees no secret either.
    let mixed = run(&server, &["admin", "import", "--otpauth", text(&map), "--map", text(&list)]);
    assert_eq!(mixed.status.code(), Some(2));
    let seeds: Vec<&str> = secrets.iter().map(String::as_str).collect();
    nobody_said(&server, &String::from_utf8(mixed.stderr).unwrap(), &seeds);

    let before = server.now_ms();
    let done = does(&server, &[&import[..], &["--skip-bad-lines"]].concat());
    assert!(done.contains("2 users imported") && done.contains("2 bad lines"), "{done}");
    server.set_clock(before + 3 * STEP_MS);
    for (user, secrets) in [(&alice, &secrets[..2]), (&bob, &secrets[2..])] {
        for secret in secrets {
            login_with(user, &stage(TOTP, &Phone::new(&server, secret).code())).access_token();
        }
        let events = does(&server, &["admin", "events", &user.id, "--json"]);
        assert!(events.contains("\"event\":\"imported\""), "{events}");
    }
    nobody_said(&server, &format!("{said}{done}"), &seeds);
}

#[test]
fn a_server_killed_in_the_middle_of_an_import_has_each_user_whole_or_not_at_all() {
    let Some(server) = Server::start_with(Needs::Process) else { return };
    let folder = TempDir::new().unwrap();
    let users: Vec<User> = (0..80).map(|_| server.user()).collect();
    let (list, map, _secrets) = pyotp(folder.path(), &users.iter().collect::<Vec<_>>());
    let import = ["admin", "import", "--otpauth", text(&list), "--map", text(&map)];
    let mut audit =
        command(&server, &["admin", "events", "--follow", "--json"]).stdout(Stdio::piped()).spawn().unwrap();
    let mut heard = BufReader::new(audit.stdout.take().unwrap()).lines();
    // What was before comes first: from here on nothing is missed.
    heard.next().unwrap().unwrap();
    let mut importing = command(&server, &import).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut some = (&mut heard).map_while(Result::ok).filter(|line| line.contains("\"event\":\"imported\""));
    assert_eq!(some.by_ref().take(3).count(), 3, "three are in");
    server.kill_9();
    importing.wait().unwrap();
    audit.wait().unwrap();
    server.restart();

    let factors = || -> Vec<u64> {
        users
            .iter()
            .map(|user| {
                let status = does(&server, &["admin", "status", &user.id, "--json"]);
                serde_json::from_str::<Value>(&status).unwrap()["authenticators"].as_u64().unwrap()
            })
            .collect()
    };
    let after = factors();
    assert!(after.iter().all(|count| matches!(count, 0 | 2)), "{after:?}");
    let whole = after.iter().filter(|count| **count == 2).count();
    assert!(whole >= 3, "what was told was durable: {after:?}");
    let said = does(&server, &import);
    assert!(said.contains(&format!("{} users imported, {whole} were here already", 80 - whole)), "{said}");
    assert!(factors().iter().all(|count| *count == 2));
}
