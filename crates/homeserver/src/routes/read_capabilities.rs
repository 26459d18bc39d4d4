//! GET /_matrix/client/v3/capabilities
//!
//! <https://spec.matrix.org/v1.19/client-server-api/#get_matrixclientv3capabilities>

use axum::{Json, extract::State};
use matrix_2fa::ApiError;
use serde_json::{Value, json};

use crate::app::{AnyCaller, App};

pub(crate) async fn handle(State(app): State<App>, AnyCaller(caller): AnyCaller) -> Result<Json<Value>, ApiError> {
    let two_factor = app.two_factor.capability(caller.user()).await?;
    Ok(Json(json!({ "capabilities": {
        "m.change_password": { "enabled": true },
        "m.set_displayname": { "enabled": true },
        "m.set_avatar_url": { "enabled": true },
        "m.3pid_changes": { "enabled": false },
        "m.get_login_token": { "enabled": true },
        "org.matrix.msc1998.two_factor": two_factor,
    } })))
}
