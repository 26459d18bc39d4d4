//! A host with an interactive auth of its own: proofs are spent once, and good for nothing else than what they were made for.
#![expect(clippy::unwrap_used, reason = "a test stops where it fails")]

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use matrix_2fa::{
    Homeserver, HostError, Requester, SecondFactor, Settings, TwoFactor,
    core::{Clock, MockClock, Operation, Params, Seed, Timestamp, totp::code_at},
    engine::{Engine, EngineSettings, Keyring, Origination, OsRandom, enroll::Confirmed},
    hooks::{Gate, LoginContext, Requirement, StageContext},
    store::MemoryStore,
};
use serde_json::{Map, Value, json};

const USER: &str = "@alice:example.org";

/// Its users' epoch.
#[derive(Default)]
struct Host(AtomicU64);

#[async_trait]
impl Homeserver for Host {
    fn server_name(&self) -> &str {
        "example.org"
    }
    fn canonical_user(&self, given: &str) -> Option<String> {
        Some(given.to_owned())
    }
    async fn authenticate(&self, _request: &http::request::Parts) -> Result<Requester, HostError> {
        Err(HostError::MissingToken)
    }
    async fn verify_password(&self, _user: &str, password: &str) -> Result<bool, HostError> {
        Ok(password == "wonderland")
    }
    async fn revoke_other_sessions(&self, _user: &str, _keep: Option<&str>) -> Result<(), HostError> {
        Ok(())
    }
    async fn login_epoch(&self, _user: &str) -> Result<u64, HostError> {
        Ok(self.0.load(Ordering::Relaxed))
    }
    async fn create_login(&self, _user: &str, _request: &Map<String, Value>, _epoch: u64) -> Result<Value, HostError> {
        Err(HostError::MissingToken)
    }
}

struct Bench {
    host: Arc<Host>,
    module: Arc<TwoFactor>,
    clock: MockClock,
    seed: Seed,
}

impl Bench {
    async fn enrolled() -> Self {
        let clock = MockClock::new(Timestamp::from_millis(1_800_000_000_000));
        let keys = Keyring::ephemeral(&OsRandom);
        let store = Arc::new(MemoryStore::default());
        let engine = Engine::new(store, keys, Arc::new(clock.clone()), Arc::new(OsRandom), EngineSettings::default());
        let host = Arc::new(Host::default());
        let module = TwoFactor::new(engine, Arc::clone(&host) as Arc<_>, Settings::default());
        let from = Origination::default();
        let begun = module.engine().enroll(USER, &from, "token", "phone").await.unwrap().unwrap();
        let bench = Self { host, module, clock, seed: begun.seed.clone() };
        let confirmed = bench.module.engine().confirm(USER, &from, "token", &begun.id, &bench.code()).await.unwrap();
        assert!(matches!(confirmed, Confirmed::Yes { .. }), "{confirmed:?}");
        bench.clock.advance(Duration::from_secs(30));
        bench
    }

    fn code(&self) -> String {
        code_at(Params::default(), &self.seed, self.clock.now()).unwrap().expose().to_owned()
    }

    fn auth(&self) -> Map<String, Value> {
        object(json!({"type": "m.login.two-factor.totp", "token": self.code()}))
    }
}

fn object(value: Value) -> Map<String, Value> {
    value.as_object().unwrap().clone()
}

fn context(operation: &Operation) -> StageContext<'_> {
    static PASSWORD: std::sync::LazyLock<[String; 1]> = std::sync::LazyLock::new(|| ["m.login.password".to_owned()]);
    StageContext {
        user: USER,
        device: Some("D"),
        host_session: "s",
        completed: &*PASSWORD,
        operation,
        request_digest: [1; 32],
        client: None,
    }
}

#[tokio::test]
async fn r50_a_proof_is_spent_once_and_bound_to_everything() {
    let bench = Bench::enrolled().await;
    let module = &bench.module;
    let delete = Operation::on("devices/delete", "OTHER");
    let cx = context(&delete);
    assert_eq!(module.consume_proof(&cx).await.unwrap(), Gate::Closed, "nothing was proved yet");
    module.check_stage(&cx, &bench.auth()).await.unwrap();

    let elsewhere = Operation::on("devices/delete", "ANOTHER");
    let others = [
        StageContext { user: "@bob:example.org", ..cx.clone() },
        StageContext { device: None, ..cx.clone() },
        StageContext { host_session: "t", ..cx.clone() },
        StageContext { operation: &elsewhere, ..cx.clone() },
        StageContext { request_digest: [2; 32], ..cx.clone() },
    ];
    for other in &others[1..] {
        assert_eq!(module.consume_proof(other).await.unwrap(), Gate::Closed, "{other:?}");
    }
    assert_eq!(
        module.consume_proof(&others[0]).await.unwrap(),
        Gate::Open,
        "bob has no factor, so nothing is asked of him"
    );
    assert_eq!(module.consume_proof(&cx).await.unwrap(), Gate::Open);
    assert_eq!(module.consume_proof(&cx).await.unwrap(), Gate::Closed, "spent");
}

#[tokio::test]
async fn a_proof_dies_after_ten_minutes() {
    let bench = Bench::enrolled().await;
    let operation = Operation::new("account/password");
    let cx = context(&operation);
    bench.module.check_stage(&cx, &bench.auth()).await.unwrap();
    bench.clock.advance(Duration::from_secs(10 * 60));
    assert_eq!(bench.module.consume_proof(&cx).await.unwrap(), Gate::Closed);
}

#[tokio::test]
async fn a_wrong_code_leaves_no_proof_and_says_so_in_matrix_words() {
    let bench = Bench::enrolled().await;
    let operation = Operation::new("account/password");
    let cx = context(&operation);
    let wrong = object(json!({"type": "m.login.2fa.totp", "token": "12345"}));
    let refused = bench.module.check_stage(&cx, &wrong).await.unwrap_err();
    assert_eq!((refused.status().as_u16(), &refused.body()["errcode"]), (401, &json!("M_FORBIDDEN")));
    assert_eq!(bench.module.consume_proof(&cx).await.unwrap(), Gate::Closed);
}

#[tokio::test]
async fn r51_nothing_is_evaluated_before_a_first_factor() {
    let bench = Bench::enrolled().await;
    let operation = Operation::new("account/password");
    let ours = ["m.login.2fa.recovery".to_owned()];
    for completed in [&[][..], &ours[..]] {
        let early = StageContext { completed, ..context(&operation) };
        for _ in 0..10 {
            let wrong = object(json!({"type": "m.login.2fa.totp", "token": "000000"}));
            assert_eq!(bench.module.check_stage(&early, &wrong).await.unwrap_err().status().as_u16(), 401);
        }
    }
    // Nothing was charged: the right code works at once.
    bench.module.check_stage(&context(&operation), &bench.auth()).await.unwrap();
}

#[tokio::test]
async fn required_names_the_stages_of_an_enrolled_user_only() {
    let bench = Bench::enrolled().await;
    let operation = Operation::new("delete_devices");
    let required = bench.module.required(USER, &operation).await.unwrap();
    let stages = vec!["m.login.2fa.totp".to_owned(), "m.login.2fa.recovery".to_owned()];
    assert_eq!(required, Requirement::OneOf(stages));
    let required = bench.module.required("@bob:example.org", &operation).await.unwrap();
    assert_eq!(required, Requirement::NotRequired);
    assert!(bench.module.owns_stage("m.login.totp") && !bench.module.owns_stage("m.login.password"));
}

#[tokio::test]
async fn a_login_is_proved_only_with_the_code() {
    let bench = Bench::enrolled().await;
    let body = object(json!({"type": "m.login.password", "user": USER, "password": "wonderland", "device_id": "D"}));
    let after_password = LoginContext { user: Some(USER), epoch: 0, candidate: None, client: None };
    let challenge = bench.module.login(&after_password, &body).await.unwrap_err();
    assert_eq!(challenge.body()["completed"], json!(["m.login.password"]));

    let session = &challenge.body()["session"];
    let auth = json!({"auth": {"type": "m.login.2fa.totp", "session": session, "token": bench.code()}});
    let alone = LoginContext { user: None, epoch: 0, candidate: None, client: None };
    let proved = bench.module.login(&alone, &object(auth.clone())).await.unwrap();
    assert_eq!((proved.user.as_str(), &proved.body["device_id"]), (USER, &json!("D")));
    let again = bench.module.login(&alone, &object(auth)).await.unwrap_err();
    assert_eq!(again.status().as_u16(), 400, "the session was consumed: {again:?}");
}

#[tokio::test]
async fn another_users_session_is_refused_after_ones_own_password() {
    let bench = Bench::enrolled().await;
    let body = object(json!({"type": "m.login.password", "user": USER, "password": "wonderland"}));
    let alice = LoginContext { user: Some(USER), epoch: 0, candidate: None, client: None };
    let challenge = bench.module.login(&alice, &body).await.unwrap_err();
    let mut body = body;
    body.insert("auth".to_owned(), json!({"session": challenge.body()["session"]}));
    let mallory = LoginContext { user: Some("@mallory:example.org"), ..alice };
    assert_eq!(bench.module.login(&mallory, &body).await.unwrap_err().status().as_u16(), 403);
}

#[tokio::test]
async fn a_password_field_with_a_code_is_proved_through_its_candidate() {
    let bench = Bench::enrolled().await;
    let field = format!("wonderland{}", bench.code());
    let candidates = bench.module.password_candidates(USER, &field).await.unwrap();
    assert_eq!(candidates.len(), 2);
    assert_eq!(candidates[1].password.as_str(), "wonderland");
    let cx = LoginContext { user: Some(USER), epoch: 0, candidate: Some(&candidates[1]), client: None };
    assert_eq!(bench.module.login(&cx, &Map::new()).await.unwrap().user, USER);
    let replayed = bench.module.login(&cx, &Map::new()).await.unwrap_err();
    assert_eq!(replayed.status().as_u16(), 403);
    let bob = LoginContext { user: Some("@bob:example.org"), ..cx };
    assert_eq!(bench.module.login(&bob, &Map::new()).await.unwrap_err(), replayed, "bob has no factor: simply wrong");
}

/// While the host verified the password it was changed; what the host read before decides.
#[tokio::test]
async fn r46_a_password_that_changed_while_it_was_checked_logs_nobody_in() {
    let bench = Bench::enrolled().await;
    let field = format!("wonderland{}", bench.code());
    let candidates = bench.module.password_candidates(USER, &field).await.unwrap();
    let body = object(json!({"type": "m.login.password", "user": USER, "password": "wonderland"}));
    bench.host.0.store(1, Ordering::Relaxed);

    let before = LoginContext { user: Some(USER), epoch: 0, candidate: None, client: None };
    let challenge = bench.module.login(&before, &body).await.unwrap_err();
    let auth = json!({"type": "m.login.2fa.totp", "session": challenge.body()["session"], "token": bench.code()});
    let alone = LoginContext { user: None, ..before.clone() };
    let refused = bench.module.login(&alone, &object(json!({"auth": auth}))).await.unwrap_err();
    assert_eq!(refused.status().as_u16(), 400, "{refused:?}");

    let with_code = LoginContext { candidate: Some(&candidates[1]), ..before.clone() };
    assert_eq!(bench.module.login(&with_code, &Map::new()).await.unwrap_err().status().as_u16(), 403);
    let bob = LoginContext { user: Some("@bob:example.org"), ..before.clone() };
    assert_eq!(bench.module.login(&bob, &body).await.unwrap().epoch, 0, "the host refuses it");

    // Nothing was spent on it.
    let now = LoginContext { epoch: 1, ..with_code };
    assert_eq!(bench.module.login(&now, &Map::new()).await.unwrap().user, USER);
}
