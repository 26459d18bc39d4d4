//! `GET /_matrix/client/v3/account/two-factor` (MSC1998): confirmed factors, never a secret.

use std::sync::Arc;

use axum::{Json, extract::State};
use matrix_2fa_core::{Account, Stage};
use serde_json::{Map, Value, json};

use super::views;
use crate::{ApiError, TwoFactor, router::Caller};

pub(crate) async fn show_status(State(module): State<Arc<TwoFactor>>, caller: Caller) -> Result<Json<Value>, ApiError> {
    views::own_token(&caller.requester)?;
    let user = &caller.requester.user;
    let (standing, account) = (module.standing(user).await?, module.engine().account(user).await?);
    let prefix = &module.settings().stage_prefix;
    let mut providers = Map::new();
    if account.is_enrolled() {
        providers.insert(prefix.name(Stage::Totp), totp(&account));
    }
    if let Some(set) = account.recovery() {
        let recovery =
            json!({"changed_at": set.created_at, "enabled_at": set.created_at, "remaining": set.remaining()});
        providers.insert(prefix.name(Stage::Recovery), recovery);
    }
    let mut status = Map::new();
    status.insert("providers".to_owned(), providers.into());
    status.insert("policy".to_owned(), standing.policy.as_str().into());
    if let Some(until) = standing.grace_until {
        status.insert("grace_until".to_owned(), json!(until));
    }
    if let Some(url) = module.manage_url() {
        status.insert("manage_url".to_owned(), url.into());
    }
    Ok(Json(status.into()))
}

fn totp(account: &Account) -> Value {
    json!({
        "changed_at": account.changed_at(),
        "enabled_at": account.enabled_at(),
        "authenticators": account.authenticators().iter().map(views::authenticator).collect::<Vec<_>>(),
    })
}
