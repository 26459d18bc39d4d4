//! POST /_matrix/client/v3/user/{userId}/filter
//!
//! <https://spec.matrix.org/v1.19/client-server-api/#post_matrixclientv3useruseridfilter>

use axum::{Json, extract::State};
use matrix_2fa::ApiError;
use serde_json::{Value, json};

use crate::app::{App, Body, Caller, Param};

pub(crate) async fn handle(
    State(app): State<App>,
    caller: Caller,
    Param(user): Param<String>,
    Body(body): Body,
) -> Result<Json<Value>, ApiError> {
    caller.must_be(&app, &user)?;
    let id = app.host.keep_filter(caller.user(), &body).await?;
    Ok(Json(json!({ "filter_id": id })))
}
