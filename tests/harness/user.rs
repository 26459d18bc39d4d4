//! People: somebody with a password, and somebody with a second factor too.

use std::ops::Deref;

use serde_json::{Value, json};

use super::{Answer, PASSWORD, Phone, RECOVERY, STEP_MS, Server, TOTP, auth, stage, with};

/// Somebody with a password and a login.
pub struct User {
    /// Where they live.
    pub server: Server,
    /// The localpart.
    pub name: String,
    /// The full Matrix id.
    pub id: String,
    /// The password.
    pub password: String,
    /// The access token of the registration.
    pub token: String,
    /// Its device.
    pub device: String,
}

impl User {
    /// Registers.
    #[track_caller]
    pub fn register(server: &Server, name: &str) -> Self {
        let password = format!("correct horse {name}");
        let body = json!({ "username": name, "password": password, "auth": { "type": "m.login.dummy" } });
        let answer = server.post("register", &body).is(200);
        Self {
            server: server.clone(),
            name: name.to_owned(),
            id: answer.string("user_id"),
            password,
            token: answer.access_token(),
            device: answer.string("device_id"),
        }
    }

    /// A request with the access token.
    pub fn request(&self, method: &str, path: &str) -> super::Request {
        self.server.request(method, path).token(&self.token)
    }

    /// GET with the access token.
    #[track_caller]
    pub fn get(&self, path: &str) -> Answer {
        self.request("GET", path).send()
    }

    /// Any method with a JSON body and the access token.
    #[track_caller]
    pub fn send(&self, method: &str, path: &str, body: &Value) -> Answer {
        self.request(method, path).json(body).send()
    }

    /// POST with the access token.
    #[track_caller]
    pub fn post(&self, path: &str, body: &Value) -> Answer {
        self.send("POST", path, body)
    }

    /// The password stage.
    pub fn password_stage(&self) -> Value {
        json!({ "type": PASSWORD, "identifier": { "type": "m.id.user", "user": self.name }, "password": self.password })
    }

    /// The password stage with another password.
    pub fn password_stage_of(&self, password: &str) -> Value {
        with(&self.password_stage(), &json!({ "password": password }))
    }

    /// POST /login with the password alone.
    #[track_caller]
    pub fn login(&self) -> Answer {
        self.server.post("login", &self.password_stage())
    }

    /// A second login, whose token becomes that of the returned value. For users without a factor.
    #[track_caller]
    pub fn second_device(&self) -> User {
        let answer = self.login().is(200);
        self.with_login(&answer)
    }

    /// The same person with the token of another login.
    #[track_caller]
    pub fn with_login(&self, login: &Answer) -> User {
        User {
            server: self.server.clone(),
            name: self.name.clone(),
            id: self.id.clone(),
            password: self.password.clone(),
            token: login.access_token(),
            device: login.string("device_id"),
        }
    }

    /// Opens an interactive-auth session for an operation: the 401 to a request without `auth`.
    #[track_caller]
    pub fn open(&self, method: &str, path: &str, body: &Value) -> Answer {
        self.send(method, path, body).completed(&[])
    }

    /// Opens a session and passes these stages in it. The answer is that to the last one; those before must be challenged on.
    #[track_caller]
    pub fn authorize(&self, method: &str, path: &str, body: &Value, stages: &[Value]) -> Answer {
        let mut answer = self.open(method, path, body);
        let session = answer.session();
        for stage in stages {
            assert_eq!(answer.status, 401, "another stage was expected to be needed\n{answer}");
            answer = self.send(method, path, &auth(body, &session, stage));
        }
        answer
    }

    /// Authorises with the password alone.
    #[track_caller]
    pub fn with_password(&self, method: &str, path: &str, body: &Value) -> Answer {
        self.authorize(method, path, body, &[self.password_stage()])
    }

    /// A pending enrollment (with the password; the account must have no factor yet): its answer.
    #[track_caller]
    pub fn begin_enrollment(&self) -> Answer {
        self.with_password("POST", "account/two-factor/totp", &json!({ "name": "phone" })).is(200)
    }

    /// Confirms a pending enrollment.
    #[track_caller]
    pub fn confirm(&self, pending: &Answer, code: &str) -> Answer {
        self.post("account/two-factor/totp/confirm", &json!({ "id": pending["id"], "token": code }))
    }

    /// Becomes somebody with an authenticator and recovery codes.
    #[track_caller]
    pub fn enroll(self) -> Enrolled {
        let pending = self.begin_enrollment();
        let phone = Phone::new(&self.server, &pending.string("seed"));
        let confirmed = loop {
            let step = self.server.now_ms() / STEP_MS;
            let answer = self.confirm(&pending, &phone.code());
            // On a server with the real clock a step may end on the way, and the code with it; nothing else excuses a refusal.
            if answer.status == 200 || self.server.now_ms() / STEP_MS == step {
                break answer.is(200);
            }
        };
        Enrolled {
            recovery: recovery_codes(&confirmed["recovery"]["tokens"]),
            authenticator: pending.string("id"),
            phone,
            user: self,
        }
    }

    /// What GET account/two-factor says.
    #[track_caller]
    pub fn status(&self) -> Answer {
        self.get("account/two-factor").is(200)
    }
}

/// The recovery codes of an answer.
#[track_caller]
pub fn recovery_codes(tokens: &Value) -> Vec<String> {
    let codes: Vec<String> =
        tokens.as_array().into_iter().flatten().filter_map(|code| Some(code.as_str()?.to_owned())).collect();
    assert_eq!(codes.len(), 10, "ten recovery codes, not {tokens}");
    codes
}

/// Somebody with a second factor.
pub struct Enrolled {
    user: User,
    /// The authenticator.
    pub phone: Phone,
    /// Its id.
    pub authenticator: String,
    /// The recovery codes, none of them used by the harness.
    pub recovery: Vec<String>,
}

impl Deref for Enrolled {
    type Target = User;

    fn deref(&self) -> &User {
        &self.user
    }
}

impl Enrolled {
    /// The TOTP stage with a fresh right code.
    pub fn totp(&self) -> Value {
        stage(TOTP, &self.phone.code())
    }

    /// The TOTP stage with a wrong code.
    pub fn wrong_totp(&self) -> Value {
        stage(TOTP, &self.phone.wrong_code())
    }

    /// The recovery stage with the code at this place.
    pub fn recovery_stage(&self, place: usize) -> Value {
        stage(RECOVERY, &self.recovery[place])
    }

    /// The session of a login that has passed the password.
    #[track_caller]
    pub fn challenge(&self) -> String {
        self.login().refused(401, "M_FORBIDDEN").completed(&[PASSWORD]).without_token().session()
    }

    /// The next request of a login: `auth` alone.
    #[track_caller]
    pub fn finish(&self, session: &str, stage: Value) -> Answer {
        self.server.post("login", &auth(&json!({}), session, &stage))
    }

    /// A whole login with this second factor; the answer to the second request.
    #[track_caller]
    pub fn login_with(&self, stage: Value) -> Answer {
        self.finish(&self.challenge(), stage)
    }

    /// Authorises with the password and this second factor.
    #[track_caller]
    pub fn prove_with(&self, method: &str, path: &str, body: &Value, factor: Value) -> Answer {
        self.authorize(method, path, body, &[self.password_stage(), factor])
    }

    /// Authorises with the password and a fresh code.
    #[track_caller]
    pub fn prove(&self, method: &str, path: &str, body: &Value) -> Answer {
        self.prove_with(method, path, body, self.totp())
    }

    /// The codes of a second authenticator, added with password and a fresh code.
    #[track_caller]
    pub fn add_phone(&self, name: &str) -> (Phone, String) {
        let pending = self.prove("POST", "account/two-factor/totp", &json!({ "name": name })).is(200);
        let phone = Phone::new(&self.server, &pending.string("seed"));
        let confirmed = self.confirm(&pending, &phone.code()).is(200);
        assert!(
            confirmed.body.get("recovery").is_none(),
            "recovery codes come with the first factor only\n{confirmed}"
        );
        (phone, pending.string("id"))
    }
}
