//! What an operation is called on a page, with its arguments: nobody shall confirm what they have not read.

use matrix_2fa_core::AuthSession;
use serde_json::{Map, Value};

use super::{trouble::Trouble, words::Words};
use crate::TwoFactor;

/// A device as people know it.
pub(crate) struct DeviceLabel {
    pub(crate) id: String,
    /// What it calls itself: anybody who logged in could choose that.
    pub(crate) name: Option<String>,
}

/// What a waiting session is about.
pub(crate) struct Summary {
    pub(crate) user: String,
    pub(crate) operation: String,
    /// Devices that the operation is about.
    pub(crate) targets: Vec<DeviceLabel>,
    /// The device that asks.
    pub(crate) device: Option<DeviceLabel>,
    pub(crate) address: Option<String>,
    pub(crate) age: String,
}

impl Summary {
    pub(crate) async fn of(module: &TwoFactor, words: &Words, session: &AuthSession) -> Result<Self, Trouble> {
        let user = session.user.clone().ok_or(Trouble::UnknownSession)?;
        let body: Map<String, Value> = serde_json::from_str(&session.body).unwrap_or_default();
        let mut targets = Vec::new();
        let ids = device_ids(session, &body);
        let count = ids.len();
        for id in ids.into_iter().take(SHOWN) {
            targets.push(label(module, &user, id).await?);
        }
        let device = match &session.device {
            Some(id) => Some(label(module, &user, id.clone()).await?),
            None => None,
        };
        let minutes = module.engine().now().since(session.created_at).as_secs() / 60;
        Ok(Self {
            operation: in_words(words, session, &body, count),
            targets,
            device,
            address: session.address.clone(),
            age: if minutes == 0 { words.say("age-now") } else { words.count("age-minutes", minutes) },
            user,
        })
    }
}

async fn label(module: &TwoFactor, user: &str, id: String) -> Result<DeviceLabel, Trouble> {
    let name = module.host().device_name(user, &id).await?;
    Ok(DeviceLabel { id, name: name.filter(|name| !name.trim().is_empty()) })
}

/// Devices that the page names; the sentence says how many there are.
const SHOWN: usize = 20;

/// The devices that an operation removes.
fn device_ids(session: &AuthSession, body: &Map<String, Value>) -> Vec<String> {
    match session.operation.name.as_str() {
        "devices/delete" => session.operation.target.clone(),
        "delete_devices" => {
            let listed = body.get("devices").and_then(Value::as_array).into_iter().flatten();
            listed.filter_map(|id| id.as_str().map(str::to_owned)).collect()
        }
        _ => Vec::new(),
    }
}

fn in_words(words: &Words, session: &AuthSession, body: &Map<String, Value>, devices: usize) -> String {
    let name = session.operation.name.as_str();
    let key = match name {
        "devices/delete" | "delete_devices" => return words.count("operation-remove-devices", devices as u64),
        "account/password" if body.get("logout_devices") == Some(&Value::Bool(false)) => "operation-password",
        "account/password" => "operation-password-logout",
        "account/deactivate" => "operation-deactivate",
        "keys/device_signing/upload" => "operation-signing-keys",
        "login/get_token" => "operation-get-token",
        "account/two-factor" | "account/two-factor/totp" => "operation-enroll",
        "account/two-factor/recovery" => "operation-recovery",
        "account/two-factor/disable" => "operation-disable",
        "account/two-factor/authenticators" => "operation-remove-authenticator",
        _ => return words.put("operation-other", "name", name),
    };
    words.say(key)
}
