//! GET /_matrix/client/v3/devices
//!
//! <https://spec.matrix.org/v1.19/client-server-api/#get_matrixclientv3devices>

use axum::{Json, extract::State};
use matrix_2fa::ApiError;
use serde_json::{Value, json};

use crate::{
    app::{App, Caller},
    records::Device,
};

pub(crate) async fn handle(State(app): State<App>, caller: Caller) -> Result<Json<Value>, ApiError> {
    let devices = app.host.devices(caller.user()).await?;
    Ok(Json(json!({ "devices": devices.iter().map(Device::to_json).collect::<Vec<_>>() })))
}
