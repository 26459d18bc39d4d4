//! The same before a Synapse over PostgreSQL, once.

use serde_json::json;

use crate::harness::{Server, Synapse};

#[test]
fn a_user_of_a_synapse_over_postgresql_enrolls_logs_in_and_deletes_a_device() {
    let synapse = Synapse::over_postgresql();
    let server = Server::gateway_before(&synapse.url(), &[]);
    let plain = server.user();
    let login = plain.login().is(200);
    plain.with_login(&login).get("account/whoami").is(200);

    let alice = plain.enroll();
    let login = alice.login_with(alice.totp()).is(200);
    let phone = alice.with_login(&login);
    assert_eq!(phone.get("account/whoami").is(200)["user_id"], alice.id);
    phone.get("sync?timeout=0").is(200);

    let body = json!({ "devices": [phone.device] });
    alice.post("delete_devices", &body).completed(&[]);
    phone.get("account/whoami").is(200);
    alice.prove("POST", "delete_devices", &body).is(200);
    phone.get("account/whoami").refused(401, "M_UNKNOWN_TOKEN");
    alice.get("account/whoami").is(200);
}
