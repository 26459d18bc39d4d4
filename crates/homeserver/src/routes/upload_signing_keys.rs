//! POST /_matrix/client/v3/keys/device_signing/upload
//!
//! The first upload needs no interactive auth, so that encryption can be set up right after a login, and neither does one that changes
//! nothing; every other does.
//!
//! <https://spec.matrix.org/v1.19/client-server-api/#post_matrixclientv3keysdevice_signingupload>

use axum::{Json, extract::State};
use matrix_2fa::ApiError;
use matrix_2fa_core::Operation;
use serde_json::{Map, Value, json};

use crate::{
    app::{App, Body, Caller, continues},
    keys::CROSS_SIGNING_KEYS,
    refuse::{missing, object},
};

pub(crate) async fn handle(State(app): State<App>, caller: Caller, Body(body): Body) -> Result<Json<Value>, ApiError> {
    for (name, _) in CROSS_SIGNING_KEYS {
        object(&body, name)?;
    }
    let present = app.host.cross_signing(caller.user()).await?;
    if present.as_ref().is_some_and(|present| changes_nothing(present, &body)) {
        return Ok(Json(json!({})));
    }
    if present.is_none() && !continues(&body) {
        object(&body, "master_key")?.ok_or_else(|| missing("master_key"))?;
        if app.host.keep_cross_signing(caller.user(), &body, None).await? {
            return Ok(Json(json!({})));
        }
        // Another device was faster: now there are keys to protect.
    }
    let authorized = app.authorize(&caller, Operation::new("keys/device_signing/upload"), body).await?;
    app.host.keep_cross_signing(caller.user(), &authorized.body, Some(authorized.epoch)).await?;
    Ok(Json(json!({})))
}

/// There is a master key, it is in the request, and every key of the request is exactly the present one.
fn changes_nothing(present: &Map<String, Value>, body: &Map<String, Value>) -> bool {
    let mut given = CROSS_SIGNING_KEYS.iter().filter_map(|(name, _)| Some((name, body.get(*name)?)));
    body.contains_key("master_key") && given.all(|(name, key)| present.get(*name) == Some(key))
}
