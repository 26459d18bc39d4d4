//! Ending a user's other logins, for somebody who has just proved the password: with a login of our own that ends itself at last.

use http::{HeaderMap, Method};
use matrix_2fa::homeserver::HostError;
use serde_json::{Map, Value};

use super::{UpstreamHomeserver, away, name};
use crate::{
    calls::{Login, Unexpected, unavailable},
    upstream_auth::Act,
};

impl UpstreamHomeserver {
    pub(super) async fn end_other_sessions(&self, user: &str, keep: Option<&str>) -> Result<(), HostError> {
        let password = self.sealed.recall(user).ok_or_else(|| HostError::Refused {
            status: 403,
            errcode: "M_FORBIDDEN",
            error: "The other sessions were not ended. Log them out in the list of your sessions.".to_owned(),
        })?;
        let identifier = name(&self.spellings.theirs(user).await?);
        let running = self.checks.begin_check(identifier, &password).await?;
        let answer = running.ask(HeaderMap::new()).await?;
        let status = answer.status.as_u16();
        let ended = match Login::of(&answer) {
            Some(login) => {
                let own = answer.string("device_id").unwrap_or_default();
                self.end_devices(user, &login.token, &[Some(own), keep]).await
            }
            None => Err(unavailable(Unexpected { what: "login", status })),
        };
        running.end(&answer).await;
        ended
    }

    async fn end_devices(&self, user: &str, token: &str, keep: &[Option<&str>]) -> Result<(), HostError> {
        let path = "/_matrix/client/v3/devices";
        let answer = self.upstream.ask(Method::GET, path, Some(token), None).await.map_err(away)?;
        let listed = answer.body.as_ref().and_then(|body| body.get("devices")?.as_array());
        let status = answer.status.as_u16();
        let listed = listed.ok_or_else(|| unavailable(Unexpected { what: "the list of devices", status }))?;
        let ids = listed.iter().filter_map(|device| device.get("device_id")?.as_str());
        let others: Vec<&str> = ids.filter(|id| !keep.contains(&Some(id))).collect();
        if others.is_empty() {
            return Ok(());
        }
        let body = Map::from_iter([("devices".to_owned(), Value::from(others))]);
        let act = Act { method: Method::POST, path: "/_matrix/client/v3/delete_devices", token, body: &body };
        let answer = self.act(user, act).await?;
        match answer.status.is_success() {
            true => Ok(()),
            false => Err(unavailable(Unexpected { what: "the end of other sessions", status: answer.status.as_u16() })),
        }
    }
}
