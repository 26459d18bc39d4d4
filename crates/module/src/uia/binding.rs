//! A session is bound to the body that opened it. Later requests may leave keys out, but not change or add any. Secrets are never kept:
//! of `password` and `new_password` a keyed digest is, and a request that needs them sends them again.

use std::{collections::BTreeMap, net::IpAddr};

use http::StatusCode;
use matrix_2fa_core::{AuthSession, Flow, Operation};
use serde_json::{Map, Value};
use subtle::ConstantTimeEq;

use crate::{ApiError, TwoFactor};

/// The largest body that a session keeps, in bytes of JSON: half of what a store must take.
const KEPT_BODY: usize = 32 * 1024;

/// The same for people whom nobody knows yet: what they can make a server keep is bounded by their number only.
const KEPT_BODY_OF_STRANGERS: usize = 2 * 1024;

/// Keys of bodies whose values are secrets.
const SECRETS: [&str; 2] = ["password", "new_password"];

impl TwoFactor {
    /// A session for this body, not stored yet. A body that is too large to be kept is refused.
    pub(crate) fn new_session(
        &self,
        operation: &Operation,
        user: Option<&str>,
        device: Option<&str>,
        client: Option<IpAddr>,
        flows: Vec<Flow>,
        body: &Map<String, Value>,
    ) -> Result<AuthSession, ApiError> {
        let (secret, open): (Vec<_>, Vec<_>) = body.iter().partition(|(key, _)| SECRETS.contains(&key.as_str()));
        let secrets: BTreeMap<_, _> =
            secret.into_iter().map(|(key, value)| (key.clone(), self.secret_digest(key, value))).collect();
        let open: Map<String, Value> = open.into_iter().map(|(key, value)| (key.clone(), value.clone())).collect();
        let open = Value::Object(open).to_string();
        let limit = if user.is_some() { KEPT_BODY } else { KEPT_BODY_OF_STRANGERS };
        if open.len() > limit {
            let error = format!("The body of this request must not be larger than {} KiB.", limit / 1024);
            return Err(ApiError::new(StatusCode::PAYLOAD_TOO_LARGE, "M_TOO_LARGE", error));
        }
        Ok(AuthSession {
            operation: operation.clone(),
            user: user.map(str::to_owned),
            device: device.map(str::to_owned),
            token: None,
            epoch: 0,
            client: self.engine.client_tag(client),
            address: client.map(|ip| ip.to_canonical().to_string()),
            flows,
            completed: Vec::new(),
            body: open,
            secrets,
            created_at: self.engine.now(),
        })
    }

    /// This request's body with the keys that it left out; 403 if it changed or added one.
    pub(crate) fn complete_body(
        &self,
        session: &AuthSession,
        body: Map<String, Value>,
    ) -> Result<Map<String, Value>, ApiError> {
        let mut first = crate::request::json_object(session.body.as_bytes())?;
        for (key, value) in body {
            let same = match session.secrets.get(&key) {
                Some(digest) => bool::from(digest.ct_eq(&self.secret_digest(&key, &value))),
                None => first.get(&key) == Some(&value),
            };
            if !same {
                return Err(ApiError::forbidden(format!(
                    "The key \"{key}\" differs from the request that opened this session. Start again without the session."
                )));
            }
            first.insert(key, value);
        }
        Ok(first)
    }

    fn secret_digest(&self, key: &str, value: &Value) -> [u8; 32] {
        self.engine.keys().digest(key, value.to_string().as_bytes())
    }
}

/// Every secret of the first body must be in the request that completes the session; asked before anything is evaluated, so that
/// leaving one out costs nobody a code.
pub(crate) fn require_secrets(session: &AuthSession, body: &Map<String, Value>) -> Result<(), ApiError> {
    match session.secrets.keys().find(|key| !body.contains_key(*key)) {
        Some(key) => Err(ApiError::missing(key)),
        None => Ok(()),
    }
}
