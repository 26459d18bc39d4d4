//! GET /_matrix/client/v3/user/{userId}/filter/{filterId}
//!
//! <https://spec.matrix.org/v1.19/client-server-api/#get_matrixclientv3useruseridfilterfilterid>

use axum::{Json, extract::State};
use matrix_2fa::ApiError;
use serde_json::Value;

use crate::{
    app::{App, Caller, Param},
    refuse::not_found,
};

pub(crate) async fn handle(
    State(app): State<App>,
    caller: Caller,
    Param((user, id)): Param<(String, String)>,
) -> Result<Json<Value>, ApiError> {
    caller.must_be(&app, &user)?;
    let filter = app.host.filter(caller.user(), &id).await?;
    Ok(Json(filter.ok_or_else(|| not_found("You have no such filter."))?))
}
