//! GET /.well-known/matrix/client
//!
//! <https://spec.matrix.org/v1.19/client-server-api/#getwell-knownmatrixclient>

use axum::{Json, extract::State};
use matrix_2fa::ApiError;
use serde_json::{Value, json};

use crate::{app::App, refuse::not_found};

pub(crate) async fn handle(State(app): State<App>) -> Result<Json<Value>, ApiError> {
    let base_url = app.host.settings.public_base_url.as_deref();
    let base_url = base_url.ok_or_else(|| not_found("This server was not told its public address."))?;
    Ok(Json(json!({ "m.homeserver": { "base_url": base_url } })))
}
