//! POST /_matrix/client/v3/keys/upload
//!
//! <https://spec.matrix.org/v1.19/client-server-api/#post_matrixclientv3keysupload>

use axum::{Json, extract::State};
use matrix_2fa::ApiError;
use serde_json::{Value, json};

use crate::{
    app::{App, Body, Caller},
    refuse::forbidden,
};

pub(crate) async fn handle(State(app): State<App>, caller: Caller, Body(body): Body) -> Result<Json<Value>, ApiError> {
    let device = caller.requester.device.as_deref().ok_or_else(|| forbidden("This token has no device."))?;
    let counts = app.host.upload_keys(caller.user(), device, &body).await?;
    Ok(Json(json!({ "one_time_key_counts": counts })))
}
