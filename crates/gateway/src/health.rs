//! `GET /_matrix-2fa/health`: 200 if the store and the homeserver behind us answer, else 503; which of them, the body says. For load balancers
//! and people, so it needs no token; asked a thousand times a second, it looks once.

use std::{sync::Arc, time::Duration};

use axum::{
    Json,
    extract::State,
    response::{IntoResponse, Response},
};
use http::{Method, StatusCode, header::CACHE_CONTROL};
use matrix_2fa::Homeserver;
use serde_json::json;
use tokio::{
    sync::Mutex,
    time::{Instant, timeout},
};

use crate::router::Gateway;

/// What was seen is believed for so long.
const FRESH: Duration = Duration::from_secs(1);

/// Who does not answer within this is not well.
const PATIENCE: Duration = Duration::from_secs(3);

/// What was seen last, and when.
#[derive(Default)]
pub(crate) struct Health(Mutex<Option<(Instant, Seen)>>);

#[derive(Clone, Copy)]
struct Seen {
    store: bool,
    upstream: bool,
}

pub(crate) async fn read_health(State(gateway): State<Arc<Gateway>>) -> Response {
    let Seen { store, upstream } = gateway.health().await;
    let status = if store && upstream { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (status, [(CACHE_CONTROL, "no-store")], Json(json!({ "store": store, "homeserver": upstream }))).into_response()
}

impl Gateway {
    async fn health(&self) -> Seen {
        // Whoever asks meanwhile waits for the one who looks.
        let mut last = self.health.0.lock().await;
        if let Some((when, seen)) = *last
            && when.elapsed() < FRESH
        {
            return seen;
        }
        let seen = self.look().await;
        *last = Some((Instant::now(), seen));
        seen
    }

    async fn look(&self) -> Seen {
        // A user who cannot be: nobody's account is read for this.
        let nobody = format!("@:{}", self.host.server_name());
        let store = timeout(PATIENCE, self.two_factor.engine().account(&nobody));
        let upstream = timeout(PATIENCE, self.host.upstream.ask(Method::GET, "/_matrix/client/versions", None, None));
        let (store, upstream) = tokio::join!(store, upstream);
        Seen {
            store: matches!(store, Ok(Ok(_))),
            upstream: matches!(upstream, Ok(Ok(answer)) if !answer.status.is_server_error()),
        }
    }
}
