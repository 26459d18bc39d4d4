//! POST /_matrix/client/v3/keys/device_signing/upload
//!
//! The first upload needs no interactive auth, so that encryption can be set up right after a login; every later one does.
//!
//! <https://spec.matrix.org/v1.19/client-server-api/#post_matrixclientv3keysdevice_signingupload>

use axum::{Json, extract::State};
use matrix_2fa::ApiError;
use matrix_2fa_core::Operation;
use serde_json::{Value, json};

use crate::{
    app::{App, Body, Caller, continues},
    keys::CROSS_SIGNING_KEYS,
    refuse::{missing, object},
};

pub(crate) async fn handle(State(app): State<App>, caller: Caller, Body(body): Body) -> Result<Json<Value>, ApiError> {
    for (name, _) in CROSS_SIGNING_KEYS {
        object(&body, name)?;
    }
    if app.host.cross_signing(caller.user()).await?.is_none() && !continues(&body) {
        object(&body, "master_key")?.ok_or_else(|| missing("master_key"))?;
        if app.host.keep_cross_signing(caller.user(), &body, true).await? {
            return Ok(Json(json!({})));
        }
        // Another device was faster: now there are keys to protect.
    }
    let authorized = app.authorize(&caller, Operation::new("keys/device_signing/upload"), body).await?;
    app.host.keep_cross_signing(caller.user(), &authorized.body, false).await?;
    Ok(Json(json!({})))
}
