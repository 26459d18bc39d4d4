//! `GET /_matrix/client/v3/login`: the same answer for everybody, but for the language.
//!
//! [Spec](https://spec.matrix.org/v1.19/client-server-api/#get_matrixclientv3login)

use std::sync::Arc;

use axum::{Json, extract::State};
use http::HeaderMap;
use serde_json::{Value, json};

use crate::TwoFactor;

pub(crate) async fn list_login_flows(State(module): State<Arc<TwoFactor>>, headers: HeaderMap) -> Json<Value> {
    let mut flows = vec![json!({"type": "m.login.password"})];
    if module.pages.is_some() {
        flows.push(json!({"type": "m.login.sso", "identity_providers": [TwoFactor::provider(&headers)]}));
    }
    flows.push(json!({"type": "m.login.token", "get_login_token": true}));
    Json(json!({"flows": flows}))
}
