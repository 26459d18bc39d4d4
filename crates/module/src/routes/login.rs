//! `POST /_matrix/client/v3/login`: the [login guard](crate::login), then the host's device and token.
//!
//! [Spec](https://spec.matrix.org/v1.19/client-server-api/#post_matrixclientv3login), MSC2835 for `auth`.

use std::sync::Arc;

use axum::{Json, extract::State};
use matrix_2fa_engine::Origination;
use serde_json::Value;

use crate::{
    ApiError, JsonRequest, SecondFactor, TwoFactor,
    login::{Guard, Proved, for_the_host},
    request::client_address,
};

pub(crate) async fn login(State(module): State<Arc<TwoFactor>>, request: JsonRequest) -> Result<Json<Value>, ApiError> {
    let client = client_address(&request.parts);
    let from = Origination { client, operation: Some("login".to_owned()), ..Origination::default() };
    let proved = Guard { module: &module, from, makes_logins: true }.prove(request.body).await?;
    Ok(Json(create(&module, proved).await?))
}

/// Only now does a token exist, unless it came to be with the commit of the code.
async fn create(module: &TwoFactor, mut proved: Proved) -> Result<Value, ApiError> {
    let mut answer = match proved.take_made() {
        Some(answer) => answer,
        None => made(module, &proved).await?,
    };
    // The login exists: failing now would only hide its token.
    match module.obligation(&proved.user).await {
        Ok(Some(obligation)) => {
            if let Some(answer) = answer.as_object_mut() {
                answer.insert("org.matrix.msc1998.two_factor".to_owned(), obligation);
            }
        }
        Ok(None) => {}
        Err(error) => tracing::error!(user.id = proved.user, %error, "what a login is to be told is not known"),
    }
    Ok(answer)
}

async fn made(module: &TwoFactor, proved: &Proved) -> Result<Value, ApiError> {
    let answer = module.host().create_login(&proved.user, &for_the_host(&proved.body), proved.epoch).await?;
    if let Some(device) = answer.get("device_id").and_then(Value::as_str) {
        // The login exists: failing now would only hide its token.
        if let Err(error) = module.logged_in(proved, device).await {
            tracing::error!(user.id = proved.user, %error, "a login with a recovery code could not be noted");
        }
    }
    Ok(answer)
}
