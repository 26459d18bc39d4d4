//! POST /_matrix/client/v3/logout/all
//!
//! <https://spec.matrix.org/v1.19/client-server-api/#post_matrixclientv3logoutall>

use axum::{Json, extract::State};
use matrix_2fa::ApiError;
use serde_json::{Value, json};

use crate::app::{AnyCaller, App};

pub(crate) async fn handle(State(app): State<App>, AnyCaller(caller): AnyCaller) -> Result<Json<Value>, ApiError> {
    app.host.end_sessions(caller.user(), None).await?;
    Ok(Json(json!({})))
}
