//! POST /_matrix/client/v3/logout
//!
//! <https://spec.matrix.org/v1.19/client-server-api/#post_matrixclientv3logout>

use axum::{Json, extract::State};
use matrix_2fa::ApiError;
use serde_json::{Value, json};

use crate::app::{AnyCaller, App};

pub(crate) async fn handle(State(app): State<App>, AnyCaller(caller): AnyCaller) -> Result<Json<Value>, ApiError> {
    let device: Vec<_> = caller.requester.device.iter().cloned().collect();
    app.host.remove_devices(caller.user(), &device, None).await?;
    Ok(Json(json!({})))
}
