//! How old a login may become, if the operator says so: past that its device is logged out at the upstream, with the token of the very request
//! that shows it. So no token is kept, and one that nobody uses any more is ended when somebody does.

use std::time::Duration;

use http::StatusCode;
use matrix_2fa::{
    ApiError,
    engine::Engine,
    homeserver::{Requester, RequesterKind},
};
use matrix_2fa_core::Timestamp;

use super::UpstreamHomeserver;

/// The age that counts.
pub(super) struct Ages {
    pub(super) engine: Engine,
    pub(super) lifetime: Option<Duration>,
}

impl UpstreamHomeserver {
    /// Has every login an end?
    pub(crate) fn ends_old_logins(&self) -> bool {
        self.ages.lifetime.is_some()
    }

    /// When this login ends. None: never, as what is no login of a person's.
    pub(crate) async fn ends_at(&self, requester: &Requester) -> Result<Option<Timestamp>, ApiError> {
        let is_login = matches!(requester.kind, RequesterKind::User | RequesterKind::Delegated);
        match (self.ages.lifetime, &requester.device) {
            (Some(lifetime), Some(device)) if is_login => {
                Ok(Some(self.ages.engine.login_seen_since(&requester.user, device).await?.plus(lifetime)))
            }
            _ => Ok(None),
        }
    }

    /// Logs a device out that is too old. It goes no further, whether the upstream could be told or not; if not, the next request tells it again.
    pub(crate) async fn end_if_over(
        &self,
        token: &str,
        requester: &Requester,
        ends: Option<Timestamp>,
    ) -> Result<(), ApiError> {
        if ends.is_none_or(|ends| self.ages.engine.now() < ends) {
            return Ok(());
        }
        if self.upstream.try_log_out(token).await {
            tracing::info!(user.id = requester.user, outcome = "logged out", "a login has reached its age");
            self.begins_anew(&requester.user, requester.device.as_deref()).await;
        }
        let error = "This login has reached the age at which this server ends it. Log in again.";
        Err(ApiError::new(StatusCode::UNAUTHORIZED, "M_UNKNOWN_TOKEN", error).with("soft_logout", false))
    }

    /// A login on this device is over, or was just made.
    pub(crate) async fn begins_anew(&self, user: &str, device: Option<&str>) {
        let Some(device) = device.filter(|_| self.ends_old_logins()) else { return };
        if let Err(error) = self.ages.engine.forget_login(user, device).await {
            let error = &error as &dyn std::error::Error;
            tracing::warn!(user.id = user, error, "the age of a login counts from an earlier one on its device");
        }
    }
}
