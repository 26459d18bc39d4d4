//! `POST /_matrix/client/v3/account/two-factor/recovery` (issue #1997): ten fresh recovery codes; the old ones die in the same commit.

use std::sync::Arc;

use axum::{Json, extract::State};
use matrix_2fa_core::{Operation, account::ChangeRefused};
use serde_json::Value;

use super::views;
use crate::{ApiError, TwoFactor, router::Caller, uia::Access};

pub(crate) async fn regenerate_recovery(
    State(module): State<Arc<TwoFactor>>,
    caller: Caller,
) -> Result<Json<Value>, ApiError> {
    views::own_token(&caller.requester)?;
    let user = &caller.requester.user;
    if !module.engine().account(user).await?.is_enrolled() {
        return Err(ChangeRefused::NotEnrolled.into());
    }
    // Before a code is spent on it.
    let place = module.engine().renewal_place(user)?;
    let access = Access { after_recovery_login: true };
    let operation = Operation::new("account/two-factor/recovery");
    let authorized = module.authorize_checked(caller.uia(operation), access, |_body| Ok(())).await?;
    module.must_still_count(user, authorized.epoch).await?;
    let codes = module.engine().regenerate(user, &caller.origination("regenerate", authorized.proof), place).await??;
    Ok(Json(views::recovery(&codes)))
}
