//! `GET /_matrix/client/v3/login`: the same answer for everybody.
//!
//! [Spec](https://spec.matrix.org/v1.19/client-server-api/#get_matrixclientv3login)

use std::sync::Arc;

use axum::{Json, extract::State};
use serde_json::{Value, json};

use crate::{TwoFactor, pages::PROVIDER};

pub(crate) async fn list_login_flows(State(module): State<Arc<TwoFactor>>) -> Json<Value> {
    let mut flows = vec![json!({"type": "m.login.password"})];
    if let Some(site) = &module.pages {
        let provider = json!({"id": PROVIDER, "name": site.name});
        flows.push(json!({"type": "m.login.sso", "identity_providers": [provider]}));
    }
    flows.push(json!({"type": "m.login.token", "get_login_token": true}));
    Json(json!({"flows": flows}))
}
