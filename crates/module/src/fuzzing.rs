//! The parsers of requests, as `tests/fuzz` sees them. Behind the feature `fuzzing`; not part of the public face.

use matrix_2fa_core::{Stage, StagePrefix};
use serde_json::{Map, Value};

pub use crate::password::{Split, split};
use crate::{ApiError, json_object, login::Form, uia::auth::Auth};

/// What was read from a body.
pub struct Read {
    /// The body without `auth`.
    pub body: Map<String, Value>,
    /// The stage that is tried.
    pub stage: Option<Stage>,
    /// Its code.
    pub code: Option<String>,
}

/// The body of `POST /login`.
pub fn login(bytes: &[u8]) -> Result<Read, ApiError> {
    let mut body = json_object(bytes)?;
    let (_form, auth) = Form::read(&mut body, &StagePrefix::default())?;
    Ok(Read::new(body, auth))
}

/// The body of any other request with interactive auth.
pub fn interactive_auth(bytes: &[u8]) -> Result<Read, ApiError> {
    let mut body = json_object(bytes)?;
    let auth = Auth::take(&mut body, &StagePrefix::default())?;
    Ok(Read::new(body, auth))
}

impl Read {
    fn new(body: Map<String, Value>, auth: Auth) -> Self {
        Self { body, stage: auth.stage, code: auth.code.map(|code| code.as_str().to_owned()) }
    }
}
