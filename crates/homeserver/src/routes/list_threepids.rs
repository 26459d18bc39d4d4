//! GET /_matrix/client/v3/account/3pid
//!
//! <https://spec.matrix.org/v1.19/client-server-api/#get_matrixclientv3account3pid>

use axum::Json;
use serde_json::{Value, json};

use crate::app::Caller;

pub(crate) async fn handle(_: Caller) -> Json<Value> {
    Json(json!({ "threepids": [] }))
}
