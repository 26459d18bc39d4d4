//! What password checks left at the upstream although they were noted ([`checks`](super::checks)): a power cut took the note, or the password
//! was changed meanwhile. A device of ours, with a token that nobody has. The first right password of a user in the life of a process ends it.

use std::{
    collections::HashSet,
    sync::{Arc, Mutex, PoisonError},
};

use http::{Method, StatusCode};
use serde_json::{Map, Value, json};

use crate::{
    calls::{Answer, PROBE_NAME},
    upstream::{Upstream, UpstreamError},
};

/// Past so many it is forgotten who was looked at, and looked again.
const MOST: usize = 100_000;

/// Who was looked at since the process began.
#[derive(Clone, Default)]
pub(super) struct Leftovers(Arc<Mutex<HashSet<String>>>);

impl Leftovers {
    /// Ends them with a login of the user's that is being checked. What cannot be ended now is tried again with the next check.
    pub(super) async fn end(&self, upstream: &Upstream, user: &str, password: &str, login: &Answer) {
        let (Some(token), Some(own)) = (login.string("access_token"), login.string("device_id")) else { return };
        if self.lock().contains(user) {
            return;
        }
        match end(upstream, user, password, token, own).await {
            Ok(true) => {
                let mut looked = self.lock();
                if looked.len() >= MOST {
                    looked.clear();
                }
                looked.insert(user.to_owned());
            }
            Ok(false) => tracing::warn!(user.id = user, "the upstream keeps what a password check left behind"),
            Err(error) => {
                tracing::warn!(error = &error as &dyn std::error::Error, "what password checks left is not known")
            }
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashSet<String>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Is nothing left?
async fn end(upstream: &Upstream, user: &str, password: &str, token: &str, own: &str) -> Result<bool, UpstreamError> {
    let listed = upstream.ask(Method::GET, "/_matrix/client/v3/devices", Some(token), None).await?;
    let devices = listed.body.as_ref().and_then(|body| body.get("devices")?.as_array());
    let ours = |device: &&Value| device.get("display_name").is_some_and(|name| name == PROBE_NAME);
    let ids = devices.into_iter().flatten().filter(ours).filter_map(|device| device.get("device_id")?.as_str());
    let left: Vec<&str> = ids.filter(|id| *id != own).collect();
    if left.is_empty() {
        return Ok(listed.status.is_success());
    }
    let mut body = Map::from_iter([("devices".to_owned(), json!(left))]);
    let path = "/_matrix/client/v3/delete_devices";
    let mut answer = upstream.ask(Method::POST, path, Some(token), Some(&body)).await?;
    if answer.status == StatusCode::UNAUTHORIZED {
        let identifier = json!({"type": "m.id.user", "user": user});
        let session = answer.string("session").unwrap_or_default();
        let auth = json!({"type": "m.login.password", "identifier": identifier, "user": user, "password": password, "session": session});
        body.insert("auth".to_owned(), auth);
        answer = upstream.ask(Method::POST, path, Some(token), Some(&body)).await?;
    }
    Ok(answer.status.is_success())
}
