//! `POST /_matrix/client/v3/login`: the login guard, in every form that clients use.
//!
//! [Spec](https://spec.matrix.org/v1.19/client-server-api/#post_matrixclientv3login), MSC2835 for `auth`.
//!
//! 1. `m.login.password`: one password check. Without a factor the login is made at once, so old clients see no difference. With one,
//!    the answer is 401 with a session whose first stage is passed.
//! 2. Then the same body with `auth`, or `auth` alone, or the stage's own type at the top: `{"type": "m.login.2fa.totp", "session", "token"}`.
//! 3. No `type` but an `auth` object (MSC2835): a session with the same flows for everybody; the gate decides after the password.
//! 4. Password and code in one field: no session at all.
//! 5. `m.login.token`: the token is the first stage, and enough only if a second factor was proved for it.
//!
//! A code counts only in the request that carries it: a login session has no fallback page and a poll never returns a token.

use std::sync::Arc;

use axum::{Json, extract::State};
use http::StatusCode;
use matrix_2fa_core::{AuthSession, Flow, Operation, Stage, flow::flows_for, session::NotNow};
use matrix_2fa_engine::{Origination, sessions::LiveSession};
use serde_json::{Map, Value};

use crate::{
    ApiError, JsonRequest, TwoFactor,
    request::{client_address, string},
    uia::{
        Session,
        auth::{Auth, named_user},
        challenge::Refusal,
        first::PasswordCheck,
    },
};

/// What the body asks for.
enum Form {
    /// `m.login.password` at the top.
    Password,
    /// `m.login.token` at the top.
    Token,
    /// A stage in `auth`, or of its own type at the top.
    Stage,
}

pub(crate) async fn login(State(module): State<Arc<TwoFactor>>, request: JsonRequest) -> Result<Json<Value>, ApiError> {
    let JsonRequest { parts, mut body } = request;
    let cx = Login { module: &module, from: origination(&parts) };
    let (form, auth) = cx.form(&mut body)?;
    let answer = match (form, &auth.session) {
        (_, Some(id)) => cx.resume(id, &auth, body).await?,
        (Form::Password, None) => cx.password(&auth, body).await?,
        (Form::Token, None) => cx.token(&auth, body).await?,
        (Form::Stage, None) => cx.stage(&auth, body).await?,
    };
    Ok(Json(answer))
}

struct Login<'a> {
    module: &'a TwoFactor,
    from: Origination,
}

fn origination(parts: &http::request::Parts) -> Origination {
    Origination { device: None, client: client_address(parts), operation: Some("login".to_owned()) }
}

fn wrong_password() -> ApiError {
    ApiError::forbidden("The user name, the password or the code is wrong.")
}

impl Login<'_> {
    /// Reads `type` and `auth` by hand, before any typed parser could panic on the one or drop the other.
    fn form(&self, body: &mut Map<String, Value>) -> Result<(Form, Auth), ApiError> {
        let prefix = &self.module.settings.stage_prefix;
        let has_auth = body.contains_key("auth");
        let Some(kind) = string(body, "type")?.map(str::to_owned) else {
            if !has_auth {
                return Err(ApiError::missing("type"));
            }
            return Ok((Form::Stage, Auth::take(body, prefix)?));
        };
        let form = match prefix.parse(&kind) {
            Some(Stage::Password) => Form::Password,
            Some(Stage::Token) => Form::Token,
            Some(Stage::Totp | Stage::Recovery) => return own_type(body, prefix).map(|auth| (Form::Stage, auth)),
            Some(Stage::Dummy) | None => {
                return Err(ApiError::new(
                    StatusCode::BAD_REQUEST,
                    "M_UNKNOWN",
                    "This server does not know this login type.",
                ));
            }
        };
        let auth = Auth::take(body, prefix)?;
        let first = if matches!(form, Form::Password) { Stage::Password } else { Stage::Token };
        if auth.stage.is_some_and(|stage| !stage.is_second_factor() && stage != first) {
            return Err(ApiError::invalid("The body and its auth name two different first factors."));
        }
        Ok((form, auth))
    }

    /// `m.login.password` without a session.
    async fn password(&self, auth: &Auth, body: Map<String, Value>) -> Result<Value, ApiError> {
        let named = named_user(&body)?.ok_or_else(|| ApiError::missing("identifier"))?;
        let password = string(&body, "password")?.ok_or_else(|| ApiError::missing("password"))?;
        let user = self.user(&named);
        let flows = match self.module.check_password(&user, password).await? {
            PasswordCheck::Wrong => return Err(wrong_password()),
            PasswordCheck::WithCode { stage, code } => return self.with_code(&user, stage, &code, &body).await,
            PasswordCheck::Right => self.flows(Stage::Password, &user).await?,
        };
        self.after_first(user, Stage::Password, flows, auth, body).await
    }

    /// `m.login.token` without a session.
    async fn token(&self, auth: &Auth, body: Map<String, Value>) -> Result<Value, ApiError> {
        let token = string(&body, "token")?.ok_or_else(|| ApiError::missing("token"))?;
        let ticket = self.module.engine.take_login_token(token).await?;
        let ticket =
            ticket.ok_or_else(|| ApiError::forbidden("The login token is not valid or was used. Get a new one."))?;
        let flows = match ticket.factor {
            Some(_) => vec![Flow::new([Stage::Token])],
            None => self.flows(Stage::Token, &ticket.user).await?,
        };
        self.after_first(ticket.user, Stage::Token, flows, auth, body).await
    }

    /// The first factor is right and the user known: make the login, or ask for the second, or take it from the same request.
    async fn after_first(
        &self,
        user: String,
        first: Stage,
        flows: Vec<Flow>,
        auth: &Auth,
        body: Map<String, Value>,
    ) -> Result<Value, ApiError> {
        if flows == [Flow::new([first])] {
            return self.create(&user, &body, None).await;
        }
        let mut state = self.state(Some(&user), flows, &body);
        state.completed.push(first);
        let mut session = Session::Fresh(Box::new(state));
        match auth.stage.filter(|stage| stage.is_second_factor()) {
            Some(stage) => self.second(&user, &mut session, stage, auth, &body).await,
            None => Err(self.module.challenge(&mut session, Refusal::FactorMissing).await?),
        }
    }

    /// `auth` without `type` and without a session (MSC2835): the same flows for everybody.
    async fn stage(&self, auth: &Auth, body: Map<String, Value>) -> Result<Value, ApiError> {
        let mut flows = vec![Flow::new([Stage::Password])];
        flows.extend(flows_for(Stage::Password, &[Stage::Totp, Stage::Recovery]));
        let session = Session::Fresh(Box::new(self.state(None, flows, &body)));
        self.step(session, auth, body).await
    }

    /// A request that names a session.
    async fn resume(&self, id: &str, auth: &Auth, body: Map<String, Value>) -> Result<Value, ApiError> {
        let live: LiveSession = self.module.engine.session(id).await?.ok_or_else(ApiError::unknown_session)?;
        if live.state.operation != operation() {
            return Err(ApiError::forbidden("This session was not opened for a login. Start again without it."));
        }
        let body = self.module.complete_body(&live.state, body)?;
        self.step(Session::Stored(Box::new(live)), auth, body).await
    }

    /// One stage of a login session.
    async fn step(&self, mut session: Session, auth: &Auth, body: Map<String, Value>) -> Result<Value, ApiError> {
        let refused = match auth.stage {
            None if auth.unknown_type => Refusal::UnknownStage,
            None => Refusal::Nothing,
            Some(stage) => match session.state().admits(stage) {
                Ok(()) => return self.admitted(session, stage, auth, body).await,
                Err(NotNow::Completed) => Refusal::Nothing,
                Err(NotNow::OutOfOrder) => Refusal::OutOfOrder,
            },
        };
        Err(self.module.challenge(&mut session, refused).await?)
    }

    async fn admitted(
        &self,
        mut session: Session,
        stage: Stage,
        auth: &Auth,
        body: Map<String, Value>,
    ) -> Result<Value, ApiError> {
        if stage.is_second_factor() {
            let user = session.state().user.clone().ok_or_else(ApiError::unknown_session)?;
            return self.second(&user, &mut session, stage, auth, &body).await;
        }
        let named = auth.user.as_deref().ok_or_else(|| ApiError::missing("identifier"))?;
        let password = auth.password.as_deref().ok_or_else(|| ApiError::missing("password"))?;
        let user = self.user(named);
        match self.module.check_password(&user, password).await? {
            PasswordCheck::Wrong => Err(self.module.challenge(&mut session, Refusal::WrongPassword).await?),
            PasswordCheck::WithCode { stage, code } => {
                match self.module.second_factor_of(&user, &self.from, &session, stage, &code).await? {
                    true => self.create(&user, &body, Some(stage)).await,
                    false => Err(self.module.challenge(&mut session, Refusal::WrongPassword).await?),
                }
            }
            PasswordCheck::Right => self.msc2835_password_right(user, session, &body).await,
        }
    }

    /// The gate of the MSC2835 form: its flows promise everybody a login by the password alone, and only here is it known who asks.
    async fn msc2835_password_right(
        &self,
        user: String,
        mut session: Session,
        body: &Map<String, Value>,
    ) -> Result<Value, ApiError> {
        if !self.module.engine.account(&user).await?.is_enrolled() {
            if let Session::Stored(live) = &session {
                self.module.engine.consume_session(live).await?;
            }
            return self.create(&user, body, None).await;
        }
        let state = session.state_mut();
        state.user = Some(user);
        state.complete(Stage::Password).map_err(|_not_now| ApiError::unknown_session())?;
        Err(self.module.challenge(&mut session, Refusal::FactorMissing).await?)
    }

    async fn second(
        &self,
        user: &str,
        session: &mut Session,
        stage: Stage,
        auth: &Auth,
        body: &Map<String, Value>,
    ) -> Result<Value, ApiError> {
        self.module.second_factor(user, &self.from, session, stage, auth.code.as_deref()).await?;
        self.create(user, body, Some(stage)).await
    }

    async fn with_code(
        &self,
        user: &str,
        stage: Stage,
        code: &str,
        body: &Map<String, Value>,
    ) -> Result<Value, ApiError> {
        let session = Session::Fresh(Box::new(self.state(Some(user), Vec::new(), body)));
        match self.module.second_factor_of(user, &self.from, &session, stage, code).await? {
            true => self.create(user, body, Some(stage)).await,
            false => Err(wrong_password()),
        }
    }

    /// Only now does a token exist.
    async fn create(&self, user: &str, body: &Map<String, Value>, factor: Option<Stage>) -> Result<Value, ApiError> {
        const KEPT: [&str; 3] = ["device_id", "initial_device_display_name", "refresh_token"];
        let request = body.iter().filter(|(key, _)| KEPT.contains(&key.as_str()));
        let request = request.map(|(key, value)| (key.clone(), value.clone())).collect();
        let mut answer = self.module.host.create_login(user, &request).await?;
        if factor == Some(Stage::Recovery)
            && let Some(device) = answer.get("device_id").and_then(Value::as_str)
        {
            self.module.engine.note_recovery_login(user, device).await?;
        }
        if let (true, Some(answer)) = (self.module.bars(user).await?, answer.as_object_mut()) {
            answer.insert("org.matrix.msc1998.two_factor".to_owned(), serde_json::json!({"required": true}));
        }
        Ok(answer)
    }

    async fn flows(&self, first: Stage, user: &str) -> Result<Vec<Flow>, ApiError> {
        Ok(flows_for(first, &self.module.engine.account(user).await?.stages()))
    }

    fn state(&self, user: Option<&str>, flows: Vec<Flow>, body: &Map<String, Value>) -> AuthSession {
        self.module.new_session(&operation(), user, None, self.from.client, flows, body)
    }

    /// The canonical name; a name that cannot be a local user's stays as it is, and its password is wrong in the same time.
    fn user(&self, named: &str) -> String {
        self.module.host.canonical_user(named).unwrap_or_else(|| named.to_owned())
    }
}

fn operation() -> Operation {
    Operation::new("login")
}

/// `{"type": "m.login.2fa.totp", "session", "token"}`: the same as `auth` with these keys, which leave the body.
fn own_type(body: &mut Map<String, Value>, prefix: &matrix_2fa_core::StagePrefix) -> Result<Auth, ApiError> {
    let auth = Auth::parse(body, prefix)?;
    if auth.session.is_none() {
        return Err(ApiError::missing("session"));
    }
    for key in ["type", "session", "token", "response", "code", "auth"] {
        body.remove(key);
    }
    Ok(auth)
}
