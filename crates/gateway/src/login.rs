//! `POST /login`. What goes upstream is the body that was judged, written anew: a key that stands twice, or two names for one user, cannot be
//! read in two ways.
//!
//! 1. A password for a name without a second factor: sent on once, with all of it. Who it was the answer says; if that is somebody who has a
//!    factor after all, the token is ended and nobody gets it.
//! 2. A password for a name with one, or one that may end in a code, or with `auth`: the module's login guard, which checks by probes.
//! 3. An e-mail address, a phone number or another name that only the upstream can read, and in the place of 2 a name with capital letters or
//!    that of an old id that has some: a probe tells whose it is. Then 1 or 2.
//! 4. A login token of ours: the module's guard. Everything else (the upstream's login tokens, JWT, application services): sent on once as in
//!    1; who has a second factor logs in with the password, or on our page.

mod claim;
mod once;

use std::sync::Arc;

use axum::{
    body::Body,
    extract::{Request, State},
    response::Response,
};
use http::{StatusCode, request::Parts};
use matrix_2fa::{
    ApiError, SecondFactor, json_object,
    request::{BODY_LIMIT, client_address, string},
};
use matrix_2fa_core::Policy;
use serde_json::{Map, Value, json};

use crate::{
    amend::whole,
    host::Probe,
    router::{Gateway, json_body},
    scope,
};

use claim::Claim;
use once::Sent;

pub(crate) async fn login(State(gateway): State<Arc<Gateway>>, request: Request) -> Result<Response, ApiError> {
    let (parts, body) = json_body(request).await?;
    // A client that hangs up must not leave a login behind that nobody looked at.
    scope::to_the_end(Login { gateway, parts, body }.answer()).await?
}

/// One request.
pub(super) struct Login {
    gateway: Arc<Gateway>,
    parts: Parts,
    body: Map<String, Value>,
}

impl Login {
    async fn answer(mut self) -> Result<Response, ApiError> {
        let kind = string(&self.body, "type")?.map(str::to_owned);
        let has_auth = self.body.get("auth").is_some_and(|auth| !auth.is_null());
        match kind.as_deref() {
            Some("m.login.password") => {
                let claim = Claim::take(&mut self.body)?;
                self.password(claim, has_auth).await
            }
            Some("m.login.token") => self.token(has_auth).await,
            None if has_auth => self.guard().await,
            Some(kind) if self.gateway.two_factor.owns_stage(kind) => self.guard().await,
            Some("m.login.application_service") => self.other(Sent::Appservice).await,
            Some(_) | None => self.other(Sent::Other).await,
        }
    }

    async fn password(mut self, claim: Option<Claim>, has_auth: bool) -> Result<Response, ApiError> {
        let Some(claim) = claim else {
            // A session of ours knows the name.
            return self.guard().await;
        };
        let field = string(&self.body, "password")?.ok_or_else(|| ApiError::missing("password"))?.to_owned();
        self.body.insert("identifier".to_owned(), claim.identifier());
        let host = &self.gateway.host;
        let Some(user) = claim.name().and_then(|name| matrix_2fa::Homeserver::canonical_user(host.as_ref(), name))
        else {
            return self.named_by_the_upstream(&claim, &field).await;
        };
        self.body.insert("identifier".to_owned(), json!({"type": "m.id.user", "user": claim.name()}));
        if has_auth || self.needs_the_guard(&user, &field).await? {
            let capitals = claim.name().is_some_and(|name| name.bytes().any(|byte| byte.is_ascii_uppercase()));
            return match capitals || host.spellings.is_old(&user).await? {
                true => self.named_by_the_upstream(&claim, &field).await,
                false => self.guard().await,
            };
        }
        self.gateway.two_factor.admit(client_address(&self.parts))?;
        self.send(Sent::Password).await
    }

    /// Would the module do anything else than log this user in? Never answered by what the password is.
    async fn needs_the_guard(&self, user: &str, field: &str) -> Result<bool, ApiError> {
        let module = &self.gateway.two_factor;
        if module.password_candidates(user, field).await?.len() > 1 {
            return Ok(true);
        }
        let account = module.engine().account(user).await?;
        if account.is_enrolled() {
            return Ok(true);
        }
        let standing = module.engine().look_at_standing(user, &account).await?;
        Ok(standing.policy == Policy::Required)
    }

    /// Whose name is it? Every reading of the field is checked, so that time tells nothing.
    async fn named_by_the_upstream(mut self, claim: &Claim, field: &str) -> Result<Response, ApiError> {
        let module = Arc::clone(&self.gateway.two_factor);
        let (mut found, mut refused) = (None, None);
        for candidate in module.password_candidates("", field).await? {
            module.admit(client_address(&self.parts))?;
            match self.gateway.host.probe(&claim.identifier(), &candidate.password).await? {
                Probe::Right(user) => found = found.or(Some(user)),
                Probe::Wrong(error) => refused = refused.or(Some(error)),
            }
        }
        let Some(user) = found else { return Err(refused.unwrap_or_else(no_reading)) };
        let Some(user) = user else {
            // Who takes no part in this has no second factor.
            return self.send(Sent::Password).await;
        };
        self.body.insert("identifier".to_owned(), json!({"type": "m.id.user", "user": user}));
        self.guard().await
    }

    async fn token(self, has_auth: bool) -> Result<Response, ApiError> {
        let token = string(&self.body, "token")?.unwrap_or_default();
        // As the engine makes them: nobody else's look like that, or they are sent on after all.
        let may_be_ours = token.len() == 64 && token.bytes().all(|byte| byte.is_ascii_alphanumeric());
        if has_auth {
            return self.guard().await;
        }
        if !may_be_ours {
            return self.send(Sent::Token).await;
        }
        let again = Login { gateway: Arc::clone(&self.gateway), parts: self.parts.clone(), body: self.body.clone() };
        let answer = self.guard().await?;
        if answer.status() == StatusCode::FORBIDDEN { again.send(Sent::Token).await } else { Ok(answer) }
    }

    /// An application service, or a type that we know nothing of. A device that the client names is only touched when it is known whose login this is.
    async fn other(self, sent: Sent) -> Result<Response, ApiError> {
        self.gateway.two_factor.admit(client_address(&self.parts))?;
        if self.body.contains_key("device_id") {
            let mut probe = self.body.clone();
            probe.remove("device_id");
            let probed = Login { gateway: Arc::clone(&self.gateway), parts: self.parts.clone(), body: probe };
            if let Some(refused) = probed.try_out(sent).await? {
                return Ok(refused);
            }
        }
        self.send(sent).await
    }

    /// The module's login guard, with the body as it was judged.
    async fn guard(self) -> Result<Response, ApiError> {
        let body = Body::from(Value::Object(self.body).to_string());
        let answer = self.gateway.ours(Request::from_parts(self.parts, body)).await;
        self.gateway.as_the_upstream_refuses(answer).await
    }
}

impl Gateway {
    /// The refusal of a password is the upstream's to the last header: who has no second factor gets it from there.
    async fn as_the_upstream_refuses(&self, answer: Response) -> Result<Response, ApiError> {
        let Some(theirs) = self.host.refusal().filter(|theirs| theirs.status == answer.status()) else {
            return Ok(answer);
        };
        let (parts, body) = answer.into_parts();
        let bytes = axum::body::to_bytes(body, BODY_LIMIT).await.map_err(|_ours| no_reading())?;
        let same = json_object(&bytes).ok() == theirs.body;
        Ok(match same {
            true => whole(theirs.status, theirs.headers, theirs.bytes.into()),
            false => Response::from_parts(parts, bytes.into()),
        })
    }
}

/// There is always one.
fn no_reading() -> ApiError {
    ApiError::forbidden("The user name or the password is wrong.")
}
