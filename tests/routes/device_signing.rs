//! `POST /keys/device_signing/upload`.

use serde_json::{Value, json};

use crate::harness::{PASSWORD, RECOVERY, SSO, Server, TOTP, User};

const PATH: &str = "keys/device_signing/upload";

fn keys(user: &User, key: &str) -> Value {
    let id = format!("ed25519:{key}");
    json!({ "master_key": { "user_id": user.id, "usage": ["master"], "keys": { id: key } } })
}

/// Since Matrix v1.11 the first upload needs no interactive auth, so that bots and new clients can bootstrap.
#[test]
fn the_first_upload_is_free_and_the_next_one_needs_both_factors() {
    let user = Server::start().enrolled_user();
    let first = keys(&user, "c29tZSAzMiBieXRlcyBvZiBhIG1hc3RlciBrZXkhISE");
    user.post(PATH, &first).is(200);
    let second = keys(&user, "b3RoZXIgMzIgYnl0ZXMgb2YgYSBtYXN0ZXIga2V5ISE");
    user.open("POST", PATH, &second).offers(&[&[SSO], &[PASSWORD, TOTP], &[PASSWORD, RECOVERY]]);
    user.prove("POST", PATH, &second).is(200);
}

/// MSC3967: a client that repeats its upload after a lost answer is not asked again.
#[test]
fn the_same_keys_again_change_nothing_and_are_free() {
    let user = Server::start().user();
    let keys = keys(&user, "c29tZSAzMiBieXRlcyBvZiBhIG1hc3RlciBrZXkhISE");
    user.post(PATH, &keys).is(200);
    user.post(PATH, &keys).is(200);
}
