//! `POST /_matrix/client/v3/account/two-factor` (MSC1998): enable providers.
//!
//! `m.login.2fa.totp` begins a pending authenticator. `m.login.2fa.recovery` beside it is pending until the first factor is confirmed
//! (whose confirmation shows the codes), or renews the codes of a user who has a factor.

use std::sync::Arc;

use axum::{Json, extract::State};
use matrix_2fa_core::{Operation, Stage};
use serde_json::{Map, Value, json};

use super::{begin_totp, views};
use crate::{ApiError, TwoFactor, request::object, router::Caller, uia::Access};

pub(crate) async fn enable(State(module): State<Arc<TwoFactor>>, caller: Caller) -> Result<Json<Value>, ApiError> {
    views::own_token(&caller.requester)?;
    begin_totp::refuse_early(&module, &caller).await?;
    let user = &caller.requester.user;
    // Before a code is spent on it. Whether codes are renewed is known when the body is complete.
    let place = match module.engine().account(user).await?.is_enrolled() {
        true => Some(module.engine().renewal_place(user)?),
        false => None,
    };
    let access = Access { after_recovery_login: true };
    let check = |body: &Map<String, Value>| parse(&module, body).map(drop);
    let operation = Operation::new("account/two-factor");
    let authorized = module.authorize_checked(caller.uia(operation), access, check).await?;
    let with_recovery = parse(&module, &authorized.body)?;

    let prefix = &module.settings().stage_prefix;
    let enrollment = begin_totp::begin(&module, &caller, &authorized, "Authenticator").await?;
    let mut providers = Map::new();
    providers.insert(prefix.name(Stage::Totp), views::enrollment(&enrollment).into());
    if with_recovery {
        let recovery = match place {
            Some(place) => {
                let from = caller.origination("regenerate", authorized.proof);
                views::recovery(&module.engine().regenerate(user, &from, place).await??)
            }
            None => json!({"pending": true}),
        };
        providers.insert(prefix.name(Stage::Recovery), recovery);
    }
    Ok(Json(json!({"providers": providers})))
}

/// Is recovery asked for beside TOTP? TOTP itself must be.
fn parse(module: &TwoFactor, body: &Map<String, Value>) -> Result<bool, ApiError> {
    let providers = object(body, "providers")?.ok_or_else(|| ApiError::missing("providers"))?;
    let mut stages = Vec::new();
    for (name, settings) in providers {
        stages.push(views::stage(module, name)?);
        let settings = settings.as_object().ok_or_else(|| ApiError::bad_type(name, "an object"))?;
        views::no_client_secret(settings)?;
    }
    if !stages.contains(&Stage::Totp) {
        return Err(ApiError::invalid(
            "Recovery codes come with an authenticator: ask for it too, or renew the codes at account/two-factor/recovery.",
        ));
    }
    Ok(stages.contains(&Stage::Recovery))
}
