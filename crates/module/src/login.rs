//! The login guard: from a request that may carry a first factor, a second one, both, or a session, to a login that is proved.
//!
//! 1. `m.login.password`: one password check. Without a factor the login is proved at once, so old clients see no difference. With one,
//!    the answer is 401 with a session whose first stage is passed.
//! 2. Then the same body with `auth`, or `auth` alone, or the stage's own type at the top: `{"type": "m.login.2fa.totp", "session", "token"}`.
//! 3. No `type` but an `auth` object (MSC2835): a session with the same flows for everybody; the gate decides after the password.
//! 4. Password and code in one field: no session at all.
//! 5. `m.login.token`: the token is the first stage, and enough only if a second factor was proved for it.
//!
//! A code counts only in the request that carries it: a login session has no fallback page and a poll never proves a login.

mod form;
mod making;
mod staged;

use std::fmt;

use matrix_2fa_core::{AuthSession, Flow, Operation, Stage, flow::flows_for};
use matrix_2fa_engine::Origination;
use serde_json::{Map, Value};

pub(crate) use form::Form;
use making::LastStage;
pub(crate) use making::for_the_host;

use crate::{
    ApiError, TwoFactor,
    request::string,
    uia::{
        Session,
        auth::{Auth, named_user},
        challenge::Refusal,
        first::PasswordCheck,
    },
};

/// A login for which everything was proved: make the device and the token now, once.
#[derive(Clone, PartialEq)]
pub struct Proved {
    /// Whom to log in.
    pub user: String,
    /// The login body, completed from the session, without `auth`.
    pub body: Map<String, Value>,
    /// The second factor that was proved, if the user has one.
    pub factor: Option<Stage>,
    /// [`Homeserver::login_epoch`](crate::Homeserver::login_epoch) when the first factor was proved.
    pub epoch: u64,
    /// The answer of a login that was made in the commit of its code.
    made: Option<Value>,
}

impl fmt::Debug for Proved {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Proved").field("user", &self.user).field("factor", &self.factor).finish_non_exhaustive()
    }
}

impl Proved {
    /// The answer of a login that exists already, once.
    pub(crate) fn take_made(&mut self) -> Option<Value> {
        self.made.take()
    }
}

/// The guard for one request.
pub(crate) struct Guard<'a> {
    pub(crate) module: &'a TwoFactor,
    pub(crate) from: Origination,
    /// `POST /login` is ours: what the host can prepare joins the commit of the code.
    pub(crate) makes_logins: bool,
}

impl TwoFactor {
    /// One answer, whatever of a login was wrong.
    pub(crate) fn wrong_password(&self) -> ApiError {
        let ours = || ApiError::forbidden("The user name, the password or the code is wrong.");
        self.host.wrong_password().unwrap_or_else(ours)
    }
}

impl Guard<'_> {
    /// Judges a whole login request.
    pub(crate) async fn prove(&self, mut body: Map<String, Value>) -> Result<Proved, ApiError> {
        let (form, auth) = Form::read(&mut body, &self.module.settings.stage_prefix)?;
        self.module.host.check_login(&for_the_host(&body))?;
        let proved = match (form, &auth.session) {
            (_, Some(id)) => self.resume(id, &auth, body).await?,
            (Form::Password, None) => self.password(&auth, body).await?,
            (Form::Token, None) => self.token(&auth, body).await?,
            (Form::Stage, None) => self.stage(&auth, body).await?,
        };
        self.enrolled_if_required(proved).await
    }

    /// Where a factor is required and the grace period over, there is no token without one if a page leads through the set-up. What was
    /// proved is the first factor, so a stranger does not get this answer.
    async fn enrolled_if_required(&self, proved: Proved) -> Result<Proved, ApiError> {
        if proved.factor.is_some() {
            return Ok(proved);
        }
        match self.module.manage_url() {
            Some(url) if self.module.bars(&proved.user).await? => {
                let text = format!("This server requires a second factor. Set it up at {url} and log in again.");
                Err(ApiError::forbidden(text).with("org.matrix.msc1998.enroll_url", url))
            }
            _ => Ok(proved),
        }
    }

    /// Judges a request whose first factor the host has verified itself.
    pub(crate) async fn prove_after(
        &self,
        (user, epoch): (&str, u64),
        first: Stage,
        mut body: Map<String, Value>,
    ) -> Result<Proved, ApiError> {
        let auth = Auth::take(&mut body, &self.module.settings.stage_prefix)?;
        if let Some(id) = &auth.session {
            let live = self.live(id).await?;
            if live.state.user.as_deref() != Some(user) {
                return Err(ApiError::forbidden("This session was opened for another user. Start again without it."));
            }
            let body = self.module.complete_body(&live.state, body)?;
            let proved = self.step(Session::Stored(Box::new(live)), &auth, body).await?;
            return self.enrolled_if_required(proved).await;
        }
        let flows = self.flows(first, user).await?;
        let proved = self.after_first((user.to_owned(), epoch), first, flows, &auth, body).await?;
        self.enrolled_if_required(proved).await
    }

    /// `m.login.password` without a session.
    async fn password(&self, auth: &Auth, body: Map<String, Value>) -> Result<Proved, ApiError> {
        let named = named_user(&body)?.ok_or_else(|| ApiError::missing("identifier"))?;
        let password = string(&body, "password")?.ok_or_else(|| ApiError::missing("password"))?;
        let user = self.user(&named);
        let epoch = self.module.host.login_epoch(&user).await?;
        let flows = match self.module.check_password(&user, password, self.from.client).await? {
            PasswordCheck::Wrong => return Err(self.module.wrong_password()),
            PasswordCheck::WithCode { stage, code } => return self.with_code(&user, epoch, stage, &code, body).await,
            PasswordCheck::Right => self.flows(Stage::Password, &user).await?,
        };
        self.after_first((user, epoch), Stage::Password, flows, auth, body).await
    }

    /// `m.login.token` without a session.
    async fn token(&self, auth: &Auth, body: Map<String, Value>) -> Result<Proved, ApiError> {
        let token = string(&body, "token")?.ok_or_else(|| ApiError::missing("token"))?;
        self.module.admit(self.from.client)?;
        let ticket = self.module.engine.take_login_token(token).await?;
        let ticket =
            ticket.ok_or_else(|| ApiError::forbidden("The login token is not valid or was used. Get a new one."))?;
        let flows = match ticket.factor {
            Some(factor) => return Ok(Self::proved(&ticket.user, ticket.epoch, body, Some(factor))),
            None => self.flows(Stage::Token, &ticket.user).await?,
        };
        self.after_first((ticket.user, ticket.epoch), Stage::Token, flows, auth, body).await
    }

    /// The first factor is right and the user known: make the login, or ask for the second, or take it from the same request.
    async fn after_first(
        &self,
        (user, epoch): (String, u64),
        first: Stage,
        flows: Vec<Flow>,
        auth: &Auth,
        body: Map<String, Value>,
    ) -> Result<Proved, ApiError> {
        if flows == [Flow::new([first])] {
            return Ok(Self::proved(&user, epoch, body, None));
        }
        let mut state = self.state(Some(&user), flows, &body)?;
        state.epoch = epoch;
        state.completed.push(first);
        let mut session = Session::Fresh(Box::new(state));
        match auth.stage.filter(|stage| stage.is_second_factor()) {
            Some(stage) => self.second(&user, &mut session, stage, auth, body).await,
            None => Err(self.module.challenge(&mut session, Refusal::FactorMissing).await?),
        }
    }

    /// `auth` without `type` and without a session (MSC2835): the same flows for everybody.
    async fn stage(&self, auth: &Auth, body: Map<String, Value>) -> Result<Proved, ApiError> {
        // It keeps a session for a stranger.
        self.module.admit(self.from.client)?;
        let mut flows = vec![Flow::new([Stage::Password])];
        flows.extend(flows_for(Stage::Password, &[Stage::Totp, Stage::Recovery]));
        let session = Session::Fresh(Box::new(self.state(None, flows, &body)?));
        self.step(session, auth, body).await
    }

    /// A password with a code at its end, whose password was right.
    pub(crate) async fn with_code(
        &self,
        user: &str,
        epoch: u64,
        stage: Stage,
        code: &str,
        body: Map<String, Value>,
    ) -> Result<Proved, ApiError> {
        let session = Session::Fresh(Box::new(self.state(Some(user), Vec::new(), &body)?));
        let last = LastStage { user, epoch, stage, code, body: &body };
        let (verdict, made) = self.judge(&last, &session).await?;
        match self.module.silently_passed(verdict)? {
            true => Ok(Proved { made, ..Self::proved(user, epoch, body, Some(stage)) }),
            false => Err(self.module.wrong_password()),
        }
    }

    fn proved(user: &str, epoch: u64, body: Map<String, Value>, factor: Option<Stage>) -> Proved {
        Proved { user: user.to_owned(), body, factor, epoch, made: None }
    }

    async fn flows(&self, first: Stage, user: &str) -> Result<Vec<Flow>, ApiError> {
        Ok(flows_for(first, &self.module.engine.account(user).await?.stages()))
    }

    fn state(&self, user: Option<&str>, flows: Vec<Flow>, body: &Map<String, Value>) -> Result<AuthSession, ApiError> {
        self.module.new_session(&operation(), user, None, self.from.client, flows, body)
    }

    /// The canonical name. A name that cannot be a local user's becomes the empty one, which no user has: its password is wrong, in the
    /// same time.
    fn user(&self, named: &str) -> String {
        self.module.host.canonical_user(named).unwrap_or_default()
    }
}

fn operation() -> Operation {
    Operation::new("login")
}
