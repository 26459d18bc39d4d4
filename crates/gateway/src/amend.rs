//! The upstream's answers that say a little more through a gateway: what there is, and where the homeserver is.

use std::sync::Arc;

use axum::{
    body::Body,
    extract::{Request, State},
    response::Response,
};
use http::{
    HeaderMap, StatusCode,
    header::{ACCEPT_ENCODING, CONTENT_ENCODING, CONTENT_LENGTH, ETAG, IF_NONE_MATCH, TRANSFER_ENCODING},
};
use matrix_2fa::{ApiError, TwoFactor};
use serde_json::{Map, Value, json};

use crate::{
    calls::Answer,
    proxy::clean_response,
    router::{Gateway, small},
    scope,
    token::sole_token,
    upstream::UpstreamError,
};

/// `GET /login`: the upstream's flows, and our pages.
pub(crate) async fn list_login_flows(
    State(gateway): State<Arc<Gateway>>,
    request: Request,
) -> Result<Response, ApiError> {
    let provider = TwoFactor::provider(request.headers());
    let Answer { status, headers, bytes, body } = gateway.ask(request).await?;
    let Some(mut body) = body.filter(|_| status.is_success() && gateway.offers_pages()) else {
        return Ok(whole(status, headers, bytes.into()));
    };
    if let Some(flows) = body.get_mut("flows").and_then(Value::as_array_mut) {
        offer_pages(flows, &provider);
    }
    Ok(whole(status, headers, Value::Object(body).to_string().into()))
}

/// One provider more in `m.login.sso`; and `m.login.token`, without which clients do not take `m.login.sso` up.
fn offer_pages(flows: &mut Vec<Value>, provider: &Value) {
    let has = |flows: &[Value], kind: &str| flows.iter().position(|flow| flow.get("type").is_some_and(|of| of == kind));
    match has(flows, "m.login.sso").and_then(|index| flows.get_mut(index)?.as_object_mut()) {
        Some(sso) => match sso.get_mut("identity_providers").and_then(Value::as_array_mut) {
            Some(providers) => providers.insert(0, provider.clone()),
            None => {
                sso.insert("identity_providers".to_owned(), json!([provider]));
            }
        },
        None => flows.push(json!({"type": "m.login.sso", "identity_providers": [provider]})),
    }
    if has(flows, "m.login.token").is_none() {
        flows.push(json!({"type": "m.login.token"}));
    }
}

/// `GET /versions`.
pub(crate) async fn read_versions(State(gateway): State<Arc<Gateway>>, request: Request) -> Result<Response, ApiError> {
    let Answer { status, headers, bytes, body } = gateway.ask(request).await?;
    let Some(mut body) = body.filter(|_| status.is_success()) else { return Ok(whole(status, headers, bytes.into())) };
    let features = body.entry("unstable_features").or_insert_with(|| json!({}));
    if let Some(features) = features.as_object_mut() {
        features.insert("org.matrix.msc1998".to_owned(), true.into());
        features.insert("org.matrix.msc2835".to_owned(), true.into());
    }
    Ok(whole(status, headers, Value::Object(body).to_string().into()))
}

/// `GET /capabilities`.
pub(crate) async fn read_capabilities(
    State(gateway): State<Arc<Gateway>>,
    request: Request,
) -> Result<Response, ApiError> {
    let (parts, body) = request.into_parts();
    let token = sole_token(&parts)?;
    let Answer { status, headers, bytes, body } = gateway.ask(Request::from_parts(parts, body)).await?;
    let (Some(mut body), Some(token)) = (body.filter(|_| status.is_success()), token) else {
        return Ok(whole(status, headers, bytes.into()));
    };
    let requester = gateway.host.whoami(&token).await?;
    let capability = gateway.two_factor.capability(&requester.user).await?;
    if let Some(capabilities) = body.get_mut("capabilities").and_then(Value::as_object_mut) {
        capabilities.insert("org.matrix.msc1998.two_factor".to_owned(), capability);
    }
    Ok(whole(status, headers, Value::Object(body).to_string().into()))
}

/// `GET /.well-known/matrix/client`: clients that are told of the upstream itself would walk past the gateway.
pub(crate) async fn discover(State(gateway): State<Arc<Gateway>>, request: Request) -> Result<Response, ApiError> {
    let Answer { status, headers, bytes, body } = gateway.ask(request).await?;
    let base = gateway.host.settings.public_base_url.as_deref();
    let (Some(mut body), Some(base)) = (body.filter(|_| status.is_success()), base) else {
        return Ok(whole(status, headers, bytes.into()));
    };
    point_here(&mut body, base);
    Ok(whole(status, headers, Value::Object(body).to_string().into()))
}

/// `well_known` in the answer of a login: to us, or nowhere.
pub(crate) fn well_known(answer: &mut Map<String, Value>, base: Option<&str>) {
    let Some(base) = base else {
        answer.remove("well_known");
        return;
    };
    if let Some(told) = answer.get_mut("well_known").and_then(Value::as_object_mut) {
        point_here(told, base);
    }
}

fn point_here(told: &mut Map<String, Value>, base: &str) {
    if let Some(homeserver) = told.get_mut("m.homeserver").and_then(Value::as_object_mut) {
        homeserver.insert("base_url".to_owned(), base.into());
    }
}

/// An answer whose body was read, and perhaps changed.
pub(crate) fn whole(status: StatusCode, headers: HeaderMap, body: Body) -> Response {
    let mut response = Response::new(body);
    *response.status_mut() = status;
    *response.headers_mut() = headers;
    clean_response(response.headers_mut());
    for header in [CONTENT_LENGTH, TRANSFER_ENCODING, CONTENT_ENCODING, ETAG] {
        response.headers_mut().remove(header);
    }
    response
}

impl Gateway {
    /// Passes a request on and reads the whole answer.
    pub(crate) async fn ask(&self, request: Request) -> Result<Answer, ApiError> {
        let mut request = small(request).await?;
        // What we read must not be compressed, nor be said to be what the client has.
        for header in [ACCEPT_ENCODING, IF_NONE_MATCH] {
            request.headers_mut().remove(header);
        }
        self.proxy.clean(request.headers_mut(), scope::client());
        let answer = self.host.upstream.answer(request).await;
        let answer = answer.map_err(|error| crate::router::unreachable(&error))?;
        // No homeserver does that. One that does shall not be a way round.
        if answer.body.as_ref().is_some_and(|body| body.contains_key("access_token")) {
            return Err(crate::router::unreachable(&UpstreamError::Unreadable));
        }
        Ok(answer)
    }

    pub(crate) fn offers_pages(&self) -> bool {
        self.two_factor.settings().pages && self.host.settings.pages_in_login
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn offered(mut flows: Value) -> Value {
        offer_pages(flows.as_array_mut().expect("a list"), &json!({"id": "ours"}));
        flows
    }

    #[test]
    fn our_pages_stand_beside_what_the_upstream_offers() {
        assert_eq!(
            offered(json!([{"type": "m.login.password"}])),
            json!([
                {"type": "m.login.password"},
                {"type": "m.login.sso", "identity_providers": [{"id": "ours"}]},
                {"type": "m.login.token"},
            ])
        );
        assert_eq!(
            offered(
                json!([{"type": "m.login.token", "get_login_token": true}, {"type": "m.login.sso", "identity_providers": [{"id": "theirs"}]}])
            ),
            json!([
                {"type": "m.login.token", "get_login_token": true},
                {"type": "m.login.sso", "identity_providers": [{"id": "ours"}, {"id": "theirs"}]},
            ])
        );
    }

    #[test]
    fn a_login_does_not_lead_past_the_gateway() {
        let answer = || {
            let told =
                json!({"user_id": "@a:b", "well_known": {"m.homeserver": {"base_url": "http://upstream"}, "m.x": {}}});
            told.as_object().cloned().expect("an object")
        };
        let mut here = answer();
        well_known(&mut here, Some("https://gateway"));
        assert_eq!(here["well_known"], json!({"m.homeserver": {"base_url": "https://gateway"}, "m.x": {}}));
        let mut nowhere = answer();
        well_known(&mut nowhere, None);
        assert_eq!(nowhere.get("well_known"), None);
    }
}
