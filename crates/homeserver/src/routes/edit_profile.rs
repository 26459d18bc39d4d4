//! PUT /_matrix/client/v3/profile/{userId}/displayname and /avatar_url
//!
//! <https://spec.matrix.org/v1.19/client-server-api/#put_matrixclientv3profileuseridkeyname>

use axum::{Json, extract::State};
use matrix_2fa::ApiError;
use serde_json::{Map, Value, json};

use crate::{
    app::{App, Body, Caller, Param},
    logins::check_name,
    refuse::{missing, text},
};

pub(crate) async fn displayname(
    State(app): State<App>,
    caller: Caller,
    Param(user): Param<String>,
    Body(body): Body,
) -> Result<Json<Value>, ApiError> {
    caller.must_be(&app, &user)?;
    let value = read(&body, "displayname")?;
    app.host.edit_profile(caller.user(), |user| user.displayname.clone_from(&value)).await?;
    Ok(Json(json!({})))
}

pub(crate) async fn avatar_url(
    State(app): State<App>,
    caller: Caller,
    Param(user): Param<String>,
    Body(body): Body,
) -> Result<Json<Value>, ApiError> {
    caller.must_be(&app, &user)?;
    let value = read(&body, "avatar_url")?;
    app.host.edit_profile(caller.user(), |user| user.avatar_url.clone_from(&value)).await?;
    Ok(Json(json!({})))
}

/// `null` and the empty string remove the field; leaving it out is a mistake.
fn read(body: &Map<String, Value>, field: &str) -> Result<Option<String>, ApiError> {
    if !body.contains_key(field) {
        return Err(missing(field).into());
    }
    let value = text(body, field)?.filter(|value| !value.is_empty());
    value.map_or(Ok(()), check_name)?;
    Ok(value.map(str::to_owned))
}
