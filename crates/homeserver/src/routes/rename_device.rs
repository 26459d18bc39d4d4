//! PUT /_matrix/client/v3/devices/{deviceId}
//!
//! <https://spec.matrix.org/v1.19/client-server-api/#put_matrixclientv3devicesdeviceid>

use axum::{Json, extract::State};
use matrix_2fa::ApiError;
use serde_json::{Value, json};

use crate::{
    app::{App, Body, Caller, Param},
    logins::check_name,
    refuse::text,
};

pub(crate) async fn handle(
    State(app): State<App>,
    caller: Caller,
    Param(id): Param<String>,
    Body(body): Body,
) -> Result<Json<Value>, ApiError> {
    match text(&body, "display_name")? {
        Some(name) => {
            check_name(name)?;
            app.host.rename_device(caller.user(), &id, name).await?;
        }
        // "If not given, the display name is unchanged": then the device must at least exist.
        None => drop(app.host.device(caller.user(), &id).await?),
    }
    Ok(Json(json!({})))
}
