//! Every route of the reference homeserver. `/login` and `account/two-factor` are the module's and are merged in.

use std::sync::Arc;

use axum::{
    Router,
    extract::{MatchedPath, Request},
    http::StatusCode,
    middleware,
    routing::{get, post, put},
};
use matrix_2fa::{ApiError, TwoFactor, with_cors};
use tower_http::{catch_panic::CatchPanicLayer, trace::TraceLayer};
use tracing::Span;

use crate::{app::App, host::LocalHomeserver, limits, routes::*};

/// The complete homeserver: its own routes, the module's, and the nets around both.
pub fn app(host: Arc<LocalHomeserver>, two_factor: Arc<TwoFactor>) -> Router {
    let module = two_factor.router();
    let own = Router::new()
        .route("/.well-known/matrix/client", get(discover_homeserver::handle))
        .route("/_matrix/client/versions", get(read_versions::handle))
        .route("/_matrix/client/v1/login/get_token", post(issue_login_token::handle))
        .nest("/_matrix/client/r0", client_api())
        .nest("/_matrix/client/v3", client_api())
        .fallback(unknown_path)
        .method_not_allowed_fallback(wrong_method)
        .with_state(App::new(host, two_factor));
    with_cors(own)
        .merge(module)
        // In one, the outermost first: every call of `layer` is a box more on the way of each request.
        .layer((
            CatchPanicLayer::custom(limits::panicked),
            TraceLayer::new_for_http().make_span_with(span),
            middleware::from_fn(limits::whole_body),
        ))
}

/// The routes that r0 and v3 share.
fn client_api() -> Router<App> {
    Router::new()
        .route("/account/3pid", get(list_threepids::handle))
        .route("/account/deactivate", post(deactivate_account::handle))
        .route("/account/password", post(change_password::handle))
        .route("/account/whoami", get(read_whoami::handle))
        .route("/capabilities", get(read_capabilities::handle))
        .route("/delete_devices", post(delete_devices::handle))
        .route("/devices", get(list_devices::handle))
        .route(
            "/devices/{device_id}",
            get(read_device::handle).put(rename_device::handle).delete(delete_device::handle),
        )
        .route("/joined_rooms", get(list_joined_rooms::handle))
        .route("/keys/device_signing/upload", post(upload_signing_keys::handle))
        .route("/keys/query", post(query_keys::handle))
        .route("/keys/upload", post(upload_keys::handle))
        .route("/login/get_token", post(issue_login_token::handle))
        .route("/logout", post(log_out::handle))
        .route("/logout/all", post(log_out_everywhere::handle))
        .route("/profile/{user_id}", get(read_profile::handle))
        .route("/profile/{user_id}/displayname", put(edit_profile::displayname).get(read_profile::displayname))
        .route("/profile/{user_id}/avatar_url", put(edit_profile::avatar_url).get(read_profile::avatar_url))
        .route("/pushrules/", get(list_push_rules::handle))
        .route("/refresh", post(refresh_token::handle))
        .route("/register", post(register_user::handle))
        .route("/register/available", get(check_username::handle))
        .route("/sync", get(sync_events::handle))
        .route("/user/{user_id}/filter", post(create_filter::handle))
        .route("/user/{user_id}/filter/{filter_id}", get(read_filter::handle))
}

async fn unknown_path() -> ApiError {
    ApiError::new(StatusCode::NOT_FOUND, "M_UNRECOGNIZED", "This server has no such endpoint.")
}

async fn wrong_method() -> ApiError {
    ApiError::new(StatusCode::METHOD_NOT_ALLOWED, "M_UNRECOGNIZED", "This endpoint has no such method.")
}

/// The route, never the URI: a query may hold an access token and a path a session.
fn span(request: &Request) -> Span {
    let route = request.extensions().get::<MatchedPath>().map_or("-", MatchedPath::as_str);
    tracing::info_span!("request", http.method = %request.method(), http.route = route)
}
