//! [`UpstreamHomeserver`]: the module's view of a homeserver that only speaks HTTP.

use async_trait::async_trait;
use bytes::Bytes;
use http::{Request, request::Parts};
use matrix_2fa::homeserver::{Homeserver, HostError, Requester};
use serde_json::{Map, Value};

use crate::{
    settings::{GatewayError, GatewaySettings},
    upstream::Upstream,
};

/// The homeserver behind the gateway, as the module sees it.
pub struct UpstreamHomeserver {
    upstream: Upstream,
    server_name: String,
    #[expect(dead_code, reason = "the amended answers come next")]
    settings: GatewaySettings,
}

impl UpstreamHomeserver {
    /// Finds out whose users these are.
    pub async fn open(settings: GatewaySettings) -> Result<Self, GatewayError> {
        let upstream = Upstream::new(&settings.upstream)?;
        let server_name = match (settings.server_name.clone(), server_name(&upstream).await) {
            (Some(given), Some(upstream)) if given != upstream => {
                return Err(GatewayError::OtherServerName { given, upstream });
            }
            (Some(name), _) | (None, Some(name)) => name,
            (None, None) => return Err(GatewayError::NoServerName),
        };
        Ok(Self { upstream, server_name, settings })
    }

    pub(crate) fn upstream(&self) -> &Upstream {
        &self.upstream
    }
}

/// The name that the upstream signs with.
async fn server_name(upstream: &Upstream) -> Option<String> {
    let request = Request::get("/_matrix/key/v2/server").body(Bytes::new()).ok()?;
    let response = upstream.call(request).await.ok()?;
    let answer: Value = serde_json::from_slice(response.body()).ok()?;
    Some(answer.get("server_name")?.as_str()?.to_owned())
}

#[async_trait]
impl Homeserver for UpstreamHomeserver {
    fn server_name(&self) -> &str {
        &self.server_name
    }

    fn canonical_user(&self, _given: &str) -> Option<String> {
        None
    }

    async fn authenticate(&self, _request: &Parts) -> Result<Requester, HostError> {
        Err(HostError::MissingToken)
    }

    async fn verify_password(&self, _user: &str, _password: &str) -> Result<bool, HostError> {
        Ok(false)
    }

    async fn revoke_other_sessions(&self, _user: &str, _keep: Option<&str>) -> Result<(), HostError> {
        Ok(())
    }

    async fn create_login(&self, _user: &str, _request: &Map<String, Value>, _epoch: u64) -> Result<Value, HostError> {
        Err(HostError::MissingToken)
    }
}
