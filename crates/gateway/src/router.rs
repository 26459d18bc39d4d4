//! Every request that arrives.

use std::sync::Arc;

use axum::{
    Router,
    extract::{Request, State},
    response::Response,
};
use matrix_2fa::{ApiError, TwoFactor};

use crate::{
    front::{self, Passage},
    host::UpstreamHomeserver,
    net::Net,
    proxy::Proxy,
};

struct Gateway {
    proxy: Proxy,
    net: Net,
}

/// The complete gateway.
pub fn app(host: Arc<UpstreamHomeserver>, two_factor: Arc<TwoFactor>) -> Router {
    let own = two_factor.router();
    let opened = host.settings().opened;
    let proxy = Proxy::new(host.upstream().clone(), host.settings().public_base_url.as_deref());
    let gateway = Gateway { proxy, net: Net::new(host, two_factor) };
    front::judged(Router::new().fallback(pass_on).with_state(Arc::new(gateway)).merge(own), opened)
}

async fn pass_on(State(gateway): State<Arc<Gateway>>, request: Request) -> Response {
    gateway.pass_on(request).await.unwrap_or_else(front::refusal)
}

impl Gateway {
    async fn pass_on(&self, request: Request) -> Result<Response, ApiError> {
        match request.extensions().get() {
            Some(Passage::Streamed) => self.proxy.pass(request).await,
            Some(Passage::Watched) => {
                let (request, asked) = self.net.before(request)?;
                self.net.after(asked, self.proxy.pass(request).await?).await
            }
            Some(Passage::Ours) | None => Err(front::unknown()),
        }
    }
}
