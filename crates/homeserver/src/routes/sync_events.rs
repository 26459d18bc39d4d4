//! GET /_matrix/client/v3/sync
//!
//! Nothing ever happens here; clients only need an answer of the right shape to start, and a long poll that does not spin.
//!
//! <https://spec.matrix.org/v1.19/client-server-api/#get_matrixclientv3sync>

use std::time::Duration;

use axum::{Json, extract::State};
use matrix_2fa::ApiError;
use serde_json::{Value, json};

use crate::{
    app::{App, Caller, Params},
    routes::list_push_rules::rules,
};

/// Longer polls are cut short.
const MAX_POLL: Duration = Duration::from_secs(30);

pub(crate) async fn handle(
    State(app): State<App>,
    caller: Caller,
    Params(query): Params,
) -> Result<Json<Value>, ApiError> {
    let first = query.get("since").is_none_or(String::is_empty);
    let account_data =
        if first { vec![json!({ "type": "m.push_rules", "content": rules(&app, &caller)? })] } else { vec![] };
    if !first {
        wait(&app, query.get("timeout").map(String::as_str)).await;
    }
    let counts = match &caller.requester.device {
        Some(device) => app.host.one_time_keys(caller.user(), device).await?,
        None => Default::default(),
    };
    Ok(Json(json!({
        "next_batch": "s1",
        "account_data": { "events": account_data },
        "presence": { "events": [] },
        "to_device": { "events": [] },
        "device_lists": { "changed": [], "left": [] },
        "device_one_time_keys_count": counts,
        "device_unused_fallback_key_types": [],
        "rooms": { "join": {}, "invite": {}, "knock": {}, "leave": {} },
    })))
}

/// Waits as long as the client wants, or until the server closes. A timeout that is no number is none.
async fn wait(app: &App, timeout: Option<&str>) {
    let millis = timeout.and_then(|given| given.parse().ok()).unwrap_or(0);
    let poll = Duration::from_millis(millis).min(MAX_POLL);
    // Either end of it is a normal one.
    let _ = tokio::time::timeout(poll, app.host.closed()).await;
}
