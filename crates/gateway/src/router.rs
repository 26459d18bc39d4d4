//! Every request that arrives, in one list: ours, guarded, said a little more, or passed on.

use std::sync::Arc;

use axum::{
    Router,
    body::Bytes,
    extract::{Path, Request, State},
    middleware::{self, Next},
    response::Response,
    routing::{delete, get, post},
};
use http::{
    HeaderValue, Method, StatusCode,
    header::{ACCESS_CONTROL_ALLOW_ORIGIN, CONTENT_TYPE},
    request::Parts,
};
use matrix_2fa::{
    ApiError, ClientAddress, SecondFactor, TwoFactor, json_object,
    request::{BODY_LIMIT, client_address, query_value},
};
use serde_json::{Map, Value};
use tower::ServiceExt;

use crate::{
    amend,
    findings::Findings,
    front::{self, Passage},
    guard,
    health::{Health, read_health},
    host::UpstreamHomeserver,
    login::login,
    policy::barred_without_factor,
    proxy::Proxy,
    scope,
    upstream::UpstreamError,
    users::Users,
};

/// What every handler is handed.
pub(crate) struct Gateway {
    pub(crate) host: Arc<UpstreamHomeserver>,
    pub(crate) two_factor: Arc<TwoFactor>,
    /// The module's endpoints and pages.
    pub(crate) module: Router,
    pub(crate) proxy: Proxy,
    pub(crate) health: Health,
    pub(crate) users: Users,
    pub(crate) findings: Findings,
}

/// The complete gateway.
pub fn app(host: Arc<UpstreamHomeserver>, two_factor: Arc<TwoFactor>) -> Router {
    let module = two_factor.router();
    let proxy = Proxy::new(host.upstream.clone(), host.settings.public_base_url.as_deref());
    let gateway = Arc::new(Gateway {
        host,
        two_factor,
        module,
        proxy,
        health: Health::default(),
        users: Users::default(),
        findings: Findings::default(),
    });
    let mut guarded = Router::new()
        .route("/_matrix-2fa/health", get(read_health))
        .route("/_matrix/client/versions", get(amend::read_versions))
        .route("/.well-known/matrix/client", get(amend::discover))
        .route("/_matrix/client/v1/login/get_token", post(guard::issue_login_token));
    for version in ["r0", "v3"] {
        guarded = client_api(guarded, version);
    }
    let guarded = guarded
        .fallback(pass_on)
        .method_not_allowed_fallback(pass_on)
        .with_state(Arc::clone(&gateway))
        .layer(middleware::from_fn_with_state(Arc::clone(&gateway), barred_without_factor))
        .layer(middleware::map_response(with_cors))
        .layer(middleware::from_fn(for_a_client));
    front::judged(guarded, gateway)
}

/// What r0 and v3 share. Not nested: what is passed on keeps its whole path.
fn client_api(router: Router<Arc<Gateway>>, version: &str) -> Router<Arc<Gateway>> {
    let at = |path: &str| format!("/_matrix/client/{version}/{path}");
    router
        .route(&at("login"), get(amend::list_login_flows).post(login))
        .route(&at("login/get_token"), post(guard::issue_login_token))
        .route(&at("login/sso/redirect"), get(begin_sign_in))
        .route(&at("login/sso/redirect/{provider}"), get(begin_sign_in_with))
        .route(&at("auth/{stage}/fallback/web"), get(fallback).post(fallback))
        .route(&at("logout"), post(guard::log_out))
        .route(&at("logout/all"), post(guard::log_out_everywhere))
        .route(&at("capabilities"), get(amend::read_capabilities))
        .route(&at("account/password"), post(guard::change_password))
        .route(&at("account/deactivate"), post(guard::deactivate))
        .route(&at("account/3pid"), post(guard::add_threepid_as_before))
        .route(&at("account/3pid/add"), post(guard::add_threepid))
        .route(&at("delete_devices"), post(guard::delete_devices))
        .route(&at("devices/{id}"), delete(guard::delete_device))
        .route(&at("keys/device_signing/upload"), post(guard::upload_signing_keys))
}

async fn for_a_client(request: Request, next: Next) -> Response {
    let (parts, body) = request.into_parts();
    scope::of(client_address(&parts), next.run(Request::from_parts(parts, body))).await
}

/// What the upstream answered has its own; pages have none.
async fn with_cors(mut response: Response) -> Response {
    let json = response.headers().get(CONTENT_TYPE).is_some_and(|kind| kind == "application/json");
    if json && !response.headers().contains_key(ACCESS_CONTROL_ALLOW_ORIGIN) {
        response.headers_mut().insert(ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
    }
    response
}

async fn pass_on(State(gateway): State<Arc<Gateway>>, request: Request) -> Result<Response, ApiError> {
    let path = request.uri().path();
    if path.starts_with("/_matrix-2fa")
        || path.contains("/account/two-factor")
        || path.starts_with("/_matrix/static/client/login")
    {
        return Ok(gateway.ours(request).await);
    }
    match request.extensions().get() {
        Some(Passage::Streamed | Passage::Watched) => gateway.watch(request).await,
        // A preflight asks what it may ask.
        Some(Passage::Ours) if request.method() == Method::OPTIONS => gateway.watch(request).await,
        // Guarded, and none of our handlers took it: it goes nowhere.
        Some(Passage::Ours) | None => Err(front::unknown()),
    }
}

/// `GET /login/sso/redirect`: our page, if we said that there is one.
async fn begin_sign_in(State(gateway): State<Arc<Gateway>>, request: Request) -> Result<Response, ApiError> {
    if gateway.offers_pages() { Ok(gateway.ours(request).await) } else { gateway.watch(request).await }
}

/// The same with a provider, which may be the upstream's.
async fn begin_sign_in_with(
    State(gateway): State<Arc<Gateway>>,
    Path(provider): Path<String>,
    request: Request,
) -> Result<Response, ApiError> {
    if provider == amend::PROVIDER { Ok(gateway.ours(request).await) } else { gateway.watch(request).await }
}

/// The fallback page of a stage: ours for sessions of ours, else the upstream's.
async fn fallback(
    State(gateway): State<Arc<Gateway>>,
    Path(stage): Path<String>,
    request: Request,
) -> Result<Response, ApiError> {
    let (parts, body) = request.into_parts();
    let session = query_value(&parts, "session").unwrap_or_default();
    let ours = gateway.two_factor.owns_stage(&stage) || gateway.two_factor.engine().session(&session).await?.is_some();
    let request = Request::from_parts(parts, body);
    if ours { Ok(gateway.ours(request).await) } else { gateway.watch(request).await }
}

impl Gateway {
    /// Answered by the module.
    pub(crate) async fn ours(&self, mut request: Request) -> Response {
        // Parameters of our own routes would be taken for the module's.
        let extensions = std::mem::take(request.extensions_mut());
        if let Some(client) = extensions.get::<ClientAddress>() {
            request.extensions_mut().insert(*client);
        }
        self.module.clone().oneshot(request).await.unwrap_or_else(|never| match never {})
    }

    /// Passed on as it is, for whoever may do anything without a second factor.
    pub(crate) async fn stream(&self, request: Request) -> Result<Response, ApiError> {
        if self.looks_at_tokens() {
            let (parts, body) = request.into_parts();
            scope::of(client_address(&parts), self.admit(&parts)).await?;
            return Ok(with_cors(self.pass(Request::from_parts(parts, body)).await?).await);
        }
        Ok(with_cors(self.pass(request).await?).await)
    }

    /// Passed on as it is.
    pub(crate) async fn pass(&self, request: Request) -> Result<Response, ApiError> {
        self.proxy.pass(request).await
    }
}

/// A request whose body is read whole: it is judged, or there is next to none.
pub(crate) async fn small(request: Request) -> Result<Request<Bytes>, ApiError> {
    let (parts, body) = request.into_parts();
    let bytes = axum::body::to_bytes(body, BODY_LIMIT).await.map_err(|_too_large_or_broken| {
        ApiError::new(StatusCode::PAYLOAD_TOO_LARGE, "M_TOO_LARGE", "The body must not be larger than 64 KiB.")
    })?;
    Ok(Request::from_parts(parts, bytes))
}

/// The same for a JSON object.
pub(crate) async fn json_body(request: Request) -> Result<(Parts, Map<String, Value>), ApiError> {
    let (mut parts, bytes) = small(request).await?.into_parts();
    // What comes of the body is written anew.
    for header in [http::header::CONTENT_LENGTH, http::header::TRANSFER_ENCODING] {
        parts.headers.remove(header);
    }
    Ok((parts, json_object(&bytes)?))
}

/// 502, 504 or 408, as a Matrix error.
pub(crate) fn unreachable(error: &UpstreamError) -> ApiError {
    let status = match error {
        UpstreamError::TimedOut => StatusCode::GATEWAY_TIMEOUT,
        UpstreamError::Unreachable(_) | UpstreamError::Unreadable => StatusCode::BAD_GATEWAY,
        UpstreamError::HalfSent => {
            return ApiError::new(StatusCode::REQUEST_TIMEOUT, "M_UNKNOWN", "The body did not arrive.");
        }
    };
    tracing::warn!(error = error as &dyn std::error::Error, "the upstream does not answer");
    ApiError::new(status, "M_UNKNOWN", "The homeserver does not answer at the moment. Try again later.")
}
