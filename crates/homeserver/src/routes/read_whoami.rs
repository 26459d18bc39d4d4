//! GET /_matrix/client/v3/account/whoami
//!
//! <https://spec.matrix.org/v1.19/client-server-api/#get_matrixclientv3accountwhoami>

use axum::Json;
use serde_json::{Value, json};

use crate::app::AnyCaller;

pub(crate) async fn handle(AnyCaller(caller): AnyCaller) -> Json<Value> {
    let requester = caller.requester;
    Json(json!({ "user_id": requester.user, "device_id": requester.device, "is_guest": false }))
}
