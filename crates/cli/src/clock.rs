//! The server's clock, which is its store's. With the feature `test-clock` it stands still, begins at the store's time, and obeys
//! `POST /_test/clock`.

use std::sync::Arc;

use axum::Router;
use matrix_2fa_core::Clock;

/// What a server with such a clock must say about itself.
pub const WARNING: Option<&str> = if cfg!(feature = "test-clock") {
    Some(
        "this is a build for tests: its clock stands still, and whoever reaches it can set it at /_test/clock and revive used codes",
    )
} else {
    None
};

/// The clock, and the routes that come with it.
#[cfg(not(feature = "test-clock"))]
pub fn clock(store: Arc<dyn Clock>) -> (Arc<dyn Clock>, Router) {
    (store, Router::new())
}

/// The clock, and the routes that come with it.
#[cfg(feature = "test-clock")]
pub fn clock(store: Arc<dyn Clock>) -> (Arc<dyn Clock>, Router) {
    use axum::routing::get;
    use matrix_2fa_core::MockClock;

    let clock = MockClock::new(store.now());
    let route = get(test::show).post(test::set);
    (Arc::new(clock.clone()), Router::new().route("/_test/clock", route).with_state(clock))
}

#[cfg(feature = "test-clock")]
mod test {
    use axum::{Json, body::Bytes, extract::State, http::StatusCode};
    use matrix_2fa::{ApiError, json_object};
    use matrix_2fa_core::{Clock, MockClock, Timestamp};
    use serde_json::{Value, json};

    pub async fn show(State(clock): State<MockClock>) -> Json<Value> {
        Json(json!({ "now_ms": clock.now().as_millis() }))
    }

    pub async fn set(State(clock): State<MockClock>, body: Bytes) -> Result<Json<Value>, ApiError> {
        let body = json_object(&body)?;
        let now = body.get("now_ms").and_then(Value::as_u64).ok_or_else(|| {
            ApiError::new(StatusCode::BAD_REQUEST, "M_BAD_JSON", "now_ms must be milliseconds since 1970")
        })?;
        clock.set(Timestamp::from_millis(now));
        Ok(Json(json!({ "now_ms": now })))
    }
}
