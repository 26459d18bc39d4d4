//! What clients (the owner's, an attacker's with the right password) may send, with what they learnt so far.

use matrix_2fa::core::{Params, Seed, Timestamp, totp::code_at};
use serde_json::{Value, json};

use crate::replica::PASSWORD;

/// The first moment, the begin of a time step.
pub const START: Timestamp = Timestamp::from_millis(1_800_000_000_000);

/// Where to knock.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Door {
    /// `POST /login`, the password alone.
    Password,
    /// `POST /login`, password and code in one field.
    OneField,
    /// `POST /login`, `auth` with the session of an earlier 401.
    Finish,
    /// `account/two-factor/disable` with the session of a login.
    Misuse,
    /// `account/two-factor/totp` with the password alone.
    BeginFirst,
    /// `account/two-factor/totp`, password and code in one field.
    Begin,
    /// `account/two-factor/totp/confirm`.
    Confirm,
    /// `account/two-factor/disable`, password and code in one field.
    Disable,
    /// `account/two-factor/recovery`, password and code in one field.
    Regenerate,
}

/// What to bring, with the places of [`Learnt`] filled in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Code {
    /// What a phone shows so many steps after [`START`].
    Of { phone: usize, step: u8 },
    /// What no phone shows.
    Wrong,
    /// A recovery code.
    On { paper: usize, place: usize },
}

/// Kinds of codes to try.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Try {
    Step(u8),
    Wrong,
    Paper(usize),
}

/// One request, before it is written as JSON.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Attempt {
    pub door: Door,
    pub code: Option<Code>,
    pub session: Option<usize>,
}

/// What the answers taught. All clients share it: the attacker reads over the owner's shoulder.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Learnt {
    /// Ids and secrets of authenticators, confirmed or not.
    pub phones: Vec<(String, String)>,
    /// Salt and codes of recovery sets.
    pub papers: Vec<([u8; 16], Vec<String>)>,
    /// Sessions of logins.
    pub sessions: Vec<String>,
}

impl Learnt {
    /// Everything that can be sent to these doors with these kinds of codes.
    pub fn attempts(&self, doors: &[Door], tries: &[Try]) -> Vec<Attempt> {
        let codes: Vec<Code> = tries.iter().flat_map(|kind| self.codes(*kind)).collect();
        let with_codes = |door, session| codes.iter().map(move |code| Attempt { door, code: Some(*code), session });
        let mut attempts = Vec::new();
        for &door in doors {
            match door {
                Door::Password | Door::BeginFirst => attempts.push(Attempt { door, code: None, session: None }),
                Door::Finish | Door::Misuse => {
                    (0..self.sessions.len()).for_each(|session| attempts.extend(with_codes(door, Some(session))));
                }
                Door::Confirm => {
                    let last = self.phones.len().checked_sub(1);
                    let of_last = |attempt: &Attempt| match attempt.code {
                        Some(Code::Of { phone, .. }) => Some(phone) == last,
                        Some(Code::Wrong) => last.is_some(),
                        _ => false,
                    };
                    attempts.extend(with_codes(door, None).filter(of_last));
                }
                Door::OneField | Door::Begin | Door::Disable | Door::Regenerate => {
                    attempts.extend(with_codes(door, None))
                }
            }
        }
        attempts
    }

    fn codes(&self, kind: Try) -> Vec<Code> {
        match kind {
            Try::Step(step) => (0..self.phones.len()).map(|phone| Code::Of { phone, step }).collect(),
            Try::Wrong => vec![Code::Wrong],
            Try::Paper(place) => (0..self.papers.len()).map(|paper| Code::On { paper, place }).collect(),
        }
    }

    /// Path and body of a request.
    pub fn write(&self, attempt: &Attempt) -> (&'static str, String) {
        let code = attempt.code.map(|code| self.spell(code));
        let field = code.as_ref().map_or(PASSWORD.to_owned(), |code| format!("{PASSWORD} {code}"));
        let user = json!({"type": "m.id.user", "user": "alice"});
        let password = json!({"type": "m.login.password", "identifier": user, "password": field});
        let stage = match attempt.code {
            Some(Code::On { .. }) => "m.login.2fa.recovery",
            _ => "m.login.2fa.totp",
        };
        let session = attempt.session.and_then(|session| self.sessions.get(session));
        let factor = json!({"auth": {"type": stage, "session": session, "token": code}});
        let (path, body) = match attempt.door {
            Door::Password | Door::OneField => ("login", password),
            Door::Finish => ("login", factor),
            Door::Misuse => ("account/two-factor/disable", factor),
            Door::BeginFirst | Door::Begin => ("account/two-factor/totp", json!({"auth": password})),
            Door::Confirm => {
                let id = self.phones.last().map(|(id, _)| id);
                ("account/two-factor/totp/confirm", json!({"id": id, "token": code}))
            }
            Door::Disable => ("account/two-factor/disable", json!({"auth": password})),
            Door::Regenerate => ("account/two-factor/recovery", json!({"auth": password})),
        };
        (path, body.to_string())
    }

    fn spell(&self, code: Code) -> String {
        match code {
            Code::Of { phone, step } => shown(&self.phones[phone].1, step),
            Code::On { paper, place } => self.papers[paper].1[place].clone(),
            Code::Wrong => {
                let wrong = "000000".to_owned();
                let right = self.phones.iter().any(|(_, seed)| (0..16).any(|step| shown(seed, step) == wrong));
                assert!(!right, "choose another wrong code");
                wrong
            }
        }
    }

    /// Remembers an answer. `salt` is that of the recovery set which the request made, if it did.
    pub fn learn(&mut self, door: Door, status: u16, body: &Value, salt: Option<[u8; 16]>) {
        let text = |key: &str| body.get(key).and_then(Value::as_str).map(str::to_owned);
        let codes = body.get("tokens").or_else(|| body.pointer("/recovery/tokens")).and_then(Value::as_array);
        if let (Door::Password, 401, Some(session)) = (door, status, text("session")) {
            self.sessions.push(session);
        }
        if let (200, Some(id), Some(seed)) = (status, text("id"), text("seed")) {
            self.phones.push((id, seed));
        }
        if let (200, Some(codes), Some(salt)) = (status, codes, salt) {
            let codes = codes.iter().filter_map(Value::as_str).map(str::to_owned).collect();
            self.papers.push((salt, codes));
        }
    }
}

fn shown(seed: &str, step: u8) -> String {
    let bytes = data_encoding::BASE32_NOPAD.decode(seed.as_bytes()).expect("base32");
    let code = code_at(Params::default(), &Seed::from_bytes(bytes), at(step)).expect("default parameters");
    code.expose().to_owned()
}

/// The begin of a time step.
pub fn at(step: u8) -> Timestamp {
    START.plus(std::time::Duration::from_secs(30 * u64::from(step)))
}
