//! `POST /_matrix/client/v3/account/two-factor/totp/confirm`: a code of the pending authenticator makes it count, and is burnt.
//!
//! No `auth`: the request is bound to the access token that began the enrollment.

use std::sync::Arc;

use axum::{Json, extract::State};
use matrix_2fa_core::Proof;
use matrix_2fa_engine::enroll::Confirmed;
use serde_json::{Map, Value, json};

use super::{begin_totp::refuse_if_disallowed, views};
use crate::{ApiError, TwoFactor, request::string, router::Caller};

pub(crate) async fn confirm_totp(
    State(module): State<Arc<TwoFactor>>,
    caller: Caller,
) -> Result<Json<Value>, ApiError> {
    views::own_token(&caller.requester)?;
    refuse_if_disallowed(&module, &caller).await?;
    let request = parse(&caller.body)?;
    let user = &caller.requester.user;
    let from = caller.origination("confirm", Proof::default());
    module.admit(from.client)?;
    match module.engine().confirm(user, &from, &caller.token, &request.id, &request.code).await? {
        Confirmed::Yes { authenticator, recovery } => {
            let mut answer = json!({"authenticator": views::authenticator(&authenticator)});
            let keep = caller.requester.device.as_deref();
            let first = recovery.is_some();
            let signs_out = request.logout_devices || (first && module.settings().enrollment_signs_out);
            if !module.confirmed(user, keep, first, signs_out).await
                && let Some(object) = answer.as_object_mut()
            {
                object.insert("logout_failed".to_owned(), true.into());
            }
            if let (Some(codes), Some(object)) = (recovery, answer.as_object_mut()) {
                object.insert("recovery".to_owned(), views::recovery(&codes));
            }
            Ok(Json(answer))
        }
        Confirmed::Wrong { discarded: false } => Err(ApiError::forbidden(
            "That code did not work. Wait for the next one, up to 30 seconds, and check your phone's clock.",
        )),
        Confirmed::Wrong { discarded: true } => {
            Err(ApiError::forbidden("That was the fifth wrong code: this enrollment is over. Begin again."))
        }
        Confirmed::Unknown => Err(ApiError::not_found("There is no such pending enrollment. Begin again.")),
    }
}

struct Request {
    id: String,
    code: String,
    logout_devices: bool,
}

fn parse(body: &Map<String, Value>) -> Result<Request, ApiError> {
    let id = string(body, "id")?.ok_or_else(|| ApiError::missing("id"))?.to_owned();
    let mut code = None;
    for key in ["token", "response", "code"] {
        code = code.or(string(body, key)?);
    }
    let code = code.ok_or_else(|| ApiError::missing("token"))?.to_owned();
    let logout_devices = match body.get("logout_devices") {
        None => false,
        Some(Value::Bool(value)) => *value,
        Some(_) => return Err(ApiError::bad_type("logout_devices", "a boolean")),
    };
    Ok(Request { id, code, logout_devices })
}
