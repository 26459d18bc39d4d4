//! Eight calls for a homeserver that has an interactive auth of its own.
//!
//! | call | where in the host |
//! |---|---|
//! | [`required`](SecondFactor::required) + [`amend_flows`] | where it advertises flows, where it upgrades a stored session, and at the end |
//! | [`admit`](SecondFactor::admit) | first at every door: once for each password that it is about to check |
//! | [`password_candidates`](SecondFactor::password_candidates) | before its own password check: check *every* candidate, take the first that is right |
//! | [`check_stage`](SecondFactor::check_stage) | the arm of its stage match that handles unknown types, if [`owns_stage`](SecondFactor::owns_stage) |
//! | [`consume_proof`](SecondFactor::consume_proof) | right before the operation: **the final gate** |
//! | [`login`](SecondFactor::login) | in `POST /login`, before a device or a token exists |
//! | [`logged_in`](SecondFactor::logged_in) | in `POST /login`, when the device is made |
//! | [`forget`](SecondFactor::forget) | when a user is deactivated |
//!
//! Stage names in the host's own list of completed stages prove nothing: hosts' sessions outlive enrollments and are bound to no operation.
//! A stage that passed here leaves a one-use proof in *our* store, bound to user, device, host session, operation and request; only
//! [`consume_proof`](SecondFactor::consume_proof) spends it.

use std::{fmt, net::IpAddr};

use async_trait::async_trait;
use http::StatusCode;
use matrix_2fa_core::{Operation, Stage};
use matrix_2fa_engine::{Origination, verify::Verdict};
use serde_json::{Map, Value};
use zeroize::Zeroizing;

use crate::{
    ApiError, TwoFactor,
    login::{Guard, Proved},
    password,
    uia::{auth::Auth, challenge::Refusal},
};

/// What a user must prove beside the first factor.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Requirement {
    /// Nothing: the user has no second factor.
    NotRequired,
    /// One of these stages; never empty.
    OneOf(Vec<String>),
}

/// How the final gate decided.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use = "the operation must not run unless the gate is open"]
pub enum Gate {
    /// Do it, once.
    Open,
    /// There is no proof (any more): challenge again.
    Closed,
}

/// Where in the host's interactive auth a stage is checked. All of it but `completed` and `client` is bound into the proof.
#[derive(Clone, Debug)]
pub struct StageContext<'a> {
    /// Canonical user id, from the access token.
    pub user: &'a str,
    /// The access token's device.
    pub device: Option<&'a str>,
    /// The id of the host's session.
    pub host_session: &'a str,
    /// What that session has completed so far, by the host's own list. Nothing is evaluated before a first factor.
    pub completed: &'a [String],
    /// The operation that it authorises.
    pub operation: &'a Operation,
    /// A digest of the request without `auth`, however the host makes it (for example [`TwoFactor::request_digest`]).
    pub request_digest: [u8; 32],
    /// The client's address.
    pub client: Option<IpAddr>,
}

/// A login that the host is about to make.
#[derive(Clone, Debug)]
pub struct LoginContext<'a> {
    /// The user whose first factor the host has verified. `None` for a request that continues a session of ours and brings no first
    /// factor: `auth` alone, or a stage's own type.
    pub user: Option<&'a str>,
    /// The user's [`login_epoch`](crate::Homeserver::login_epoch), read *before* the host verified that first factor: a password that changes
    /// while it is checked logs nobody in. Nothing is read from it without a `user`.
    pub epoch: u64,
    /// The candidate whose password was right, if the request had a password.
    pub candidate: Option<&'a Candidate>,
    /// The client's address.
    pub client: Option<IpAddr>,
}

/// One reading of a password field.
#[derive(Clone)]
pub struct Candidate {
    /// Check this as the user's password.
    pub password: Zeroizing<String>,
    code: Option<(Stage, Zeroizing<String>)>,
}

impl fmt::Debug for Candidate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Candidate").field("has_code", &self.code.is_some()).finish_non_exhaustive()
    }
}

/// What a homeserver calls. Hold it as `Option<Arc<dyn SecondFactor>>`.
#[async_trait]
pub trait SecondFactor: Send + Sync {
    /// Is this stage ours, under any of its names?
    fn owns_stage(&self, stage: &str) -> bool;

    /// Counts one try of this client, or answers 429: before a password is hashed, the same for users who exist and others.
    fn admit(&self, client: Option<IpAddr>) -> Result<(), ApiError>;

    /// What this user must prove now. An error is a 503, never "nothing".
    async fn required(&self, user: &str, operation: &Operation) -> Result<Requirement, ApiError>;

    /// The readings of a password field, one or two. Check every one, in order, also for unknown users, so that time tells nothing.
    async fn password_candidates(&self, user: &str, field: &str) -> Result<Vec<Candidate>, ApiError>;

    /// Checks one of our stages and leaves the proof. The error has `errcode` and `error` for the host's 401 (or is a 429 or a 503, to be
    /// sent as it is).
    async fn check_stage(&self, cx: &StageContext<'_>, auth: &Map<String, Value>) -> Result<(), ApiError>;

    /// The final gate. Spends the proof; of any number of simultaneous calls one is let through.
    async fn consume_proof(&self, cx: &StageContext<'_>) -> Result<Gate, ApiError>;

    /// The login guard. `Ok`: make device and token. `Err`: send this answer.
    async fn login(&self, cx: &LoginContext<'_>, body: &Map<String, Value>) -> Result<Proved, ApiError>;

    /// Tell us which device a proved login became: one made with a recovery code may for ten minutes, with the password, replace
    /// authenticators and renew codes. Any other login on that device ends the right.
    async fn logged_in(&self, proved: &Proved, device: &str) -> Result<(), ApiError>;

    /// Deletes everything that is kept about a user.
    async fn forget(&self, user: &str) -> Result<(), ApiError>;
}

/// Every flow that lacks one of `stages` is replaced by one flow for each of them, with the stage at its end. Doing it twice changes
/// nothing, and with no stages nothing is changed.
///
/// ```
/// # use matrix_2fa::hooks::amend_flows;
/// let flows = vec![vec!["m.login.password".to_owned()]];
/// let amended = amend_flows(flows, &["m.login.2fa.totp", "m.login.2fa.recovery"]);
/// assert_eq!(amended, [["m.login.password", "m.login.2fa.totp"], ["m.login.password", "m.login.2fa.recovery"]]);
/// assert_eq!(amend_flows(amended.clone(), &["m.login.2fa.totp", "m.login.2fa.recovery"]), amended);
/// ```
pub fn amend_flows(flows: Vec<Vec<String>>, stages: &[&str]) -> Vec<Vec<String>> {
    let mut amended = Vec::new();
    for flow in flows {
        if stages.is_empty() || flow.iter().any(|stage| stages.contains(&stage.as_str())) {
            amended.push(flow);
            continue;
        }
        amended.extend(stages.iter().map(|stage| flow.iter().cloned().chain([(*stage).to_owned()]).collect()));
    }
    amended
}

#[async_trait]
impl SecondFactor for TwoFactor {
    fn owns_stage(&self, stage: &str) -> bool {
        self.settings.stage_prefix.parse(stage).is_some_and(Stage::is_second_factor)
    }

    fn admit(&self, client: Option<IpAddr>) -> Result<(), ApiError> {
        Self::admit(self, client)
    }

    async fn required(&self, user: &str, _operation: &Operation) -> Result<Requirement, ApiError> {
        let stages = self.engine.account(user).await?.stages();
        Ok(if stages.is_empty() { Requirement::NotRequired } else { Requirement::OneOf(self.names(&stages)) })
    }

    async fn password_candidates(&self, user: &str, field: &str) -> Result<Vec<Candidate>, ApiError> {
        let whole = Candidate { password: Zeroizing::new(field.to_owned()), code: None };
        if !self.settings.password_and_code {
            return Ok(vec![whole]);
        }
        let account = self.engine.account(user).await?;
        let split = password::split(field, &account).map(|split| Candidate {
            password: Zeroizing::new(split.password.to_owned()),
            code: Some((split.stage, Zeroizing::new(split.code.to_owned()))),
        });
        Ok([Some(whole), split].into_iter().flatten().collect())
    }

    async fn check_stage(&self, cx: &StageContext<'_>, auth: &Map<String, Value>) -> Result<(), ApiError> {
        let refused = |refusal: Refusal| {
            let (errcode, error) = refusal.error().unwrap_or(("M_FORBIDDEN", "That code did not work."));
            ApiError::new(StatusCode::UNAUTHORIZED, errcode, error)
        };
        let auth = Auth::parse(auth, &self.settings.stage_prefix)?;
        let (Some(stage), Some(code)) = (auth.stage.filter(|stage| stage.is_second_factor()), auth.code) else {
            return Err(ApiError::missing("token"));
        };
        if !cx.completed.iter().any(|done| !self.owns_stage(done)) {
            return Err(refused(Refusal::OutOfOrder));
        }
        let from = Origination {
            device: cx.device.map(str::to_owned),
            client: cx.client,
            operation: Some(cx.operation.name.clone()),
            ..Origination::default()
        };
        Self::admit(self, cx.client)?;
        let proof = self.engine.proof(cx.user, &cx.binding()).map_err(ApiError::from)?;
        match self.engine.verify(cx.user, &from, stage, &code, vec![proof]).await? {
            Verdict::Verified => Ok(()),
            Verdict::Wrong | Verdict::NotEnrolled => Err(refused(Refusal::WrongCode)),
            Verdict::Locked => Err(refused(Refusal::Locked)),
            Verdict::Wait(until) => Err(ApiError::wait(self.engine.now(), until)),
        }
    }

    async fn consume_proof(&self, cx: &StageContext<'_>) -> Result<Gate, ApiError> {
        if !self.engine.account(cx.user).await?.is_enrolled() {
            return Ok(Gate::Open);
        }
        Ok(if self.engine.take_proof(&cx.binding()).await? { Gate::Open } else { Gate::Closed })
    }

    async fn login(&self, cx: &LoginContext<'_>, body: &Map<String, Value>) -> Result<Proved, ApiError> {
        let from = Origination { client: cx.client, operation: Some("login".to_owned()), ..Origination::default() };
        let guard = Guard { module: self, from, makes_logins: false };
        match (cx.user, cx.candidate.and_then(|candidate| candidate.code.as_ref())) {
            (None, _) => guard.prove(body.clone()).await,
            (Some(user), None) => {
                self.engine.expect_factor(user, cx.client).await?;
                guard.prove_after((user, cx.epoch), Stage::Password, body.clone()).await
            }
            // The password was right only without its tail, so for a user without a factor the field was simply wrong.
            (Some(user), Some(_)) if !self.engine.account(user).await?.is_enrolled() => Err(self.wrong_password()),
            (Some(user), Some((stage, code))) => guard.with_code(user, cx.epoch, *stage, code, body.clone()).await,
        }
    }

    async fn logged_in(&self, proved: &Proved, device: &str) -> Result<(), ApiError> {
        match proved.factor {
            Some(Stage::Recovery) => self.engine.note_recovery_login(&proved.user, device).await?,
            _ => self.engine.forget_recovery_login(&proved.user, device).await?,
        }
        Ok(())
    }

    async fn forget(&self, user: &str) -> Result<(), ApiError> {
        Self::forget(self, user).await
    }
}

impl StageContext<'_> {
    /// Everything that the proof is bound to, unambiguously.
    fn binding(&self) -> Vec<u8> {
        let parts = [&[self.user, self.device.unwrap_or(""), self.host_session, &self.operation.name][..]].concat();
        let target = self.operation.target.iter().map(String::as_str);
        let strings = parts.into_iter().chain(target).flat_map(|part| {
            let length = (part.len() as u64).to_be_bytes();
            length.into_iter().chain(part.bytes())
        });
        strings.chain([u8::from(self.device.is_some())]).chain(self.request_digest).collect()
    }
}

impl TwoFactor {
    /// A digest of a request's method, path and body without `auth`, keyed by this server.
    pub fn request_digest(&self, method: &str, path: &str, body: &Map<String, Value>) -> [u8; 32] {
        let body: Map<String, Value> =
            body.iter().filter(|(key, _)| *key != "auth").map(|(k, v)| (k.clone(), v.clone())).collect();
        let canonical = serde_json::json!([method, path, body]).to_string();
        self.engine.keys().digest("request", canonical.as_bytes())
    }
}
