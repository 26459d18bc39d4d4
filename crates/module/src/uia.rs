//! Interactive auth (spec section "User-Interactive Authentication API") for hosts without one of their own.
//!
//! 1. `auth` is taken out of the body (`auth`); the rest is compared with the body that opened the session (`binding`).
//! 2. Nothing is evaluated unless the session admits the stage now ([`AuthSession::admits`]).
//! 3. A password may carry a code at its end (`first`).
//! 4. A second factor is evaluated by the engine, which consumes the session in the commit that burns the code (`second`).
//! 5. A hosted page may have completed the last stage: then `auth` with the session alone spends it (`second`).
//! 6. The final gate: whoever became enrolled since the session was opened is challenged anew.
//! 7. Between the gate and the operation there is time. What was proved carries its epoch, by which it is judged again when the operation
//!    happens ([`Authorized::epoch`]).

pub(crate) mod auth;
pub(crate) mod binding;
pub(crate) mod challenge;
pub(crate) mod first;
pub(crate) mod second;

use std::{fmt, net::IpAddr};

use auth::Auth;
use challenge::Refusal;
use first::PasswordCheck;
use matrix_2fa_core::{
    AuthSession, Flow, Operation, Proof, Stage,
    flow::flows_for,
    session::{NotNow, Progress},
};
use matrix_2fa_engine::{Origination, sessions::LiveSession};
use matrix_2fa_store::fault::{self, Fault};
use serde_json::{Map, Value};

use crate::{
    ApiError, TwoFactor,
    homeserver::{Requester, RequesterKind},
};

/// One request to an endpoint that wants interactive auth.
pub struct UiaRequest<'a> {
    /// Who asks; `None` only for registration.
    pub requester: Option<&'a Requester>,
    /// Their access token ([`request::access_token`](crate::request::access_token)): the session belongs to it.
    pub token: Option<&'a str>,
    /// What they want to do.
    pub operation: Operation,
    /// The whole JSON body, `auth` included. An absent body is an empty object.
    pub body: Map<String, Value>,
    /// The client's address.
    pub client: Option<IpAddr>,
    /// The first stage: [`Stage::Password`], or [`Stage::Dummy`] for registration.
    pub first: Stage,
}

/// A request that passed. Its session is consumed; do the operation now, once.
pub struct Authorized {
    /// The body to act on: the first body's keys with the secrets of this request, without `auth`.
    pub body: Map<String, Value>,
    /// The second factor that was proved, if one was needed.
    pub factor: Option<Stage>,
    /// [`Homeserver::login_epoch`](crate::Homeserver::login_epoch), read before the first factor was proved. If it is another one when the
    /// operation happens, nothing of this is worth anything any more: refuse. Ask in the very step that does it, as
    /// [`create_login`](crate::Homeserver::create_login) does.
    pub epoch: u64,
    /// How much was proved.
    pub(crate) proof: Proof,
}

impl fmt::Debug for UiaRequest<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("UiaRequest").field("operation", &self.operation).finish_non_exhaustive()
    }
}

impl fmt::Debug for Authorized {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Authorized").field("factor", &self.factor).field("proof", &self.proof).finish_non_exhaustive()
    }
}

/// A session that is being worked on: stored, or not yet (and perhaps never: a first request can bring everything).
pub(crate) enum Session {
    Fresh(Box<AuthSession>),
    Stored(Box<LiveSession>),
}

impl Session {
    pub(crate) fn state(&self) -> &AuthSession {
        match self {
            Self::Fresh(state) => state,
            Self::Stored(live) => &live.state,
        }
    }

    pub(crate) fn state_mut(&mut self) -> &mut AuthSession {
        match self {
            Self::Fresh(state) => state,
            Self::Stored(live) => &mut live.state,
        }
    }
}

/// Operations for which an application service needs no interactive auth (spec v1.17).
const APPSERVICE_EXEMPT: [&str; 3] = ["devices/delete", "delete_devices", "keys/device_signing/upload"];

impl TwoFactor {
    /// Runs the dance for one request: `Ok` once, when everything was proved; otherwise the answer to send.
    pub async fn authorize(&self, request: UiaRequest<'_>) -> Result<Authorized, ApiError> {
        self.authorize_checked(request, Access::default(), |_body| Ok(())).await
    }

    /// The same, with a look at the completed body before anything is evaluated: bad input costs nobody a code.
    pub(crate) async fn authorize_checked(
        &self,
        request: UiaRequest<'_>,
        access: Access,
        check: impl Fn(&Map<String, Value>) -> Result<(), ApiError> + Send,
    ) -> Result<Authorized, ApiError> {
        let UiaRequest { requester, token, operation, mut body, client, first } = request;
        if requester.is_none() {
            // Registration: what is kept and hashed is a stranger's.
            self.admit(client)?;
        }
        let auth = Auth::take(&mut body, &self.settings.stage_prefix)?;
        if requester.is_some_and(|r| {
            r.kind == RequesterKind::Appservice && APPSERVICE_EXEMPT.contains(&operation.name.as_str())
        }) {
            check(&body)?;
            let epoch = self.epoch(requester.map(|requester| requester.user.as_str())).await?;
            return Ok(Authorized { body, factor: None, epoch, proof: Proof::FirstFactor });
        }
        let token = token.map(|token| self.engine.token_digest(token));
        let cx = Dance { requester, token, operation, client, first, access };
        let mut session = match &auth.session {
            Some(id) => {
                let live = self.resume(id, &cx).await?;
                body = self.complete_body(&live.state, body)?;
                Session::Stored(Box::new(live))
            }
            None => Session::Fresh(Box::new(self.fresh_session(&cx, &body).await?)),
        };
        check(&body)?;
        let (factor, proof) = self.run(&cx, &auth, &mut session, &body).await?;
        Ok(Authorized { body, factor, epoch: session.state().epoch, proof })
    }

    async fn resume(&self, id: &str, cx: &Dance<'_>) -> Result<LiveSession, ApiError> {
        let live = self.engine.session(id).await?.ok_or_else(ApiError::unknown_session)?;
        let belongs = live.state.belongs_to(&cx.operation, cx.user(), cx.device(), cx.token.as_ref());
        if !belongs && !fault::is(Fault::SessionNotBound) {
            return Err(ApiError::forbidden(
                "This session was opened for another operation, or with another access token. Start again without it.",
            ));
        }
        if live.state.epoch != self.epoch(cx.user()).await? {
            return Err(ApiError::unknown_session());
        }
        Ok(live)
    }

    async fn epoch(&self, user: Option<&str>) -> Result<u64, ApiError> {
        match user {
            Some(user) => Ok(self.host.login_epoch(user).await?),
            None => Ok(0),
        }
    }

    async fn fresh_session(&self, cx: &Dance<'_>, body: &Map<String, Value>) -> Result<AuthSession, ApiError> {
        let flows = self.flows(cx).await?;
        let mut session = self.new_session(&cx.operation, cx.user(), cx.device(), cx.client, flows, body)?;
        session.token = cx.token;
        session.epoch = self.epoch(cx.user()).await?;
        Ok(session)
    }

    /// The flows for this user now. Final in the first answer of a session.
    async fn flows(&self, cx: &Dance<'_>) -> Result<Vec<Flow>, ApiError> {
        let Some(user) = cx.user() else { return Ok(flows_for(cx.first, &[])) };
        let factors = self.engine.account(user).await?.stages();
        let mut flows = flows_for(cx.first, &factors);
        if !factors.is_empty() && self.is_recovery_login(cx).await? {
            flows.insert(0, Flow::new([cx.first]));
        }
        if !factors.is_empty() && self.pages_confirm(&cx.operation) {
            flows.insert(0, Flow::new([Stage::Sso]));
        }
        Ok(flows)
    }

    /// Who logged in with a recovery code may for ten minutes replace authenticators and renew codes with the password alone.
    async fn is_recovery_login(&self, cx: &Dance<'_>) -> Result<bool, ApiError> {
        match (cx.access.after_recovery_login, cx.user(), cx.device()) {
            (true, Some(user), Some(device)) => Ok(self.engine.is_recovery_login(user, device).await?),
            _ => Ok(false),
        }
    }

    /// One stage. Returns only when everything is proved and the session is consumed.
    async fn run(
        &self,
        cx: &Dance<'_>,
        auth: &Auth,
        session: &mut Session,
        body: &Map<String, Value>,
    ) -> Result<(Option<Stage>, Proof), ApiError> {
        let Some(stage) = auth.stage else {
            if let (Some(_), Some(stage)) = (cx.requester, self.completed_on_page(session, body).await?) {
                return Ok((Some(stage), Proof::SecondFactor));
            }
            let refusal = if auth.unknown_type { Refusal::UnknownStage } else { Refusal::Nothing };
            return Err(self.challenge(session, refusal).await?);
        };
        match session.state().admits(stage) {
            Err(NotNow::Completed) => return Err(self.challenge(session, Refusal::Nothing).await?),
            Err(NotNow::OutOfOrder) => return Err(self.challenge(session, Refusal::OutOfOrder).await?),
            Ok(()) => {}
        }
        match stage {
            Stage::Totp | Stage::Recovery => {
                let user = session.state().user.clone().ok_or_else(ApiError::unknown_session)?;
                binding::require_secrets(session.state(), body)?;
                if !self.host.remembers(&user).await? {
                    return Err(ApiError::unknown_session());
                }
                self.second_factor(&user, &cx.origination(), session, stage, auth.code.as_deref()).await?;
                Ok((Some(stage), Proof::SecondFactor))
            }
            Stage::Password => self.password_stage(cx, auth, session, body).await,
            Stage::Sso => Err(self.challenge(session, Refusal::Nothing).await?),
            Stage::Dummy | Stage::Token => Ok((None, self.first_passed(cx, session, stage, auth, body).await?)),
        }
    }

    async fn password_stage(
        &self,
        cx: &Dance<'_>,
        auth: &Auth,
        session: &mut Session,
        body: &Map<String, Value>,
    ) -> Result<(Option<Stage>, Proof), ApiError> {
        let password = auth.password.as_deref().ok_or_else(|| ApiError::missing("password"))?;
        let named = auth.user.as_deref().map(|given| self.host.canonical_user(given));
        let user = match (cx.user(), named) {
            (Some(user), None) => user.to_owned(),
            (Some(user), Some(Some(named))) if named == user => named,
            // Another user's password proves nothing about this one; the same answer as a wrong password.
            _ => return Err(self.challenge(session, Refusal::WrongPassword).await?),
        };
        match self.check_password(&user, password, cx.client).await? {
            PasswordCheck::Wrong => Err(self.challenge(session, Refusal::WrongPassword).await?),
            PasswordCheck::Right => Ok((None, self.first_passed(cx, session, Stage::Password, auth, body).await?)),
            PasswordCheck::WithCode { stage, code } => {
                binding::require_secrets(session.state(), body)?;
                session.state_mut().complete(Stage::Password).map_err(|_not_now| ApiError::unknown_session())?;
                // Either part wrong must look the same, so nothing of the password's success may show.
                match self.second_factor_of(&user, &cx.origination(), session, stage, &code).await? {
                    true => Ok((Some(stage), Proof::SecondFactor)),
                    false => {
                        session.state_mut().completed.pop();
                        Err(self.challenge(session, Refusal::WrongPassword).await?)
                    }
                }
            }
        }
    }

    /// The first stage is passed: done if that is all, else on to the factor.
    async fn first_passed(
        &self,
        cx: &Dance<'_>,
        session: &mut Session,
        stage: Stage,
        auth: &Auth,
        body: &Map<String, Value>,
    ) -> Result<Proof, ApiError> {
        let progress = session.state_mut().complete(stage).map_err(|_not_now| ApiError::unknown_session())?;
        if progress == Progress::More {
            let refusal = if auth.session.is_none() { Refusal::FactorMissing } else { Refusal::Nothing };
            return Err(self.challenge(session, refusal).await?);
        }
        binding::require_secrets(session.state(), body)?;
        // The final gate: this session's flows may be older than the user's factor, or than the end of a recovery login's right.
        if self.flows(cx).await? != session.state().flows {
            return Err(ApiError::unknown_session());
        }
        if let Session::Stored(live) = session {
            self.engine.consume_session(live).await?;
        }
        Ok(if self.is_recovery_login(cx).await? { Proof::RecoveryLogin } else { Proof::FirstFactor })
    }
}

/// What an endpoint grants beyond the usual.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Access {
    /// After a recovery login the password alone is enough.
    pub(crate) after_recovery_login: bool,
}

/// The circumstances of one request.
pub(crate) struct Dance<'a> {
    requester: Option<&'a Requester>,
    token: Option<[u8; 32]>,
    operation: Operation,
    client: Option<IpAddr>,
    first: Stage,
    access: Access,
}

impl Dance<'_> {
    fn user(&self) -> Option<&str> {
        self.requester.map(|requester| requester.user.as_str())
    }

    fn device(&self) -> Option<&str> {
        self.requester.and_then(|requester| requester.device.as_deref())
    }

    fn origination(&self) -> Origination {
        Origination {
            device: self.device().map(str::to_owned),
            client: self.client,
            operation: Some(self.operation.name.clone()),
            proof: Proof::FirstFactor,
            page: None,
        }
    }
}
