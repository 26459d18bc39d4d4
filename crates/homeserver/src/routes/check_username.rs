//! GET /_matrix/client/v3/register/available
//!
//! <https://spec.matrix.org/v1.19/client-server-api/#get_matrixclientv3registeravailable>

use axum::{Json, extract::State};
use matrix_2fa::ApiError;
use serde_json::{Map, Value, json};

use crate::{
    app::{App, Params},
    refuse::{forbidden, missing},
};

pub(crate) async fn handle(State(app): State<App>, Params(mut query): Params) -> Result<Json<Value>, ApiError> {
    // Where nobody can register, nobody needs to learn which names exist.
    if !app.host.settings.open_registration {
        return Err(forbidden("Registration is closed on this server.").into());
    }
    let username = query.remove("username").ok_or_else(|| missing("username"))?;
    app.host.new_user(&Map::from_iter([("username".to_owned(), username.into())])).await?;
    Ok(Json(json!({ "available": true })))
}
