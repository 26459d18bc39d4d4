//! Every route and layer of the module, in one list.

use std::sync::Arc;

use axum::{
    Router,
    extract::{DefaultBodyLimit, FromRequest, Request},
    routing::{get, post, put},
};
use http::{Method, StatusCode, header, request::Parts};
use matrix_2fa_core::{Operation, Proof, Stage};
use matrix_2fa_engine::Origination;
use serde_json::{Map, Value};
use tower_http::cors::{Any, CorsLayer};

use crate::{
    ApiError, JsonRequest, TwoFactor,
    error::unrecognized,
    homeserver::{HostError, Requester},
    request::{BODY_LIMIT, access_token, client_address},
    routes::{
        begin_totp::begin_totp, confirm_totp::confirm_totp, disable::disable, enable::enable,
        list_login_flows::list_login_flows, login::login, regenerate_recovery::regenerate_recovery,
        remove_authenticator::remove_authenticator, rename_authenticator::rename_authenticator,
        show_status::show_status,
    },
    uia::UiaRequest,
};

impl TwoFactor {
    /// All endpoints of the module. A router is a `tower::Service` for any `http` request body.
    pub fn router(self: &Arc<Self>) -> Router {
        let mut router = Router::new();
        for version in ["r0", "v3"] {
            // Not nested: every nest is a layer more on the way of each login.
            let path = format!("/_matrix/client/{version}/login");
            router = router.route(&path, get(list_login_flows).post(login));
        }
        self.finish(router).merge(self.account_router()).merge(self.pages_router())
    }

    /// The account endpoints alone, for a host that owns `POST /login` and uses the [hooks](crate::hooks).
    pub fn account_router(self: &Arc<Self>) -> Router {
        let mut router = Router::new();
        for version in ["r0", "v3", "unstable/org.matrix.msc1998"] {
            router = router.nest(&format!("/_matrix/client/{version}/account/two-factor"), account_routes());
        }
        self.finish(router)
    }

    fn finish(self: &Arc<Self>, router: Router<Arc<Self>>) -> Router {
        let router = router.method_not_allowed_fallback(async || unrecognized(StatusCode::METHOD_NOT_ALLOWED));
        // In one: every call of `layer` is a box more on the way of each request.
        router.layer((cors(), DefaultBodyLimit::max(BODY_LIMIT))).with_state(Arc::clone(self))
    }
}

fn account_routes() -> Router<Arc<TwoFactor>> {
    Router::new()
        .route("/", get(show_status).post(enable).delete(disable))
        .route("/totp", post(begin_totp))
        .route("/totp/confirm", post(confirm_totp))
        .route("/recovery", post(regenerate_recovery))
        .route("/disable", post(disable))
        .route("/authenticators/{id}", put(rename_authenticator).delete(remove_authenticator))
}

/// The CORS headers that the client-server specification asks for, on every answer, and the answer to preflight requests.
pub fn with_cors(router: Router) -> Router {
    router.layer(cors())
}

fn cors() -> CorsLayer {
    let methods = [Method::GET, Method::POST, Method::PUT, Method::DELETE, Method::OPTIONS];
    let headers = [header::HeaderName::from_static("x-requested-with"), header::CONTENT_TYPE, header::AUTHORIZATION];
    CorsLayer::new().allow_origin(Any).allow_methods(methods).allow_headers(headers)
}

/// A request with an access token that the host knows, and its JSON body.
pub(crate) struct Caller {
    pub(crate) parts: Parts,
    pub(crate) body: Map<String, Value>,
    pub(crate) requester: Requester,
    pub(crate) token: String,
}

impl FromRequest<Arc<TwoFactor>> for Caller {
    type Rejection = ApiError;

    async fn from_request(request: Request, module: &Arc<TwoFactor>) -> Result<Self, ApiError> {
        // The token first: a stranger's body is not even read.
        let (parts, body) = request.into_parts();
        let token = access_token(&parts).ok_or(HostError::MissingToken)?;
        let requester = module.host().authenticate(&parts).await?;
        let JsonRequest { parts, body } = JsonRequest::from_request(Request::from_parts(parts, body), &()).await?;
        Ok(Self { parts, body, requester, token })
    }
}

impl Caller {
    /// The same request for interactive auth.
    pub(crate) fn uia(&self, operation: Operation) -> UiaRequest<'_> {
        UiaRequest {
            requester: Some(&self.requester),
            token: Some(&self.token),
            operation,
            body: self.body.clone(),
            client: client_address(&self.parts),
            first: Stage::Password,
        }
    }

    /// For a change with what [`TwoFactor::authorize`] proved ([`Proof::default`] for one that needs no proof).
    pub(crate) fn origination(&self, operation: &str, proof: Proof) -> Origination {
        Origination {
            device: self.requester.device.clone(),
            client: client_address(&self.parts),
            operation: Some(operation.to_owned()),
            proof,
            page: None,
        }
    }
}
