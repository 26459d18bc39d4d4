//! Sudden death in the middle of logins, and answers that never come: what a check of a password leaves at the upstream then is ended by itself.

use std::{
    io::Write as _,
    sync::atomic::{AtomicBool, Ordering},
    time::{Duration, Instant},
};

use rand::RngExt as _;
use serde_json::json;

use super::{MARK, Permissive, gateway_before};
use crate::harness::{PASSWORD, Reply, Stub, auth, with};

const KILLS: usize = 12;

/// After this long nothing may be left.
const BAR: Duration = Duration::from_secs(60);

/// Until only this token works. Nobody logs in meanwhile.
#[expect(clippy::disallowed_methods, reason = "the bar is of real seconds; it is mostly reached in the first of them")]
fn until_alone(upstream: &Permissive, token: &str) {
    let begin = Instant::now();
    while upstream.alive() != [token] {
        assert!(begin.elapsed() < BAR, "a token that nobody earned still works: {:?}", upstream.alive());
        std::thread::sleep(Duration::from_millis(5));
    }
}

#[test]
#[expect(clippy::disallowed_methods, reason = "a kill at a random moment needs one")]
fn r48_r65_after_kill_9_no_token_that_nobody_earned_works_and_no_device_is_gone() {
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
            server.kill_9();
        });
        let alive = upstream.alive();
        assert!(alive.contains(&victim.token), "the device that the login named is what it was");
        left_behind += alive.len() - 1;
        server.restart();
        until_alone(&upstream, &victim.token);
    }
    let _ =
        writeln!(std::io::stderr(), "{left_behind} checks were cut short by {KILLS} kills, and ended by themselves");
    let asked = server.post("login", &victim.password_stage());
    let answer = server.post("login", &auth(&json!({}), &asked.session(), &victim.totp()));
    assert!(answer.is(200).access_token().starts_with(MARK), "who has the code logs in");
}

/// The moment that random ones seldom meet: the upstream has made the login, and its answer has not arrived.
#[test]
fn r48_a_login_whose_answer_never_came_is_ended_after_the_next_start() {
    let upstream = Permissive::default();
    let cut = std::sync::Arc::new(AtomicBool::new(false));
    let stub = Stub::start({
        let (upstream, cut) = (upstream.clone(), cut.clone());
        move |asked| {
            let reply = upstream.answer(asked);
            let probe = asked.method == "POST" && asked.path().ends_with("/login") && cut.load(Ordering::SeqCst);
            // Nothing of it arrives until the other side is gone.
            if probe { Reply::Own(Box::new(|stream| drop(std::io::Read::read(stream, &mut [0])))) } else { reply }
        }
    });
    let server = gateway_before(&stub, &[]);
    let victim = server.enrolled_user();
    let notes = server.data_folder().join("checks");
    let noted = || std::fs::read_dir(&notes).expect("a folder").count();
    assert_eq!(noted(), 0, "a check that is over leaves no note");
    cut.store(true, Ordering::SeqCst);
    std::thread::scope(|scope| {
        scope.spawn(|| server.request("POST", "login").json(&victim.password_stage()).ask());
        while upstream.alive().len() < 2 {
            std::thread::yield_now();
        }
        assert_eq!(noted(), 1);
        let dump = server.dump();
        let secret = victim.password_stage()["password"].as_str().expect("a password").to_owned();
        assert!(!dump.windows(secret.len()).any(|window| window == secret.as_bytes()), "the note is sealed");
        server.kill_9();
    });
    cut.store(false, Ordering::SeqCst);
    assert_eq!(upstream.alive().len(), 2, "a login that nobody earned");
    server.restart();
    until_alone(&upstream, &victim.token);
    server.post("login", &victim.password_stage()).completed(&[PASSWORD]);
}
