//! What was proved is judged again when it is acted on: the requests of somebody who knows the password meet what outdates it.

use axum::{
    Router,
    body::{Body, to_bytes},
    http::Request,
};
use matrix_2fa::{
    Settings, TwoFactor,
    engine::{Engine, EngineSettings, Keyring},
};
use matrix_2fa_core::{Params, otpauth::base32, totp::code_at};
use tower::ServiceExt;

use super::{turns::Busy, *};
use crate::records::USER;

const LOGIN: &str = "login";

/// Two replicas over one store: a request at one of them stands still at a moment of our choice, and the owner acts at the other.
struct Replicas {
    store: Arc<Busy>,
    clock: MockClock,
    engine: Engine,
    one: Router,
    other: Router,
}

impl Replicas {
    async fn open() -> Self {
        let store = Arc::new(Busy::default());
        let clock = MockClock::new(Timestamp::from_millis(1_700_000_000_000));
        let engine = Engine::new(
            Arc::clone(&store) as Arc<dyn Store>,
            Keyring::ephemeral(&OsRandom),
            Arc::new(clock.clone()),
            Arc::new(OsRandom),
            EngineSettings::default(),
        );
        let replica = async || {
            let settings = HomeserverSettings {
                password_cost: PasswordCost { memory_kib: 8, passes: 1, lanes: 1 },
                open_registration: true,
                ..HomeserverSettings::default()
            };
            let store = Arc::clone(&store) as Arc<dyn Store>;
            let host = LocalHomeserver::open(store, Arc::new(clock.clone()), Arc::new(OsRandom), settings).await;
            let host = Arc::new(host.expect("opens"));
            let module = TwoFactor::new(engine.clone(), Arc::clone(&host) as Arc<_>, Settings::default());
            crate::app(host, module)
        };
        let (one, other) = (replica().await, replica().await);
        Self { store, clock, engine, one, other }
    }

    /// The owner, with the access token of the device D, and another one for the thief.
    async fn register(&self) -> (String, String) {
        let body = json!({"username": "alice", "password": "correct horse", "device_id": "D", "auth": {"type": "m.login.dummy"}});
        let owner = post(&self.other, "register", "", &body).await.is(200);
        let thief = post(&self.other, LOGIN, "", &password_login("correct horse")).await.is(200);
        (token_of(&owner), token_of(&thief))
    }

    /// The owner's request that makes a first factor count.
    async fn confirmation(&self, owner: &str) -> impl Future<Output = Answer> + Send + 'static {
        let body = json!({"auth": password_stage()});
        let begun = post(&self.other, "account/two-factor/totp", owner, &body).await.is(200);
        let seed = base32(begun.1["seed"].as_str().expect("a seed")).expect("base32");
        let code = code_at(Params::default(), &seed, self.clock.now()).expect("a code").expose().to_owned();
        let (app, owner) = (self.other.clone(), owner.to_owned());
        let body = json!({"id": begun.1["id"], "token": code});
        async move { post(&app, "account/two-factor/totp/confirm", &owner, &body).await }
    }

    async fn password_is(&self, password: &str) -> bool {
        post(&self.other, LOGIN, "", &password_login(password)).await.0 != 403
    }
}

#[derive(Debug)]
struct Answer(u16, Value);

impl Answer {
    #[track_caller]
    fn is(self, status: u16) -> Self {
        assert_eq!(self.0, status, "{}", self.1);
        self
    }
}

async fn post(app: &Router, path: &str, token: &str, body: &Value) -> Answer {
    let request = Request::post(format!("/_matrix/client/v3/{path}"));
    let request = if token.is_empty() { request } else { request.header("authorization", format!("Bearer {token}")) };
    let request = request.body(Body::from(body.to_string())).expect("a request");
    let response = app.clone().oneshot(request).await.expect("infallible");
    let status = response.status().as_u16();
    let bytes = to_bytes(response.into_body(), usize::MAX).await.expect("a body");
    Answer(status, serde_json::from_slice(&bytes).expect("JSON"))
}

fn token_of(answer: &Answer) -> String {
    answer.1["access_token"].as_str().expect("a token").to_owned()
}

fn password_stage() -> Value {
    json!({"type": "m.login.password", "identifier": {"type": "m.id.user", "user": "alice"}, "password": "correct horse"})
}

fn password_login(password: &str) -> Value {
    json!({"type": "m.login.password", "identifier": {"type": "m.id.user", "user": "alice"}, "password": password})
}

fn cross_signing() -> Value {
    json!({"master_key": {"user_id": ALICE, "usage": ["master"], "keys": {"ed25519:a": "a"}}})
}

/// The thief changed the owner's password half a second after the owner's factor had begun to count, in twelve rounds of twelve.
#[tokio::test]
async fn r37_a_change_in_flight_when_the_factor_counts_is_refused() {
    let mut other_keys = cross_signing();
    other_keys["master_key"]["keys"]["ed25519:a"] = json!("b");
    for (path, body) in [
        ("account/password", json!({"new_password": "of the thief", "auth": password_stage()})),
        ("account/deactivate", json!({"auth": password_stage()})),
        ("delete_devices", json!({"devices": ["D"], "auth": password_stage()})),
        ("keys/device_signing/upload", {
            other_keys["auth"] = password_stage();
            other_keys.clone()
        }),
        (LOGIN, password_login("correct horse")),
    ] {
        let replicas = Replicas::open().await;
        let (owner, thief) = replicas.register().await;
        post(&replicas.other, "keys/device_signing/upload", &owner, &cross_signing()).await.is(200);
        let confirmation = replicas.confirmation(&owner).await;
        // The password was right when there was no factor, and everything is ready to be written.
        replicas.store.before_commit(async move {
            confirmation.await.is(200);
        });
        let token = if path == LOGIN { "" } else { &thief };
        let answer = post(&replicas.one, path, token, &body).await;
        assert!(!replicas.store.is_waiting(), "{path}");
        assert_eq!((answer.0, &answer.1["errcode"]), (403, &json!("M_FORBIDDEN")), "{path}: {answer:?}");
        assert!(replicas.password_is("correct horse").await, "{path}");
        assert!(replicas.engine.account(ALICE).await.expect("memory").is_enrolled(), "{path}");
        assert_eq!(
            post(&replicas.other, "keys/query", &owner, &json!({"device_keys": {ALICE: []}})).await.is(200).1["master_keys"]
                [ALICE],
            cross_signing()["master_key"],
            "{path}"
        );
    }
}

/// Ten of twelve login tokens that were asked for with the old password logged in after its change.
#[tokio::test]
async fn r46_a_login_token_rests_on_the_password_that_was_checked() {
    let mut moments = 0;
    // Whenever the password changes while the thief's request walks.
    for moment in 0.. {
        let replicas = Replicas::open().await;
        let (owner, thief) = replicas.register().await;
        let app = replicas.other.clone();
        replicas.store.before_nth(USER, moment, async move {
            let body = json!({"new_password": "another horse", "auth": password_stage()});
            post(&app, "account/password", &owner, &body).await.is(200);
        });
        let answer = post(&replicas.one, "login/get_token", &thief, &json!({"auth": password_stage()})).await;
        if replicas.store.is_waiting() {
            answer.is(200);
            break;
        }
        moments += 1;
        assert!(matches!(answer.0, 200 | 400..=403), "{moment}: {answer:?}");
        let body = json!({"type": "m.login.token", "token": answer.1["login_token"].as_str().unwrap_or("none")});
        let login = post(&replicas.one, LOGIN, "", &body).await;
        assert_eq!(login.0, 403, "{moment}: {answer:?}, {login:?}");
    }
    assert!(moments >= 3, "{moments}");
}

/// The same for a change of the password: of two in flight the one that comes second rests on a password that is none any more.
#[tokio::test]
async fn r46_a_change_of_the_password_rests_on_the_password_that_was_checked() {
    let replicas = Replicas::open().await;
    let (owner, thief) = replicas.register().await;
    let app = replicas.other.clone();
    replicas.store.before_commit(async move {
        let body = json!({"new_password": "another horse", "logout_devices": false, "auth": password_stage()});
        post(&app, "account/password", &owner, &body).await.is(200);
    });
    let body = json!({"new_password": "of the thief", "auth": password_stage()});
    post(&replicas.one, "account/password", &thief, &body).await.is(403);
    assert!(!replicas.store.is_waiting());
    assert!(replicas.password_is("another horse").await && !replicas.password_is("of the thief").await);
}

/// Sixteen enrollments beside a deactivation left a sealed secret of somebody who was gone, each time.
#[tokio::test]
async fn r39_an_enrollment_in_flight_leaves_nothing_of_a_deactivated_user() {
    let replicas = Replicas::open().await;
    let (owner, thief) = replicas.register().await;
    let app = replicas.other.clone();
    replicas.store.before_commit(async move {
        post(&app, "account/deactivate", &owner, &json!({"auth": password_stage()})).await.is(200);
    });
    let body = json!({"auth": password_stage()});
    let refused = post(&replicas.one, "account/two-factor/totp", &thief, &body).await.is(403);
    assert!(!replicas.store.is_waiting() && refused.1.get("seed").is_none(), "{refused:?}");
    assert_eq!(replicas.engine.account(ALICE).await.expect("memory"), matrix_2fa_core::Account::default());
}

/// Who was deactivated and whose name is read afterwards has no number of before.
#[tokio::test]
async fn r39_a_deactivation_outdates_what_was_proved_like_any_end_of_all_sessions() {
    let house = house().await;
    for epoch in 0..3 {
        house.host.end_sessions(ALICE, None).await.expect("ends");
        assert_eq!(house.host.login_epoch(ALICE).await.expect("memory"), epoch + 1);
    }
    house.host.deactivate(ALICE, 3).await.expect("deactivates");
    assert_eq!(house.host.login_epoch(ALICE).await.expect("memory"), 4);
}
