//! The client under everything: requests passed on as they stream, and small calls of our own. Connections are kept and used again;
//! HTTP/1.1, or HTTP/2 without TLS if the address says `h2c://`.
//!
//! Nothing here waits for ever: for a connection, for the beginning of an answer once the request is over, nor between two pieces of a body.
//! A large body in either direction may take as long as it moves.

mod patience;

use std::{sync::Arc, time::Duration};

use axum::body::Body;
use bytes::Bytes;
use http::{
    Request, Response, Uri, Version,
    header::HOST,
    uri::{Authority, PathAndQuery, Scheme},
};
use http_body::Body as _;
use http_body_util::{BodyExt, Limited};
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::{TokioExecutor, TokioTimer},
};

use crate::settings::GatewayError;

use patience::{Activity, Patient};

/// An upstream on the same machine, or nearly, that does not accept a connection within this is down.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// Shorter than any homeserver keeps an idle connection, so that a request seldom meets one that is just being closed.
const IDLE_TIMEOUT: Duration = Duration::from_secs(15);

/// Idle connections that are kept.
const IDLE_CONNECTIONS: usize = 1024;

/// How long an upstream may be silent, unless the operator says otherwise: longer than any client lets a long poll last.
pub const SILENCE: Duration = Duration::from_secs(5 * 60);

/// A client that sends nothing of the rest of its body for so long has gone.
const CLIENT_SILENCE: Duration = Duration::from_secs(60);

/// Larger answers to our own calls are an error.
const CALL_LIMIT: usize = 1024 * 1024;

/// An upstream that does not answer one of our own calls within this is taken to be down.
const CALL_TIMEOUT: Duration = Duration::from_secs(30);

/// The homeserver behind the gateway.
#[derive(Clone, Debug)]
pub struct Upstream {
    client: Client<HttpConnector, Body>,
    authority: Authority,
    h2c: bool,
    silence: Duration,
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
    /// The client did not send the whole of its request.
    #[error("the client did not send its whole request")]
    HalfSent,
}

impl Upstream {
    /// A client for this address, `http://host:port` or `h2c://host:port`.
    pub fn new(address: &str) -> Result<Self, GatewayError> {
        let bad = || GatewayError::Upstream { given: address.to_owned() };
        let uri: Uri = address.parse().map_err(|_| bad())?;
        let h2c = uri.scheme_str() == Some("h2c");
        let plain = (h2c || uri.scheme() == Some(&Scheme::HTTP))
            && uri.path().trim_matches('/').is_empty()
            && uri.query().is_none();
        let authority = uri.authority().filter(|authority| plain && !authority.as_str().contains('@')).cloned();
        let mut connector = HttpConnector::new();
        connector.set_nodelay(true);
        connector.set_connect_timeout(Some(CONNECT_TIMEOUT));
        let client = Client::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(IDLE_TIMEOUT)
            .pool_max_idle_per_host(IDLE_CONNECTIONS)
            .http2_only(h2c)
            .build(connector);
        Ok(Self { client, authority: authority.ok_or_else(bad)?, h2c, silence: SILENCE })
    }

    /// With another bound on its silence than [`SILENCE`].
    #[must_use]
    pub fn silent_at_most(self, silence: Duration) -> Self {
        Self { silence, ..self }
    }

    /// Passes a request on; both bodies stream.
    pub async fn forward(&self, mut request: Request<Body>) -> Result<Response<Body>, UpstreamError> {
        let path = request.uri().path_and_query().cloned().unwrap_or_else(|| PathAndQuery::from_static("/"));
        let uri = Uri::builder().scheme(Scheme::HTTP).authority(self.authority.clone()).path_and_query(path).build();
        *request.uri_mut() = uri.map_err(|_never| UpstreamError::Unreadable)?;
        if self.h2c {
            // There it is `:authority`, and two names are one too many.
            request.headers_mut().remove(HOST);
            *request.version_mut() = Version::HTTP_2;
        } else {
            *request.version_mut() = Version::HTTP_11;
        }
        let response = self.answer_to(request).await?;
        Ok(response.map(|body| Body::new(Patient::new(body, self.silence, None))))
    }

    /// The beginning of the answer. Time counts from the last piece of the request.
    async fn answer_to(&self, request: Request<Body>) -> Result<Response<hyper::body::Incoming>, UpstreamError> {
        if request.body().is_end_stream() {
            let answer = tokio::time::timeout(self.silence, self.client.request(request)).await;
            return answer.map_err(|_elapsed| UpstreamError::TimedOut)?.map_err(UpstreamError::Unreachable);
        }
        let activity = Arc::new(Activity::default());
        let body = |body| Body::new(Patient::new(body, CLIENT_SILENCE, Some(Arc::clone(&activity))));
        let answer = self.client.request(request.map(body));
        tokio::select! {
            answer = answer => answer.map_err(|error| match activity.is_broken() {
                true => UpstreamError::HalfSent,
                false => UpstreamError::Unreachable(error),
            }),
            () = activity.silent_for(self.silence) => Err(UpstreamError::TimedOut),
        }
    }

    /// A call of our own, with a whole body both ways.
    pub async fn call(&self, request: Request<Bytes>) -> Result<Response<Bytes>, UpstreamError> {
        let answered = async {
            let (parts, body) = self.forward(request.map(Body::from)).await?.into_parts();
            if parts.status.is_informational() {
                // It switches to a protocol that nobody asked for.
                return Err(UpstreamError::Unreadable);
            }
            let body = Limited::new(body, CALL_LIMIT).collect().await.map_err(|_| UpstreamError::Unreadable)?;
            Ok(Response::from_parts(parts, body.to_bytes()))
        };
        tokio::time::timeout(CALL_TIMEOUT, answered).await.unwrap_or(Err(UpstreamError::TimedOut))
    }
}
