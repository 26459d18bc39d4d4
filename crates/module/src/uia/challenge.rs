//! The 401 of interactive auth.

use http::StatusCode;
use matrix_2fa_core::AuthSession;
use serde_json::{Map, Value, json};

use super::Session;
use crate::{ApiError, TwoFactor};

/// Why a session is not completed by this request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// Nothing was tried, or a stage was passed and more are to come.
    Nothing,
    /// The password came right in the first request. Told as a failure, or clients that send it without a session try again and again.
    FactorMissing,
    WrongPassword,
    WrongCode,
    /// The host does not remember the password any more: it was started anew, or this is another replica of it.
    Forgotten,
    Locked,
    OutOfOrder,
    UnknownStage,
}

impl Refusal {
    pub(crate) fn error(self) -> Option<(&'static str, &'static str)> {
        Some(match self {
            Self::Nothing => return None,
            Self::FactorMissing => (
                "M_FORBIDDEN",
                "This account has a second factor. Send a code of your authenticator or a recovery code, or put the code behind your password, after a space.",
            ),
            Self::WrongPassword => ("M_FORBIDDEN", "The user name, the password or the code is wrong."),
            Self::WrongCode => (
                "M_FORBIDDEN",
                "That code did not work. Wait for the next one, up to 30 seconds, and check your phone's clock.",
            ),
            Self::Forgotten => ("M_FORBIDDEN", "Send the whole login again, with the password and this session."),
            Self::Locked => (
                "M_FORBIDDEN",
                "The authenticators of this account are locked after too many wrong codes. Use a recovery code, or ask your administrator.",
            ),
            Self::OutOfOrder => ("M_FORBIDDEN", "This stage comes later. Complete the stages in the order of a flow."),
            Self::UnknownStage => {
                ("M_UNRECOGNIZED", "This server does not know this stage. Complete the stages of a flow.")
            }
        })
    }
}

impl TwoFactor {
    /// Stores the session as it is now and describes it.
    pub(crate) async fn challenge(&self, session: &mut Session, refusal: Refusal) -> Result<ApiError, ApiError> {
        let id = match session {
            Session::Fresh(state) => {
                let live = self.engine.open_session(state.as_ref().clone()).await?;
                let id = live.id.clone();
                *session = Session::Stored(Box::new(live));
                id
            }
            Session::Stored(live) => {
                if live.is_changed() {
                    self.engine.save_session(live).await?;
                }
                live.id.clone()
            }
        };
        Ok(ApiError::from_body(StatusCode::UNAUTHORIZED, self.challenge_body(&id, session.state(), refusal)))
    }

    fn challenge_body(&self, id: &str, state: &AuthSession, refusal: Refusal) -> Map<String, Value> {
        let flows: Vec<_> = state.flows.iter().map(|flow| json!({"stages": self.names(flow.stages())})).collect();
        let mut body = Map::new();
        body.insert("flows".to_owned(), flows.into());
        body.insert("completed".to_owned(), self.names(&state.completed).into());
        body.insert("params".to_owned(), json!({}));
        body.insert("session".to_owned(), id.into());
        if let Some((errcode, error)) = refusal.error() {
            body.insert("errcode".to_owned(), errcode.into());
            body.insert("error".to_owned(), error.into());
        }
        body
    }
}
