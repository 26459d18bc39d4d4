//! POST /_matrix/client/v3/keys/query
//!
//! <https://spec.matrix.org/v1.19/client-server-api/#post_matrixclientv3keysquery>

use axum::{Json, extract::State};
use matrix_2fa::{
    ApiError,
    homeserver::{Homeserver, HostError},
};
use serde_json::{Map, Value, json};

use crate::{
    app::{App, Body, Caller},
    keys::{CROSS_SIGNING_KEYS, parse},
    refuse::{bad_request, missing, object, texts},
};

/// Users whom one request may ask for.
const MOST_USERS: usize = 250;

/// Keys of devices, in bytes, that one answer gives; a request that wants more must name fewer users or devices.
const MOST_BYTES: usize = 2 * 1024 * 1024;

pub(crate) async fn handle(State(app): State<App>, caller: Caller, Body(body): Body) -> Result<Json<Value>, ApiError> {
    let wanted = object(&body, "device_keys")?.ok_or_else(|| missing("device_keys"))?;
    if wanted.len() > MOST_USERS {
        return Err(too_much().into());
    }
    let mut devices = Map::new();
    let mut bytes = 0;
    let mut signing = CROSS_SIGNING_KEYS.map(|(one, many)| (one, many, Map::new()));
    for user in wanted.keys().filter(|user| app.host.canonical_user(user).as_ref() == Some(*user)) {
        // An empty list means all devices.
        let named = texts(wanted, user)?.unwrap_or_default();
        let found = app.host.identity_keys(user, &named).await?;
        bytes += found.values().map(String::len).sum::<usize>();
        if bytes > MOST_BYTES {
            return Err(too_much().into());
        }
        let found = found.into_iter().map(|(device, keys)| Ok((device, parse(&keys)?.into())));
        devices.insert(user.clone(), found.collect::<Result<Map<_, _>, HostError>>()?.into());
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

fn too_much() -> HostError {
    bad_request("M_TOO_LARGE", format!("Ask for at most {MOST_USERS} users at once, or for fewer of their devices."))
}
