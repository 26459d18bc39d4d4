//! Second factors for a Matrix homeserver.

pub mod error;
pub mod homeserver;
mod password;
pub mod request;
mod router;
mod routes;
pub mod uia;

pub use error::ApiError;
pub use homeserver::{ClientAddress, Homeserver, HostError, Requester, RequesterKind};
pub use matrix_2fa_core as core;
pub use matrix_2fa_engine as engine;
pub use matrix_2fa_store as store;
pub use request::{JsonRequest, json_object};
pub use router::with_cors;
pub use uia::{Authorized, UiaRequest};

use std::{sync::Arc, time::Duration};

use matrix_2fa_core::{Policy, Stage, StagePrefix};
use matrix_2fa_engine::{Engine, Origination};
use serde_json::{Value, json};

/// What an operator sets for the module.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The prefix of the stage names that we emit. All known ones are understood.
    pub stage_prefix: StagePrefix,
    /// Take a password and a code in one field.
    pub password_and_code: bool,
    /// Where clients reach this server, without a trailing slash.
    pub public_base_url: Option<String>,
}

impl Default for Settings {
    fn default() -> Self {
        Self { stage_prefix: StagePrefix::default(), password_and_code: true, public_base_url: None }
    }
}

/// The module: endpoints, login guard and interactive auth over one engine and one homeserver.
pub struct TwoFactor {
    engine: Engine,
    host: Arc<dyn Homeserver>,
    settings: Settings,
}

/// A login token of `login/get_token` lives this long. Our own login page gives out shorter ones.
pub const LOGIN_TOKEN_LIFETIME: Duration = Duration::from_secs(2 * 60);

impl TwoFactor {
    /// Assembles the module.
    pub fn new(engine: Engine, host: Arc<dyn Homeserver>, settings: Settings) -> Arc<Self> {
        Arc::new(Self { engine, host, settings })
    }

    /// The engine underneath.
    pub fn engine(&self) -> &Engine {
        &self.engine
    }

    /// What the operator set.
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// The homeserver.
    pub(crate) fn host(&self) -> &dyn Homeserver {
        &*self.host
    }

    /// A token for `m.login.token`: single use. If `factor` was proved for it, logging in with it asks for no code.
    pub async fn issue_login_token(&self, user: &str, factor: Option<Stage>) -> Result<(String, Duration), ApiError> {
        let token = self.engine.issue_login_token(user, factor, LOGIN_TOKEN_LIFETIME).await?;
        Ok((token, LOGIN_TOKEN_LIFETIME))
    }

    /// The user is deactivated: seeds, codes, sessions and tokens of theirs go, in one commit.
    pub async fn forget(&self, user: &str) -> Result<(), ApiError> {
        Ok(self.engine.forget(user, &Origination::default()).await?)
    }

    /// Must this user enroll before they may do anything else? Their token is then good for enrollment, whoami and logout only.
    pub async fn bars(&self, user: &str) -> Result<bool, ApiError> {
        if self.policy() != Policy::Required {
            return Ok(false);
        }
        Ok(!self.engine.account(user).await?.is_enrolled())
    }

    /// `org.matrix.msc1998.two_factor` of `/capabilities`.
    pub async fn capability(&self, user: &str) -> Result<Value, ApiError> {
        let account = self.engine.account(user).await?;
        let stages: &[Stage] = if self.policy() == Policy::Disallowed { &[] } else { &[Stage::Totp, Stage::Recovery] };
        let mut capability = json!({
            "enabled": self.policy() != Policy::Disallowed,
            "enrolled": account.is_enrolled(),
            "required": self.policy() == Policy::Required,
            "providers": self.names(stages),
        });
        if let (Some(url), Some(object)) = (self.manage_url(), capability.as_object_mut()) {
            object.insert("manage_url".to_owned(), url.into());
        }
        Ok(capability)
    }

    pub(crate) fn policy(&self) -> Policy {
        self.engine.settings().policy
    }

    /// Where a person manages their factors. There are no hosted pages yet, so nobody is sent anywhere.
    pub(crate) fn manage_url(&self) -> Option<String> {
        None
    }

    pub(crate) fn names(&self, stages: &[Stage]) -> Vec<String> {
        stages.iter().map(|stage| self.settings.stage_prefix.name(*stage)).collect()
    }
}
