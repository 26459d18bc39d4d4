//! Bodies: stages, and how they come into a request.

use serde_json::{Value, json};

/// The first factor.
pub const PASSWORD: &str = "m.login.password";
/// A login token as the first factor.
pub const TOKEN: &str = "m.login.token";
/// Both factors, asked for by a page of the server.
pub const SSO: &str = "m.login.sso";
/// A code of an authenticator.
pub const TOTP: &str = "m.login.2fa.totp";
/// A recovery code.
pub const RECOVERY: &str = "m.login.2fa.recovery";

/// A second-factor stage with its code.
pub fn stage(kind: &str, code: &str) -> Value {
    json!({ "type": kind, "token": code })
}

/// `body` with `auth`, which belongs to `session`.
pub fn auth(body: &Value, session: &str, stage: &Value) -> Value {
    with(body, &json!({ "auth": with(stage, &json!({ "session": session })) }))
}

/// `body` with the keys of `more`.
pub fn with(body: &Value, more: &Value) -> Value {
    let mut merged = body.as_object().expect("an object").clone();
    merged.extend(more.as_object().expect("an object").clone());
    Value::Object(merged)
}
