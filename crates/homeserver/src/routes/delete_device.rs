//! DELETE /_matrix/client/v3/devices/{deviceId}
//!
//! <https://spec.matrix.org/v1.19/client-server-api/#delete_matrixclientv3devicesdeviceid>

use axum::{Json, extract::State};
use matrix_2fa::ApiError;
use matrix_2fa_core::Operation;
use serde_json::{Value, json};

use crate::app::{App, Body, Caller, Param};

pub(crate) async fn handle(
    State(app): State<App>,
    caller: Caller,
    Param(id): Param<String>,
    Body(body): Body,
) -> Result<Json<Value>, ApiError> {
    let authorized = app.authorize(&caller, Operation::on("devices/delete", id.clone()), body).await?;
    app.host.remove_devices(caller.user(), &[id], Some(authorized.epoch)).await?;
    Ok(Json(json!({})))
}
