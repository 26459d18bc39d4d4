//! GET /_matrix/client/versions
//!
//! <https://spec.matrix.org/v1.19/client-server-api/#get_matrixclientversions>

use axum::Json;
use serde_json::{Value, json};

/// Versions up to the last one before media needed authentication: there is no media here.
const VERSIONS: [&str; 13] =
    ["r0.5.0", "r0.6.0", "r0.6.1", "v1.1", "v1.2", "v1.3", "v1.4", "v1.5", "v1.6", "v1.7", "v1.8", "v1.9", "v1.10"];

pub(crate) async fn handle() -> Json<Value> {
    Json(json!({
        "versions": VERSIONS,
        "unstable_features": { "org.matrix.msc1998": true, "org.matrix.msc2835": true },
    }))
}
