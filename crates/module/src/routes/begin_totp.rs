//! `POST /_matrix/client/v3/account/two-factor/totp` (issue #1997): a new authenticator, pending until it is confirmed.
//!
//! With `?qr=true` the answer also has `qr`, the otpauth URI as a QR code in an SVG data URI.

use std::sync::Arc;

use axum::{Json, extract::State};
use matrix_2fa_core::{
    Account, Operation, Policy,
    account::{BeginRefused, MAX_AUTHENTICATORS},
};
use matrix_2fa_engine::enroll::Enrollment;
use serde_json::{Map, Value};

use super::views;
use crate::{
    ApiError, TwoFactor,
    limits::Lasting,
    qr,
    request::{query_value, string},
    router::Caller,
    uia::{Access, Authorized},
};

pub(crate) async fn begin_totp(State(module): State<Arc<TwoFactor>>, caller: Caller) -> Result<Json<Value>, ApiError> {
    views::own_token(&caller.requester)?;
    refuse_early(&module, &caller).await?;
    let access = Access { after_recovery_login: true };
    let operation = Operation::new("account/two-factor/totp");
    let authorized = module.authorize_checked(caller.uia(operation), access, |body| parse(body).map(drop)).await?;
    let enrollment = begin(&module, &caller, &authorized, &parse(&authorized.body)?).await?;
    let mut answer = views::enrollment(&enrollment);
    if query_value(&caller.parts, "qr").as_deref() == Some("true") {
        answer.insert("qr".to_owned(), qr_data_uri(&enrollment)?.into());
    }
    Ok(Json(answer.into()))
}

pub(super) async fn refuse_if_disallowed(module: &TwoFactor, caller: &Caller) -> Result<Account, ApiError> {
    let user = &caller.requester.user;
    let account = module.engine().account(user).await?;
    match module.policy_for(user, &account).await? {
        Policy::Disallowed => Err(BeginRefused::Disallowed.into()),
        Policy::OptIn | Policy::Required => Ok(account),
    }
}

/// What can be refused before a code is spent on it; the transition judges it again.
pub(super) async fn refuse_early(module: &TwoFactor, caller: &Caller) -> Result<(), ApiError> {
    let account = refuse_if_disallowed(module, caller).await?;
    if account.authenticators().len() >= MAX_AUTHENTICATORS { Err(BeginRefused::TooMany.into()) } else { Ok(()) }
}

pub(super) async fn begin(
    module: &TwoFactor,
    caller: &Caller,
    authorized: &Authorized,
    name: &str,
) -> Result<Enrollment, ApiError> {
    let (user, from) = (&caller.requester.user, caller.origination("enroll", authorized.proof));
    module.admit_lasting(Lasting::Enrollment, user, from.client)?;
    let enrollment = module.engine().enroll(user, &from, &caller.token, name).await??;
    // Nobody hears the secret of one that was begun with an old password, so nobody confirms it.
    if let Err(outdated) = module.must_still_count(user, authorized.epoch).await {
        module.engine().discard(user, &enrollment.id).await?;
        return Err(outdated);
    }
    Ok(enrollment)
}

/// The name of the new authenticator.
fn parse(body: &Map<String, Value>) -> Result<String, ApiError> {
    views::no_client_secret(body)?;
    views::name(string(body, "name")?.unwrap_or("Authenticator"))
}

fn qr_data_uri(enrollment: &Enrollment) -> Result<String, ApiError> {
    let svg = qr::svg(&enrollment.uri);
    let svg = svg.ok_or_else(|| ApiError::invalid("The name of this server is too long for a QR code."))?;
    Ok(format!("data:image/svg+xml;base64,{}", data_encoding::BASE64.encode(svg.as_bytes())))
}
