//! What an earlier version wrote opens in this one, with everything (`tests/kept`).

use std::fs;

use serde_json::json;

use super::{does, refuses};
use crate::harness::{Needs, PASSWORD, Phone, RECOVERY, STEP_MS, Server, TOTP, auth, stage};

#[test]
fn r69_a_kept_backup_opens_with_everything() {
    let Some(server) = Server::start_with(Needs::Process) else { return };
    let now = server.now_ms();
    server.terminate();
    fs::remove_dir_all(server.data_folder()).unwrap();
    fs::create_dir(server.data_folder()).unwrap();
    let kept = concat!(env!("CARGO_MANIFEST_DIR"), "/kept/2026-11.backup");
    does(&server, &["restore", kept]);
    let said = does(&server, &["admin", "restored", "--since", "2026-11-01T00:00:00Z"]);
    assert!(said.contains("1 sets of recovery codes ended"), "{said}");
    let said = does(&server, &["keys", "check"]);
    assert!(said.contains("every seed of") && said.contains(": 1 seeds, active"), "{said}");
    server.restart();
    server.set_clock(now.max(server.now_ms()) + 4 * STEP_MS);

    let password = |user: &str, password: &str| {
        let identifier = json!({ "type": "m.id.user", "user": user });
        json!({ "type": PASSWORD, "identifier": identifier, "password": password })
    };
    let phone = Phone::new(&server, "O2UOMBF5XRLLC7T25N5I2XUCOZMKV4HL");
    let challenge = server.post("login", &password("kept", "wonderland"));
    // Recovery codes of a restored store are over; the authenticator is asked for.
    let challenge = challenge.offers(&[&[PASSWORD, TOTP]]);
    let session = challenge.session();
    let finish = |stage| server.post("login", &auth(&json!({}), &session, &stage));
    finish(stage(RECOVERY, "67RM-APCS-SYF2-PSRE")).without_token();
    finish(stage(TOTP, &phone.code())).access_token();
    server.post("login", &password("kept", "wrong")).refused(403, "M_FORBIDDEN");
    server.post("login", &password("plain", "wonderland")).access_token();
    let said = does(&server, &["admin", "status", "@plain:localhost"]);
    assert!(said.contains("a bridge"), "{said}");
    let said = does(&server, &["admin", "events", "@kept:localhost"]);
    assert!(["enrollment_confirmed", "recovery_code_used"].iter().all(|event| said.contains(event)), "{said}");
    refuses(&server, &["restore", kept], 2, &[]);
}
