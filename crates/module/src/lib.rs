//! Second factors for a Matrix homeserver: the interactive-auth stages `m.login.2fa.totp` and `m.login.2fa.recovery`, the
//! `account/two-factor` endpoints, and a login guard.
//!
//! # From `cargo add` to a guarded login
//!
//! 1. Implement [`Homeserver`]: six small things that we need of you.
//! 2. Open an [engine](engine::Engine) over a [`Store`](store::Store) and build a [`TwoFactor`].
//! 3. If you have a login and an interactive auth of your own, call the [hooks] and mount [`TwoFactor::account_router`]; else mount [`TwoFactor::router`], which owns
//!    `POST /login`, and call [`TwoFactor::authorize`] from every endpoint that wants interactive auth.
//!
//! ```
//! use std::sync::Arc;
//! use async_trait::async_trait;
//! use matrix_2fa::{
//!     ApiError, Homeserver, HostError, Requester, SecondFactor, Settings, TwoFactor,
//!     engine::{Engine, EngineSettings, Keyring, OsRandom, SystemClock},
//!     hooks::LoginContext,
//!     store::MemoryStore,
//! };
//! use serde_json::{Map, Value, json};
//!
//! # #[derive(Clone)]
//! struct MyHost; // your users, devices and tokens
//!
//! #[async_trait]
//! impl Homeserver for MyHost {
//!     fn server_name(&self) -> &str {
//!         "example.org"
//!     }
//!     fn canonical_user(&self, given: &str) -> Option<String> {
//!         let local = given.strip_prefix('@').unwrap_or(given);
//!         let local = local.strip_suffix(":example.org").unwrap_or(local).to_lowercase();
//!         (!local.contains(':')).then(|| format!("@{local}:example.org"))
//!     }
//!     async fn authenticate(&self, _request: &http::request::Parts) -> Result<Requester, HostError> {
//!         Err(HostError::MissingToken) // look the access token up
//!     }
//!     async fn verify_password(&self, user: &str, password: &str) -> Result<bool, HostError> {
//!         Ok(user == "@alice:example.org" && password == "wonderland") // your password hash
//!     }
//!     async fn revoke_other_sessions(&self, _user: &str, _keep: Option<&str>) -> Result<(), HostError> {
//!         Ok(())
//!     }
//!     async fn create_login(&self, user: &str, _request: &Map<String, Value>, _epoch: u64) -> Result<Value, HostError> {
//!         Ok(json!({"user_id": user, "device_id": "D", "access_token": "T"}))
//!     }
//! }
//!
//! /// `POST /login` of a host that owns its login. The three lines that matter are 1, 2 and 3.
//! async fn login(host: &MyHost, factor: &dyn SecondFactor, body: Map<String, Value>) -> Result<Value, ApiError> {
//!     let client = None; // the client's address, if you know it
//!     let user = body.get("user").and_then(Value::as_str).and_then(|user| host.canonical_user(user));
//!     let (mut epoch, mut right) = (0, None);
//!     if let (Some(user), Some(field)) = (&user, body.get("password").and_then(Value::as_str)) {
//!         epoch = host.login_epoch(user).await?; // first, so that a password which changes while it is checked logs nobody in
//!         // 1. Every reading of the password field; check them all, so that time tells nothing.
//!         for candidate in factor.password_candidates(user, field).await? {
//!             factor.admit(client)?; // 429 for an address that tries too much, before the slow hash
//!             if host.verify_password(user, &candidate.password).await? {
//!                 right = right.or(Some(candidate));
//!             }
//!         }
//!         if right.is_none() {
//!             return Err(ApiError::forbidden("The user name or the password is wrong."));
//!         }
//!     }
//!     // 2. Proved, or the answer to send. Without a password in the body it must continue a session of ours.
//!     let user = user.as_deref().filter(|_| right.is_some());
//!     let proved = factor.login(&LoginContext { user, epoch, candidate: right.as_ref(), client }, &body).await?;
//!     // 3. Only now does a token exist.
//!     let answer = host.create_login(&proved.user, &proved.body, proved.epoch).await?;
//!     factor.logged_in(&proved, answer["device_id"].as_str().unwrap_or_default()).await?;
//!     Ok(answer)
//! }
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let keys = Keyring::ephemeral(&OsRandom); // a server uses Keyring::open_or_create
//! let engine = Engine::new(
//!     Arc::new(MemoryStore::default()),
//!     keys,
//!     Arc::new(SystemClock),
//!     Arc::new(OsRandom),
//!     EngineSettings::default(),
//! );
//! let two_factor = TwoFactor::new(engine, Arc::new(MyHost), Settings::default());
//! let _endpoints: axum::Router = two_factor.account_router(); // account/two-factor*, a tower service for any http body
//!
//! let body = json!({"type": "m.login.password", "user": "Alice", "password": "wonderland"});
//! let answer = login(&MyHost, &*two_factor, body.as_object().cloned().unwrap_or_default()).await?;
//! assert_eq!(answer["user_id"], "@alice:example.org"); // alice has no second factor, so nothing changes for her
//! let wrong = json!({"type": "m.login.password", "user": "alice", "password": "looking glass"});
//! assert!(login(&MyHost, &*two_factor, wrong.as_object().cloned().unwrap_or_default()).await.is_err());
//! # Ok(())
//! # }
//! ```
//!
//! No type of any Matrix library and no concrete store stands in this crate's public face.

pub mod error;
#[cfg(feature = "fuzzing")]
#[doc(hidden)]
pub mod fuzzing;
pub mod homeserver;
pub mod hooks;
mod limits;
mod login;
pub mod notices;
mod pages;
mod password;
mod qr;
pub mod request;
mod router;
mod routes;
pub mod uia;

pub use error::ApiError;
pub use homeserver::{ClientAddress, Homeserver, HostError, PreparedLogin, Requester, RequesterKind};
pub use hooks::SecondFactor;
pub use limits::AddressLimit;
pub use login::Proved;
pub use matrix_2fa_core as core;
pub use matrix_2fa_engine as engine;
pub use matrix_2fa_store as store;
pub use pages::{
    PROVIDER,
    branding::{Accent, Branding, Logo},
};
pub use request::{JsonRequest, json_object};
pub use router::with_cors;
pub use uia::{Authorized, UiaRequest};

use std::{sync::Arc, time::Duration};

use limits::Addresses;
use matrix_2fa_core::{Account, Policy, Stage, StagePrefix, Standing, recovery};
use matrix_2fa_engine::{Engine, Origination, policy::Administrators};
use serde_json::{Map, Value, json};

/// What an operator sets for the module.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The prefix of the stage names that we emit. All known ones are understood.
    pub stage_prefix: StagePrefix,
    /// Take a password and a code in one field.
    pub password_and_code: bool,
    /// Where clients reach this server, without a trailing slash.
    pub public_base_url: Option<String>,
    /// Whoever turns two-factor authentication on is signed out everywhere else, asked or not: those logins proved no second factor.
    pub enrollment_signs_out: bool,
    /// What one client address may try.
    pub address_limit: AddressLimit,
    /// Host pages where people log in, confirm with their second factor and manage it. Say no if you mount [`TwoFactor::account_router`] alone:
    /// with pages and a public base URL, answers point to them.
    pub pages: bool,
    /// How these pages look.
    pub branding: Branding,
    /// Origins of web clients that get a login from the pages without another click, for example `https://app.example.org`.
    pub trusted_clients: Vec<String>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            stage_prefix: StagePrefix::default(),
            password_and_code: true,
            public_base_url: None,
            enrollment_signs_out: false,
            address_limit: AddressLimit::default(),
            pages: true,
            branding: Branding::default(),
            trusted_clients: Vec::new(),
        }
    }
}

/// The module: endpoints, login guard and interactive auth over one engine and one homeserver.
pub struct TwoFactor {
    engine: Engine,
    host: Arc<dyn Homeserver>,
    settings: Settings,
    addresses: Addresses,
    pages: Option<pages::Site>,
}

/// A login token of `login/get_token` lives this long. Our own login page gives out shorter ones.
pub const LOGIN_TOKEN_LIFETIME: Duration = Duration::from_secs(2 * 60);

impl TwoFactor {
    /// Assembles the module.
    pub fn new(engine: Engine, host: Arc<dyn Homeserver>, settings: Settings) -> Arc<Self> {
        let addresses = Addresses::new(settings.address_limit, Arc::clone(engine.clock()));
        let pages = settings.pages.then(|| pages::Site::new(&settings, &engine, host.server_name()));
        engine.ask_administrators(Arc::new(HostAdministrators(Arc::clone(&host))));
        Arc::new(Self { engine, host, settings, addresses, pages })
    }

    /// An authenticator counts. If it is the user's `first`, nothing that was proved without it is worth anything from now on; with `signs_out`
    /// every login but that of `keep` ends too. What went before is durable and its recovery codes are shown only once, so a host that cannot end
    /// them is a `false` and no error.
    pub(crate) async fn confirmed(&self, user: &str, keep: Option<&str>, first: bool, signs_out: bool) -> bool {
        let ended = if signs_out { self.host.revoke_other_sessions(user, keep).await } else { Ok(()) };
        if let Err(error) = &ended {
            tracing::error!(user.id = user, %error, "other sessions could not be ended after an enrollment");
        }
        // Ending them has done it already.
        if first
            && !(signs_out && ended.is_ok())
            && let Err(error) = self.host.factor_counts(user).await
        {
            tracing::error!(user.id = user, %error, "what is in flight could not be outdated after an enrollment");
        }
        ended.is_ok()
    }

    /// Refuses what was proved under another epoch.
    pub(crate) async fn must_still_count(&self, user: &str, epoch: u64) -> Result<(), ApiError> {
        if self.host.login_epoch(user).await? == epoch {
            return Ok(());
        }
        Err(ApiError::forbidden(
            "The password was changed, all sessions were ended or a second factor was added meanwhile. Start again.",
        ))
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

    /// A token for `m.login.token`: single use. If a factor was proved for it, logging in with it asks for no code. It rests on what was proved,
    /// and is worth as much: after a change of the password, for example, nothing.
    pub async fn issue_login_token(&self, user: &str, proved: &Authorized) -> Result<(String, Duration), ApiError> {
        let factor = proved.factor.filter(|stage| stage.is_second_factor());
        let epoch = proved.epoch;
        // Whoever hears of a token should be able to use it; that it is refused otherwise does not hang on this.
        self.must_still_count(user, epoch).await?;
        let token = self.engine.issue_login_token(user, factor, epoch, LOGIN_TOKEN_LIFETIME).await?;
        Ok((token, LOGIN_TOKEN_LIFETIME))
    }

    /// The user is deactivated: seeds, codes, sessions and tokens of theirs go, in one commit.
    pub async fn forget(&self, user: &str) -> Result<(), ApiError> {
        Ok(self.engine.forget(user, &Origination::default()).await?)
    }

    /// The user's password changed: sessions and tokens that rest on the old one end. Call it after the change is durable.
    pub async fn password_changed(&self, user: &str) -> Result<(), ApiError> {
        Ok(self.engine.end_pending(user).await?)
    }

    /// How this user stands with the policy now. The first time that somebody without a factor must have one, their grace period begins.
    pub async fn standing(&self, user: &str) -> Result<Standing, ApiError> {
        Ok(self.engine.standing(user).await?)
    }

    /// Must this user enroll before they may do anything else? Their token is then good for enrollment, whoami and logout only.
    pub async fn bars(&self, user: &str) -> Result<bool, ApiError> {
        Ok(self.standing(user).await?.barred)
    }

    /// The same for a request, as every route that is not for enrollment, whoami or logout must ask. Application services are exempt: who
    /// acts for a bridge has no phone. What counts is the credential that was verified.
    pub async fn bars_requester(&self, requester: &Requester) -> Result<bool, ApiError> {
        Ok(requester.kind != RequesterKind::Appservice && self.bars(&requester.user).await?)
    }

    /// What somebody who logged in is told beside the token: `org.matrix.msc1998.two_factor`. Without a factor, that one is required; with one,
    /// that few recovery codes are left, or none. `None`: nothing.
    pub async fn obligation(&self, user: &str) -> Result<Option<Value>, ApiError> {
        let account = self.engine.account(user).await?;
        let mut told = if account.is_enrolled() {
            let remaining = account.recovery_remaining();
            if account.recovery().is_none() || remaining > recovery::FEW {
                return Ok(None);
            }
            Map::from_iter([("recovery_remaining".to_owned(), remaining.into())])
        } else {
            let Some(until) = self.standing(user).await?.grace_until else { return Ok(None) };
            Map::from_iter([("required".to_owned(), true.into()), ("grace_until".to_owned(), json!(until))])
        };
        told.extend(self.manage_url().map(|url| ("manage_url".to_owned(), url.into())));
        Ok(Some(told.into()))
    }

    /// `org.matrix.msc1998.two_factor` of `/capabilities`.
    pub async fn capability(&self, user: &str) -> Result<Value, ApiError> {
        let Standing { policy, grace_until, .. } = self.standing(user).await?;
        let account = self.engine.account(user).await?;
        let stages: &[Stage] = if policy == Policy::Disallowed { &[] } else { &[Stage::Totp, Stage::Recovery] };
        let mut capability = Map::from_iter([
            ("enabled".to_owned(), Value::from(policy != Policy::Disallowed)),
            ("enrolled".to_owned(), account.is_enrolled().into()),
            ("required".to_owned(), (policy == Policy::Required).into()),
            ("providers".to_owned(), self.names(stages).into()),
        ]);
        capability.extend(grace_until.map(|until| ("grace_until".to_owned(), json!(until))));
        capability.extend(self.manage_url().map(|url| ("manage_url".to_owned(), url.into())));
        Ok(capability.into())
    }

    /// The policy for a user whose account is at hand.
    pub(crate) async fn policy_for(&self, user: &str, account: &Account) -> Result<Policy, ApiError> {
        Ok(self.engine.look_at_standing(user, account).await?.policy)
    }

    /// Where a person manages their factors: the hosted page, if there is one and its address is known.
    pub fn manage_url(&self) -> Option<String> {
        let base = self.settings.public_base_url.as_ref().filter(|_| self.pages.is_some())?;
        Some(format!("{}{}", base.trim_end_matches('/'), pages::ACCOUNT))
    }

    pub(crate) fn names(&self, stages: &[Stage]) -> Vec<String> {
        stages.iter().map(|stage| self.settings.stage_prefix.name(*stage)).collect()
    }
}

/// The homeserver, as the engine asks it.
struct HostAdministrators(Arc<dyn Homeserver>);

#[async_trait::async_trait]
impl Administrators for HostAdministrators {
    async fn is_admin(&self, user: &str) -> Result<bool, Box<dyn std::error::Error + Send + Sync>> {
        Ok(self.0.is_admin(user).await?)
    }
}
