//! GET /_matrix/client/v3/pushrules/
//!
//! <https://spec.matrix.org/v1.19/client-server-api/#get_matrixclientv3pushrules>

use axum::{Json, extract::State};
use matrix_2fa::ApiError;
use ruma::push::Ruleset;
use serde_json::{Value, json};

use crate::app::{App, Caller};

pub(crate) async fn handle(State(app): State<App>, caller: Caller) -> Result<Json<Value>, ApiError> {
    rules(&app, &caller).map(Json)
}

/// The rules that every user starts with; nobody can change them here.
pub(crate) fn rules(app: &App, caller: &Caller) -> Result<Value, ApiError> {
    let user = app.host.parse_user(caller.user())?;
    Ok(json!({ "global": Ruleset::server_default(&user) }))
}
