//! `POST /_matrix/client/v3/account/two-factor/disable` and `DELETE /_matrix/client/v3/account/two-factor` (MSC1998).
//!
//! `providers` is a list of stage names, or `["m.login.2fa.*"]`; without it everything is turned off. Recovery codes die with the last
//! other factor, in the same commit.

use std::sync::Arc;

use axum::{Json, extract::State};
use matrix_2fa_core::{Operation, Policy, Stage, account::ChangeRefused};
use matrix_2fa_engine::change::Disable;
use serde_json::{Map, Value};

use super::views;
use crate::{ApiError, TwoFactor, router::Caller, uia::Access};

pub(crate) async fn disable(State(module): State<Arc<TwoFactor>>, caller: Caller) -> Result<Json<Value>, ApiError> {
    views::own_token(&caller.requester)?;
    let user = &caller.requester.user;
    let account = module.engine().account(user).await?;
    if !account.is_enrolled() {
        return Err(ChangeRefused::NotEnrolled.into());
    }
    let policy = module.policy_for(user, &account).await?;
    let check = |body: &Map<String, Value>| match parse(&module, body)? {
        Disable::Recovery if account.recovery().is_none() => Err(ChangeRefused::NoRecoveryCodes.into()),
        Disable::Everything if policy == Policy::Required => Err(ChangeRefused::Required.into()),
        _ => Ok(()),
    };
    let operation = Operation::new("account/two-factor/disable");
    let authorized = module.authorize_checked(caller.uia(operation), Access::default(), check).await?;
    let what = parse(&module, &authorized.body)?;
    module.must_still_count(user, authorized.epoch).await?;
    let removal = module.engine().disable(user, &caller.origination("disable", authorized.proof), what).await??;
    Ok(Json(views::removal(&module, &removal)))
}

fn parse(module: &TwoFactor, body: &Map<String, Value>) -> Result<Disable, ApiError> {
    let names = match body.get("providers") {
        None => return Ok(Disable::Everything),
        Some(Value::Array(names)) => names,
        Some(_) => return Err(ApiError::bad_type("providers", "a list of strings")),
    };
    let mut what = None;
    for name in names {
        let name = name.as_str().ok_or_else(|| ApiError::bad_type("providers", "a list of strings"))?;
        let everything = module.settings().stage_prefix.is_wildcard(name) || views::stage(module, name)? == Stage::Totp;
        what =
            Some(if everything || what == Some(Disable::Everything) { Disable::Everything } else { Disable::Recovery });
    }
    what.ok_or_else(|| ApiError::invalid("The list \"providers\" is empty: name a provider, or leave the key out."))
}
