//! `spec/vectors/uia-transcripts.json`, played: each request is sent, and each answer must be the one that is written there.
//!
//! The file's own description says what its variables are. A key or a variable that this player does not know fails the case.

use std::{collections::HashMap, thread};

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use crate::harness::{Answer, Needs, Phone, RECOVERY, Server, TOTP, User, auth, recovery_codes, stage};

const TRANSCRIPTS: &str = include_str!("../spec/vectors/uia-transcripts.json");
/// Variables that an answer gives.
const BOUND: [&str; 3] = ["session", "id", "seed"];
/// Variables that the phone gives, when they are needed.
const CODES: [&str; 3] = ["totp", "next_totp", "wrong"];

#[test]
fn every_transcript_plays_as_it_is_written() {
    let file: File = serde_json::from_str(TRANSCRIPTS).expect("no keys but those that the player knows");
    assert_eq!(file.kind, "uia-transcripts");
    assert!(!file.cases.is_empty());
    let failed: Vec<String> = file.cases.iter().filter_map(|case| play_apart(case).err()).collect();
    assert!(failed.is_empty(), "{} of {} failed, see above: {failed:#?}", failed.len(), file.cases.len());
}

/// Plays in a thread that has the name of the case: all that the harness prints begins with it, and a failure stops no other case.
fn play_apart(case: &Case) -> Result<(), String> {
    let name = format!("tcId {}: {} ({})", case.tc_id, case.comment, case.rules.join(" "));
    let player = thread::Builder::new().name(name.clone());
    thread::scope(|scope| player.spawn_scoped(scope, || play(case)).expect("a thread").join()).map_err(|_panic| name)
}

fn play(case: &Case) {
    let Some(server) = case.server() else { return };
    let mut player = Player::prepare(&server, case);
    for Exchange { request, response } in &case.steps {
        let answer = player.send(request);
        player.check(response, answer);
    }
}

/// Who sends the requests, and what the variables stand for.
struct Player {
    user: User,
    /// The user's, or the one with `{seed}` once that is bound.
    phone: Option<Phone>,
    values: HashMap<&'static str, String>,
}

impl Player {
    /// Somebody new for whom everything is true that the case takes as given.
    fn prepare(server: &Server, case: &Case) -> Self {
        let user = server.user();
        let mut values = HashMap::from([
            ("user", user.name.clone()),
            // By the description the answer gives it; but it is known, and another one would be a fault.
            ("user_id", user.id.clone()),
            ("password", user.password.clone()),
            ("wrong_password", format!("not {}", user.password)),
            ("no_user", format!("no{}", user.name)),
            ("access_token", user.token.clone()),
            ("device", user.device.clone()),
        ]);
        if case.names("other_user") {
            values.insert("other_user", server.user().name);
        }
        // Before the enrollment: after it, a login costs a code.
        if case.names("other_device") || case.names("other_access_token") {
            let other = user.second_device();
            values.extend([("other_device", other.device), ("other_access_token", other.token)]);
        }
        if case.names("third_device") {
            values.insert("third_device", user.second_device().device);
        }
        let mut player = Self { user, phone: None, values };
        if case.given.enrolled {
            player.enroll(case);
        }
        player
    }

    /// Not [`User::enroll`], which keeps the confirming code to itself.
    fn enroll(&mut self, case: &Case) {
        let pending = self.user.begin_enrollment();
        let phone = Phone::new(&self.user.server, &pending.string("seed"));
        let code = phone.code();
        let confirmed = self.user.confirm(&pending, &code).is(200);
        let mut recovery = recovery_codes(&confirmed["recovery"]["tokens"]);
        self.values.extend([("confirmed", code), ("recovery", recovery.remove(0))]);
        if case.names("spent_recovery") {
            self.spend("spent_recovery", RECOVERY, recovery.remove(0));
        }
        if case.names("used") {
            self.spend("used", TOTP, phone.code());
        }
        self.phone = Some(phone);
    }

    /// Logs in with this code, and gives it this name.
    fn spend(&mut self, name: &'static str, kind: &str, code: String) {
        let session = self.user.login().session();
        self.user.server.post("login", &auth(&json!({}), &session, &stage(kind, &code))).access_token();
        self.values.insert(name, code);
    }

    fn send(&mut self, asked: &Request) -> Answer {
        let path = format!("/_matrix/client/{}", self.fill_text(&asked.path));
        let mut request = self.user.server.request(&asked.method, &path);
        if let Some(token) = &asked.token {
            request = request.token(&self.fill_text(token));
        }
        if let Some(body) = &asked.body {
            request = request.json(&self.fill(&Value::Object(body.clone())));
        }
        request.send()
    }

    /// Holds the answer against the one that is written: more keys may be there, but those that are named are equal through and through.
    fn check(&mut self, expected: &Response, answer: Answer) {
        let answer = answer.is(expected.status);
        for (key, value) in &expected.body {
            self.bind(key, value, &answer);
            let value = self.fill(value);
            assert_eq!(answer.body.get(key), Some(&value), "another `{key}` was expected\n{answer}");
        }
        for key in &expected.absent {
            assert!(answer.body.get(key).is_none(), "no `{key}` may be here\n{answer}");
        }
    }

    /// Keeps what the answer has here, if this is a variable that occurs for the first time.
    fn bind(&mut self, key: &str, expected: &Value, answer: &Answer) {
        let unbound = |name: &&str| expected == &format!("{{{name}}}") && !self.values.contains_key(name);
        let Some(name) = BOUND.into_iter().find(unbound) else { return };
        let value = answer.string(key);
        if name == "seed" {
            self.phone = Some(Phone::new(&self.user.server, &value));
            self.values.retain(|name, _| !CODES.contains(name));
        }
        self.values.insert(name, value);
    }

    fn fill(&mut self, value: &Value) -> Value {
        match value {
            Value::String(text) => Value::String(self.fill_text(text)),
            Value::Array(values) => values.iter().map(|value| self.fill(value)).collect(),
            Value::Object(map) => map.iter().map(|(key, value)| (self.fill_text(key), self.fill(value))).collect(),
            Value::Null | Value::Bool(_) | Value::Number(_) => value.clone(),
        }
    }

    fn fill_text(&mut self, text: &str) -> String {
        let (mut filled, mut rest) = (String::new(), text);
        while let Some((before, after)) = rest.split_once('{') {
            let (name, after) = after.split_once('}').unwrap_or_else(|| panic!("no end of the variable in {text:?}"));
            filled += before;
            filled += &self.value(name);
            rest = after;
        }
        filled + rest
    }

    /// Codes are made when they are needed first, with rising steps, and stay what they are within the case.
    fn value(&mut self, name: &str) -> String {
        if let Some(value) = self.values.get(name) {
            return value.clone();
        }
        let _of_an_earlier_step = (name == "next_totp").then(|| self.value("totp"));
        let (Some(name), Some(phone)) = (CODES.into_iter().find(|code| *code == name), &self.phone) else {
            panic!("nothing gives the variable {{{name}}} here")
        };
        let code = if name == "wrong" { phone.wrong_code() } else { phone.code() };
        self.values.insert(name, code.clone());
        code
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    kind: String,
    #[serde(rename = "description")]
    _description: String,
    cases: Vec<Case>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct Case {
    tc_id: u32,
    comment: String,
    rules: Vec<String>,
    given: Given,
    steps: Vec<Exchange>,
    /// Held against the last status where all vectors are checked, in `crates/core/tests/it/vectors.rs`.
    #[serde(rename = "result")]
    _result: String,
}

impl Case {
    /// None: a foreign server cannot be made to be as this case needs it.
    fn server(&self) -> Option<Server> {
        let codes = ["used", "totp", "next_totp"].into_iter().filter(|code| self.names(code)).count();
        match self.given.policy.as_str() {
            // Three steps are open at a time, and the enrollment takes the first.
            "opt-in" if codes + usize::from(self.given.enrolled) > 3 => Server::start_with(Needs::Clock),
            "opt-in" => Some(Server::start()),
            other => Server::start_with(Needs::Settings(&[("MATRIX_2FA_POLICY", other)])),
        }
    }

    fn names(&self, variable: &str) -> bool {
        serde_json::to_string(&self.steps).expect("JSON").contains(&format!("{{{variable}}}"))
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Given {
    enrolled: bool,
    policy: String,
}

#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct Exchange {
    request: Request,
    response: Response,
}

#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct Request {
    method: String,
    path: String,
    token: Option<String>,
    body: Option<Map<String, Value>>,
}

#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct Response {
    status: u16,
    #[serde(default)]
    body: Map<String, Value>,
    #[serde(default)]
    absent: Vec<String>,
}
