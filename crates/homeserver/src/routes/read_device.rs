//! GET /_matrix/client/v3/devices/{deviceId}
//!
//! <https://spec.matrix.org/v1.19/client-server-api/#get_matrixclientv3devicesdeviceid>

use axum::{Json, extract::State};
use matrix_2fa::ApiError;
use serde_json::Value;

use crate::app::{App, Caller, Param};

pub(crate) async fn handle(
    State(app): State<App>,
    caller: Caller,
    Param(id): Param<String>,
) -> Result<Json<Value>, ApiError> {
    Ok(Json(app.host.device(caller.user(), &id).await?.value.to_json()))
}
