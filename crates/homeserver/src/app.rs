//! What every handler is handed: the homeserver, the module, and the caller.

use std::{collections::HashMap, net::IpAddr, ops::Deref, sync::Arc};

use axum::{
    body::Bytes,
    extract::{FromRequest, FromRequestParts, Path, Query, Request},
    http::{StatusCode, request::Parts},
};
use matrix_2fa::{
    ApiError, TwoFactor,
    homeserver::{Homeserver, Requester},
    json_object,
    request::{access_token, client_address},
    uia::{Authorized, UiaRequest},
};
use matrix_2fa_core::{Operation, Stage};
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use crate::{host::LocalHomeserver, refuse::forbidden};

/// The state behind the routes.
pub(crate) struct Inner {
    pub host: Arc<LocalHomeserver>,
    pub two_factor: Arc<TwoFactor>,
}

/// Cheap to clone.
#[derive(Clone)]
pub(crate) struct App(Arc<Inner>);

impl App {
    pub(crate) fn new(host: Arc<LocalHomeserver>, two_factor: Arc<TwoFactor>) -> Self {
        Self(Arc::new(Inner { host, two_factor }))
    }

    /// Interactive auth for a caller: the password, and the second factor of whoever has one.
    pub(crate) async fn authorize(
        &self,
        caller: &Caller,
        operation: Operation,
        body: Map<String, Value>,
    ) -> Result<Authorized, ApiError> {
        let Caller { requester, token, client } = caller;
        let (requester, token, client) = (Some(requester), token.as_deref(), *client);
        let request = UiaRequest { requester, token, operation, body, client, first: Stage::Password };
        self.two_factor.authorize(request).await
    }

    /// Lets the module forget a user who was deactivated. If that fails now, [`crate::finish_forgetting`] tries it again.
    pub(crate) async fn forget(&self, user: &str) -> Result<(), ApiError> {
        crate::forget(&self.host, &self.two_factor, user).await
    }
}

impl Deref for App {
    type Target = Inner;

    fn deref(&self) -> &Inner {
        &self.0
    }
}

/// Does this body bring interactive auth already? (`auth: {}` counts as none.)
pub(crate) fn has_auth(body: &Map<String, Value>) -> bool {
    body.get("auth").and_then(Value::as_object).is_some_and(|auth| !auth.is_empty())
}

/// Does this body continue a session? Then keys of the first body may be left out.
pub(crate) fn continues(body: &Map<String, Value>) -> bool {
    body.get("auth").and_then(|auth| auth.get("session")).is_some_and(|session| !session.is_null())
}

/// Who calls, by their access token. Users who must enroll a second factor first are refused here, for every route that asks for this.
pub(crate) struct Caller {
    pub requester: Requester,
    token: Option<String>,
    pub client: Option<IpAddr>,
}

/// Who calls, even if they may do nothing but enroll: for whoami, logout and capabilities.
pub(crate) struct AnyCaller(pub Caller);

/// The client's address, if whoever accepts connections told it.
pub(crate) struct Client(pub Option<IpAddr>);

/// A JSON object. An empty body is an empty object.
pub(crate) struct Body(pub Map<String, Value>);

/// Path parameters.
pub(crate) struct Param<T>(pub T);

/// The query as pairs; of equal keys the last one wins.
pub(crate) struct Params(pub HashMap<String, String>);

impl Caller {
    /// The canonical Matrix id.
    pub(crate) fn user(&self) -> &str {
        &self.requester.user
    }

    /// Nobody reads or writes another user's things.
    pub(crate) fn must_be(&self, app: &App, user: &str) -> Result<(), ApiError> {
        let same = user.starts_with('@') && app.host.canonical_user(user).as_deref() == Some(self.user());
        if same { Ok(()) } else { Err(forbidden("That belongs to another user.").into()) }
    }
}

impl FromRequestParts<App> for AnyCaller {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, ApiError> {
        let requester = app.host.authenticate(parts).await?;
        Ok(Self(Caller { requester, token: access_token(parts), client: client_address(parts) }))
    }
}

impl FromRequestParts<App> for Caller {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, ApiError> {
        let AnyCaller(caller) = AnyCaller::from_request_parts(parts, app).await?;
        if app.two_factor.bars_requester(&caller.requester).await? {
            return Err(forbidden(
                "This server asks for a second factor. Set one up first; until then you can do nothing else but log out.",
            )
            .into());
        }
        Ok(caller)
    }
}

impl<S: Sync> FromRequestParts<S> for Client {
    type Rejection = std::convert::Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Self::Rejection> {
        Ok(Self(client_address(parts)))
    }
}

impl<S: Send + Sync> FromRequest<S> for Body {
    type Rejection = ApiError;

    async fn from_request(request: Request, state: &S) -> Result<Self, ApiError> {
        // The size was judged before any handler: see `limits.rs`.
        let bytes = Bytes::from_request(request, state)
            .await
            .map_err(|_| ApiError::new(StatusCode::BAD_REQUEST, "M_UNKNOWN", "The body could not be read."))?;
        json_object(&bytes).map(Self)
    }
}

impl<S: Send + Sync, T: DeserializeOwned + Send> FromRequestParts<S> for Param<T> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        match Path::<T>::from_request_parts(parts, state).await {
            Ok(Path(param)) => Ok(Self(param)),
            Err(_) => Err(ApiError::new(StatusCode::BAD_REQUEST, "M_INVALID_PARAM", "The path is not valid UTF-8.")),
        }
    }
}

impl<S: Sync> FromRequestParts<S> for Params {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, ApiError> {
        match Query::try_from_uri(&parts.uri) {
            Ok(Query(query)) => Ok(Self(query)),
            Err(_) => Err(ApiError::new(StatusCode::BAD_REQUEST, "M_INVALID_PARAM", "The query cannot be read.")),
        }
    }
}
