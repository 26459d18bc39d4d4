//! `GET /_matrix/client/v3/login`: the same answer for everybody.
//!
//! [Spec](https://spec.matrix.org/v1.19/client-server-api/#get_matrixclientv3login)

use axum::Json;
use serde_json::{Value, json};

pub(crate) async fn list_login_flows() -> Json<Value> {
    Json(json!({"flows": [{"type": "m.login.password"}, {"type": "m.login.token", "get_login_token": true}]}))
}
