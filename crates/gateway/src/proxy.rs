//! Passing a request on, and its answer back: heads are cleaned, bodies stream, an upgrade to WebSocket becomes a tunnel.
//!
//! Two HTTP parsers that disagree about where a request ends are an attack, so what goes upstream is written anew from what was read here:
//! one length or one chunked encoding, one host, origin form. What cannot be read in one way is refused.

mod headers;
mod upgrade;

use std::net::IpAddr;

use axum::{extract::Request, response::Response};
use http::{HeaderMap, Method, StatusCode};
use matrix_2fa::{ApiError, ClientAddress};

use crate::{front::Passage, router::unreachable, upstream::Upstream};

pub(crate) use headers::{clean_response, refuse_malformed};

/// The way upstream for what is passed on.
#[derive(Clone, Debug)]
pub(crate) struct Proxy {
    upstream: Upstream,
    /// `https` or `http`, where no proxy before us says it.
    scheme: &'static str,
}

impl Proxy {
    pub(crate) fn new(upstream: Upstream, public_base_url: Option<&str>) -> Self {
        let https = public_base_url.is_some_and(|url| url.starts_with("https:"));
        Self { upstream, scheme: if https { "https" } else { "http" } }
    }

    /// Passes a request on. The answer is the upstream's, but for the headers that concern one connection only.
    pub(crate) async fn pass(&self, mut request: Request) -> Result<Response, ApiError> {
        let client = client(&request);
        // Through a guarded path there is no tunnel, whatever the upstream answers.
        let guarded = request.extensions().get() == Some(&Passage::Ours);
        let upgrade = upgrade::Wanted::take(&mut request).filter(|_| !guarded);
        self.clean(request.headers_mut(), client);
        if upgrade.is_some() {
            upgrade::ask(request.headers_mut());
        }
        let mut response = self.upstream.forward(request).await.map_err(|error| unreachable(&error))?;
        if response.status() == StatusCode::SWITCHING_PROTOCOLS {
            return upgrade::tunnel(upgrade, response);
        }
        clean_response(response.headers_mut());
        Ok(response)
    }

    /// A head as it goes upstream.
    pub(crate) fn clean(&self, headers: &mut HeaderMap, client: Option<IpAddr>) {
        headers::clean_request(headers, client, self.scheme);
    }
}

/// Whose request it is, by whoever accepted the connection.
fn client(request: &Request) -> Option<IpAddr> {
    request.extensions().get().map(|ClientAddress(address)| *address)
}

/// The methods that Matrix has. Others are somebody else's, and TRACE and CONNECT are attacks.
pub(crate) fn is_known(method: &Method) -> bool {
    const METHODS: [Method; 7] =
        [Method::GET, Method::HEAD, Method::POST, Method::PUT, Method::DELETE, Method::OPTIONS, Method::PATCH];
    METHODS.contains(method)
}
