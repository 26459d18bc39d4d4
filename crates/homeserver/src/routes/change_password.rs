//! POST /_matrix/client/v3/account/password
//!
//! <https://spec.matrix.org/v1.19/client-server-api/#post_matrixclientv3accountpassword>

use axum::{Json, extract::State};
use matrix_2fa::ApiError;
use matrix_2fa_core::Operation;
use serde_json::{Map, Value, json};

use crate::{
    app::{App, Body, Caller},
    password::check_strength,
    refuse::{flag, missing, text},
};

/// What the body asks for.
struct Change {
    password: String,
    logout_devices: bool,
}

pub(crate) async fn handle(State(app): State<App>, caller: Caller, Body(body): Body) -> Result<Json<Value>, ApiError> {
    // Judged before any factor is spent. The new password is never kept, so every request of the session brings it.
    read(&body)?;
    let authorized = app.authorize(&caller, Operation::new("account/password"), body).await?;
    let Change { password, logout_devices } = read(&authorized.body)?;
    let keep = caller.requester.device.as_deref();
    app.host.set_password(caller.user(), authorized.epoch, &password, keep, logout_devices).await?;
    app.two_factor.password_changed(caller.user()).await?;
    Ok(Json(json!({})))
}

fn read(body: &Map<String, Value>) -> Result<Change, ApiError> {
    let password = text(body, "new_password")?.ok_or_else(|| missing("new_password"))?;
    check_strength(password)?;
    let logout_devices = flag(body, "logout_devices")?.unwrap_or(true);
    Ok(Change { password: password.to_owned(), logout_devices })
}
