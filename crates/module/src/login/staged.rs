//! A login session on its way: one stage a request, and the second factor at the end.

use matrix_2fa_core::{Stage, session::NotNow};
use matrix_2fa_engine::sessions::LiveSession;
use serde_json::{Map, Value};

use super::{Guard, Proved, making::LastStage, operation};
use crate::{
    ApiError,
    request::string,
    uia::{Session, auth::Auth, challenge::Refusal, first::PasswordCheck},
};

impl Guard<'_> {
    /// A request that names a session.
    pub(super) async fn resume(&self, id: &str, auth: &Auth, body: Map<String, Value>) -> Result<Proved, ApiError> {
        let live = self.live(id).await?;
        let body = self.module.complete_body(&live.state, body)?;
        self.step(Session::Stored(Box::new(live)), auth, body).await
    }

    pub(super) async fn live(&self, id: &str) -> Result<LiveSession, ApiError> {
        let live = self.module.engine.session(id).await?.ok_or_else(ApiError::unknown_session)?;
        if live.state.operation != operation() {
            return Err(ApiError::forbidden("This session was not opened for a login. Start again without it."));
        }
        Ok(live)
    }

    /// A session does not outlive the password that it rests on.
    async fn must_be_current(&self, session: &Session) -> Result<(), ApiError> {
        match (session, &session.state().user) {
            (Session::Stored(live), Some(user)) if self.module.host.login_epoch(user).await? != live.state.epoch => {
                Err(ApiError::unknown_session())
            }
            _ => Ok(()),
        }
    }

    /// One stage of a login session.
    pub(super) async fn step(
        &self,
        mut session: Session,
        auth: &Auth,
        body: Map<String, Value>,
    ) -> Result<Proved, ApiError> {
        let admitted = auth.stage.map(|stage| (stage, session.state().admits(stage)));
        if let Some((stage, Ok(()))) = admitted
            && stage.is_second_factor()
        {
            // Whether it is current is asked with the plan of the login.
            let user = session.state().user.clone().ok_or_else(ApiError::unknown_session)?;
            return self.second(&user, &mut session, stage, auth, body).await;
        }
        self.must_be_current(&session).await?;
        let refused = match admitted {
            None if auth.unknown_type => Refusal::UnknownStage,
            None => Refusal::Nothing,
            Some((_, admits)) => match admits {
                Ok(()) => return self.first_of_session(session, auth, body).await,
                Err(NotNow::Completed) => Refusal::Nothing,
                Err(NotNow::OutOfOrder) => Refusal::OutOfOrder,
            },
        };
        Err(self.module.challenge(&mut session, refused).await?)
    }

    /// The password of a session that was opened without one.
    async fn first_of_session(
        &self,
        mut session: Session,
        auth: &Auth,
        body: Map<String, Value>,
    ) -> Result<Proved, ApiError> {
        let named = auth.user.as_deref().ok_or_else(|| ApiError::missing("identifier"))?;
        let password = auth.password.as_deref().ok_or_else(|| ApiError::missing("password"))?;
        let user = self.user(named);
        let epoch = self.module.host.login_epoch(&user).await?;
        match self.module.check_password(&user, password, self.from.client).await? {
            PasswordCheck::Wrong => Err(self.module.challenge(&mut session, Refusal::WrongPassword).await?),
            PasswordCheck::WithCode { stage, code } => {
                let last = LastStage { user: &user, epoch, stage, code: &code, body: &body };
                let (verdict, made) = self.judge(&last, &session).await?;
                match self.module.silently_passed(verdict)? {
                    true => Ok(Proved { made, ..Self::proved(&user, epoch, body, Some(stage)) }),
                    false => Err(self.module.challenge(&mut session, Refusal::WrongPassword).await?),
                }
            }
            PasswordCheck::Right => self.msc2835_password_right((user, epoch), session, body).await,
        }
    }

    /// The gate of the MSC2835 form: its flows promise everybody a login by the password alone, and only here is it known who asks.
    async fn msc2835_password_right(
        &self,
        (user, epoch): (String, u64),
        mut session: Session,
        body: Map<String, Value>,
    ) -> Result<Proved, ApiError> {
        if !self.module.engine.account(&user).await?.is_enrolled() {
            if let Session::Stored(live) = &session {
                self.module.engine.consume_session(live).await?;
            }
            return Ok(Self::proved(&user, epoch, body, None));
        }
        let state = session.state_mut();
        state.user = Some(user);
        state.epoch = epoch;
        state.complete(Stage::Password).map_err(|_not_now| ApiError::unknown_session())?;
        Err(self.module.challenge(&mut session, Refusal::FactorMissing).await?)
    }

    pub(super) async fn second(
        &self,
        user: &str,
        session: &mut Session,
        stage: Stage,
        auth: &Auth,
        body: Map<String, Value>,
    ) -> Result<Proved, ApiError> {
        let Some(code) = &auth.code else { return Err(self.module.challenge(session, Refusal::Nothing).await?) };
        self.reminded(user, session, &body).await?;
        let epoch = session.state().epoch;
        let last = LastStage { user, epoch, stage, code, body: &body };
        let (verdict, made) = self.judge(&last, session).await?;
        self.module.passed(verdict, session).await?;
        Ok(Proved { made, ..Self::proved(user, epoch, body, Some(stage)) })
    }

    /// A host that does not remember the password is given it again, if this request brings it; it is the one that opened the session.
    async fn reminded(&self, user: &str, session: &mut Session, body: &Map<String, Value>) -> Result<(), ApiError> {
        if self.module.host.remembers(user).await? {
            return Ok(());
        }
        self.module.admit(self.from.client)?;
        match string(body, "password")? {
            Some(password) if self.module.host.verify_password(user, password).await? => Ok(()),
            Some(_) | None => Err(self.module.challenge(session, Refusal::Forgotten).await?),
        }
    }
}
