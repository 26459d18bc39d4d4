//! R60: a server that logs everything logs no secret. Every request that carries or makes one, right ones and bad ones, at trace level for
//! every library; then the log is searched for each secret in every form that it had.
//!
//! In the suite this is one walk. `cargo xtask trace` repeats it for ten minutes.

use std::{
    env, fs,
    io::{Read as _, Seek as _, SeekFrom, Write as _},
    time::{Duration, Instant},
};

use serde_json::{Value, json};

use crate::harness::{
    Answer, Needs, RECOVERY, Server, TOKEN, TOTP, User, auth, clean_command, server_binary, stage, with,
};

/// What must not be found, with a word for the message.
#[derive(Default)]
struct Secrets(Vec<(&'static str, String)>);

impl Secrets {
    fn add(&mut self, what: &'static str, secret: &str) {
        self.0.push((what, secret.to_owned()));
    }

    /// Takes what is secret out of an answer.
    fn of(&mut self, answer: Answer) -> Answer {
        self.collect(&answer.body);
        answer
    }

    fn collect(&mut self, value: &Value) {
        for (key, value) in value.as_object().into_iter().flatten() {
            match (key.as_str(), value) {
                ("access_token" | "refresh_token" | "login_token" | "session", Value::String(token)) => {
                    self.add("token", token);
                }
                ("seed", Value::String(seed)) => self.seed(seed),
                ("uri" | "qr", Value::String(uri)) => self.add("otpauth URI", uri),
                ("tokens", Value::Array(codes)) => {
                    codes.iter().filter_map(Value::as_str).for_each(|code| self.recovery(code))
                }
                _ => self.collect(value),
            }
        }
    }

    fn seed(&mut self, seed: &str) {
        self.add("seed", seed);
        let bytes = data_encoding::BASE32_NOPAD.decode(seed.as_bytes()).unwrap();
        self.add("seed, hex", &data_encoding::HEXLOWER.encode(&bytes));
        self.add("seed, bytes", &listed(&bytes));
    }

    fn recovery(&mut self, code: &str) {
        let plain = code.replace('-', "");
        for form in [code.to_owned(), code.to_lowercase(), plain.to_lowercase(), listed(plain.as_bytes()), plain] {
            self.add("recovery code", &form);
        }
    }

    fn code(&mut self, code: &str) -> Value {
        self.add("code", code);
        stage(TOTP, code)
    }

    #[track_caller]
    fn not_in(&self, log: &str) {
        for line in log.lines() {
            // A time stamp has six digits too.
            let told = line.split_once(' ').map_or(line, |(_time, rest)| rest);
            for (what, secret) in &self.0 {
                let found = if *what == "code" { has_word(told, secret) } else { line.contains(secret) };
                assert!(!found, "a {what} is in the log: {secret} in\n{line}");
            }
        }
    }
}

/// Bytes as `Debug` shows them.
fn listed(bytes: &[u8]) -> String {
    format!("{bytes:?}").trim_matches(['[', ']']).to_owned()
}

/// Six digits that are not part of something longer.
fn has_word(line: &str, word: &str) -> bool {
    let inside = |c: Option<char>| c.is_some_and(|c| c.is_ascii_alphanumeric());
    line.match_indices(word).any(|(at, _)| {
        let (before, after) = (line[..at].chars().next_back(), line[at + word.len()..].chars().next());
        !inside(before) && !inside(after)
    })
}

/// Everything that one user can do, well and badly.
fn walk(server: &Server) -> (Secrets, User) {
    let mut secrets = Secrets::default();
    let user = server.user();
    secrets.add("password", &user.password);
    secrets.add("token", &user.token);
    let login = with(&user.password_stage(), &json!({ "refresh_token": true }));
    let refreshable = secrets.of(server.post("login", &login).is(200));
    let refresh = json!({ "refresh_token": refreshable.string("refresh_token") });
    secrets.of(server.post("refresh", &refresh).is(200));

    // Enrollment, with a wrong code first.
    let begin = "account/two-factor/totp?qr=true";
    let open = secrets.of(user.open("POST", begin, &json!({ "name": "phone" })));
    let body = auth(&json!({ "name": "phone" }), &open.session(), &user.password_stage());
    let pending = secrets.of(user.post(begin, &body).is(200));
    let phone = crate::harness::Phone::new(server, &pending.string("seed"));
    let wrong = phone.wrong_code();
    user.confirm(&pending, &wrong).refused(403, "M_FORBIDDEN");
    let code = phone.code();
    secrets.code(&code);
    let confirmed = secrets.of(user.confirm(&pending, &code).is(200));
    let recovery = crate::harness::recovery_codes(&confirmed["recovery"]["tokens"]);

    // Logins: in stages, replayed, with spaces, in one field, by the stage's own type, with recovery codes.
    let session = secrets.of(user.login()).session();
    let stages = |code: &Value| server.post("login", &auth(&json!({}), &session, code));
    stages(&secrets.code(&wrong)).wrong_code();
    stages(&secrets.code(&code)).wrong_code();
    let code = phone.code();
    let right = secrets.code(&format!("{} {}", &code[..3], &code[3..]));
    secrets.of(stages(&right).is(200));
    let code = phone.code();
    let field = format!("{} {code}", user.password);
    secrets.add("password and code", &field);
    secrets.code(&code);
    secrets.of(server.post("login", &with(&user.password_stage(), &json!({ "password": field }))).is(200));
    for code in ["0000-1111-2222-3333", &recovery[0], &recovery[0]] {
        secrets.recovery(code);
        let session = secrets.of(user.login()).session();
        secrets.of(server.post("login", &auth(&json!({}), &session, &stage(RECOVERY, code))));
    }
    let code = phone.code();
    let session = secrets.of(user.login()).session();
    let own_type = with(&secrets.code(&code), &json!({ "session": session }));
    secrets.of(server.post("login", &own_type).is(200));

    // Other doors.
    let prove = |secrets: &mut Secrets, method: &str, path: &str, body: &Value| {
        let session = secrets.of(user.open(method, path, body)).session();
        secrets.of(user.send(method, path, &auth(body, &session, &user.password_stage())));
        let code = phone.code();
        let factor = secrets.code(&code);
        secrets.of(user.send(method, path, &auth(body, &session, &factor)).is(200))
    };
    let ticket = prove(&mut secrets, "POST", "/_matrix/client/v1/login/get_token", &json!({}));
    let token = json!({ "type": TOKEN, "token": ticket.string("login_token") });
    secrets.of(server.post("login", &token).is(200));
    server.post("login", &token).refused(403, "M_FORBIDDEN");
    prove(&mut secrets, "POST", "account/two-factor/recovery", &json!({}));
    server.get(&format!("account/whoami?access_token={}", user.token)).is(200);
    server.get(&format!("/_matrix/client/v3/{}/nothing?access_token={}", user.token, user.token)).is(404);
    secrets.add("password", "a wrong password indeed");
    server.post("login", &user.password_stage_of("a wrong password indeed")).refused(403, "M_FORBIDDEN");

    // What nobody should send.
    let secret = "never-to-be-logged";
    secrets.add("password", secret);
    secrets.add("password, bytes", &listed(secret.as_bytes()));
    for bad in [
        json!({ "type": ["m.login.password", secret], "password": secret }),
        json!({ "type": "m.login.password", "identifier": secret, "password": secret }),
        with(&user.password_stage(), &json!({ "password": [secret] })),
        with(&user.password_stage(), &json!({ "auth": secret })),
        json!({ "auth": { "type": TOTP, "session": secret, "token": secret } }),
        json!({ "type": TOKEN, "token": secret }),
        json!({ "type": secret, "password": secret }),
        json!({ "refresh_token": secret }),
    ] {
        server.post("login", &bad);
        server.post("refresh", &bad);
        user.post("account/password", &with(&bad, &json!({ "new_password": secret })));
        user.post("account/two-factor/totp/confirm", &bad);
    }
    for raw in [format!("{{\"password\": \"{secret}"), format!("{secret}\u{0}"), secret.repeat(8192)] {
        server.request("POST", "login").bytes(raw.clone().into_bytes()).send();
        user.request("POST", "account/password").bytes(raw.into_bytes()).send();
    }
    server.request("GET", "account/whoami").token(secret).send().is(401);

    let new = format!("another horse {}", user.name);
    secrets.add("password", &new);
    prove(&mut secrets, "POST", "account/password", &json!({ "new_password": new, "logout_devices": false }));
    (secrets, user)
}

#[test]
fn r60_a_trace_of_everything_has_no_secret() {
    let settings = [("MATRIX_2FA_LOG", "trace,sled=trace,hyper=trace")];
    let Some(server) = Server::start_with(Needs::Settings(&settings)) else { return };
    let seconds = env::var("LOG_WALK_SECONDS").ok().and_then(|text| text.parse().ok()).unwrap_or_default();
    let lasts = Duration::from_secs(seconds);
    #[expect(clippy::disallowed_methods, reason = "how long a person asked it to go on")]
    let begun = Instant::now();
    let (mut seen, mut walks) = (0, 0);
    let user = loop {
        let (secrets, user) = walk(&server);
        let mut log = fs::File::open(server.log_file()).unwrap();
        log.seek(SeekFrom::Start(seen)).unwrap();
        let mut new = Vec::new();
        log.read_to_end(&mut new).unwrap();
        seen += new.len() as u64;
        walks += 1;
        let new = String::from_utf8_lossy(&new);
        assert!(new.contains("DEBUG") && new.contains("http.route") && new.contains("audit"), "everything is logged");
        secrets.not_in(&new);
        if begun.elapsed() >= lasts {
            secrets.not_in(&admin_reset(&server, &user));
            break user;
        }
    };
    let _ = writeln!(std::io::stderr(), "{walks} walks, {seen} bytes of log, the last user was {}", user.id);
}

/// The administrator's way, on the stopped server; what both said.
fn admin_reset(server: &Server, user: &User) -> String {
    server.terminate();
    let mut command = clean_command(&server_binary("MATRIX_2FA_BIN_TEST_CLOCK"));
    command.args(["admin", "reset", &user.id, "--data"]).arg(server.data_folder()).env("MATRIX_2FA_LOG", "trace");
    let output = command.output().expect("it runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    [server.log().into_bytes(), output.stdout, output.stderr]
        .map(|text| String::from_utf8_lossy(&text).into_owned())
        .join("\n")
}
