//! What the engine hands out prints nothing that must stay secret.

use std::{collections::BTreeMap, sync::Arc};

use matrix_2fa_core::{
    AuthSession, Flow, MockClock, Operation, Params, Stage, Timestamp, recovery::HashParams, throttle::ClientTag,
    totp::code_at,
};
use matrix_2fa_engine::{Engine, EngineSettings, Keyring, Origination, OsRandom, enroll::Confirmed};
use matrix_2fa_store::MemoryStore;

const USER: &str = "@alice:example.org";
const NOW: Timestamp = Timestamp::from_millis(1_800_000_000_000);

#[tokio::test]
async fn r60_debug_of_what_the_engine_hands_out() {
    let hash_params = HashParams { memory_kib: 64, passes: 1, lanes: 1 };
    let settings = EngineSettings { hash_params, ..EngineSettings::default() };
    let (store, clock) = (Arc::new(MemoryStore::default()), Arc::new(MockClock::new(NOW)));
    let engine = Engine::new(store, Keyring::ephemeral(&OsRandom), clock, Arc::new(OsRandom), settings);
    let from = Origination::default();

    assert_eq!(format!("{:?}", engine.keys()), r#"Keyring { id: "ephemeral", .. }"#);
    let begun = engine.enroll(USER, &from, "token", "phone").await.unwrap().unwrap();
    assert_eq!(format!("{begun:?}"), format!("Enrollment {{ id: {:?}, .. }}", begun.id));
    let code = code_at(Params::default(), &begun.seed, NOW).unwrap();
    let confirmed = engine.confirm(USER, &from, "token", &begun.id, code.expose()).await.unwrap();
    let shown = format!("{confirmed:?} {:?}", engine.account(USER).await.unwrap());
    assert!(shown.contains("RecoveryCode(..)") && shown.contains("RecoveryDigest(..)") && shown.contains("SealedSeed"));
    let Confirmed::Yes { recovery: Some(codes), .. } = confirmed else { unreachable!("{confirmed:?}") };
    for code in codes {
        assert!(!shown.contains(&code.to_grouped()) && !shown.contains(&*String::from_utf8_lossy(code.expose())));
    }
    assert!(!shown.contains(&begun.seed.to_base32()));

    let state = AuthSession {
        operation: Operation::new("login"),
        user: Some(USER.to_owned()),
        device: None,
        token: None,
        address: None,
        epoch: 0,
        client: ClientTag(7),
        flows: vec![Flow::new([Stage::Password, Stage::Totp])],
        completed: vec![Stage::Password],
        body: r#"{"anything":"a client may send"}"#.to_owned(),
        secrets: BTreeMap::from([("new_password".to_owned(), [7; 32])]),
        created_at: NOW,
    };
    let live = engine.open_session(state).await.unwrap();
    assert_eq!(
        format!("{live:?}"),
        r#"LiveSession { state: AuthSession { operation: Operation { name: "login", target: [] }, user: Some("@alice:example.org"), completed: [Password], .. }, .. }"#
    );
}
