//! The second-factor stage: one commit burns the code and consumes the session.

use matrix_2fa_core::Stage;
use matrix_2fa_engine::{Origination, verify::Verdict};

use super::{Session, challenge::Refusal};
use crate::{ApiError, TwoFactor};

impl TwoFactor {
    /// Evaluates a code as the last stage of `session`. `Ok` means: right, burnt, session consumed, all durable.
    pub(crate) async fn second_factor(
        &self,
        user: &str,
        origination: &Origination,
        session: &mut Session,
        stage: Stage,
        code: Option<&String>,
    ) -> Result<(), ApiError> {
        let Some(code) = code else { return Err(self.challenge(session, Refusal::Nothing).await?) };
        match self.verify(user, origination, session, stage, code).await? {
            Verdict::Verified => Ok(()),
            Verdict::Wrong | Verdict::NotEnrolled => Err(self.challenge(session, Refusal::WrongCode).await?),
            Verdict::Locked => Err(self.challenge(session, Refusal::Locked).await?),
            Verdict::Wait(until) => Err(ApiError::wait(self.engine.now(), until)),
        }
    }

    /// The same for a code at the end of a password: whether it was right is all that shows, but for the wait.
    pub(crate) async fn second_factor_of(
        &self,
        user: &str,
        origination: &Origination,
        session: &Session,
        stage: Stage,
        code: &str,
    ) -> Result<bool, ApiError> {
        match self.verify(user, origination, session, stage, code).await? {
            Verdict::Verified => Ok(true),
            Verdict::Wrong | Verdict::NotEnrolled | Verdict::Locked => Ok(false),
            Verdict::Wait(until) => Err(ApiError::wait(self.engine.now(), until)),
        }
    }

    async fn verify(
        &self,
        user: &str,
        origination: &Origination,
        session: &Session,
        stage: Stage,
        code: &str,
    ) -> Result<Verdict, ApiError> {
        self.admit(origination.client)?;
        let consume = match session {
            Session::Stored(live) => vec![live.consume()],
            Session::Fresh(_) => Vec::new(),
        };
        Ok(self.engine.verify(user, origination, stage, code, consume).await?)
    }
}
