//! The protocol of logins, enrollments and changes, explored to the end within small bounds: two replicas over one store, every order of
//! their steps, a crash between any two of them, a clock that moves on.
//!
//! What is explored is what ships: each request goes through the module's router, its login guard and interactive auth, the engine and
//! the transitions of the core. Only what surrounds them is the model's: [`replica`] stops a request at each question to the store,
//! [`shared`] is the store (with faults to order), [`clients`] what may be sent, [`promises`] an observer that trusts nobody, [`world`] all
//! of it together.
//!
//! * every model must reach what it is about (logins, conflicts, waits, crashes), or it would say nothing;
//! * with each of six seeded faults the observer must find a broken promise, or it would see nothing.
#![expect(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::print_stderr,
    reason = "tests, which say what they explored"
)]

mod clients;
mod fixed;
mod promises;
mod replica;
mod shared;
mod world;

use clients::{Door, Try};
use replica::Host;
use shared::Fault;
use stateright::{Checker, HasDiscoveries, Model};
use world::{Reached, World};

type Before = (Door, Option<Try>, bool);
const BEGUN: Before = (Door::BeginFirst, None, false);
const CONFIRMED: Before = (Door::Confirm, Some(Try::Step(0)), true);

/// One enrolled account, one request after the other: nothing can happen.
const ENROLLED: World = World {
    before: &[BEGUN, CONFIRMED],
    doors: &[],
    tries: &[],
    sends: 0,
    crashes: 0,
    ticks: 0,
    ahead: 0,
    host: Host::Prepares,
    fault: None,
    reaches: &[],
};

/// Explores everything, and fails with the steps that lead to a broken promise. Wider on demand: `MODEL_SENDS=1` is one request more in each
/// model, `MODEL_CRASHES=1` one crash more; each makes it longer by far.
fn explore(name: &str, world: World) {
    let more = |variable| std::env::var(variable).map_or(0, |given| given.parse::<u8>().expect("a small number"));
    let world =
        World { sends: world.sends + more("MODEL_SENDS"), crashes: world.crashes + more("MODEL_CRASHES"), ..world };
    let checker = world.checker().threads(2).spawn_bfs().join();
    eprintln!(
        "{name}: {} states, {} of them different, {} steps deep",
        checker.state_count(),
        checker.unique_state_count(),
        checker.max_depth()
    );
    checker.assert_properties();
}

#[test]
fn r01_r07_r10_r48_r50_logins_of_every_kind_meet_in_any_order() {
    explore(
        "logins",
        World {
            doors: &[Door::Password, Door::Finish, Door::OneField],
            tries: &[Try::Step(1), Try::Paper(0), Try::Wrong],
            sends: 3,
            crashes: 1,
            reaches: &[Reached::Login, Reached::RecoveryLogin, Reached::Conflict, Reached::Crash, Reached::Refused],
            ..ENROLLED
        },
    );
}

/// A host that cannot prepare a login makes it after the commit of the code.
#[test]
fn r10_r48_logins_that_the_host_makes_meet_in_any_order() {
    explore(
        "logins made by the host",
        World {
            doors: &[Door::Password, Door::Finish, Door::OneField],
            tries: &[Try::Step(1), Try::Paper(0)],
            sends: 3,
            crashes: 1,
            host: Host::Makes,
            reaches: &[Reached::Login, Reached::RecoveryLogin, Reached::Conflict, Reached::Crash],
            ..ENROLLED
        },
    );
}

/// The phone's code of each step of the window, while the window moves on.
#[test]
fn r02_steps_only_rise_while_time_passes() {
    explore(
        "steps",
        World {
            doors: &[Door::OneField],
            tries: &[Try::Step(0), Try::Step(1), Try::Step(2)],
            sends: 3,
            ticks: 1,
            reaches: &[Reached::Conflict, Reached::Refused],
            ..ENROLLED
        },
    );
}

#[test]
fn r68_replicas_with_clocks_sixty_seconds_apart_take_a_code_once() {
    explore(
        "clocks apart",
        World {
            doors: &[Door::OneField],
            tries: &[Try::Step(1), Try::Step(2), Try::Step(3)],
            sends: 3,
            ahead: 2,
            reaches: &[Reached::Conflict, Reached::Refused],
            ..ENROLLED
        },
    );
}

/// Two sessions of logins are open, and anybody may finish either, also as something else.
#[test]
fn r10_r50_a_session_is_used_once_and_for_nothing_else() {
    explore(
        "sessions",
        World {
            before: &[BEGUN, CONFIRMED, (Door::Password, None, false), (Door::Password, None, false)],
            doors: &[Door::Finish, Door::Misuse],
            tries: &[Try::Step(1), Try::Step(2), Try::Paper(0)],
            sends: 3,
            reaches: &[Reached::Login, Reached::RecoveryLogin, Reached::Conflict],
            ..ENROLLED
        },
    );
}

/// Four wrong codes were sent before: one more is evaluated, whatever meets it.
#[test]
fn r12_r13_r17_guesses_are_charged_before_they_are_answered() {
    const FAILED: Before = (Door::OneField, Some(Try::Wrong), false);
    explore(
        "guesses",
        World {
            before: &[BEGUN, CONFIRMED, FAILED, FAILED, FAILED, FAILED],
            doors: &[Door::OneField],
            tries: &[Try::Wrong, Try::Step(1), Try::Paper(0)],
            sends: 3,
            crashes: 1,
            reaches: &[Reached::Wait, Reached::Conflict, Reached::RecoveryLogin, Reached::Refused],
            ..ENROLLED
        },
    );
}

/// From nothing: enrollments begin, are confirmed, replace each other, while the password alone still logs in.
#[test]
fn r03_r25_r31_a_first_enrollment_counts_when_it_is_confirmed() {
    explore(
        "first enrollment",
        World {
            before: &[BEGUN],
            doors: &[Door::BeginFirst, Door::Confirm, Door::Password, Door::OneField],
            tries: &[Try::Step(0), Try::Step(1), Try::Wrong],
            sends: 3,
            crashes: 1,
            reaches: &[Reached::Confirmed, Reached::Conflict, Reached::Crash],
            ..ENROLLED
        },
    );
}

/// Changes of an enrolled account meet logins and each other.
#[test]
fn r29_r30_r43_changes_need_a_fresh_factor_and_are_whole() {
    explore(
        "changes",
        World {
            doors: &[Door::Begin, Door::BeginFirst, Door::Confirm, Door::Disable, Door::Regenerate, Door::OneField],
            tries: &[Try::Step(1), Try::Paper(0)],
            sends: 2,
            crashes: 1,
            reaches: &[Reached::Changed, Reached::Conflict, Reached::Crash],
            ..ENROLLED
        },
    );
}

/// Turned off and enrolled anew: the old phone and the old paper are still in somebody's hands.
#[test]
fn r36_nothing_of_a_former_enrollment_is_revived() {
    explore(
        "enrolled anew",
        World {
            before: &[
                BEGUN,
                CONFIRMED,
                (Door::Disable, Some(Try::Step(1)), true),
                BEGUN,
                (Door::Confirm, Some(Try::Step(2)), true),
            ],
            doors: &[Door::OneField, Door::Regenerate, Door::Disable],
            tries: &[Try::Step(3), Try::Paper(0)],
            sends: 2,
            reaches: &[Reached::RecoveryLogin, Reached::Changed, Reached::Conflict, Reached::Refused],
            ..ENROLLED
        },
    );
}

/// With a broken store some promise must break, or the models above show nothing. Any of `expected` is the trace of the fault.
fn notices(fault: Fault, expected: &[&str], world: World) {
    let world = World { fault: Some(fault), reaches: &[], ..world };
    let checker = world.checker().threads(2).finish_when(HasDiscoveries::AnyFailures).spawn_bfs().join();
    let found: Vec<&str> = checker.discoveries().into_keys().collect();
    eprintln!("{fault:?}: {found:?} after {} states", checker.state_count());
    assert!(found.iter().any(|promise| expected.contains(promise)), "{fault:?} broke {found:?}");
}

#[test]
fn a_store_that_does_not_compare_is_noticed() {
    let expected = ["no code twice", "no token without the second factor", "no step at or below the last"];
    let world = World { doors: &[Door::OneField], tries: &[Try::Step(1)], sends: 2, ..ENROLLED };
    notices(Fault::NoCompare, &expected, world);
}

#[test]
fn an_answer_before_the_commit_is_durable_is_noticed() {
    let world = World { doors: &[Door::OneField], tries: &[Try::Step(1)], sends: 2, crashes: 1, ..ENROLLED };
    notices(Fault::NoFlush, &["no code twice"], world);
}

#[test]
fn counters_in_memory_are_noticed() {
    let world = World { doors: &[Door::OneField], tries: &[Try::Wrong], sends: 1, ..ENROLLED };
    notices(Fault::CountersInMemory, &["a guess is charged before it is answered"], world);
}

#[test]
fn a_recovery_code_that_is_marked_after_the_answer_is_noticed() {
    let world = World { doors: &[Door::OneField], tries: &[Try::Paper(0)], sends: 2, ..ENROLLED };
    notices(Fault::CodeMarkedLater, &["no code twice", "no token without the second factor"], world);
}

#[test]
fn a_login_that_outlives_its_lost_commit_is_noticed() {
    let world = World { doors: &[Door::OneField], tries: &[Try::Step(1)], sends: 2, ..ENROLLED };
    notices(Fault::LoginNotJoined, &["no token without the second factor"], world);
}

#[test]
fn a_session_that_is_not_consumed_with_the_code_is_noticed() {
    let world = World {
        before: &[BEGUN, CONFIRMED, (Door::Password, None, false)],
        doors: &[Door::Finish],
        tries: &[Try::Step(1), Try::Step(2)],
        sends: 2,
        ..ENROLLED
    };
    notices(Fault::SessionNotJoined, &["a session serves one operation once"], world);
}
