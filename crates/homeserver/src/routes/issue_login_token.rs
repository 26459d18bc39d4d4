//! POST /_matrix/client/v1/login/get_token
//!
//! The token carries the second factor that was proved for it, so that the new device is not asked again.
//!
//! <https://spec.matrix.org/v1.19/client-server-api/#post_matrixclientv1loginget_token>

use axum::{Json, extract::State};
use matrix_2fa::ApiError;
use matrix_2fa_core::Operation;
use serde_json::{Value, json};

use crate::app::{App, Body, Caller};

pub(crate) async fn handle(State(app): State<App>, caller: Caller, Body(body): Body) -> Result<Json<Value>, ApiError> {
    let authorized = app.authorize(&caller, Operation::new("login/get_token"), body).await?;
    let (token, lifetime) = app.two_factor.issue_login_token(caller.user(), &authorized).await?;
    let millis = u64::try_from(lifetime.as_millis()).unwrap_or(u64::MAX);
    Ok(Json(json!({ "login_token": token, "expires_in_ms": millis })))
}
