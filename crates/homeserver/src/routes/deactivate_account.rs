//! POST /_matrix/client/v3/account/deactivate
//!
//! <https://spec.matrix.org/v1.19/client-server-api/#post_matrixclientv3accountdeactivate>

use axum::{Json, extract::State};
use matrix_2fa::ApiError;
use matrix_2fa_core::Operation;
use serde_json::{Value, json};

use crate::{
    app::{App, Body, Caller},
    refuse::flag,
};

pub(crate) async fn handle(State(app): State<App>, caller: Caller, Body(body): Body) -> Result<Json<Value>, ApiError> {
    // Everything that is kept about a user goes in any case.
    flag(&body, "erase")?;
    let authorized = app.authorize(&caller, Operation::new("account/deactivate"), body).await?;
    app.host.deactivate(caller.user(), authorized.epoch).await?;
    app.forget(caller.user()).await?;
    Ok(Json(json!({ "id_server_unbind_result": "success" })))
}
