//! A user of the crash suite: what they hold (password, seeds, codes, sessions, tokens), and every state that their account may be in.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write as _,
};

use serde_json::{Value, json};

use super::model::{Code, Name, Proof, Purpose, Request, Saw, State, explain};
use crate::harness::{Answer, PASSWORD, RECOVERY, STEP_MS, Server, TOTP, User, auth, oathtool};

/// States that a user may be in at once; more would mean that nothing is ever looked at.
const MAX_STATES: usize = 500;

pub struct Person {
    user: User,
    pub states: BTreeSet<State>,
    seeds: BTreeMap<Name, Seed>,
    sets: BTreeMap<Name, Vec<String>>,
    sessions: BTreeMap<Name, String>,
    /// Access tokens that were given out.
    pub tokens: Vec<String>,
    /// Wrong codes so far: at a hundred an account locks, which is another suite's matter.
    pub wrong: u32,
    digits: BTreeMap<(Name, u64), String>,
    names: Name,
    history: Vec<String>,
    last_was_right: bool,
    /// Sessions that were opened by requests without an answer, if they were.
    pub lost: usize,
}

struct Seed {
    id: String,
    secret: String,
}

/// What only an answer tells.
#[derive(Default)]
struct Learnt {
    seed: Option<Seed>,
    codes: Option<Vec<String>>,
    session: Option<String>,
    token: Option<String>,
}

/// An answer that no state explains.
#[derive(Debug)]
pub struct Violation(pub String);

impl Person {
    pub fn register(server: &Server) -> Self {
        let user = server.user();
        let tokens = vec![user.token.clone()];
        Self {
            user,
            states: BTreeSet::from([State::registered()]),
            seeds: BTreeMap::new(),
            sets: BTreeMap::new(),
            sessions: BTreeMap::new(),
            tokens,
            wrong: 0,
            digits: BTreeMap::new(),
            names: 0,
            history: Vec::new(),
            last_was_right: false,
            lost: 0,
        }
    }

    pub fn id(&self) -> &str {
        &self.user.id
    }

    pub fn fresh(&mut self) -> Name {
        self.names += 1;
        self.names
    }

    /// Did the last request get what it wanted?
    pub fn last_was_right(&self) -> bool {
        self.last_was_right
    }

    /// Is this secret known, or was the answer that had it lost?
    pub fn has_seed(&self, seed: Name) -> bool {
        self.seeds.contains_key(&seed)
    }

    pub fn has_codes(&self, set: Name) -> bool {
        self.sets.contains_key(&set)
    }

    pub fn has_session(&self, session: Name) -> bool {
        self.sessions.contains_key(&session)
    }

    /// Sends these at once, and checks that what came back is possible. False: the server is gone.
    pub fn act(&mut self, requests: &[Request], now: u64) -> Result<bool, Violation> {
        let bodies: Vec<_> = requests.iter().map(|request| self.body(*request, now)).collect();
        let this = &*self;
        let answers: Vec<Option<Answer>> = match bodies.as_slice() {
            [only] => vec![this.send(only)],
            many => std::thread::scope(|scope| {
                let threads: Vec<_> = many.iter().map(|body| scope.spawn(|| this.send(body))).collect();
                threads.into_iter().map(|thread| thread.join().expect("no panic")).collect()
            }),
        };
        let mut seen = Vec::new();
        for (request, answer) in requests.iter().zip(&answers) {
            let saw = answer.as_ref().map(|answer| self.read(*request, answer));
            seen.push((*request, saw));
        }
        self.last_was_right = seen.iter().any(|(_, saw)| *saw == Some(Saw::Done));
        self.see(&seen, now)?;
        Ok(answers.iter().all(Option::is_some))
    }

    /// Narrows the states to those that explain what was seen.
    pub fn see(&mut self, seen: &[(Request, Option<Saw>)], now: u64) -> Result<(), Violation> {
        let after = explain(&self.states, seen, now);
        self.history.push(format!("at {now}: {seen:?}"));
        if after.is_empty() {
            return Err(self.violation(&format!("no state explains {seen:?} at {now}")));
        }
        let known = |name| self.has_seed(name) || self.has_codes(name) || self.has_session(name);
        let forget = |mut state: State| {
            state.forget(now, known);
            state
        };
        let after: BTreeSet<State> = after.into_iter().map(forget).collect();
        self.states = after;
        let lost = seen.iter().filter(|(_, saw)| saw.is_none()).map(|(request, _)| *request);
        self.lost += lost.filter(|request| matches!(request, Request::Login { .. } | Request::Open { .. })).count();
        assert!(self.states.len() <= MAX_STATES, "{}", self.violation("too many states").0);
        Ok(())
    }

    /// Every token that was given out still works. False: the server is gone.
    pub fn check_tokens(&self, tokens: &[String]) -> Result<bool, Violation> {
        for token in tokens {
            match self.user.server.request("GET", "account/whoami").token(token).ask() {
                Err(_gone) => return Ok(false),
                Ok(answer) if answer.status == 200 => {}
                Ok(answer) => return Err(self.violation(&format!("a login that was answered is gone\n{answer}"))),
            }
        }
        Ok(true)
    }

    pub fn violation(&self, what: &str) -> Violation {
        let mut text = format!("{}: {what}\nIt might have been:\n", self.user.id);
        for state in self.states.iter().take(10) {
            let _ = writeln!(text, "  {state:?}");
        }
        text.push_str("Before:\n");
        for line in self.history.iter().rev().take(25).rev() {
            let _ = writeln!(text, "  {line}");
        }
        Violation(text)
    }

    fn send(&self, (method, path, body): &(&'static str, String, Value)) -> Option<Answer> {
        let request = self.user.server.request(method, path);
        let request = if path == "login" { request } else { request.token(&self.user.token) };
        let request = if *method == "GET" { request } else { request.json(body) };
        // Without its database the server says that it does not know what became of the request, as if it had said nothing.
        request.ask().ok().filter(|answer| answer.status != 503)
    }

    /// The HTTP of a request.
    fn body(&mut self, request: Request, now: u64) -> (&'static str, String, Value) {
        let password = self.user.password_stage();
        let in_session = |person: &Self, name: Name, stage: &Value| {
            let id = person.sessions.get(&name).expect("only sessions whose answer came are used");
            auth(&json!({}), id, stage)
        };
        let (path, body) = match request {
            Request::Begin { .. } => ("account/two-factor/totp", json!({ "name": "phone", "auth": password })),
            Request::Confirm { seed, code, .. } => {
                let digits = self.digits(seed, code, now);
                ("account/two-factor/totp/confirm", json!({ "id": self.seeds[&seed].id, "token": digits }))
            }
            Request::Login { .. } => ("login", password),
            Request::Open { purpose, .. } => (purpose.path(), json!({})),
            Request::Password { session, purpose } => (purpose.path(), in_session(self, session, &password)),
            Request::Poll { session, purpose } => (purpose.path(), in_session(self, session, &json!({}))),
            Request::Finish { session, purpose, proof, .. } => {
                let stage = self.stage(proof, now);
                (purpose.path(), in_session(self, session, &stage))
            }
            Request::Status => return ("GET", "account/two-factor".to_owned(), Value::Null),
            Request::Devices => return ("GET", "devices".to_owned(), Value::Null),
            Request::Reset => unreachable!("it is a command"),
        };
        ("POST", path.to_owned(), body)
    }

    fn stage(&mut self, proof: Proof, now: u64) -> Value {
        match proof {
            Proof::Totp(seed, code) => {
                self.wrong += u32::from(code == Code::Wrong);
                json!({ "type": TOTP, "token": self.digits(seed, code, now) })
            }
            Proof::Recovery(set, Some(place)) => json!({ "type": RECOVERY, "token": self.sets[&set][place] }),
            Proof::Recovery(_, None) => json!({ "type": RECOVERY, "token": "0000-0000-0000-0000" }),
        }
    }

    /// The digits of a code; `oathtool` makes those of five steps at once.
    fn digits(&mut self, seed: Name, code: Code, now: u64) -> String {
        let present = now / STEP_MS;
        if !self.digits.contains_key(&(seed, present + 2)) {
            let made = oathtool(&self.seeds[&seed].secret, (present - 2) * STEP_MS / 1000, 4);
            self.digits.extend((present - 2..).zip(made).map(|(step, digits)| ((seed, step), digits)));
        }
        let near =
            |digits: &String| (present - 2..=present + 2).any(|step| self.digits.get(&(seed, step)) == Some(digits));
        match code {
            Code::Step(step) => self.digits[&(seed, step)].clone(),
            Code::Wrong => (self.wrong..).map(|n| format!("{n:06}")).find(|digits| !near(digits)).expect("a million"),
        }
    }

    /// What an answer says to the model, and what it tells the person.
    fn read(&mut self, request: Request, answer: &Answer) -> Saw {
        let strange = || Saw::Strange(answer.to_string());
        let (saw, learnt) = match (answer.status, request) {
            (200, Request::Status) => (self.status(answer).unwrap_or_else(strange), Learnt::default()),
            (200, Request::Devices) => {
                let devices = answer["devices"].as_array().map_or(0, Vec::len);
                (Saw::Devices(devices as u32), Learnt::default())
            }
            (200, _) => (Saw::Done, Learnt::of(answer)),
            (401, _) => {
                let completed = answer["completed"].as_array().map(Vec::as_slice).unwrap_or_default();
                let saw = match answer.errcode() {
                    _ if answer.get("access_token") != &Value::Null => strange(),
                    Some("M_FORBIDDEN") => Saw::Wrong,
                    None if completed == [json!(PASSWORD)] => Saw::GoOn { password_passed: true },
                    None if completed.is_empty() => Saw::GoOn { password_passed: false },
                    _ => strange(),
                };
                (saw, Learnt::of(answer))
            }
            (429, _) => (answer["retry_after_ms"].as_u64().map_or_else(strange, Saw::Wait), Learnt::default()),
            (400, _) => (Saw::Bad, Learnt::default()),
            (403, _) => (Saw::Refused, Learnt::default()),
            (404, _) => (Saw::Unknown, Learnt::default()),
            _ => (strange(), Learnt::default()),
        };
        self.learn(request, learnt);
        saw
    }

    fn status(&self, answer: &Answer) -> Option<Saw> {
        let providers = answer["providers"].as_object()?;
        if providers.is_empty() {
            return Some(Saw::Status(None));
        }
        let [authenticator] = providers.get(TOTP)?["authenticators"].as_array()?.as_slice() else { return None };
        let (seed, _) = self.seeds.iter().find(|(_, seed)| authenticator["id"] == seed.id)?;
        let remaining = providers.get(RECOVERY).map_or(Some(0), |provider| provider["remaining"].as_u64())?;
        Some(Saw::Status(Some((*seed, remaining as u32))))
    }

    fn learn(&mut self, request: Request, learnt: Learnt) {
        if let Request::Begin { fresh } = request {
            self.seeds.extend(learnt.seed.map(|seed| (fresh, seed)));
        }
        if let Request::Confirm { fresh, .. } | Request::Finish { fresh, .. } = request {
            self.sets.extend(learnt.codes.map(|codes| (fresh, codes)));
        }
        if let Request::Login { fresh } | Request::Open { fresh, .. } = request {
            self.sessions.extend(learnt.session.map(|session| (fresh, session)));
        }
        self.tokens.extend(learnt.token);
    }
}

impl Learnt {
    fn of(answer: &Answer) -> Self {
        let string = |key: &str| answer.get(key).as_str().map(str::to_owned);
        let tokens = answer.get("recovery").get("tokens").or(answer.body.get("tokens")).and_then(Value::as_array);
        Self {
            seed: string("id").zip(string("seed")).map(|(id, secret)| Seed { id, secret }),
            codes: tokens.map(|codes| codes.iter().filter_map(|code| Some(code.as_str()?.to_owned())).collect()),
            session: string("session"),
            token: string("access_token"),
        }
    }
}

impl Purpose {
    fn path(self) -> &'static str {
        match self {
            Self::Login => "login",
            Self::Regenerate => "account/two-factor/recovery",
            Self::Disable => "account/two-factor/disable",
        }
    }
}
