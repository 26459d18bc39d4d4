//! Operations that want interactive auth. For a user with a second factor nothing of one goes upstream before our stages are done: upstreams
//! skip theirs by settings, so that their first answer can already be the operation.
//!
//! 1. Who asks: the upstream's `whoami`, afresh. Without an access token there is no user whose factor could be asked for (a password reset by
//!    e-mail): the request is passed on, and its answer watched.
//! 2. A user without a second factor: the same.
//!    What the upstream has begun to do by then goes on there: the gateway cannot take it back.
//! 3. A user with one: the module's interactive auth, whose password stage is a probe; then the upstream's, passed by us
//!    ([`upstream_auth`](crate::upstream_auth)).

use std::sync::Arc;

use axum::{
    Json,
    body::Body,
    extract::{Path, Request, State},
    response::{IntoResponse, Response},
};
use http::{Method, StatusCode, request::Parts};
use matrix_2fa::{
    ApiError, HostError, UiaRequest,
    homeserver::{Requester, RequesterKind},
    request::client_address,
};
use matrix_2fa_core::{Operation, Stage};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::{Map, Value, json};

use crate::{
    amend::whole,
    router::{Gateway, json_body, small},
    scope,
    token::{query, sole_token},
    upstream_auth::Act,
};

/// What an application service may do without interactive auth, and therefore for its users.
const APPSERVICES: [&str; 3] = ["devices/delete", "delete_devices", "keys/device_signing/upload"];

type Answer = Result<Response, ApiError>;

pub(crate) async fn change_password(State(gateway): State<Arc<Gateway>>, request: Request) -> Answer {
    gateway.guard(Operation::new("account/password"), "account/password", request).await
}

pub(crate) async fn deactivate(State(gateway): State<Arc<Gateway>>, request: Request) -> Answer {
    gateway.guard(Operation::new("account/deactivate"), "account/deactivate", request).await
}

pub(crate) async fn add_threepid(State(gateway): State<Arc<Gateway>>, request: Request) -> Answer {
    gateway.guard(Operation::new("account/3pid/add"), "account/3pid/add", request).await
}

pub(crate) async fn add_threepid_as_before(State(gateway): State<Arc<Gateway>>, request: Request) -> Answer {
    gateway.guard(Operation::new("account/3pid"), "account/3pid", request).await
}

pub(crate) async fn delete_devices(State(gateway): State<Arc<Gateway>>, request: Request) -> Answer {
    gateway.guard(Operation::new("delete_devices"), "delete_devices", request).await
}

pub(crate) async fn upload_signing_keys(State(gateway): State<Arc<Gateway>>, request: Request) -> Answer {
    let name = "keys/device_signing/upload";
    gateway.guard(Operation::new(name), name, request).await
}

pub(crate) async fn delete_device(
    State(gateway): State<Arc<Gateway>>,
    Path(id): Path<String>,
    request: Request,
) -> Answer {
    let path = format!("devices/{}", utf8_percent_encode(&id, NON_ALPHANUMERIC));
    gateway.guard(Operation::on("devices/delete", id), &path, request).await
}

pub(crate) async fn issue_login_token(State(gateway): State<Arc<Gateway>>, request: Request) -> Answer {
    gateway.guard(Operation::new("login/get_token"), "login/get_token", request).await
}

pub(crate) async fn log_out(State(gateway): State<Arc<Gateway>>, request: Request) -> Answer {
    let (parts, body) = request.into_parts();
    let token = sole_token(&parts)?;
    let response = gateway.pass(Request::from_parts(parts, body)).await?;
    if let Some(token) = token {
        gateway.users.forget(&gateway.two_factor, &token);
    }
    Ok(response)
}

pub(crate) async fn log_out_everywhere(State(gateway): State<Arc<Gateway>>, request: Request) -> Answer {
    let (parts, body) = request.into_parts();
    let user = match sole_token(&parts)? {
        Some(token) => Some(gateway.host.whoami(&token).await?.user),
        None => None,
    };
    let response = gateway.pass(Request::from_parts(parts, body)).await?;
    if let Some(user) = user.filter(|_| response.status().is_success()) {
        gateway.users.forget_user(&user);
        gateway.host.sealed.forget(&user);
        gateway.two_factor.password_changed(&user).await?;
    }
    Ok(response)
}

/// A request whose user has a second factor.
struct Asked {
    gateway: Arc<Gateway>,
    parts: Parts,
    body: Map<String, Value>,
    requester: Requester,
    token: String,
    operation: Operation,
    /// Below `/_matrix/client/{version}/`.
    path: String,
}

impl Gateway {
    async fn guard(self: &Arc<Self>, operation: Operation, path: &str, request: Request) -> Answer {
        let (parts, body) = request.into_parts();
        let Some(token) = sole_token(&parts)? else { return self.watch(Request::from_parts(parts, body)).await };
        let requester = self.host.whoami(&token).await?;
        if query(&parts).any(|(key, _)| key.eq_ignore_ascii_case("user_id")) {
            // Whom this is about is for the upstream to say, by rules that only it knows.
            let exempt = requester.kind == RequesterKind::Appservice && APPSERVICES.contains(&operation.name.as_str());
            return match exempt {
                true => self.watch(Request::from_parts(parts, body)).await,
                false => Err(ApiError::forbidden("This cannot be done for another user.")),
            };
        }
        // The whole body first: one that comes slowly would be passed on by what the account was when it began.
        let request = small(Request::from_parts(parts, body)).await?.map(Body::from);
        if self.two_factor.engine().account(&requester.user).await?.is_enrolled() {
            let (parts, body) = json_body(request).await?;
            let path = path.to_owned();
            let asked = Asked { gateway: Arc::clone(self), parts, body, requester, token, operation, path };
            // What was begun at the upstream is noted here, also if the client has hung up.
            return scope::to_the_end(asked.answer()).await?;
        }
        if self.two_factor.bars_requester(&requester).await? {
            return Err(barred());
        }
        let response = self.watch(request).await?;
        if response.status().is_success() {
            self.note(&operation, &requester.user).await?;
        }
        Ok(response)
    }

    /// What an operation that succeeded means for us.
    async fn note(&self, operation: &Operation, user: &str) -> Result<(), ApiError> {
        match operation.name.as_str() {
            "account/password" => {
                self.users.forget_user(user);
                self.host.sealed.forget(user);
                self.two_factor.password_changed(user).await
            }
            "account/deactivate" => {
                self.users.forget_user(user);
                self.host.sealed.forget(user);
                self.two_factor.forget(user).await
            }
            _ => Ok(()),
        }
    }
}

impl Asked {
    async fn answer(self) -> Answer {
        let Self { gateway, parts, body, requester, token, operation, path } = self;
        let user = requester.user.clone();
        if operation.name == "login/get_token" && !gateway.upstream_issues_login_tokens().await? {
            return Err(ApiError::new(StatusCode::NOT_FOUND, "M_UNRECOGNIZED", "This server gives no login tokens."));
        }
        let authorized = gateway
            .two_factor
            .authorize(UiaRequest {
                requester: Some(&requester),
                token: Some(&token),
                operation: operation.clone(),
                body,
                client: client_address(&parts),
                first: Stage::Password,
            })
            .await?;
        if operation.name == "login/get_token" {
            // Ours: it says that the second factor was proved.
            let (login_token, lifetime) = gateway.two_factor.issue_login_token(&user, &authorized).await?;
            let millis = u64::try_from(lifetime.as_millis()).unwrap_or(u64::MAX);
            return Ok(Json(json!({"login_token": login_token, "expires_in_ms": millis})).into_response());
        }
        let version = if operation.name == "login/get_token" { "v1" } else { "v3" };
        let path = format!("/_matrix/client/{version}/{path}");
        let act = Act { method: parts.method, path: &path, token: &token, body: &authorized.body };
        let leaving = match (operation.name.as_str(), gateway.host.sealed.recall(&user)) {
            ("account/deactivate", Some(password)) => Some(gateway.host.leaving.begin(&user, &token, password).await?),
            _ => None,
        };
        let answer = gateway.host.act(&user, act).await?;
        if answer.status.is_success() {
            gateway.note(&operation, &user).await?;
        }
        // After 5xx nobody knows what the upstream did.
        if let Some(note) = leaving.filter(|_| !answer.status.is_server_error()) {
            gateway.host.leaving.end(&note).await;
        }
        Ok(whole(answer.status, answer.headers, answer.bytes.into()))
    }
}

impl Gateway {
    /// Does the operator of the upstream want `login/get_token`?
    async fn upstream_issues_login_tokens(&self) -> Result<bool, ApiError> {
        let answer = self.host.upstream.ask(Method::GET, "/_matrix/client/v3/login", None, None).await;
        let answer = answer.map_err(crate::host::away)?;
        let flows = answer.body.as_ref().and_then(|body| body.get("flows")?.as_array()).ok_or_else(|| {
            HostError::Unavailable(Box::new(crate::calls::Unexpected {
                what: "the flows",
                status: answer.status.as_u16(),
            }))
        })?;
        Ok(flows.iter().any(|flow| flow.get("get_login_token") == Some(&Value::Bool(true))))
    }
}

/// Under the policy `required`, for a token of somebody without a second factor.
pub(crate) fn barred() -> ApiError {
    ApiError::forbidden(
        "This server asks for a second factor. Set one up first; until then you can do nothing else but log out.",
    )
}
