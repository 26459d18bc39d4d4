//! stub until lane gateway lands
use bytes::Bytes;
use http::{Method, Request, StatusCode};
use matrix_2fa::homeserver::{HostError, Requester, RequesterKind};
use serde_json::Value;
use crate::host::UpstreamHomeserver;
impl UpstreamHomeserver {
    pub(crate) async fn whoami(&self, token: &str) -> Result<Requester, HostError> {
        let r = self.ask(Method::GET, "/_matrix/client/v3/account/whoami", token).await?;
        let v: Value = serde_json::from_slice(r.body()).unwrap_or_default();
        if r.status() == StatusCode::UNAUTHORIZED { return Err(HostError::UnknownToken { soft_logout: false }); }
        let user = v.get("user_id").and_then(Value::as_str).ok_or_else(|| HostError::Unavailable("x".into()))?;
        Ok(Requester { user: user.to_owned(), device: None, kind: RequesterKind::User })
    }
    pub(crate) async fn log_out(&self, token: &str) { let _ = self.ask(Method::POST, "/_matrix/client/v3/logout", token).await; }
    async fn ask(&self, m: Method, p: &str, t: &str) -> Result<http::Response<Bytes>, HostError> {
        let r = Request::builder().method(m).uri(p).header("authorization", format!("Bearer {t}")).body(Bytes::new()).map_err(|e| HostError::Unavailable(e.into()))?;
        self.upstream().call(r).await.map_err(|e| HostError::Unavailable(e.into()))
    }
}
