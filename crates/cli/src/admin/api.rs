//! The same acts over HTTP, for whoever administrates from elsewhere: a listener of its own, off unless it is set, and a token. The document that
//! describes it, `spec/admin-openapi.json`, is generated from this file and from the answers, and a test compares them.

use std::{
    num::NonZeroU32,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use axum::{
    Json, Router,
    extract::{DefaultBodyLimit, Path, Query, Request, State},
    http::{HeaderMap, StatusCode, header},
    middleware::{self, Next},
    response::{IntoResponse, Response},
    routing::{get, post, put},
};
use governor::{DefaultDirectRateLimiter, Quota, RateLimiter};
use matrix_2fa::ClientAddress;
use matrix_2fa_core::Timestamp;
use serde::Deserialize;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use tokio::net::TcpListener;
use utoipa::{IntoParams, OpenApi, ToSchema};

use super::{
    act::{AdminAct, Filter},
    answer::{AdminError, Desk},
    answers::{AuthenticatorRow, CodeIssued, Done, Events, Grant, Stats, UserRow, UserStatus, Users},
};
use crate::{
    connections,
    data::Data,
    failure::Failure,
    proxies::Proxies,
    settings::{Settings, read_token},
};

/// Who acts through it, for the audit, if the request does not say it in `X-Author`.
const AUTHOR: &str = "the HTTP API";
/// Shorter tokens are refused: somebody could guess them.
const SHORTEST_TOKEN: usize = 32;
/// No body that it takes is larger.
const BODY_LIMIT: usize = 8 * 1024;

#[derive(Clone)]
struct Api {
    data: Data,
    token: [u8; 32],
    strangers: Arc<Strangers>,
}

/// Requests with a wrong token: the log has a few lines a minute of them, with how many there were.
struct Strangers {
    lines: DefaultDirectRateLimiter,
    untold: AtomicU64,
}

impl Default for Strangers {
    fn default() -> Self {
        const LINES: NonZeroU32 = NonZeroU32::MIN.saturating_add(4);
        Self { lines: RateLimiter::direct(Quota::per_minute(LINES)), untold: AtomicU64::new(0) }
    }
}

impl Strangers {
    /// One more; how many there were since the last line, if another may be written.
    fn note(&self) -> Option<u64> {
        self.untold.fetch_add(1, Ordering::Relaxed);
        self.lines.check().is_ok().then(|| self.untold.swap(0, Ordering::Relaxed))
    }
}

/// Listens, if the settings say where. The port is taken before anything else happens.
pub async fn serve(
    data: Data,
    settings: &Settings,
) -> Result<Option<impl Future<Output = ()> + Send + use<>>, Failure> {
    let (Some(address), Some(file)) = (settings.admin_listen, &settings.admin_token_file) else { return Ok(None) };
    let token = read_token("admin_token_file", file)?;
    if token.len() < SHORTEST_TOKEN {
        return Err(Failure::start(format!(
            "admin_token_file: {}: write a random token of at least {SHORTEST_TOKEN} characters",
            file.display()
        )));
    }
    let listener = TcpListener::bind(address).await;
    let listener =
        listener.map_err(|error| Failure::start(format!("admin_listen: cannot listen on {address}: {error}")))?;
    let bound = listener.local_addr().map_err(|error| Failure::because(&error))?;
    tracing::info!("administrators are answered at http://{bound}/admin/v1/");
    let routes = router(Api { data, token: Sha256::digest(token.as_bytes()).into(), strangers: Arc::default() });
    // It is ended like every other task of the server.
    Ok(Some(connections::serve(listener, routes, Proxies::default(), std::future::pending(), Duration::ZERO)))
}

fn router(api: Api) -> Router {
    let user = Router::new()
        .route("/", get(status))
        .route("/reset", post(reset))
        .route("/unlock", post(unlock))
        .route("/code", post(issue_code))
        .route("/exemption", put(exempt).delete(end_exemption))
        .route("/requirement", put(require).delete(withdraw))
        .route("/events", get(user_events));
    let routes = Router::new()
        .route("/users", get(list))
        .nest("/users/{user}", user)
        .route("/events", get(events))
        .route("/policy", get(policy))
        .route("/policy/reload", post(reload))
        .route("/stats", get(stats))
        .route("/openapi.json", get(async || Json(document())));
    Router::new()
        .nest("/admin/v1", routes)
        .fallback(async || refuse(StatusCode::NOT_FOUND, "there is no such path"))
        .method_not_allowed_fallback(async || refuse(StatusCode::METHOD_NOT_ALLOWED, "not with this method"))
        .layer(DefaultBodyLimit::max(BODY_LIMIT))
        .layer(middleware::from_fn_with_state(api.clone(), authenticate))
        .with_state(api)
}

/// The token before everything else, also before whether a path exists. Digests are compared, so time tells nothing of the token.
async fn authenticate(State(api): State<Api>, request: Request, next: Next) -> Response {
    let given = request.headers().get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
    let token = given.and_then(|value| value.strip_prefix("Bearer ")).unwrap_or_default();
    if <[u8; 32]>::from(Sha256::digest(token.trim().as_bytes())) != api.token {
        // It has at least 32 characters, so nobody guesses it; who tries should be seen.
        let client = request.extensions().get::<ClientAddress>().map(|ClientAddress(address)| address);
        if let Some(requests) = api.strangers.note() {
            tracing::warn!(client = client.map(tracing::field::display), requests, "a wrong token for administrators");
        }
        let refused = refuse(StatusCode::UNAUTHORIZED, "write the token in the header: Authorization: Bearer <token>");
        return ([(header::WWW_AUTHENTICATE, "Bearer")], refused).into_response();
    }
    let mut response = next.run(request).await;
    response.headers_mut().insert(header::CACHE_CONTROL, header::HeaderValue::from_static("no-store"));
    response
}

fn refuse(status: StatusCode, error: &str) -> Response {
    (status, Json(json!({ "error": error }))).into_response()
}

impl IntoResponse for AdminError {
    fn into_response(self) -> Response {
        let status = match &self {
            Self::BadInput(_) => StatusCode::BAD_REQUEST,
            Self::NoSuchUser(_) => StatusCode::NOT_FOUND,
            Self::Refused(_) => StatusCode::CONFLICT,
            Self::Unavailable(_) => StatusCode::SERVICE_UNAVAILABLE,
        };
        refuse(status, &self.to_string())
    }
}

impl Api {
    async fn act(&self, headers: &HeaderMap, act: AdminAct) -> Result<Json<Value>, AdminError> {
        let named = headers.get("x-author").and_then(|value| value.to_str().ok());
        let author = match named.map(str::trim).filter(|name| (1..=100).contains(&name.len())) {
            Some(name) => format!("{name} ({AUTHOR})"),
            None => AUTHOR.to_owned(),
        };
        tracing::info!(?act, author, "asked by an administrator");
        let desk = Desk { data: &self.data, author: &author };
        Ok(Json(desk.answer(act, |_progress| ()).await?))
    }
}

type Answer = Result<Json<Value>, AdminError>;

fn body<T: serde::de::DeserializeOwned>(bytes: &[u8]) -> Result<T, AdminError> {
    serde_json::from_slice(bytes).map_err(|error| AdminError::BadInput(format!("the body: {error}")))
}

/// Which page of which users.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
struct ListQuery {
    /// Which users.
    #[serde(default)]
    filter: Filter,
    /// Go on after this user.
    after: Option<String>,
    /// At most so many, 1 to 1000.
    limit: Option<usize>,
}

/// Which audited things.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
struct EventsQuery {
    /// At or after this moment, in milliseconds since 1970.
    #[param(value_type = Option<u64>)]
    since: Option<Timestamp>,
    /// The newest of them, 1 to 1000.
    limit: Option<usize>,
}

/// What a code shall be.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct CodeBody {
    /// How long it is good; a day at most.
    valid_seconds: u64,
}

/// What for, and until when.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct ExemptionBody {
    /// What for.
    reason: String,
    /// Until when, in milliseconds since 1970.
    until: u64,
}

/// How long the user may go on without.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct RequirementBody {
    /// From now on.
    grace_seconds: u64,
}

/// Users, a page of them.
#[utoipa::path(get, path = "/admin/v1/users", params(ListQuery), responses((status = 200, body = Users)))]
async fn list(
    State(api): State<Api>,
    headers: HeaderMap,
    query: Result<Query<ListQuery>, axum::extract::rejection::QueryRejection>,
) -> Answer {
    let Query(ListQuery { filter, after, limit }) = query.map_err(|error| AdminError::BadInput(error.body_text()))?;
    api.act(&headers, AdminAct::List { filter, after, limit }).await
}

/// How one user stands.
#[utoipa::path(get, path = "/admin/v1/users/{user}", params(("user" = String, Path)), responses((status = 200, body = UserStatus)))]
async fn status(State(api): State<Api>, headers: HeaderMap, Path(user): Path<String>) -> Answer {
    api.act(&headers, AdminAct::Status { user }).await
}

/// Remove every second factor of a user.
#[utoipa::path(post, path = "/admin/v1/users/{user}/reset", params(("user" = String, Path)), responses((status = 200, body = Done)))]
async fn reset(State(api): State<Api>, headers: HeaderMap, Path(user): Path<String>) -> Answer {
    api.act(&headers, AdminAct::Reset { user }).await
}

/// Lift a lock, and clear the counters of wrong codes.
#[utoipa::path(post, path = "/admin/v1/users/{user}/unlock", params(("user" = String, Path)), responses((status = 200, body = Done)))]
async fn unlock(State(api): State<Api>, headers: HeaderMap, Path(user): Path<String>) -> Answer {
    api.act(&headers, AdminAct::Unlock { user }).await
}

/// Issue a code that stands for a recovery code, once.
#[utoipa::path(post, path = "/admin/v1/users/{user}/code", params(("user" = String, Path)), request_body = CodeBody, responses((status = 200, body = CodeIssued)))]
async fn issue_code(
    State(api): State<Api>,
    headers: HeaderMap,
    Path(user): Path<String>,
    bytes: axum::body::Bytes,
) -> Answer {
    let CodeBody { valid_seconds } = body(&bytes)?;
    api.act(&headers, AdminAct::IssueCode { user, valid_for: Duration::from_secs(valid_seconds) }).await
}

/// Exempt a user from having to have a second factor.
#[utoipa::path(put, path = "/admin/v1/users/{user}/exemption", params(("user" = String, Path)), request_body = ExemptionBody, responses((status = 200, body = Done)))]
async fn exempt(
    State(api): State<Api>,
    headers: HeaderMap,
    Path(user): Path<String>,
    bytes: axum::body::Bytes,
) -> Answer {
    let ExemptionBody { reason, until } = body(&bytes)?;
    api.act(&headers, AdminAct::Exempt { user, reason, until: Timestamp::from_millis(until) }).await
}

/// End the exemption before its time.
#[utoipa::path(delete, path = "/admin/v1/users/{user}/exemption", params(("user" = String, Path)), responses((status = 200, body = Done)))]
async fn end_exemption(State(api): State<Api>, headers: HeaderMap, Path(user): Path<String>) -> Answer {
    api.act(&headers, AdminAct::EndExemption { user }).await
}

/// Require a second factor of a user, whatever the rules say.
#[utoipa::path(put, path = "/admin/v1/users/{user}/requirement", params(("user" = String, Path)), request_body = RequirementBody, responses((status = 200, body = Done)))]
async fn require(
    State(api): State<Api>,
    headers: HeaderMap,
    Path(user): Path<String>,
    bytes: axum::body::Bytes,
) -> Answer {
    let RequirementBody { grace_seconds } = body(&bytes)?;
    api.act(&headers, AdminAct::Require { user, grace: Duration::from_secs(grace_seconds) }).await
}

/// Take that back.
#[utoipa::path(delete, path = "/admin/v1/users/{user}/requirement", params(("user" = String, Path)), responses((status = 200, body = Done)))]
async fn withdraw(State(api): State<Api>, headers: HeaderMap, Path(user): Path<String>) -> Answer {
    api.act(&headers, AdminAct::Withdraw { user }).await
}

/// The newest audited things of a user.
#[utoipa::path(get, path = "/admin/v1/users/{user}/events", params(("user" = String, Path), EventsQuery), responses((status = 200, body = Events)))]
async fn user_events(
    State(api): State<Api>,
    headers: HeaderMap,
    Path(user): Path<String>,
    query: Result<Query<EventsQuery>, axum::extract::rejection::QueryRejection>,
) -> Answer {
    let Query(EventsQuery { since, limit }) = query.map_err(|error| AdminError::BadInput(error.body_text()))?;
    api.act(&headers, AdminAct::Events { user: Some(user), since, limit }).await
}

/// The newest audited things of everybody.
#[utoipa::path(get, path = "/admin/v1/events", params(EventsQuery), responses((status = 200, body = Events)))]
async fn events(
    State(api): State<Api>,
    headers: HeaderMap,
    query: Result<Query<EventsQuery>, axum::extract::rejection::QueryRejection>,
) -> Answer {
    let Query(EventsQuery { since, limit }) = query.map_err(|error| AdminError::BadInput(error.body_text()))?;
    api.act(&headers, AdminAct::Events { user: None, since, limit }).await
}

/// The rules in force.
#[utoipa::path(get, path = "/admin/v1/policy", responses((status = 200, body = Object)))]
async fn policy(State(api): State<Api>, headers: HeaderMap) -> Answer {
    api.act(&headers, AdminAct::Policy).await
}

/// Read the settings again and put their policy in force.
#[utoipa::path(post, path = "/admin/v1/policy/reload", responses((status = 200, body = Done)))]
async fn reload(State(api): State<Api>, headers: HeaderMap) -> Answer {
    api.act(&headers, AdminAct::ReloadPolicy).await
}

/// How many users have what.
#[utoipa::path(get, path = "/admin/v1/stats", responses((status = 200, body = Stats)))]
async fn stats(State(api): State<Api>, headers: HeaderMap) -> Answer {
    api.act(&headers, AdminAct::Stats).await
}

#[derive(OpenApi)]
#[openapi(
    info(
        title = "matrix-2fa for administrators",
        description = "Errors are {\"error\"}: 400 bad input, 401 no or a wrong token, 404 no such user or path, 409 not now, 503 the store does not answer. Every request needs `Authorization: Bearer <token>`; `X-Author` names the person, for the audit."
    ),
    paths(
        list,
        status,
        reset,
        unlock,
        issue_code,
        exempt,
        end_exemption,
        require,
        withdraw,
        user_events,
        events,
        policy,
        reload,
        stats
    ),
    components(schemas(UserRow, UserStatus, AuthenticatorRow, Grant, Filter))
)]
struct Document;

/// What describes it.
pub fn document() -> Value {
    serde_json::to_value(Document::openapi()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wrong_tokens_are_counted_and_do_not_fill_the_log() {
        let strangers = Strangers::default();
        let lines: Vec<_> = (0..1000).filter_map(|_| strangers.note()).collect();
        assert_eq!(lines, [1; 5]);
        assert_eq!(strangers.untold.load(Ordering::Relaxed), 995);
    }

    /// To write it anew: `UPDATE_DOCUMENTS=1 cargo test -p matrix-2fa-cli`.
    #[test]
    fn the_committed_document_is_this_one() {
        crate::documents::compare("spec/admin-openapi.json", &format!("{:#}\n", document()));
    }
}
