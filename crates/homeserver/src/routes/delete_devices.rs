//! POST /_matrix/client/v3/delete_devices
//!
//! <https://spec.matrix.org/v1.19/client-server-api/#post_matrixclientv3delete_devices>

use axum::{Json, extract::State};
use matrix_2fa::ApiError;
use matrix_2fa_core::Operation;
use serde_json::{Value, json};

use crate::{
    app::{App, Body, Caller, continues},
    refuse::{missing, texts},
};

pub(crate) async fn handle(State(app): State<App>, caller: Caller, Body(body): Body) -> Result<Json<Value>, ApiError> {
    if texts(&body, "devices")?.is_none() && !continues(&body) {
        return Err(missing("devices").into());
    }
    let authorized = app.authorize(&caller, Operation::new("delete_devices"), body).await?;
    let devices = texts(&authorized.body, "devices")?.ok_or_else(|| missing("devices"))?;
    app.host.remove_devices(caller.user(), &devices, Some(authorized.epoch)).await?;
    Ok(Json(json!({})))
}
