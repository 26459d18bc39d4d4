//! POST /_matrix/client/v3/keys/query
//!
//! <https://spec.matrix.org/v1.19/client-server-api/#post_matrixclientv3keysquery>

use axum::{Json, extract::State};
use matrix_2fa::{ApiError, homeserver::Homeserver};
use serde_json::{Map, Value, json};

use crate::{
    app::{App, Body, Caller},
    keys::CROSS_SIGNING_KEYS,
    refuse::{missing, object},
};

pub(crate) async fn handle(State(app): State<App>, caller: Caller, Body(body): Body) -> Result<Json<Value>, ApiError> {
    let wanted = object(&body, "device_keys")?.ok_or_else(|| missing("device_keys"))?;
    let mut devices = Map::new();
    let mut signing = CROSS_SIGNING_KEYS.map(|(one, many)| (one, many, Map::new()));
    for user in wanted.keys().filter(|user| app.host.canonical_user(user).as_ref() == Some(*user)) {
        devices.insert(user.clone(), app.host.identity_keys(user).await?.into());
        let Some(keys) = app.host.cross_signing(user).await? else { continue };
        for (one, _, found) in &mut signing {
            // The user-signing key shows whom somebody verified: only its owner may see it.
            let visible = *one != "user_signing_key" || user == caller.user();
            found.extend(keys.get(*one).filter(|_| visible).map(|key| (user.clone(), key.clone())));
        }
    }
    let mut answer = json!({ "device_keys": devices, "failures": {} });
    if let Some(answer) = answer.as_object_mut() {
        answer.extend(signing.into_iter().map(|(_, many, found)| (many.to_owned(), found.into())));
    }
    Ok(Json(answer))
}
