//! Sudden death in the middle of logins. What a check of a password leaves at the upstream then, nobody has: and the next check ends it.

use std::{io::Write as _, time::Duration};

use rand::RngExt as _;

use super::{MARK, Permissive, gateway_before};
use crate::harness::{PASSWORD, auth, with};
use serde_json::json;

const KILLS: usize = 12;

#[test]
#[expect(clippy::disallowed_methods, reason = "a kill at a random moment needs one")]
fn r48_r65_after_kill_9_no_token_is_anybodys_and_no_device_is_gone() {
    let (upstream, stub) = Permissive::start();
    let server = gateway_before(&stub, &[]);
    let victim = server.enrolled_user();
    let login = with(&victim.password_stage(), &json!({ "device_id": victim.device }));
    let mut left_behind = 0;
    for _ in 0..KILLS {
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    // Until the process is gone.
                    while let Ok(answer) = server.request("POST", "login").json(&login).ask() {
                        assert!(!answer.to_string().contains(MARK), "a token without a code: {answer}");
                    }
                });
            }
            std::thread::sleep(Duration::from_micros(rand::rng().random_range(500..60_000)));
            let now = server.now_ms();
            server.kill_9();
            now
        });
        let alive = upstream.alive();
        assert!(alive.contains(&victim.token), "the device that the login named is what it was");
        left_behind += alive.len() - 1;
        server.restart();
        // The next right password ends what the last process left behind.
        server.post("login", &login).completed(&[PASSWORD]);
        assert_eq!(upstream.alive(), std::slice::from_ref(&victim.token));
    }
    let _ = writeln!(std::io::stderr(), "{left_behind} checks were cut short by {KILLS} kills, and ended later");
    let asked = server.post("login", &victim.password_stage());
    let answer = server.post("login", &auth(&json!({}), &asked.session(), &victim.totp()));
    assert!(answer.is(200).access_token().starts_with(MARK), "who has the code logs in");
}
