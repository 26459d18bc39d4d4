//! Logins that join the commit of a code.

use axum::body::{Body, to_bytes};
use matrix_2fa::{
    TwoFactor,
    engine::{Engine, EngineSettings, Keyring, Origination, enroll::Confirmed},
};
use matrix_2fa_core::{Params, Seed, TimeStep, totp::code_at};
use tower::ServiceExt;

use super::{turns::Busy, *};
use crate::{devices, logins::LoginRequest, records::USER};

/// Alice with an authenticator, and the module over her homeserver.
struct Guarded {
    house: House,
    module: Arc<TwoFactor>,
    store: Arc<Busy>,
    seed: Seed,
}

impl Guarded {
    async fn new() -> Self {
        let store = Arc::new(Busy::default());
        let house = House::over(store.clone()).await;
        house.host.register(ALICE, "correct horse", None).await.expect("registers");
        let (keys, clock) = (Keyring::ephemeral(&OsRandom), Arc::new(house.clock.clone()));
        let engine = Engine::new(store.clone(), keys, clock, Arc::new(OsRandom), EngineSettings::default());
        let from = Origination::default();
        let begun = engine.enroll(ALICE, &from, "token", "phone").await.expect("memory").expect("begins");
        let code = code_at(Params::default(), &begun.seed, engine.now()).expect("a code");
        let confirmed = engine.confirm(ALICE, &from, "token", &begun.id, code.expose()).await.expect("memory");
        assert!(matches!(confirmed, Confirmed::Yes { .. }), "{confirmed:?}");
        let module = TwoFactor::new(engine, Arc::clone(&house.host) as Arc<_>, Default::default());
        Self { house, module, store, seed: begun.seed }
    }

    /// Password and code in one field.
    async fn log_in(&self, code: &str, device: &str) -> (u16, Value) {
        let body = json!({"type": "m.login.password", "user": "alice", "password": format!("correct horse {code}"), "device_id": device});
        let request = axum::http::Request::post("/_matrix/client/v3/login").body(Body::from(body.to_string()));
        let answer = self.module.router().oneshot(request.expect("a request")).await.expect("an answer");
        let status = answer.status().as_u16();
        let bytes = to_bytes(answer.into_body(), usize::MAX).await.expect("a body");
        (status, serde_json::from_slice(&bytes).expect("JSON"))
    }

    /// The next code that was not used yet.
    fn code(&self) -> String {
        self.house.clock.advance(Duration::from_secs(30));
        code_at(Params::default(), &self.seed, self.house.clock.now()).expect("a code").expose().to_owned()
    }

    async fn devices(&self) -> Vec<String> {
        self.house.host.devices(ALICE).await.expect("lists").into_iter().map(|device| device.id).collect()
    }

    async fn last_step(&self) -> Vec<TimeStep> {
        let account = self.module.engine().account(ALICE).await.expect("memory");
        account.authenticators().iter().map(|authenticator| authenticator.last_step).collect()
    }
}

#[tokio::test]
async fn r48_a_prepared_login_is_nothing_before_its_commit() {
    let house = house().await;
    let request = json!({"device_id": "PHONE"});
    let prepared = house.host.prepare_login(ALICE, request.as_object().expect("an object")).await.expect("prepares");
    let PreparedLogin { epoch, changes, answer } = prepared.expect("it can");
    assert_eq!(epoch, house.host.login_epoch(ALICE).await.expect("memory"));
    assert_eq!(house.who(&answer["access_token"]).await, Err(false));
    assert!(house.host.devices(ALICE).await.expect("lists").is_empty());
    house.keep(changes).await;
    assert_eq!(house.who(&answer["access_token"]).await, Ok("PHONE".to_owned()));
}

#[tokio::test]
async fn r48_with_the_code_there_is_a_device_and_with_a_wrong_one_none() {
    let guarded = Guarded::new().await;
    let (status, body) = guarded.log_in("000000", "THIEF").await;
    assert_eq!((status, guarded.devices().await), (403, Vec::new()), "{body}");
    let code = guarded.code();
    let (status, answer) = guarded.log_in(&code, "PHONE").await;
    assert_eq!((status, guarded.devices().await), (200, vec!["PHONE".to_owned()]), "{answer}");
    assert_eq!(guarded.house.who(&answer["access_token"]).await, Ok("PHONE".to_owned()));
    let (status, body) = guarded.log_in(&code, "AGAIN").await;
    assert_eq!((status, guarded.devices().await), (403, vec!["PHONE".to_owned()]), "{body}");
}

/// Somebody else writes the same device between the reading and the commit: the code was not spent on nothing.
#[tokio::test]
async fn a_login_that_meets_another_one_on_its_device_is_prepared_anew() {
    let guarded = Guarded::new().await;
    let code = guarded.code();
    assert_eq!(guarded.log_in(&code, "PHONE").await.0, 200);
    let code = guarded.code();
    let host = Arc::clone(&guarded.house.host);
    guarded.store.before_commit(async move {
        host.rename_device(ALICE, "PHONE", "renamed in between").await.expect("renames");
    });
    let (status, answer) = guarded.log_in(&code, "PHONE").await;
    assert_eq!(status, 200, "{answer}");
    assert_eq!(guarded.house.who(&answer["access_token"]).await, Ok("PHONE".to_owned()));
    let devices = guarded.house.host.devices(ALICE).await.expect("lists");
    assert_eq!(devices[0].display_name.as_deref(), Some("renamed in between"));
}

/// A thief's writes meet every commit: in the end the host makes the login, in turn with them.
#[tokio::test]
async fn a_login_that_always_meets_another_writer_is_made_all_the_same() {
    let guarded = Guarded::new().await;
    let code = guarded.code();
    assert_eq!(guarded.log_in(&code, "PHONE").await.0, 200);
    let code = guarded.code();
    let (one, two) = (Arc::clone(&guarded.house.host), Arc::clone(&guarded.house.host));
    let store = Arc::clone(&guarded.store);
    guarded.store.before_commit(async move {
        one.rename_device(ALICE, "PHONE", "renamed").await.expect("renames");
        store.before_commit(async move { two.rename_device(ALICE, "PHONE", "again").await.expect("renames") });
    });
    let (status, answer) = guarded.log_in(&code, "PHONE").await;
    assert_eq!(status, 200, "{answer}");
    assert_eq!(guarded.house.who(&answer["access_token"]).await, Ok("PHONE".to_owned()));
    let devices = guarded.house.host.devices(ALICE).await.expect("lists");
    assert_eq!(devices[0].display_name.as_deref(), Some("again"));
}

/// In one field with a wrong code it would tell that the password was right, without the cost of a try.
#[tokio::test]
async fn r58_what_the_host_refuses_is_told_only_to_who_has_the_code() {
    let guarded = Guarded::new().await;
    let house = &guarded.house;
    let logins = (0..devices::MOST).map(|_| house.host.plan_login(ALICE, 0, &LoginRequest::default(), None));
    house.keep(logins.map(|login| login.expect("plans").1).collect()).await;
    house.host.make_room(ALICE).await.expect_err("no room");
    let code = guarded.code();
    let wrong = guarded.log_in("000000", "NEW").await;
    assert_eq!(wrong.1["error"], "The user name, the password or the code is wrong.");
    let (status, body) = guarded.log_in(&code, "NEW").await;
    assert_eq!(status, 403);
    assert!(body["error"].as_str().is_some_and(|error| error.contains("devices")), "{body}");
}

/// A code is not judged for a login that the host would refuse at its end, and so not spent.
#[tokio::test]
async fn a_password_that_changes_after_its_check_costs_no_code() {
    let guarded = Guarded::new().await;
    let (code, before) = (guarded.code(), guarded.last_step().await);
    let (host, store) = (Arc::clone(&guarded.house.host), Arc::clone(&guarded.store));
    let third = async move { host.set_password(ALICE, 0, "another horse", None, false).await.expect("changes") };
    let (outer, inner) = (Arc::clone(&store), Arc::clone(&store));
    // The user is read for the epoch, for the password, and for the login.
    outer.before(USER, async move {
        store.before(USER, async move { inner.before(USER, third) });
    });
    let (status, body) = guarded.log_in(&code, "LATE").await;
    assert_eq!((status, guarded.devices().await, guarded.last_step().await), (403, Vec::new(), before), "{body}");
}

#[tokio::test]
async fn logins_with_a_code_are_counted_near_the_limit() {
    let house = house().await;
    let make = async |count: usize| {
        let logins = (0..count).map(|_| house.host.plan_login(ALICE, 0, &LoginRequest::default(), None));
        house.keep(logins.map(|login| login.expect("plans").1).collect()).await;
    };
    let log_in = async || -> Result<(), HostError> {
        let prepared = house.host.prepare_login(ALICE, &Map::new()).await?.expect("it can");
        house.keep(prepared.changes).await;
        Ok(())
    };
    make(devices::MOST - 200).await;
    for _ in 0..200 {
        log_in().await.expect("there is room");
    }
    assert_eq!(house.host.devices(ALICE).await.expect("lists").len(), devices::MOST);
    let refused = log_in().await;
    assert!(matches!(refused, Err(HostError::Refused { status: 403, .. })), "{refused:?}");
}
