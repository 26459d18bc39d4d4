//! [`UpstreamHomeserver`]: the module's view of a homeserver that only speaks HTTP.
//!
//! 1. Who asks: the upstream's `whoami`, afresh each time.
//! 2. A password is checked by a *probe*: a login under our display name, on a new device whose id we chose, that is logged out at once.
//!    The user is who the answer says ([`spellings`] for old ids). A client that hangs up meanwhile changes nothing: a probe runs to its end. So does one that a
//!    `kill -9` cut short, after the next start ([`checks`]).
//! 3. The real login is sent when everything is proved, with the client's fields and the password that the upstream confirmed
//!    ([`sealed`](crate::sealed)).

mod administration;
mod ages;
mod checks;
mod leftovers;
mod probe;
mod sessions;
mod spellings;

use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use http::{Method, StatusCode, request::Parts};
use matrix_2fa::{
    ApiError,
    engine::Engine,
    homeserver::{Homeserver, HostError, Requester, RequesterKind},
};
use serde_json::{Map, Value, json};

use crate::{
    amend,
    calls::{Answer, Login, Unexpected, unavailable},
    names::canonical_user,
    router::unreachable,
    sealed::SealedPasswords,
    settings::{GatewayError, GatewaySettings},
    token::sole_token,
    upstream::{Upstream, UpstreamError},
};

use ages::Ages;
use checks::Checks;
pub(crate) use checks::Running;
use leftovers::Leftovers;
pub(crate) use probe::Probe;
use probe::Turns;
use spellings::Spellings;

/// An upstream whose name is known.
#[derive(Debug)]
pub struct Found {
    upstream: Upstream,
    server_name: String,
    delegates: bool,
    settings: GatewaySettings,
}

/// The homeserver behind the gateway, as the module sees it.
pub struct UpstreamHomeserver {
    pub(crate) upstream: Upstream,
    pub(crate) settings: GatewaySettings,
    pub(crate) sealed: SealedPasswords,
    pub(crate) spellings: Spellings,
    server_name: String,
    turns: Turns,
    pub(crate) checks: Checks,
    leftovers: Leftovers,
    ages: Ages,
    /// How the upstream answered a wrong password lately.
    refusal: Mutex<Option<Answer>>,
}

impl Found {
    /// Finds out whose users these are.
    pub async fn find(settings: GatewaySettings) -> Result<Self, GatewayError> {
        let upstream = Upstream::new(&settings.upstream)?.silent_at_most(settings.upstream_timeout);
        let server_name = match (settings.server_name.clone(), server_name(&upstream).await) {
            (Some(given), Some(upstream)) if given != upstream => {
                return Err(GatewayError::OtherServerName { given, upstream });
            }
            (Some(name), _) | (None, Some(name)) => name,
            (None, None) => return Err(GatewayError::NoServerName),
        };
        let delegates = delegates(&upstream).await;
        Ok(Self { upstream, server_name, delegates, settings })
    }

    /// The part of a Matrix id after the colon.
    pub fn server_name(&self) -> &str {
        &self.server_name
    }

    /// Does it leave logins to an OAuth 2.0 provider (MSC3861)? Covered is what still goes through `POST /login` and interactive auth.
    pub fn delegates(&self) -> bool {
        self.delegates
    }
}

/// Does the upstream leave logins to somebody else?
async fn delegates(upstream: &Upstream) -> bool {
    let Ok(answer) = upstream.ask(Method::GET, "/_matrix/client/v3/login", None, None).await else { return false };
    let flows = answer.body.as_ref().and_then(|body| body.get("flows")?.as_array()).into_iter().flatten();
    let flag = "org.matrix.msc3824.delegated_oidc_compatibility";
    flows.into_iter().any(|flow| flow.get(flag) == Some(&Value::Bool(true)))
        || upstream
            .ask(Method::GET, "/_matrix/client/v1/auth_metadata", None, None)
            .await
            .is_ok_and(|answer| answer.status.is_success() && answer.body.is_some())
}

/// The name that the upstream signs with.
async fn server_name(upstream: &Upstream) -> Option<String> {
    let answer = upstream.ask(Method::GET, "/_matrix/key/v2/server", None, None).await.ok()?;
    Some(answer.string("server_name")?.to_owned())
}

impl UpstreamHomeserver {
    /// The homeserver that was found.
    pub fn new(found: Found, engine: &Engine) -> Result<Self, GatewayError> {
        let Found { upstream, server_name, settings, .. } = found;
        let sealed = SealedPasswords::new(Arc::clone(engine.clock()), Arc::clone(engine.random()));
        let folder = settings.checks.clone();
        let checks = Checks::open(upstream.clone(), folder.clone(), engine.clone());
        let checks = checks.map_err(|source| GatewayError::Folder { folder, source })?;
        let ages = Ages { engine: engine.clone(), lifetime: settings.session_lifetime };
        Ok(Self {
            upstream,
            settings,
            sealed,
            spellings: Spellings::new(engine.clone(), server_name.clone()),
            server_name,
            turns: Turns::default(),
            checks,
            leftovers: Leftovers::default(),
            ages,
            refusal: Mutex::default(),
        })
    }

    /// The upstream's answer to a wrong password, as a client would get it from there.
    pub(crate) fn refusal(&self) -> Option<Answer> {
        self.refusal.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Ends what was cut short and left at the upstream: at once, and again and again. Spawn it; it never returns.
    pub async fn end_what_was_cut_short(&self) {
        self.checks.end_all().await;
    }

    /// Lets go of what is too old. Call it every minute.
    pub fn tidy(&self) {
        self.sealed.tidy();
    }

    /// Who has this access token, by our names?
    pub(crate) async fn whoami(&self, token: &str) -> Result<Requester, HostError> {
        self.spellings.known(self.owner(token).await?).await
    }

    /// The same in the upstream's own words.
    pub(crate) async fn owner(&self, token: &str) -> Result<Requester, HostError> {
        let path = "/_matrix/client/v3/account/whoami";
        let answer = self.upstream.ask(Method::GET, path, Some(token), None).await.map_err(away)?;
        let status = answer.status;
        let Some(user) = answer.string("user_id").filter(|_| status == StatusCode::OK) else {
            return Err(match status.is_client_error() && answer.body.is_some() {
                true => HostError::Answered(answer.refusal()),
                false => unavailable(Unexpected { what: "whoami", status: status.as_u16() }),
            });
        };
        let device = answer.string("device_id").map(str::to_owned);
        let is_guest = answer.body.as_ref().and_then(|body| body.get("is_guest")) == Some(&Value::Bool(true));
        let kind = match (&device, is_guest) {
            (_, true) => RequesterKind::Guest,
            (Some(_), false) => RequesterKind::User,
            // Application services, and tokens that an administrator made for somebody: no login stands behind them.
            (None, false) => RequesterKind::Appservice,
        };
        Ok(Requester { user: user.to_owned(), device, kind })
    }
}

#[async_trait]
impl Homeserver for UpstreamHomeserver {
    fn server_name(&self) -> &str {
        &self.server_name
    }

    fn canonical_user(&self, given: &str) -> Option<String> {
        canonical_user(given, &self.server_name)
    }

    async fn authenticate(&self, request: &Parts) -> Result<Requester, HostError> {
        self.whoami(&sole_token(request)?.ok_or(HostError::MissingToken)?).await
    }

    async fn verify_password(&self, user: &str, password: &str) -> Result<bool, HostError> {
        let identifier = name(&self.spellings.theirs(user).await?);
        // Somebody else's password proves nothing about this user.
        Ok(matches!(self.probe(&identifier, password).await?, Probe::Right(Some(found)) if found == user))
    }

    fn wrong_password(&self) -> Option<ApiError> {
        self.refusal().map(Answer::refusal)
    }

    async fn remembers(&self, user: &str) -> Result<bool, HostError> {
        Ok(self.sealed.recall(user).is_some())
    }

    async fn revoke_other_sessions(&self, user: &str, keep: Option<&str>) -> Result<(), HostError> {
        self.end_other_sessions(user, keep).await
    }

    async fn mail_address(&self, user: &str) -> Result<Option<String>, HostError> {
        self.known_mail_address(user).await
    }

    async fn send_notice(&self, user: &str, id: &str, text: &str, html: &str) -> Result<bool, HostError> {
        self.send_server_notice(user, id, text, html).await
    }

    async fn create_login(&self, user: &str, request: &Map<String, Value>, _epoch: u64) -> Result<Value, HostError> {
        let password = self.sealed.recall(user).ok_or_else(|| HostError::Refused {
            status: 401,
            errcode: "M_FORBIDDEN",
            error: "This server does not remember the password any more. Send the whole login again.".to_owned(),
        })?;
        let theirs = self.spellings.theirs(user).await?;
        let mut body = request.clone();
        body.insert("type".to_owned(), "m.login.password".into());
        body.insert("identifier".to_owned(), name(&theirs));
        body.insert("password".to_owned(), password.as_str().into());
        let path = "/_matrix/client/v3/login";
        let answer = self.upstream.ask(Method::POST, path, None, Some(&body)).await.map_err(away)?;
        self.sealed.forget(user);
        let Some(login) = Login::of(&answer) else {
            return Err(match answer.status.is_client_error() {
                true => HostError::Answered(answer.refusal()),
                false => unavailable(Unexpected { what: "login", status: answer.status.as_u16() }),
            });
        };
        if login.user.as_ref() != Some(&theirs) {
            self.upstream.log_out(&login.token).await;
            return Err(unavailable(Unexpected { what: "login, for another user,", status: answer.status.as_u16() }));
        }
        self.begins_anew(user, answer.string("device_id")).await;
        let mut body = answer.body.unwrap_or_default();
        amend::well_known(&mut body, self.settings.public_base_url.as_deref());
        Ok(body.into())
    }
}

/// As an identifier.
pub(crate) fn name(user: &str) -> Value {
    json!({"type": "m.id.user", "user": user})
}

/// 502 or 504: nobody was let in because of it.
pub(crate) fn away(error: UpstreamError) -> HostError {
    HostError::Answered(unreachable(&error))
}
