//! The servers that wrk is pointed at.

use std::sync::Arc;

use async_trait::async_trait;
use axum::{Json, Router, routing::post};
use matrix_2fa::{Homeserver, HostError, Requester, Settings, TwoFactor};
use matrix_2fa_homeserver::{HomeserverSettings, LocalHomeserver, app};
use serde_json::{Map, Value, json};

use crate::{Bench, Failure};

/// The baseline: JSON in, the same JSON out.
pub(crate) async fn echo() -> Result<(), Failure> {
    serve(Router::new().route("/_matrix/client/v3/login", post(async |Json(body): Json<Value>| Json(body)))).await
}

/// The verification alone: everything but the making of a device and a token.
pub(crate) async fn verify(bench: Bench) -> Result<(), Failure> {
    serve(TwoFactor::new(bench.engine, Arc::new(ThinAir), Settings::default()).router()).await
}

/// The whole second request of a login.
pub(crate) async fn login(bench: Bench) -> Result<(), Failure> {
    let (clock, random) = (Arc::clone(bench.engine.clock()), Arc::clone(bench.engine.random()));
    let settings = HomeserverSettings { server_name: "localhost".to_owned(), ..HomeserverSettings::default() };
    let host = Arc::new(LocalHomeserver::open(bench.store, clock, random, settings).await?);
    let two_factor = TwoFactor::new(bench.engine, host.clone(), Settings::default());
    serve(app(host, two_factor)).await
}

async fn serve(router: Router) -> Result<(), Failure> {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
    println!("http://{}", listener.local_addr()?);
    Ok(axum::serve(listener, router).await?)
}

struct ThinAir;

#[async_trait]
impl Homeserver for ThinAir {
    fn server_name(&self) -> &str {
        "localhost"
    }

    fn canonical_user(&self, given: &str) -> Option<String> {
        Some(given.to_owned())
    }

    async fn authenticate(&self, _request: &axum::http::request::Parts) -> Result<Requester, HostError> {
        Err(HostError::MissingToken)
    }

    async fn verify_password(&self, _user: &str, _password: &str) -> Result<bool, HostError> {
        Ok(false)
    }

    async fn revoke_other_sessions(&self, _user: &str, _keep: Option<&str>) -> Result<(), HostError> {
        Ok(())
    }

    async fn create_login(&self, user: &str, _request: &Map<String, Value>, _epoch: u64) -> Result<Value, HostError> {
        Ok(json!({"user_id": user, "device_id": "DEVICE", "access_token": "no token at all"}))
    }
}
