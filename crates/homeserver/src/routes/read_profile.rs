//! GET /_matrix/client/v3/profile/{userId}, and its fields
//!
//! <https://spec.matrix.org/v1.19/client-server-api/#get_matrixclientv3profileuserid>

use axum::{Json, extract::State};
use matrix_2fa::ApiError;
use serde_json::{Map, Value};

use crate::app::{App, Param};

type Answer = Result<Json<Map<String, Value>>, ApiError>;

pub(crate) async fn handle(State(app): State<App>, Param(user): Param<String>) -> Answer {
    let user = app.host.profile(&user).await?;
    Ok(fields([("displayname", user.displayname), ("avatar_url", user.avatar_url)]))
}

/// GET /_matrix/client/v3/profile/{userId}/displayname
pub(crate) async fn displayname(State(app): State<App>, Param(user): Param<String>) -> Answer {
    Ok(fields([("displayname", app.host.profile(&user).await?.displayname)]))
}

/// GET /_matrix/client/v3/profile/{userId}/avatar_url
pub(crate) async fn avatar_url(State(app): State<App>, Param(user): Param<String>) -> Answer {
    Ok(fields([("avatar_url", app.host.profile(&user).await?.avatar_url)]))
}

/// What is not set is left out, never `null`.
fn fields<const N: usize>(fields: [(&str, Option<String>); N]) -> Json<Map<String, Value>> {
    Json(fields.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?.into()))).collect())
}
