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
    /// Arguments of an operation that has no words of its own here, as they were sent.
    pub(crate) arguments: Vec<(String, String)>,
    /// The device that asks.
    pub(crate) device: Option<DeviceLabel>,
    /// From where it asked, if that is known.
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
        let known = in_words(words, session, &body, count);
        let name = session.operation.name.as_str();
        Ok(Self {
            arguments: if known.is_some() { Vec::new() } else { arguments(&session.operation.target, &body) },
            operation: known.unwrap_or_else(|| words.put("operation-other", "name", name)),
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

/// Devices, or arguments, that the page names. Of devices the sentence says how many there are.
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

/// An operation whose sentence says everything that matters of its arguments.
fn in_words(words: &Words, session: &AuthSession, body: &Map<String, Value>, devices: usize) -> Option<String> {
    let says = |key: &str, value: bool| body.get(key) == Some(&Value::Bool(value));
    let key = match session.operation.name.as_str() {
        "devices/delete" | "delete_devices" => return Some(words.count("operation-remove-devices", devices as u64)),
        "account/password" if says("logout_devices", false) => "operation-password",
        "account/password" => "operation-password-logout",
        "account/deactivate" if says("erase", true) => "operation-erase",
        "account/deactivate" => "operation-deactivate",
        "keys/device_signing/upload" => "operation-signing-keys",
        _ => return None,
    };
    Some(words.say(key))
}

/// What stands in the path and in the body, for people who know what their client does. Nothing that looks like a secret.
fn arguments(target: &[String], body: &Map<String, Value>) -> Vec<(String, String)> {
    let is_secret = |key: &str| ["secret", "token", "password"].iter().any(|word| key.to_lowercase().contains(word));
    let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    let in_path = target.iter().map(|target| ("path".to_owned(), target.clone()));
    let in_body = body.iter().filter(|(key, _)| !is_secret(key)).map(|(key, value)| (key.clone(), text(value)));
    let short = |text: String| match text.char_indices().nth(LONGEST) {
        Some((end, _)) => format!("{}…", text.get(..end).unwrap_or_default()),
        None => text,
    };
    in_path.chain(in_body).take(SHOWN).map(|(key, value)| (short(key), short(value))).collect()
}

/// Characters of an argument that are shown.
const LONGEST: usize = 100;

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn arguments_are_shown_but_for_secrets() {
        let body = json!({"client_secret": "s", "sid": "17", "more": {"a": 1}, "id_access_token": "t", "long": "x".repeat(500)});
        let shown = arguments(&["part".to_owned()], body.as_object().expect("an object"));
        let of = |key: &str| shown.iter().find(|(name, _)| name == key).map(|(_, value)| value.as_str());
        assert_eq!((of("path"), of("sid"), of("more")), (Some("part"), Some("17"), Some("{\"a\":1}")));
        assert_eq!((of("client_secret"), of("id_access_token")), (None, None));
        assert_eq!(of("long").map(|long| long.chars().count()), Some(LONGEST + 1));
    }
}
