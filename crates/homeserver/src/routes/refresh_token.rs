//! POST /_matrix/client/v3/refresh
//!
//! The refresh token is the credential: no access token, and no second factor, because the login that made it had one.
//!
//! <https://spec.matrix.org/v1.19/client-server-api/#post_matrixclientv3refresh>

use axum::{Json, extract::State};
use matrix_2fa::ApiError;
use serde_json::Value;

use crate::{
    app::{App, Body},
    refuse::{missing, text},
};

pub(crate) async fn handle(State(app): State<App>, Body(body): Body) -> Result<Json<Value>, ApiError> {
    let token = text(&body, "refresh_token")?.ok_or_else(|| missing("refresh_token"))?;
    Ok(Json(app.host.refresh(token).await?.into_json().into()))
}
