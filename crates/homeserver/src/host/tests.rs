//! Logins, their end and their refreshing, over the readable store and a clock that stands still.

use std::time::Duration;

use matrix_2fa::engine::OsRandom;
use matrix_2fa_core::MockClock;
use matrix_2fa_store::MemoryStore;
use serde_json::json;

use super::*;
use crate::{PasswordCost, logins::REFRESHABLE_ACCESS};

mod endings;
mod outdated;
mod prepared;
mod turns;

const ALICE: &str = "@alice:localhost";
const DAY: Duration = Duration::from_secs(24 * 60 * 60);

struct House {
    host: Arc<LocalHomeserver>,
    clock: MockClock,
}

async fn house() -> House {
    let house = House::over(Arc::new(MemoryStore::default())).await;
    house.host.register(ALICE, "correct horse", None).await.expect("registers");
    house
}

impl House {
    /// A server over this store: the only one, or a replica.
    async fn over(store: Arc<dyn Store>) -> Self {
        let clock = MockClock::new(Timestamp::from_millis(1_700_000_000_000));
        let settings = HomeserverSettings {
            password_cost: PasswordCost { memory_kib: 8, passes: 1, lanes: 1 },
            ..HomeserverSettings::default()
        };
        let host = LocalHomeserver::open(store, Arc::new(clock.clone()), Arc::new(OsRandom), settings);
        Self { host: Arc::new(host.await.expect("opens")), clock }
    }

    /// Logs alice in and gives the answer.
    async fn login(&self, request: Value) -> Value {
        let request = request.as_object().expect("object").clone();
        let epoch = self.host.login_epoch(ALICE).await.expect("memory");
        self.host.create_login(ALICE, &request, epoch).await.expect("logs in")
    }

    /// Which device the token is for, or whether it is soft logged out.
    async fn who(&self, token: &Value) -> Result<String, bool> {
        match self.host.requester(token.as_str().expect("a token")).await {
            Ok(requester) => Ok(requester.device.expect("a device")),
            Err(HostError::UnknownToken { soft_logout }) => Err(soft_logout),
            Err(other) => panic!("{other}"),
        }
    }

    async fn keep(&self, changes: Vec<RecordChange>) {
        let commit = Commit { records: changes, ..Commit::default() };
        assert_eq!(self.host.store.commit(commit).await.expect("memory"), Committed::Done);
    }

    async fn refresh(&self, token: &Value) -> Result<Value, bool> {
        match self.host.refresh(token.as_str().expect("a token")).await {
            Ok(pair) => Ok(pair.into_json().into()),
            Err(HostError::UnknownToken { soft_logout }) => Err(soft_logout),
            Err(other) => panic!("{other}"),
        }
    }
}

#[tokio::test]
async fn a_login_ends_softly_after_its_lifetime_and_the_same_device_renews_it() {
    let house = house().await;
    let first = house.login(json!({"device_id": "PHONE", "initial_device_display_name": "Phone"})).await;
    assert_eq!(first["expires_in_ms"], json!(7 * 24 * 60 * 60 * 1000));
    assert!(first.get("refresh_token").is_none() && first.get("home_server").is_none());
    house.clock.advance(7 * DAY - Duration::from_millis(1));
    assert_eq!(house.who(&first["access_token"]).await, Ok("PHONE".to_owned()));
    house.clock.advance(Duration::from_millis(1));
    assert_eq!(house.who(&first["access_token"]).await, Err(true), "the device is still there");
    house.host.store.sweep(house.clock.now(), 1000).await.expect("sweeps");
    assert_eq!(house.who(&first["access_token"]).await, Err(true), "sweeping does not make it a hard logout");

    let second = house.login(json!({"device_id": "PHONE", "initial_device_display_name": "ignored"})).await;
    assert_eq!(house.who(&second["access_token"]).await, Ok("PHONE".to_owned()));
    assert_eq!(house.who(&first["access_token"]).await, Err(false), "the old token died in the same commit");
    let devices = house.host.devices(ALICE).await.expect("lists");
    assert_eq!(devices.len(), 1);
    assert_eq!(devices[0].display_name.as_deref(), Some("Phone"));
}

#[tokio::test]
async fn a_refresh_ends_its_predecessors_at_the_first_use_of_either_new_token() {
    let house = house().await;
    let zero = house.login(json!({"refresh_token": true})).await;
    assert_eq!(zero["expires_in_ms"], json!(REFRESHABLE_ACCESS.as_millis()));
    let one = house.refresh(&zero["refresh_token"]).await.expect("refreshes");
    assert!(house.who(&zero["access_token"]).await.is_ok(), "nobody used the new pair yet");

    // The answer got lost: the old refresh token still works, and the lost pair is dead.
    let again = house.refresh(&zero["refresh_token"]).await.expect("refreshes again");
    assert_eq!(house.who(&one["access_token"]).await, Err(false));
    assert_eq!(house.refresh(&one["refresh_token"]).await, Err(false));

    // By the access token.
    assert!(house.who(&again["access_token"]).await.is_ok());
    assert_eq!(house.who(&zero["access_token"]).await, Err(false));
    assert_eq!(house.refresh(&zero["refresh_token"]).await, Err(false));

    // By the refresh token.
    let two = house.refresh(&again["refresh_token"]).await.expect("refreshes");
    let three = house.refresh(&two["refresh_token"]).await.expect("refreshes");
    assert_eq!(house.refresh(&again["refresh_token"]).await, Err(false));
    assert_eq!(house.who(&again["access_token"]).await, Err(false));
    assert!(house.who(&two["access_token"]).await.is_ok(), "it works until its successor is used");
    assert!(house.who(&three["access_token"]).await.is_ok());
    assert_eq!(house.who(&two["access_token"]).await, Err(false));
}

#[tokio::test]
async fn refreshing_does_not_make_a_login_live_longer() {
    let house = house().await;
    let mut pair = house.login(json!({"refresh_token": true})).await;
    house.clock.advance(REFRESHABLE_ACCESS);
    assert_eq!(house.who(&pair["access_token"]).await, Err(true), "refresh or log in again");
    house.clock.advance(6 * DAY);
    pair = house.refresh(&pair["refresh_token"]).await.expect("within the lifetime");
    assert!(house.who(&pair["access_token"]).await.is_ok());
    house.clock.advance(DAY);
    assert_eq!(house.refresh(&pair["refresh_token"]).await, Err(true));
    assert_eq!(house.who(&pair["access_token"]).await, Err(true));
}

#[tokio::test]
async fn a_new_password_ends_the_other_devices_and_spares_its_own() {
    let house = house().await;
    let mine = house.login(json!({"device_id": "MINE", "refresh_token": true})).await;
    let other = house.login(json!({"device_id": "OTHER"})).await;
    house.host.set_password(ALICE, 0, "another horse", Some("MINE"), true).await.expect("sets");
    assert_eq!(house.who(&mine["access_token"]).await, Ok("MINE".to_owned()));
    assert_eq!(house.who(&other["access_token"]).await, Err(false));
    assert!(house.refresh(&mine["refresh_token"]).await.is_ok());
    assert_eq!(house.host.devices(ALICE).await.expect("lists").len(), 1);
    assert!(!house.host.verify_password(ALICE, "correct horse").await.expect("verifies"));
    assert!(house.host.verify_password(ALICE, "another horse").await.expect("verifies"));
}

/// The hole that a plain list-and-delete leaves: a login that read the user before all sessions were ended and commits after it.
#[tokio::test]
async fn a_login_in_flight_does_not_survive_the_end_of_all_sessions() {
    let house = house().await;
    let user = house.host.active_user(ALICE).await.expect("alice");
    let (login, change) =
        house.host.plan_login(ALICE, user.value.generation, &LoginRequest::default(), None).expect("plans");
    house.host.end_sessions(ALICE, None).await.expect("ends");
    assert_eq!(house.host.commit(vec![change]).await.expect("commits"), Some(()));
    assert_eq!(house.who(&login.into_json()["access_token"]).await, Err(false));
}

#[tokio::test]
async fn a_deactivated_user_is_gone_and_the_name_stays_taken() {
    let house = house().await;
    let login = house.login(json!({})).await;
    house.host.deactivate(ALICE, 0).await.expect("deactivates");
    assert_eq!(house.who(&login["access_token"]).await, Err(false));
    assert!(!house.host.verify_password(ALICE, "correct horse").await.expect("verifies"));
    assert!(matches!(
        house.host.create_login(ALICE, &Map::new(), 0).await,
        Err(HostError::Refused { status: 403, .. })
    ));
    let again = house.host.register(ALICE, "correct horse", None).await;
    assert!(matches!(again, Err(HostError::Refused { errcode: "M_USER_IN_USE", .. })));
    assert_eq!(house.host.to_forget().await.expect("lists"), [ALICE]);
    house.host.forgotten(ALICE).await.expect("ticks off");
    assert_eq!(house.host.to_forget().await.expect("lists"), [""; 0]);
}

#[tokio::test]
async fn of_two_registrations_of_a_name_one_wins() {
    let house = house().await;
    let request = LoginRequest::default();
    let (one, two) = tokio::join!(
        house.host.register("@bob:localhost", "correct horse", Some(&request)),
        house.host.register("@bob:localhost", "battery staple", Some(&request)),
    );
    assert_eq!([one.is_ok(), two.is_ok()].into_iter().filter(|won| *won).count(), 1);
}

#[tokio::test]
async fn another_server_name_over_the_same_data_is_refused() {
    let store: Arc<dyn Store> = Arc::new(MemoryStore::default());
    let open = async |name: &str| {
        let settings = HomeserverSettings { server_name: name.to_owned(), ..HomeserverSettings::default() };
        let clock = Arc::new(MockClock::new(Timestamp::default()));
        LocalHomeserver::open(Arc::clone(&store), clock, Arc::new(OsRandom), settings).await.map(|_| ())
    };
    open("one.example").await.expect("a new store takes any name");
    open("one.example").await.expect("the same again");
    assert!(matches!(open("two.example").await, Err(HomeserverError::OtherServerName { .. })));
    assert!(matches!(open("no name").await, Err(HomeserverError::ServerName { .. })));
}

/// Whoever knew the old password could keep logins in flight and outlive its change: 39 of 40 did.
#[tokio::test]
async fn a_login_proved_before_a_password_change_is_not_made_after_it() {
    for logout_others in [false, true] {
        let house = house().await;
        let epoch = house.host.login_epoch(ALICE).await.expect("memory");
        house.host.set_password(ALICE, 0, "another password", None, logout_others).await.expect("changed");
        let late = house.host.create_login(ALICE, &Map::new(), epoch).await;
        assert!(matches!(late, Err(HostError::Refused { status: 403, .. })), "{late:?}");
    }
}
