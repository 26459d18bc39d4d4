//! What a login body asks for, read by hand.

use http::StatusCode;
use matrix_2fa_core::{Stage, StagePrefix};
use serde_json::{Map, Value};

use crate::{ApiError, request::string, uia::auth::Auth};

/// What the body asks for.
pub(crate) enum Form {
    /// `m.login.password` at the top.
    Password,
    /// `m.login.token` at the top.
    Token,
    /// A stage in `auth`, or of its own type at the top.
    Stage,
}

impl Form {
    /// Reads `type` and `auth` by hand, before any typed parser could panic on the one or drop the other.
    pub(crate) fn read(body: &mut Map<String, Value>, prefix: &StagePrefix) -> Result<(Self, Auth), ApiError> {
        let has_auth = body.contains_key("auth");
        let Some(kind) = string(body, "type")?.map(str::to_owned) else {
            if !has_auth {
                return Err(ApiError::missing("type"));
            }
            return Ok((Form::Stage, Auth::take(body, prefix)?));
        };
        let form = match prefix.parse(&kind) {
            Some(Stage::Password) => Form::Password,
            Some(Stage::Token) => Form::Token,
            Some(Stage::Totp | Stage::Recovery) => return own_type(body, prefix).map(|auth| (Form::Stage, auth)),
            Some(Stage::Dummy | Stage::Sso) | None => {
                return Err(ApiError::new(
                    StatusCode::BAD_REQUEST,
                    "M_UNKNOWN",
                    "This server does not know this login type.",
                ));
            }
        };
        let auth = Auth::take(body, prefix)?;
        let first = if matches!(form, Form::Password) { Stage::Password } else { Stage::Token };
        if auth.stage.is_some_and(|stage| !stage.is_second_factor() && stage != first) {
            return Err(ApiError::invalid("The body and its auth name two different first factors."));
        }
        Ok((form, auth))
    }
}

/// `{"type": "m.login.2fa.totp", "session", "token"}`: the same as `auth` with these keys, which leave the body.
fn own_type(body: &mut Map<String, Value>, prefix: &StagePrefix) -> Result<Auth, ApiError> {
    let auth = Auth::parse(body, prefix)?;
    if auth.session.is_none() {
        return Err(ApiError::missing("session"));
    }
    for key in ["type", "session", "token", "response", "code", "auth"] {
        body.remove(key);
    }
    Ok(auth)
}
