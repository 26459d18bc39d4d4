//! The `auth` object: what stage, which session, which secrets.

use std::fmt;

use matrix_2fa_core::{Stage, StagePrefix};
use serde_json::{Map, Value};
use zeroize::Zeroizing;

use crate::{
    ApiError,
    request::{object, string},
};

/// A parsed `auth` object. An absent one and an empty one are the same: nothing is tried.
#[derive(Default)]
pub(crate) struct Auth {
    pub(crate) session: Option<String>,
    /// The stage that is tried. A second factor without its code is a poll, so it is no stage at all.
    pub(crate) stage: Option<Stage>,
    /// A `type` that nobody here knows.
    pub(crate) unknown_type: bool,
    pub(crate) code: Option<Zeroizing<String>>,
    pub(crate) password: Option<Zeroizing<String>>,
    pub(crate) user: Option<String>,
}

impl fmt::Debug for Auth {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Auth").field("stage", &self.stage).finish_non_exhaustive()
    }
}

/// Names under which the proposals carry a code: MSC1998, MSC2271, and what people write.
const CODE_KEYS: [&str; 3] = ["token", "response", "code"];

impl Auth {
    /// Takes `auth` out of a body.
    pub(crate) fn take(body: &mut Map<String, Value>, prefix: &StagePrefix) -> Result<Self, ApiError> {
        match body.remove("auth") {
            // matrix-js-sdk sends a null where it has nothing to say.
            None | Some(Value::Null) => Ok(Self::default()),
            Some(Value::Object(auth)) => Self::parse(&auth, prefix),
            Some(_) => Err(ApiError::bad_type("auth", "an object")),
        }
    }

    /// Reads an `auth` object.
    pub(crate) fn parse(auth: &Map<String, Value>, prefix: &StagePrefix) -> Result<Self, ApiError> {
        let name = string(auth, "type")?;
        let stage = name.and_then(|name| prefix.parse(name));
        let code = match stage {
            Some(stage) if stage.is_second_factor() => code_of(auth)?,
            _ => None,
        };
        // A page completes m.login.sso, so that a request with it only asks how far it is.
        let is_poll = stage == Some(Stage::Sso) || stage.is_some_and(Stage::is_second_factor) && code.is_none();
        Ok(Self {
            session: string(auth, "session")?.map(str::to_owned),
            stage: stage.filter(|_| !is_poll),
            unknown_type: name.is_some() && stage.is_none(),
            code,
            password: string(auth, "password")?.map(|password| Zeroizing::new(password.to_owned())),
            user: named_user(auth)?,
        })
    }
}

fn code_of(auth: &Map<String, Value>) -> Result<Option<Zeroizing<String>>, ApiError> {
    for key in CODE_KEYS {
        if let Some(code) = string(auth, key)? {
            return Ok(Some(Zeroizing::new(code.to_owned())));
        }
    }
    Ok(None)
}

/// The user that a body names: `identifier` of type `m.id.user`, or the deprecated `user`. The specification's other identifiers name
/// nobody here: they give an empty name, which no user has.
pub(crate) fn named_user(body: &Map<String, Value>) -> Result<Option<String>, ApiError> {
    if let Some(identifier) = object(body, "identifier")? {
        let kind = string(identifier, "type")?.ok_or_else(|| ApiError::missing("identifier.type"))?;
        match kind {
            "m.id.user" => {}
            "m.id.thirdparty" | "m.id.phone" => return Ok(Some(String::new())),
            _ => return Err(ApiError::invalid("This server does not know this type of identifier. Use m.id.user.")),
        }
        let user = string(identifier, "user")?.ok_or_else(|| ApiError::missing("identifier.user"))?;
        return Ok(Some(user.to_owned()));
    }
    Ok(string(body, "user")?.map(str::to_owned))
}
