//! `DELETE /_matrix/client/v3/account/two-factor/authenticators/{id}`: remove one authenticator; removing the last turns everything off.

use std::sync::Arc;

use axum::{
    Json,
    extract::{Path, State},
};
use matrix_2fa_core::{Operation, Policy, account::ChangeRefused};
use serde_json::Value;

use super::views;
use crate::{ApiError, TwoFactor, router::Caller, uia::Access};

pub(crate) async fn remove_authenticator(
    State(module): State<Arc<TwoFactor>>,
    Path(id): Path<String>,
    caller: Caller,
) -> Result<Json<Value>, ApiError> {
    views::own_token(&caller.requester)?;
    let user = &caller.requester.user;
    let account = module.engine().account(user).await?;
    if !account.authenticators().iter().any(|authenticator| authenticator.id == id) {
        return Err(ChangeRefused::Unknown.into());
    }
    let last = account.authenticators().len() == 1;
    if last && module.policy_for(user, &account).await? == Policy::Required {
        return Err(ChangeRefused::Required.into());
    }
    // A recovery login may replace authenticators, not turn the second factor off.
    let access = Access { after_recovery_login: !last };
    let operation = Operation::on("account/two-factor/authenticators", id.as_str());
    let authorized = module.authorize_checked(caller.uia(operation), access, |_body| Ok(())).await?;
    module.must_still_count(user, authorized.epoch).await?;
    let removal = module.engine().remove(user, &caller.origination("remove", authorized.proof), &id).await??;
    Ok(Json(views::removal(&module, &removal)))
}
