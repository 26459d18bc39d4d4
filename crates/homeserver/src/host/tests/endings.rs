//! What ends a token, and when what is left of a login goes.

use super::*;
use crate::{
    devices,
    records::{DEVICE, DEVICE_KEYS, Device, SOFT_LOGOUT, TokenHash, Tokens, device_key, load, put_device},
};

impl House {
    /// Is the device, which has the hashes of its tokens, still there?
    async fn is_kept(&self, device: &str) -> bool {
        self.host.store.record(DEVICE, &device_key(ALICE, device)).await.expect("memory").is_some()
    }
}

#[tokio::test]
async fn a_token_is_dead_once_its_device_is_gone_or_names_another() {
    let house = house().await;
    let gone = house.login(json!({"device_id": "GONE", "refresh_token": true})).await;
    house.keep(vec![RecordChange::delete(DEVICE, device_key(ALICE, "GONE"), Expected::Any)]).await;
    assert_eq!(house.who(&gone["access_token"]).await, Err(false));
    assert_eq!(house.refresh(&gone["refresh_token"]).await, Err(false));

    let old = house.login(json!({"device_id": "SAME", "refresh_token": true})).await;
    let stored = load::<Device>(house.host.store.as_ref(), DEVICE, &device_key(ALICE, "SAME")).await.expect("memory");
    let stored = stored.expect("the device");
    let Tokens { generation, valid_until, .. } = stored.value.tokens;
    let another = || TokenHash::of("another");
    let others = Tokens { access: another(), refresh: Some(another()), generation, valid_until };
    let renamed = Device { tokens: others, ..stored.value.clone() };
    house.keep(vec![put_device(ALICE, stored.expected(), &renamed).expect("encodes")]).await;
    assert_eq!(house.who(&old["access_token"]).await, Err(false));
    assert!(matches!(
        house.host.refresh(old["refresh_token"].as_str().expect("a token")).await,
        Err(HostError::UnknownToken { .. } | HostError::Overloaded { .. })
    ));
}

/// On another server over the same database a refresh had read the device when it was logged out and logged in again: both began at
/// version 1, and the refresh would have brought the old login back in place of the new one.
#[tokio::test]
async fn a_refresh_that_comes_after_a_new_login_on_the_same_device_id_changes_nothing() {
    let house = house().await;
    house.login(json!({"device_id": "SAME", "refresh_token": true})).await;
    let read = load::<Device>(house.host.store.as_ref(), DEVICE, &device_key(ALICE, "SAME")).await.expect("memory");
    let read = read.expect("the device");
    house.keep(vec![RecordChange::delete(DEVICE, device_key(ALICE, "SAME"), Expected::Any)]).await;
    let new = house.login(json!({"device_id": "SAME"})).await;
    let late = put_device(ALICE, read.expected(), &read.value).expect("encodes");
    let commit = Commit { records: vec![late], ..Commit::default() };
    assert_eq!(house.host.store.commit(commit).await.expect("memory"), Committed::Conflict);
    assert!(house.who(&new["access_token"]).await.is_ok());
}

#[tokio::test]
async fn what_is_left_of_a_login_goes_a_month_after_its_end() {
    let house = house().await;
    let login = house.login(json!({"device_id": "PHONE", "refresh_token": true})).await;
    let keys = json!({"device_keys": {"user_id": ALICE}});
    house.host.upload_keys(ALICE, "PHONE", keys.as_object().expect("an object")).await.expect("uploads");
    let pair = house.refresh(&login["refresh_token"]).await.expect("refreshes");
    assert!(house.who(&pair["access_token"]).await.is_ok());
    house.host.rename_device(ALICE, "PHONE", "Phone").await.expect("renames");
    house.host.set_password(ALICE, 0, "another horse", Some("PHONE"), true).await.expect("changes");
    let login =
        json!({"device_id": "PHONE", "access_token": pair["access_token"], "refresh_token": pair["refresh_token"]});

    let sweep = async || house.host.store.sweep(house.clock.now(), 1000).await.expect("sweeps");
    house.clock.advance(7 * DAY + SOFT_LOGOUT - Duration::from_millis(1));
    sweep().await;
    assert!(house.is_kept("PHONE").await);
    assert_eq!(house.who(&login["access_token"]).await, Err(true), "a late client may still keep its data");
    assert_eq!(house.refresh(&login["refresh_token"]).await, Err(true));

    house.clock.advance(Duration::from_millis(1));
    sweep().await;
    assert!(!house.is_kept("PHONE").await);
    assert_eq!(house.who(&login["access_token"]).await, Err(false));
    let keys = house.host.store.records_of(DEVICE_KEYS, ALICE).await.expect("memory");
    assert!(keys.is_empty(), "its keys went with it");
}

#[tokio::test]
async fn a_device_that_logs_in_again_keeps_its_keys() {
    let house = house().await;
    house.login(json!({"device_id": "PHONE"})).await;
    let keys = json!({"device_keys": {"user_id": ALICE}});
    house.host.upload_keys(ALICE, "PHONE", keys.as_object().expect("an object")).await.expect("uploads");
    house.clock.advance(SOFT_LOGOUT);
    house.login(json!({"device_id": "PHONE"})).await;
    house.clock.advance(SOFT_LOGOUT);
    house.host.store.sweep(house.clock.now(), 1000).await.expect("sweeps");
    assert_eq!(house.host.devices(ALICE).await.expect("lists").len(), 1);
    assert_eq!(house.host.identity_keys(ALICE, &[]).await.expect("lists").len(), 1);
}

#[tokio::test]
async fn a_user_has_a_thousand_devices_at_most_and_those_that_are_over_make_room() {
    let house = house().await;
    let log_in = async |request: Value| {
        let request = request.as_object().expect("an object").clone();
        house.host.create_login(ALICE, &request, 0).await
    };
    let logins = (1..devices::MOST).map(|_| house.host.plan_login(ALICE, 0, &LoginRequest::default(), None));
    house.keep(logins.map(|login| login.expect("plans").1).collect()).await;
    house.clock.advance(DAY);
    let last = log_in(json!({"device_id": "LAST"})).await.expect("logs in");
    let refused = log_in(json!({})).await;
    let Err(HostError::Refused { status: 403, error, .. }) = refused else { panic!("{refused:?}") };
    assert!(error.contains("delete") && error.contains("device_id"), "{error}");
    log_in(json!({"device_id": "LAST"})).await.expect("a known device is never one too many");
    assert_eq!(house.who(&last["access_token"]).await, Err(false));

    house.clock.advance(6 * DAY);
    log_in(json!({})).await.expect("the others are over by now");
    let devices = house.host.devices(ALICE).await.expect("lists");
    assert_eq!(devices.len(), devices::MOST);
    assert!(devices.iter().any(|device| device.id == "LAST"), "only what is over makes room");
}
