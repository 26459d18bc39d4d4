//! Short ways to say no, and to read JSON that strangers wrote.

use matrix_2fa::homeserver::HostError;
use matrix_2fa_store::StoreError;
use serde_json::{Map, Value};

/// 400 with an errcode of the specification.
pub(crate) fn bad_request(errcode: &'static str, error: impl Into<String>) -> HostError {
    HostError::Refused { status: 400, errcode, error: error.into() }
}

/// 403 `M_FORBIDDEN`.
pub(crate) fn forbidden(error: impl Into<String>) -> HostError {
    HostError::Refused { status: 403, errcode: "M_FORBIDDEN", error: error.into() }
}

/// What was proved is worth nothing any more.
pub(crate) fn outdated() -> HostError {
    forbidden("The password was changed, all sessions were ended or a second factor was added meanwhile. Start again.")
}

/// 404 `M_NOT_FOUND`.
pub(crate) fn not_found(error: impl Into<String>) -> HostError {
    HostError::Refused { status: 404, errcode: "M_NOT_FOUND", error: error.into() }
}

/// The required key is not there.
pub(crate) fn missing(key: &str) -> HostError {
    bad_request("M_MISSING_PARAM", format!("{key} is missing"))
}

/// The key holds another JSON type.
pub(crate) fn mistyped(key: &str, wanted: &str) -> HostError {
    bad_request("M_BAD_JSON", format!("{key} must be {wanted}"))
}

/// Larger JSON is not kept for anybody. Well under what every store takes.
const MAX_KEPT: usize = 32 * 1024;

/// JSON that is about to be kept: 413 if it is too large.
pub(crate) fn kept(json: &Map<String, Value>) -> Result<String, HostError> {
    kept_within(json, MAX_KEPT)
}

/// The same with a bound of its own.
pub(crate) fn kept_within(json: &Map<String, Value>, most: usize) -> Result<String, HostError> {
    let text = serde_json::to_string(json).map_err(|source| HostError::Unavailable(Box::new(source)))?;
    if text.len() <= most {
        return Ok(text);
    }
    let error = format!("This server keeps at most {most} bytes of that.");
    Err(HostError::Refused { status: 413, errcode: "M_TOO_LARGE", error })
}

/// The store did not answer: 503, never "not found".
pub(crate) fn unavailable(source: StoreError) -> HostError {
    HostError::Unavailable(Box::new(source))
}

/// An optional value; `null` counts as absent, as many clients write it.
fn present<'a>(body: &'a Map<String, Value>, key: &str) -> Option<&'a Value> {
    body.get(key).filter(|value| !value.is_null())
}

/// An optional string.
pub(crate) fn text<'a>(body: &'a Map<String, Value>, key: &str) -> Result<Option<&'a str>, HostError> {
    present(body, key).map(|value| value.as_str().ok_or_else(|| mistyped(key, "a string"))).transpose()
}

/// An optional boolean.
pub(crate) fn flag(body: &Map<String, Value>, key: &str) -> Result<Option<bool>, HostError> {
    present(body, key).map(|value| value.as_bool().ok_or_else(|| mistyped(key, "true or false"))).transpose()
}

/// An optional object.
pub(crate) fn object<'a>(body: &'a Map<String, Value>, key: &str) -> Result<Option<&'a Map<String, Value>>, HostError> {
    present(body, key).map(|value| value.as_object().ok_or_else(|| mistyped(key, "an object"))).transpose()
}

/// An optional list of strings.
pub(crate) fn texts(body: &Map<String, Value>, key: &str) -> Result<Option<Vec<String>>, HostError> {
    let strings = |value: &Value| -> Option<Vec<String>> {
        value.as_array()?.iter().map(|item| item.as_str().map(str::to_owned)).collect()
    };
    present(body, key).map(|value| strings(value).ok_or_else(|| mistyped(key, "a list of strings"))).transpose()
}
