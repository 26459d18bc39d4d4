//! The second-factor stage: one commit burns the code and consumes the session, or marks it as completed by a page.

use matrix_2fa_core::{Operation, Stage, session::Progress};
use matrix_2fa_engine::{EngineError, Origination, verify::Verdict};
use matrix_2fa_store::RecordChange;
use serde_json::{Map, Value};

use super::{Session, binding, challenge::Refusal};
use crate::{ApiError, TwoFactor};

impl TwoFactor {
    /// Evaluates a code as the last stage of `session`. `Ok` means: right, burnt, session consumed, all durable.
    pub(super) async fn second_factor(
        &self,
        user: &str,
        origination: &Origination,
        session: &mut Session,
        stage: Stage,
        code: Option<&String>,
    ) -> Result<(), ApiError> {
        let Some(code) = code else { return Err(self.challenge(session, Refusal::Nothing).await?) };
        self.admit(origination.client)?;
        let verdict = self.judge(user, origination, session, stage, code, Vec::new()).await?;
        self.passed(verdict, session).await
    }

    /// The same for a code at the end of a password: whether it was right is all that shows, but for the wait.
    pub(super) async fn second_factor_of(
        &self,
        user: &str,
        origination: &Origination,
        session: &Session,
        stage: Stage,
        code: &str,
    ) -> Result<bool, ApiError> {
        self.admit(origination.client)?;
        let verdict = self.judge(user, origination, session, stage, code, Vec::new()).await?;
        self.silently_passed(verdict)
    }

    /// What a verdict on a session's last stage means: go on, or the answer to send.
    pub(crate) async fn passed(&self, verdict: Verdict, session: &mut Session) -> Result<(), ApiError> {
        match verdict {
            Verdict::Verified => Ok(()),
            Verdict::Wrong | Verdict::NotEnrolled => Err(self.challenge(session, Refusal::WrongCode).await?),
            Verdict::Locked => Err(self.challenge(session, Refusal::Locked).await?),
            Verdict::Wait(until) => Err(ApiError::wait(self.engine.now(), until)),
        }
    }

    /// The same where a wrong code must look like a wrong password.
    pub(crate) fn silently_passed(&self, verdict: Verdict) -> Result<bool, ApiError> {
        match verdict {
            Verdict::Verified => Ok(true),
            Verdict::Wrong | Verdict::NotEnrolled | Verdict::Locked => Ok(false),
            Verdict::Wait(until) => Err(ApiError::wait(self.engine.now(), until)),
        }
    }

    /// May a page complete a stage of this operation? Never where a token or a factor would come of it: whoever lures somebody to such a page
    /// would own the account for good, not for one operation. There a code counts only in the request that carries it (decision 0043).
    pub(crate) fn pages_confirm(&self, operation: &Operation) -> bool {
        let excluded =
            |name: &str| matches!(name, "login" | "login/get_token") || name.starts_with("account/two-factor");
        self.pages.is_some() && !excluded(&operation.name)
    }

    /// Spends a session whose last stage was completed by a hosted page; `None` if there is more to do. The caller has an access token:
    /// a login session never gets here, or the code that a victim types on a page would finish an attacker's login.
    pub(super) async fn completed_on_page(
        &self,
        session: &Session,
        body: &Map<String, Value>,
    ) -> Result<Option<Stage>, ApiError> {
        let (Session::Stored(live), Some(user)) = (session, &session.state().user) else { return Ok(None) };
        if live.state.progress() != Progress::Complete || !self.pages_confirm(&live.state.operation) {
            return Ok(None);
        }
        binding::require_secrets(&live.state, body)?;
        if !self.host.remembers(user).await? {
            return Err(ApiError::unknown_session());
        }
        // The final gate: what was proved is worth nothing if the factors have changed since.
        let account = self.engine.account(user).await?;
        if !account.is_enrolled() || account.changed_at().is_some_and(|at| at > live.state.created_at) {
            return Err(ApiError::unknown_session());
        }
        self.engine.consume_session(live).await?;
        Ok(live.state.completed.last().copied())
    }

    /// Judges a code. If it is right, `joined` happens in the commit that burns it, and the session is consumed there.
    pub(crate) async fn judge(
        &self,
        user: &str,
        origination: &Origination,
        session: &Session,
        stage: Stage,
        code: &str,
        mut joined: Vec<RecordChange>,
    ) -> Result<Verdict, EngineError> {
        if let Session::Stored(live) = session {
            joined.push(live.consume());
        }
        self.engine.verify(user, origination, stage, code, joined).await
    }
}
