//! Sudden death in the middle of logins, and answers that never come: what a check of a password leaves at the upstream then is ended by itself.

use std::{
    io::Write as _,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use rand::RngExt as _;
use serde_json::{Value, json};

use super::{MARK, Permissive, connect, gateway_before};
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

/// An upstream that makes logins and lets nobody hear of it, while it is told so.
fn silent_on_demand() -> (Permissive, Stub, Arc<AtomicBool>) {
    let (upstream, cut) = (Permissive::default(), Arc::new(AtomicBool::new(false)));
    let stub = Stub::start({
        let (upstream, cut) = (upstream.clone(), Arc::clone(&cut));
        move |asked| {
            let reply = upstream.answer(asked);
            let probe = asked.method == "POST" && asked.path().ends_with("/login") && cut.load(Ordering::SeqCst);
            // Nothing of it arrives until the other side is gone.
            if probe { Reply::Own(Box::new(|stream| drop(std::io::Read::read(stream, &mut [0])))) } else { reply }
        }
    });
    (upstream, stub, cut)
}

/// Logins that name their user only in the answer, if at all.
fn other_credentials(device: Option<&str>) -> [Value; 2] {
    let named = json!({ "type": "m.id.user", "user": "whoever" });
    let logins = [
        json!({ "type": "org.matrix.login.jwt", "token": "e30.e30.e30" }),
        json!({ "type": "m.login.application_service", "identifier": named }),
    ];
    logins.map(|login| device.map_or_else(|| login.clone(), |id| with(&login, &json!({ "device_id": id }))))
}

/// The same moment for logins by JWT and of application services, which are known to be an enrolled user's only when they are made.
#[test]
fn r48_a_login_by_another_credential_whose_answer_never_came_is_ended_after_the_next_start() {
    for (which, names_a_device) in [(0, false), (1, false), (0, true), (1, true)] {
        let (upstream, stub, cut) = silent_on_demand();
        let server = gateway_before(&stub, &[]);
        let victim = server.enrolled_user();
        let login = &other_credentials(names_a_device.then_some(&*victim.device))[which];
        cut.store(true, Ordering::SeqCst);
        std::thread::scope(|scope| {
            scope.spawn(|| server.request("POST", "login").token("bridge").json(login).ask());
            while upstream.alive().len() < 2 {
                std::thread::yield_now();
            }
            server.kill_9();
        });
        cut.store(false, Ordering::SeqCst);
        assert!(upstream.alive().contains(&victim.token), "the device that the login named is what it was: {login}");
        server.restart();
        until_alone(&upstream, &victim.token);
        server.request("POST", "login").token("bridge").json(login).send().refused(403, "M_FORBIDDEN");
        assert_eq!(upstream.alive(), std::slice::from_ref(&victim.token));
    }
}

/// Who has no factor gets such a login, and nobody ends it afterwards.
#[test]
fn a_login_by_another_credential_that_a_client_got_leaves_no_note() {
    let (upstream, stub, _) = silent_on_demand();
    let server = gateway_before(&stub, &[]);
    let _user = server.user();
    let logins = other_credentials(None).into_iter().chain(other_credentials(Some("PHONE")));
    let tokens: Vec<String> = logins
        .map(|login| server.request("POST", "login").token("bridge").json(&login).send().is(200).access_token())
        .collect();
    assert_eq!(std::fs::read_dir(server.data_folder().join("checks")).expect("a folder").count(), 0);
    server.kill_9_and_restart();
    server.get("/_matrix-2fa/health").is(200);
    // The last two are on one device, which this upstream gives to the last.
    for token in [&tokens[0], &tokens[1], &tokens[3]] {
        assert!(upstream.alive().contains(token));
    }
}

/// While an upstream hangs, notes are kept of all that it has not answered: not of more than it can get through afterwards.
#[test]
fn logins_that_an_upstream_leaves_open_are_bounded() {
    const MOST: usize = 512;
    let (upstream, stub, cut) = silent_on_demand();
    let server = gateway_before(&stub, &[]);
    let victim = server.enrolled_user();
    let notes = server.data_folder().join("checks");
    let noted = || std::fs::read_dir(&notes).expect("a folder").count();
    cut.store(true, Ordering::SeqCst);
    let body = json!({ "type": "org.matrix.login.jwt", "token": "e30.e30.e30" }).to_string();
    let request =
        format!("POST /_matrix/client/v3/login HTTP/1.1\r\nHost: a\r\nContent-Length: {}\r\n\r\n{body}", body.len());
    let _waiting: Vec<_> = (0..MOST)
        .map(|_| {
            let mut stream = connect(&server);
            stream.write_all(request.as_bytes()).expect("sent");
            stream
        })
        .collect();
    while noted() < MOST {
        std::thread::yield_now();
    }
    let refused = server.post("login", &victim.password_stage()).refused(429, "M_LIMIT_EXCEEDED");
    assert!(refused["retry_after_ms"].as_u64().is_some_and(|ms| ms > 0), "{refused}");
    assert_eq!(noted(), MOST);
    server.kill_9();
    cut.store(false, Ordering::SeqCst);
    server.restart();
    until_alone(&upstream, &victim.token);
}

/// The moment that random ones seldom meet: the upstream has made the login, and its answer has not arrived.
#[test]
fn r48_a_login_whose_answer_never_came_is_ended_after_the_next_start() {
    let (upstream, stub, cut) = silent_on_demand();
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
