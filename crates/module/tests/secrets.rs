//! What the module hands out prints nothing that must stay secret.
#![expect(clippy::unwrap_used, reason = "a test stops where it fails")]

use std::sync::Arc;

use async_trait::async_trait;
use http::StatusCode;
use matrix_2fa::{
    ApiError, Homeserver, HostError, JsonRequest, Requester, SecondFactor, Settings, TwoFactor, UiaRequest,
    core::{MockClock, Operation, Stage, Timestamp},
    engine::{Engine, EngineSettings, Keyring, OsRandom},
    hooks::LoginContext,
    store::MemoryStore,
};
use serde_json::{Map, Value, json};

struct Nobody;

#[async_trait]
impl Homeserver for Nobody {
    fn server_name(&self) -> &str {
        "example.org"
    }

    fn canonical_user(&self, given: &str) -> Option<String> {
        Some(given.to_owned())
    }

    async fn authenticate(&self, _request: &http::request::Parts) -> Result<Requester, HostError> {
        Err(HostError::MissingToken)
    }

    async fn verify_password(&self, _user: &str, _password: &str) -> Result<bool, HostError> {
        Ok(true)
    }

    async fn revoke_other_sessions(&self, _user: &str, _keep: Option<&str>) -> Result<(), HostError> {
        Ok(())
    }

    async fn create_login(&self, _user: &str, _request: &Map<String, Value>, _epoch: u64) -> Result<Value, HostError> {
        Err(HostError::MissingToken)
    }
}

fn object(value: Value) -> Map<String, Value> {
    value.as_object().cloned().unwrap()
}

#[tokio::test]
async fn r60_debug_of_what_the_module_hands_out() {
    let clock = Arc::new(MockClock::new(Timestamp::from_millis(1_800_000_000_000)));
    let (store, keys) = (Arc::new(MemoryStore::default()), Keyring::ephemeral(&OsRandom));
    let engine = Engine::new(store, keys, clock, Arc::new(OsRandom), EngineSettings::default());
    let two_factor = TwoFactor::new(engine, Arc::new(Nobody), Settings::default());

    let candidates = two_factor.password_candidates("alice", "wonderland 123456").await.unwrap();
    assert_eq!(format!("{candidates:?}"), "[Candidate { has_code: false, .. }, Candidate { has_code: true, .. }]");
    let body = object(json!({"type": "m.login.password", "user": "alice", "password": "wonderland"}));
    let cx = LoginContext { user: Some("alice"), epoch: 0, candidate: candidates.first(), client: None };
    let proved = two_factor.login(&cx, &body).await.unwrap();
    assert_eq!(format!("{proved:?}"), r#"Proved { user: "alice", factor: None, .. }"#);
    let operation = Operation::new("account/password");
    let request = UiaRequest {
        requester: None,
        token: None,
        operation,
        body: body.clone(),
        client: None,
        first: Stage::Password,
    };
    assert_eq!(
        format!("{request:?}"),
        r#"UiaRequest { operation: Operation { name: "account/password", target: [] }, .. }"#
    );
    let (parts, ()) = http::Request::post("/?access_token=secret").body(()).unwrap().into_parts();
    assert_eq!(format!("{:?}", JsonRequest { parts, body }), "JsonRequest { method: POST, .. }");
    let challenge = object(json!({"session": "secret", "errcode": "M_FORBIDDEN", "error": "No."}));
    let challenge = ApiError::from_body(StatusCode::UNAUTHORIZED, challenge);
    assert_eq!(format!("{challenge:?} {challenge}"), "ApiError(401 M_FORBIDDEN No.) 401 M_FORBIDDEN No.");
}
