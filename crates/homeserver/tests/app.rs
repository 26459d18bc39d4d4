//! The whole application in process: no socket, no disk, a clock that stands still.

#![expect(clippy::expect_used, clippy::indexing_slicing, reason = "tests")]

use std::{sync::Arc, time::Duration};

use axum::{
    Router,
    body::{Body, to_bytes},
    http::{HeaderMap, Method, Request, StatusCode},
};
use matrix_2fa::{
    TwoFactor,
    core::{Clock, MockClock, Params, Policy, Rules, Seed, Timestamp, policy::Rule, totp::code_at},
    engine::{Engine, EngineSettings, Keyring, OsRandom},
    store::{MemoryStore, Store},
};
use matrix_2fa_homeserver::{HomeserverSettings, LocalHomeserver, PasswordCost, app};
use serde_json::{Value, json};
use tower::ServiceExt;

struct House {
    app: Router,
    clock: MockClock,
    engine: Engine,
}

struct Answer {
    status: StatusCode,
    headers: HeaderMap,
    body: Value,
}

impl House {
    async fn open(rules: impl Into<Rules>, open_registration: bool) -> Self {
        let clock = MockClock::new(Timestamp::from_millis(1_700_000_000_000));
        let store: Arc<dyn Store> = Arc::new(MemoryStore::default());
        let settings = HomeserverSettings {
            password_cost: PasswordCost { memory_kib: 8, passes: 1, lanes: 1 },
            open_registration,
            ..HomeserverSettings::default()
        };
        let host =
            LocalHomeserver::open(Arc::clone(&store), Arc::new(clock.clone()), Arc::new(OsRandom), settings).await;
        let host = Arc::new(host.expect("opens"));
        let settings = EngineSettings { rules: rules.into(), hash_jobs: 2, hash_queue: 2, ..EngineSettings::default() };
        let keys = Keyring::ephemeral(&OsRandom);
        let engine = Engine::new(store, keys, Arc::new(clock.clone()), Arc::new(OsRandom), settings);
        let module = matrix_2fa::Settings::default();
        let two_factor = TwoFactor::new(engine.clone(), Arc::clone(&host) as Arc<_>, module);
        Self { app: app(host, two_factor), clock, engine }
    }

    /// Every route of the homeserver that wants a token, but for those that somebody needs who must enroll.
    async fn is_barred_everywhere(&self, token: &str) {
        for (method, path) in [
            (Method::GET, "account/3pid"),
            (Method::POST, "account/deactivate"),
            (Method::POST, "account/password"),
            (Method::POST, "delete_devices"),
            (Method::GET, "devices"),
            (Method::GET, "devices/D"),
            (Method::PUT, "devices/D"),
            (Method::DELETE, "devices/D"),
            (Method::GET, "joined_rooms"),
            (Method::POST, "keys/device_signing/upload"),
            (Method::POST, "keys/query"),
            (Method::POST, "keys/upload"),
            (Method::POST, "login/get_token"),
            (Method::PUT, "profile/@alice:localhost/displayname"),
            (Method::PUT, "profile/@alice:localhost/avatar_url"),
            (Method::GET, "pushrules/"),
            (Method::GET, "sync"),
            (Method::POST, "user/@alice:localhost/filter"),
            (Method::GET, "user/@alice:localhost/filter/0"),
        ] {
            for version in ["r0", "v3"] {
                let path = format!("/_matrix/client/{version}/{path}");
                self.send(method.clone(), &path, token, "{}").await.refuses(403, "M_FORBIDDEN");
            }
        }
        self.send(Method::POST, "/_matrix/client/v1/login/get_token", token, "{}").await.refuses(403, "M_FORBIDDEN");
    }

    async fn send(&self, method: Method, path: &str, token: &str, body: impl Into<Body>) -> Answer {
        let mut request = Request::builder().method(method).uri(path);
        if !token.is_empty() {
            request = request.header("authorization", format!("Bearer {token}"));
        }
        let request = request.body(body.into()).expect("a request");
        let response = self.app.clone().oneshot(request).await.expect("infallible");
        let (parts, body) = response.into_parts();
        let bytes = to_bytes(body, usize::MAX).await.expect("a body");
        let body = if bytes.is_empty() { Value::Null } else { serde_json::from_slice(&bytes).expect("JSON") };
        Answer { status: parts.status, headers: parts.headers, body }
    }

    async fn post(&self, path: &str, token: &str, body: &Value) -> Answer {
        self.send(Method::POST, &format!("/_matrix/client/v3/{path}"), token, body.to_string()).await
    }

    async fn get(&self, path: &str, token: &str) -> Answer {
        self.send(Method::GET, &format!("/_matrix/client/v3/{path}"), token, Body::empty()).await
    }

    /// Registers and gives the access token.
    async fn register(&self, name: &str) -> String {
        let body =
            json!({"username": name, "password": "correct horse", "device_id": "D", "auth": {"type": "m.login.dummy"}});
        let answer = self.post("register", "", &body).await.is(200);
        answer.body["access_token"].as_str().expect("a token").to_owned()
    }
}

impl Answer {
    #[track_caller]
    fn is(self, status: u16) -> Self {
        assert_eq!(self.status.as_u16(), status, "{}", self.body);
        self
    }

    #[track_caller]
    fn refuses(self, status: u16, errcode: &str) -> Self {
        assert_eq!((self.status.as_u16(), self.body["errcode"].as_str()), (status, Some(errcode)), "{}", self.body);
        assert_eq!(
            self.headers.get("access-control-allow-origin").map(|value| value.as_bytes()),
            Some(b"*".as_slice())
        );
        self
    }
}

fn password(with: Value) -> Value {
    let mut body = with;
    body["auth"] = json!({"type": "m.login.password", "identifier": {"type": "m.id.user", "user": "alice"}, "password": "correct horse"});
    body
}

#[tokio::test]
async fn registration_speaks_its_errcodes() {
    let house = House::open(Policy::OptIn, true).await;
    house.post("register?kind=guest", "", &json!({})).await.refuses(403, "M_GUEST_ACCESS_FORBIDDEN");
    let flows = house.post("register", "", &json!({})).await.is(401);
    assert_eq!(flows.body["flows"], json!([{"stages": ["m.login.dummy"]}]));
    let dummy = json!({"type": "m.login.dummy"});
    let body = |name: &str, password: &str| json!({"username": name, "password": password, "auth": dummy});
    house.post("register", "", &json!({"username": "bob", "auth": dummy})).await.refuses(400, "M_MISSING_PARAM");
    house.post("register", "", &body("bob", "short")).await.refuses(400, "M_WEAK_PASSWORD");
    house.post("register", "", &body("b b", "correct horse")).await.refuses(400, "M_INVALID_USERNAME");
    house.post("register", "", &json!({"username": 7, "auth": dummy})).await.refuses(400, "M_BAD_JSON");
    let made = house.post("register", "", &body("Bob", "correct horse")).await.is(200);
    assert_eq!(made.body["user_id"], "@bob:localhost");
    house.post("register", "", &body("BOB", "correct horse")).await.refuses(400, "M_USER_IN_USE");
    house.get("register/available?username=bob", "").await.refuses(400, "M_USER_IN_USE");
    house.get("register/available?username=carol", "").await.is(200);
    let silent = json!({"username": "carol", "password": "correct horse", "inhibit_login": true, "auth": dummy});
    assert_eq!(house.post("register", "", &silent).await.is(200).body, json!({"user_id": "@carol:localhost"}));

    let closed = House::open(Policy::OptIn, false).await;
    closed.post("register", "", &body("bob", "correct horse")).await.refuses(403, "M_FORBIDDEN");
    closed.get("register/available?username=bob", "").await.refuses(403, "M_FORBIDDEN");
}

#[tokio::test]
async fn every_endpoint_with_interactive_auth_asks_and_then_acts() {
    let house = House::open(Policy::OptIn, true).await;
    let token = house.register("alice").await;
    let login = json!({"type": "m.login.password", "identifier": {"type": "m.id.user", "user": "ALICE"}, "password": "correct horse"});
    for device in ["ONE", "TWO"] {
        let mut body = login.clone();
        body["device_id"] = device.into();
        house.post("login", "", &body).await.is(200);
    }
    let one = "/_matrix/client/v3/devices/ONE";
    house.send(Method::DELETE, one, &token, Body::empty()).await.is(401);
    house.send(Method::DELETE, one, &token, password(json!({})).to_string()).await.is(200);
    house.get("devices/ONE", &token).await.refuses(404, "M_NOT_FOUND");
    house.post("delete_devices", &token, &json!({})).await.refuses(400, "M_MISSING_PARAM");
    house.post("delete_devices", &token, &json!({"devices": "TWO"})).await.refuses(400, "M_BAD_JSON");
    house.post("delete_devices", &token, &json!({"devices": ["TWO"]})).await.is(401);
    house.post("delete_devices", &token, &password(json!({"devices": ["TWO", "UNKNOWN"]}))).await.is(200);
    assert_eq!(house.get("devices", &token).await.is(200).body["devices"].as_array().map(Vec::len), Some(1));

    let keys = json!({"master_key": {"usage": ["master"]}});
    house.post("keys/device_signing/upload", &token, &json!({})).await.refuses(400, "M_MISSING_PARAM");
    house.post("keys/device_signing/upload", &token, &keys).await.is(200);
    house.post("keys/device_signing/upload", &token, &keys).await.is(200);
    let keys = json!({"master_key": {"usage": ["master"], "another": true}});
    house.post("keys/device_signing/upload", &token, &keys).await.is(401);
    house.post("keys/device_signing/upload", &token, &password(keys.clone())).await.is(200);
    let query = json!({"device_keys": {"@alice:localhost": []}});
    let found = house.post("keys/query", &token, &query).await.is(200);
    assert_eq!(found.body["master_keys"]["@alice:localhost"], keys["master_key"]);

    for path in ["/_matrix/client/v1/login/get_token", "/_matrix/client/v3/login/get_token"] {
        house.send(Method::POST, path, &token, "{}").await.is(401);
        let made = house.send(Method::POST, path, &token, password(json!({})).to_string()).await.is(200);
        assert!(made.body["login_token"].is_string() && made.body["expires_in_ms"].is_u64(), "{}", made.body);
    }

    house.post("account/password", &token, &json!({})).await.refuses(400, "M_MISSING_PARAM");
    house
        .post("account/password", &token, &password(json!({"new_password": ""})))
        .await
        .refuses(400, "M_WEAK_PASSWORD");
    house.post("account/password", &token, &password(json!({"new_password": "battery staple"}))).await.is(200);
    house.post("login", "", &login).await.refuses(403, "M_FORBIDDEN");
    let mut leave = password(json!({}));
    leave["auth"]["password"] = "battery staple".into();
    house.post("account/deactivate", &token, &leave).await.is(200);
    house.get("account/whoami", &token).await.refuses(401, "M_UNKNOWN_TOKEN");
}

/// R55, the part of it that exists: tokens of users who must enroll first are good for that and for leaving.
#[tokio::test]
async fn r55_users_who_must_enroll_can_only_do_that() {
    let house = House::open(Policy::Required, true).await;
    let token = house.register("alice").await;
    house.is_barred_everywhere(&token).await;
    house
        .post("account/password", &token, &password(json!({"new_password": "battery staple"})))
        .await
        .refuses(403, "M_FORBIDDEN");
    house.get("account/whoami", &token).await.is(200);
    house.get("capabilities", &token).await.is(200);
    house.get("account/two-factor", &token).await.is(200);
    house.post("logout/all", &token, &json!({})).await.is(200);
    house.get("account/whoami", &token).await.refuses(401, "M_UNKNOWN_TOKEN");
}

#[tokio::test]
async fn r55_after_the_grace_period_every_path_is_barred_and_not_before() {
    let rule = Rule { policy: Policy::Required, grace: Duration::from_secs(60) };
    let house = House::open(Rules { server: rule, groups: Vec::new() }, true).await;
    let token = house.register("alice").await;
    house.get("devices", &token).await.is(200);
    let told = house.get("capabilities", &token).await.is(200);
    let until = &told.body["capabilities"]["org.matrix.msc1998.two_factor"]["grace_until"];
    assert_eq!(*until, house.clock.now().plus(rule.grace).as_millis());
    house.clock.advance(rule.grace);
    house.is_barred_everywhere(&token).await;
    house.get("account/two-factor", &token).await.is(200);
    // Taken back while the server runs, and in force again.
    assert!(house.engine.change_rules(Rules::default(), "a test").await.expect("changes"));
    house.get("devices", &token).await.is(200);
    assert!(house.engine.change_rules(Policy::Required.into(), "a test").await.expect("changes"));
    house.is_barred_everywhere(&token).await;
}

#[tokio::test]
async fn a_login_that_ran_out_is_a_soft_logout() {
    let house = House::open(Policy::OptIn, true).await;
    let token = house.register("alice").await;
    house.clock.advance(HomeserverSettings::default().session_lifetime.expect("seven days"));
    let answer = house.get("account/whoami", &token).await.refuses(401, "M_UNKNOWN_TOKEN");
    assert_eq!(answer.body["soft_logout"], true);
    let never = house.get("account/whoami", "never-was-a-token").await.refuses(401, "M_UNKNOWN_TOKEN");
    assert_eq!(never.body["soft_logout"], false);
    house.get("account/whoami", "").await.refuses(401, "M_MISSING_TOKEN");
}

/// Whatever is thrown at whatever route: a Matrix error that a browser may read, never a 5xx.
#[tokio::test]
async fn bad_input_is_a_matrix_error_everywhere() {
    let house = House::open(Policy::OptIn, true).await;
    let token = house.register("alice").await;
    let large = format!(r#"{{"x": "{}"}}"#, "x".repeat(1_000_000));
    let deep = format!("{}{}", "[".repeat(30_000), "]".repeat(30_000));
    let bodies = [
        "nonsense",
        "[]",
        "null",
        "7",
        "\"x\"",
        "{\"auth\": 7}",
        "{\"auth\": {\"type\": []}}",
        "\u{0}",
        &large,
        &deep,
        "{\"a\":",
    ];
    let paths = [
        "register",
        "refresh",
        "logout/nope",
        "delete_devices",
        "account/password",
        "account/deactivate",
        "keys/upload",
        "keys/query",
        "keys/device_signing/upload",
        "login/get_token",
        "login",
        "devices/%ff",
        "devices/D",
        "user/@alice:localhost/filter",
        "user/@bob:localhost/filter",
        "profile/@alice:localhost/displayname",
        "sync",
        "%2e%2e",
    ];
    for path in paths {
        for body in bodies {
            for method in [Method::POST, Method::PUT, Method::DELETE, Method::PATCH] {
                let shown = body.get(..40).unwrap_or(body);
                let path = format!("/_matrix/client/v3/{path}");
                let answer = house.send(method.clone(), &path, &token, body.to_owned()).await;
                assert!(!answer.status.is_server_error(), "{method} {path} {shown}: {}", answer.body);
                let uia = answer.status == StatusCode::UNAUTHORIZED && answer.body["flows"].is_array();
                // Some endpoints know no key of these objects, and ignore what they do not know.
                let harmless = answer.status.is_success()
                    && serde_json::from_str::<Value>(body).is_ok_and(|body| body.is_object());
                let told = uia || harmless || answer.body["errcode"].is_string();
                assert!(told, "{method} {path} {shown}: {} {}", answer.status, answer.body);
                assert!(answer.headers.contains_key("access-control-allow-origin"), "{method} {path} {shown}");
                if body.len() > 64 * 1024 {
                    assert_eq!(answer.body["errcode"], "M_TOO_LARGE", "{method} {path}");
                }
            }
        }
    }
    house.send(Method::GET, "/_matrix/nowhere", "", Body::empty()).await.refuses(404, "M_UNRECOGNIZED");
    house.send(Method::PATCH, "/_matrix/client/v3/sync", "", Body::empty()).await.refuses(405, "M_UNRECOGNIZED");
    house.send(Method::OPTIONS, "/_matrix/client/v3/devices", "", Body::empty()).await.is(200);
    house.get("sync?since=s1&timeout=soon", &token).await.is(200);
    house.send(Method::GET, "/.well-known/matrix/client", "", Body::empty()).await.refuses(404, "M_NOT_FOUND");
}

/// The code was spent, and then there was no place to hash the new ones.
#[tokio::test]
async fn a_renewal_for_which_there_is_no_place_spends_no_code() {
    let house = House::open(Policy::OptIn, true).await;
    let token = house.register("alice").await;
    let begun = house.post("account/two-factor/totp", &token, &password(json!({}))).await.is(200);
    let seed = data_encoding::BASE32.decode(begun.body["seed"].as_str().expect("a seed").as_bytes()).expect("base32");
    let seed = Seed::from_bytes(seed);
    let code = || code_at(Params::default(), &seed, house.clock.now()).expect("a code").expose().to_owned();
    let confirmation = json!({"id": begun.body["id"], "token": code()});
    house.post("account/two-factor/totp/confirm", &token, &confirmation).await.is(200);

    let providers = json!({"providers": {"m.login.2fa.totp": {}, "m.login.2fa.recovery": {}}});
    for (path, body) in [("account/two-factor/recovery", json!({})), ("account/two-factor", providers)] {
        house.clock.advance(std::time::Duration::from_secs(30));
        let mut body = password(body);
        body["auth"]["password"] = format!("correct horse {}", code()).into();
        let busy = ["@b:x", "@c:x", "@d:x", "@e:x"].map(|user| house.engine.renewal_place(user).expect("free"));
        house.post(path, &token, &body).await.refuses(429, "M_LIMIT_EXCEEDED");
        drop(busy);
        house.post(path, &token, &body).await.is(200);
    }
}

#[tokio::test]
async fn a_query_for_keys_gives_the_devices_that_it_names_and_has_a_bound() {
    let house = House::open(Policy::OptIn, true).await;
    let token = house.register("alice").await;
    let keys = json!({"device_keys": {"user_id": "@alice:localhost", "device_id": "D"}});
    house.post("keys/upload", &token, &keys).await.is(200);
    let found = async |wanted: Value| {
        let query = json!({"device_keys": {"@alice:localhost": wanted}});
        house.post("keys/query", &token, &query).await.is(200).body["device_keys"]["@alice:localhost"].clone()
    };
    let device = json!({"D": keys["device_keys"]});
    assert_eq!(found(json!([])).await, device);
    assert_eq!(found(json!(["OTHER", "D"])).await, device);
    assert_eq!(found(json!(["OTHER"])).await, json!({}));
    let query = json!({"device_keys": {"@alice:localhost": "D"}});
    house.post("keys/query", &token, &query).await.refuses(400, "M_BAD_JSON");
    let many: serde_json::Map<_, _> = (0..251).map(|n| (format!("@u{n}:localhost"), json!([]))).collect();
    house.post("keys/query", &token, &json!({ "device_keys": many })).await.refuses(400, "M_TOO_LARGE");
    let large = json!({"device_keys": {"x": "x".repeat(10_000)}});
    house.post("keys/upload", &token, &large).await.refuses(413, "M_TOO_LARGE");
}
