//! A gateway that dies between the upstream's answer to a deactivation and forgetting the user.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use matrix_2fa_core::Account;
use serde_json::json;

use super::{Permissive, gateway_before};
use crate::harness::{Enrolled, PASSWORD, Reply, Server, Stub, auth};

/// What the upstream makes of the user.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Upstream {
    /// It knows them, and has not yet been asked to let them go.
    Before,
    /// It was asked, and nothing came of it.
    Here,
    /// The same, and the token was ended elsewhere.
    LoggedOut,
    /// It cannot say who has a token.
    Confused,
    /// The account is deactivated.
    Gone,
}

#[derive(Clone)]
struct State(Arc<Mutex<Upstream>>);

impl State {
    fn is(&self) -> Upstream {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn set(&self, upstream: Upstream) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = upstream;
    }
}

/// A gateway that was killed while the upstream deactivated its user, which then is in this state.
fn killed(then: Upstream) -> (State, Stub, Server, Enrolled) {
    let (upstream, state) = (Permissive::default(), State(Arc::new(Mutex::new(Upstream::Before))));
    let stub = Stub::start({
        let state = state.clone();
        move |asked| {
            let refuse = |status, errcode| Reply::Json(status, json!({ "errcode": errcode, "error": "no" }));
            let end = asked.path().rsplit('/').next().unwrap_or_default();
            match (end, state.is()) {
                ("deactivate", _) => {
                    state.set(then);
                    // Its answer never arrives.
                    Reply::Own(Box::new(|stream| drop(std::io::Read::read(stream, &mut [0]))))
                }
                ("whoami", Upstream::Gone | Upstream::LoggedOut) => refuse(401, "M_UNKNOWN_TOKEN"),
                ("whoami", Upstream::Confused) => refuse(500, "M_UNKNOWN"),
                ("login", Upstream::Gone) if asked.method == "POST" => refuse(403, "M_FORBIDDEN"),
                _ => upstream.answer(asked),
            }
        }
    });
    let server = gateway_before(&stub, &[]);
    let victim = server.enrolled_user();
    let session = victim.with_password("POST", "account/deactivate", &json!({})).completed(&[PASSWORD]).session();
    let last = auth(&json!({}), &session, &victim.totp());
    std::thread::scope(|scope| {
        scope.spawn(|| victim.request("POST", "account/deactivate").json(&last).ask());
        while state.is() == Upstream::Before {
            std::thread::yield_now();
        }
        server.kill_9();
    });
    assert_eq!(notes(&server), 1);
    let dump = server.dump();
    for secret in [&victim.token, &victim.password] {
        assert!(!dump.windows(secret.len()).any(|window| window == secret.as_bytes()), "the note is sealed");
    }
    stub.take_asked();
    (state, stub, server, victim)
}

fn notes(server: &Server) -> usize {
    std::fs::read_dir(server.data_folder().join("leaving")).expect("a folder").count()
}

#[expect(clippy::disallowed_methods, reason = "a bar for what is mostly reached in the first moment")]
fn until(what: impl Fn() -> bool) {
    let begin = Instant::now();
    while !what() {
        assert!(begin.elapsed() < Duration::from_secs(60), "it does not come");
        std::thread::sleep(Duration::from_millis(5));
    }
}

fn asked(stub: &Stub, end: &str) -> bool {
    stub.asked().iter().any(|asked| asked.path().ends_with(end))
}

#[test]
fn r39_who_left_in_the_moment_of_a_kill_is_forgotten_after_the_next_start() {
    let (_, _, server, victim) = killed(Upstream::Gone);
    assert!(server.stored_account(&victim.id).is_enrolled());
    server.restart();
    until(|| notes(&server) == 0);
    server.terminate();
    assert_eq!(server.stored_account(&victim.id), Account::default());
}

/// Only with the upstream's word for it: a token that works, or a password, says that they are still there.
#[test]
fn r39_who_did_not_leave_keeps_the_second_factor() {
    for (then, sign) in [(Upstream::Here, "/whoami"), (Upstream::LoggedOut, "/login")] {
        let (_, stub, server, victim) = killed(then);
        server.restart();
        until(|| asked(&stub, sign));
        server.post("login", &victim.password_stage()).completed(&[PASSWORD]);
        server.terminate();
        assert!(server.stored_account(&victim.id).is_enrolled(), "{then:?}");
    }
}

/// Who used a code after it has decided otherwise, whatever token and password say then.
#[test]
fn r39_who_used_the_account_since_keeps_it() {
    let (state, stub, server, victim) = killed(Upstream::Confused);
    server.restart();
    until(|| asked(&stub, "/whoami"));
    victim.login_with(victim.totp()).is(200);
    server.kill_9();
    state.set(Upstream::Gone);
    server.restart();
    until(|| server.log().contains("somebody used this account"));
    server.terminate();
    assert!(server.stored_account(&victim.id).is_enrolled());
}
