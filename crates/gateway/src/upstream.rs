//! The client under everything: requests passed on as they stream, and small calls of our own.

use axum::body::Body;
use bytes::Bytes;
use http::{
    Request, Response, Uri,
    uri::{Authority, PathAndQuery, Scheme},
};
use http_body_util::{BodyExt, Limited};
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::TokioExecutor,
};
use std::time::Duration;

use crate::settings::GatewayError;

/// Larger answers to our own calls are an error.
const CALL_LIMIT: usize = 1024 * 1024;

/// An upstream that does not answer one of our own calls within this is taken to be down.
const CALL_TIMEOUT: Duration = Duration::from_secs(30);

/// The homeserver behind the gateway.
#[derive(Clone)]
pub struct Upstream {
    client: Client<HttpConnector, Body>,
    authority: Authority,
}

/// The upstream gave no answer that can be used.
#[derive(Debug, thiserror::Error)]
pub enum UpstreamError {
    /// No connection, or it broke.
    #[error("the upstream cannot be reached")]
    Unreachable(#[source] hyper_util::client::legacy::Error),
    /// No answer in time.
    #[error("the upstream did not answer in time")]
    TimedOut,
    /// The answer is too large, or broke off.
    #[error("the upstream's answer cannot be read")]
    Unreadable,
}

impl Upstream {
    /// A client for this address.
    pub fn new(address: &str) -> Result<Self, GatewayError> {
        let bad = || GatewayError::Upstream { given: address.to_owned() };
        let uri: Uri = address.parse().map_err(|_| bad())?;
        let plain =
            uri.scheme() == Some(&Scheme::HTTP) && uri.path().trim_matches('/').is_empty() && uri.query().is_none();
        let authority = uri.authority().filter(|_| plain).cloned().ok_or_else(bad)?;
        Ok(Self { client: Client::builder(TokioExecutor::new()).build(HttpConnector::new()), authority })
    }

    /// Passes a request on; both bodies stream.
    pub async fn forward(&self, mut request: Request<Body>) -> Result<Response<Body>, UpstreamError> {
        let path = request.uri().path_and_query().cloned().unwrap_or_else(|| PathAndQuery::from_static("/"));
        let uri = Uri::builder().scheme(Scheme::HTTP).authority(self.authority.clone()).path_and_query(path).build();
        *request.uri_mut() = uri.map_err(|_never| UpstreamError::Unreadable)?;
        let response = self.client.request(request).await.map_err(UpstreamError::Unreachable)?;
        Ok(response.map(Body::new))
    }

    /// A call of our own, with a whole body both ways.
    pub async fn call(&self, request: Request<Bytes>) -> Result<Response<Bytes>, UpstreamError> {
        let answered = async {
            let (parts, body) = self.forward(request.map(Body::from)).await?.into_parts();
            let body = Limited::new(body, CALL_LIMIT).collect().await.map_err(|_| UpstreamError::Unreadable)?;
            Ok(Response::from_parts(parts, body.to_bytes()))
        };
        tokio::time::timeout(CALL_TIMEOUT, answered).await.unwrap_or(Err(UpstreamError::TimedOut))
    }
}
