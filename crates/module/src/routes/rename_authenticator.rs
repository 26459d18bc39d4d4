//! `PUT /_matrix/client/v3/account/two-factor/authenticators/{id}`: another name. Changes nothing about security, so no `auth`.

use std::sync::Arc;

use axum::{
    Json,
    extract::{Path, State},
};
use matrix_2fa_core::Proof;
use serde_json::Value;

use super::views;
use crate::{ApiError, TwoFactor, limits::Lasting, request::string, router::Caller};

pub(crate) async fn rename_authenticator(
    State(module): State<Arc<TwoFactor>>,
    Path(id): Path<String>,
    caller: Caller,
) -> Result<Json<Value>, ApiError> {
    views::own_token(&caller.requester)?;
    let name = views::name(string(&caller.body, "name")?.ok_or_else(|| ApiError::missing("name"))?)?;
    let (user, from) = (&caller.requester.user, caller.origination("rename", Proof::default()));
    module.admit_lasting(Lasting::Name, user, from.client)?;
    let renamed = module.engine().rename(user, &from, &id, &name).await??;
    Ok(Json(views::authenticator(&renamed)))
}
