//! GET /_matrix/client/v3/joined_rooms
//!
//! <https://spec.matrix.org/v1.19/client-server-api/#get_matrixclientv3joined_rooms>

use axum::Json;
use serde_json::{Value, json};

use crate::app::Caller;

pub(crate) async fn handle(_: Caller) -> Json<Value> {
    Json(json!({ "joined_rooms": [] }))
}
