//! Two budgets: what a wrong code costs, what it can never cost.

use std::time::Duration;

use matrix_2fa_core::{
    EventKind, Stage, Timestamp,
    account::{Confirmation, ReserveOutcome, SettleOutcome, TotpOutcome},
    throttle::{Budget, ClientTag, Decision, FORGIVEN, RECOVERY, TOTP, Throttle, WINDOW},
    totp::code_at,
};

use crate::world::{STEP, TOKEN, World, stray_code};

/// How long the account makes everybody wait now.
fn wait_of(world: &World) -> Duration {
    match world.account.totp_throttle().decide(&TOTP, world.now, world.client) {
        Decision::Allow => Duration::ZERO,
        Decision::Wait(until) => until.since(world.now),
    }
}

#[test]
fn r14_five_are_free_then_thirty_seconds_doubling_to_an_hour() {
    let mut world = World::enrolled(1);
    let mut waits = Vec::new();
    for _ in 0..14 {
        assert_eq!(world.fail(), TotpOutcome::Wrong);
        let wait = wait_of(&world);
        waits.push(wait.as_secs());
        world.wait(wait);
    }
    assert_eq!(waits, [0, 0, 0, 0, 30, 60, 120, 240, 480, 960, 1920, 3600, 3600, 3600]);
}

#[test]
fn r14_a_hundred_in_a_row_take_89_hours_and_lock() {
    let mut world = World::enrolled(1);
    let begin = world.now;
    assert_eq!(world.fail_until_locked(), 100);
    assert!(world.now.since(begin) >= Duration::from_secs(89 * 3600), "{:?}", world.now.since(begin));
    assert!(matches!(world.events.last().expect("events").kind, EventKind::Locked { .. }));
}

#[test]
fn r14_locked_is_still_enrolled() {
    let mut world = World::enrolled(1);
    world.fail_until_locked();
    assert!(world.account.is_enrolled());
    assert_eq!(world.account.stages(), [Stage::Totp, Stage::Recovery]);
    let locked = world.account.clone();
    world.wait(WINDOW * 2);
    assert_eq!(world.verify(&world.code(0)), TotpOutcome::Locked, "time does not unlock");
    assert_eq!(world.account, locked, "and nothing is consumed or charged");
    let transition = world.account.unlock(&world.context());
    world.commit(transition);
    assert_eq!(world.verify(&world.code(0)), TotpOutcome::Verified);
}

/// The owner logs in every day; an attacker who knows the password guesses in between. Right codes end the run, not the rolling count.
#[test]
fn r14_a_hundred_in_thirty_days_lock_even_between_right_codes() {
    let mut world = World::enrolled(1);
    let (attacker, owner) = (ClientTag(66), ClientTag(1));
    let mut evaluated = 0;
    for _day in 0..30 {
        world.client = attacker;
        for _ in 0..5 {
            if world.account.is_locked() {
                break;
            }
            assert_eq!(world.fail(), TotpOutcome::Wrong);
            evaluated += 1;
        }
        world.wait(Duration::from_secs(3600));
        world.client = owner;
        let expected = if world.account.is_locked() { TotpOutcome::Locked } else { TotpOutcome::Verified };
        assert_eq!(world.verify(&world.code(0)), expected);
        world.wait(Duration::from_secs(23 * 3600));
    }
    assert_eq!(evaluated, 100);
    assert!(world.account.is_locked());
}

#[test]
fn r13_a_right_code_forgives_only_its_own_client_and_only_two_minutes() {
    let mut world = World::enrolled(1);
    let (attacker, owner) = (ClientTag(66), ClientTag(1));
    world.client = owner;
    world.fail();
    world.wait(FORGIVEN + Duration::from_millis(1));
    world.client = attacker;
    world.fail();
    world.client = owner;
    world.fail();
    world.fail();
    assert_eq!(world.verify(&world.code(0)), TotpOutcome::Verified);
    assert_eq!(world.account.totp_throttle().run(), 0);
    assert_eq!(world.account.totp_throttle().recent(), 2, "the old one and the stranger's stay");
}

/// Everybody behind one proxy would share the forgiveness.
#[test]
fn r13_a_client_without_an_address_is_forgiven_nothing() {
    let mut world = World::enrolled(1);
    world.client = ClientTag::default();
    world.fail();
    assert_eq!(world.verify(&world.code(0)), TotpOutcome::Verified);
    assert_eq!((world.account.totp_throttle().run(), world.account.totp_throttle().recent()), (0, 1));
}

#[test]
fn r13_fails_older_than_thirty_days_age_out() {
    let mut world = World::enrolled(1);
    for _ in 0..4 {
        world.fail();
    }
    world.wait(WINDOW + Duration::from_millis(1));
    world.fail();
    assert_eq!((world.account.totp_throttle().run(), world.account.totp_throttle().recent()), (5, 1));
}

/// Otherwise removing and enrolling again would be a way round the throttle for who has the password and a recovery code.
#[test]
fn r13_removing_and_enrolling_again_keeps_the_counters() {
    let mut world = World::enrolled(1);
    for _ in 0..5 {
        world.fail();
    }
    let before = world.account.totp_throttle().clone();
    let transition = world.account.disable(&world.context(), world.policy);
    world.commit(transition).expect("opt-in");
    assert_eq!(world.account.totp_throttle(), &before);
    let pending = world.begin().expect("opt-in");
    let seed = world.seed(&pending.id);
    let code = matrix_2fa_core::totp::code_at(pending.params, &seed, world.now).expect("default parameters");
    world.confirm_with(&pending.id, &crate::world::TOKEN, Some(&code));
    assert!(world.account.is_enrolled());
    assert_eq!(world.account.totp_throttle(), &before, "a right confirmation clears nothing");
    assert!(matches!(world.fail(), TotpOutcome::Wait(_)));
}

/// Another address is no way round the wait, whether anybody knows it or not.
#[test]
fn r13_the_wait_is_everybodys() {
    let mut world = World::enrolled(1);
    world.client = ClientTag(1);
    for _ in 0..5 {
        assert_eq!(world.fail(), TotpOutcome::Wrong);
    }
    let waiting = world.account.clone();
    for client in [ClientTag(2), ClientTag(0), ClientTag(1)] {
        world.client = client;
        assert!(matches!(world.verify(&world.code(0)), TotpOutcome::Wait(_)), "{client:?}");
        assert_eq!(world.account, waiting);
    }
}

/// Who lost the authenticators to a guesser and confirmed a new one begins anew, also after the first typing error. One that is added to
/// another that works begins with its counters.
#[test]
fn r14_a_new_authenticator_after_a_lock_has_counters_of_its_own() {
    let mut world = World::enrolled(1);
    world.client = ClientTag(66);
    world.fail_until_locked();
    world.client = ClientTag(1);
    assert!(world.recover(&world.recovery_code(0)).is_ok());
    assert_eq!(world.account.totp_throttle().recent(), 100, "a recovery code lowers nothing");
    let pending = world.begin().expect("allowed");
    let wrong = world.wrong_code();
    world.confirm_with(&pending.id, &TOKEN, Some(&wrong));
    assert_eq!(world.account.totp_throttle().recent(), 100, "nor does a wrong confirmation");
    let code = code_at(pending.params, &world.seed(&pending.id), world.now).expect("default parameters");
    assert!(matches!(world.confirm_with(&pending.id, &TOKEN, Some(&code)), Confirmation::Confirmed { .. }));
    world.wait(2 * STEP);
    assert_eq!(world.fail(), TotpOutcome::Wrong);
    assert!(!world.account.is_locked(), "a typing error locks nothing");
    assert_eq!((world.account.totp_throttle().run(), world.account.totp_throttle().recent()), (1, 1));
    assert_eq!(world.verify(&world.code(0)), TotpOutcome::Wrong, "the locked one stays locked");
    assert_eq!(world.verify(&world.code(1)), TotpOutcome::Verified);
    // Two of them now: the next fifty lock, and adding one before that lowers nothing.
    for _ in 0..3 {
        world.fail();
    }
    let before = world.account.totp_throttle().clone();
    world.enroll();
    assert_eq!(world.account.totp_throttle(), &before);
}

#[test]
fn r16_recovery_stays_usable_while_totp_waits_or_is_locked() {
    let mut world = World::enrolled(1);
    for _ in 0..5 {
        world.fail();
    }
    assert!(matches!(world.verify(&world.code(0)), TotpOutcome::Wait(_)));
    assert!(matches!(world.recover(&world.recovery_code(0)), Ok(SettleOutcome::Verified { remaining: 9 })));
    world.fail_until_locked();
    assert!(matches!(world.recover(&world.recovery_code(1)), Ok(SettleOutcome::Verified { remaining: 8 })));
    assert!(world.account.is_locked(), "a recovery login leaves the lock: a new seed is needed");
}

#[test]
fn r16_wrong_recovery_codes_wait_a_minute_at_most_and_never_lock() {
    let mut world = World::enrolled(1);
    let mut longest = Duration::ZERO;
    for _ in 0..500 {
        match world.recover(&stray_code()) {
            Ok(outcome) => assert_eq!(outcome, SettleOutcome::Wrong),
            Err(ReserveOutcome::Wait(until)) => {
                longest = longest.max(until.since(world.now));
                world.now = until;
            }
            Err(other) => unreachable!("{other:?}"),
        }
    }
    assert_eq!(longest, Duration::from_secs(60));
    assert!(!world.account.is_locked());
    assert_eq!(world.verify(&world.code(0)), TotpOutcome::Verified, "nor do they touch the other budget");
    world.wait(Duration::from_secs(60));
    assert!(matches!(world.recover(&world.recovery_code(0)), Ok(SettleOutcome::Verified { .. })));
}

#[test]
fn r17_a_right_code_during_a_wait_is_refused_and_not_consumed() {
    let mut world = World::enrolled(1);
    for _ in 0..5 {
        world.fail();
    }
    let waiting = world.account.clone();
    let code = world.code_at(0, world.now.plus(STEP));
    assert_eq!(world.verify(&code), TotpOutcome::Wait(world.now.plus(Duration::from_secs(30))));
    assert_eq!(world.account, waiting);
    world.wait(Duration::from_secs(30));
    assert_eq!(world.verify(&code), TotpOutcome::Verified);
    assert_eq!(world.account.totp_throttle().run(), 0);
}

#[test]
fn r24_n_authenticators_share_a_hundred_over_n_tries() {
    for (n, expected) in [(1, 100), (2, 50), (3, 33), (7, 14), (10, 10)] {
        let mut world = World::enrolled(n);
        assert_eq!(world.fail_until_locked(), expected, "{n} authenticators");
        assert!(world.account.authenticators().iter().all(|a| a.locked_at.is_some()));
    }
}

#[test]
fn r24_an_authenticator_added_late_lowers_the_limit_at_once() {
    let mut world = World::enrolled(1);
    while world.account.totp_throttle().run() < 60 {
        if let TotpOutcome::Wait(until) = world.fail() {
            world.now = until;
        }
    }
    world.enroll();
    world.wait(Duration::from_secs(3600));
    assert_eq!(world.fail(), TotpOutcome::Wrong);
    assert!(world.account.is_locked(), "61 of 50");
}

/// A clock that was ahead when a code failed, and was then set back, must lock nobody out; but it gives one try only.
#[test]
fn r68_a_clock_set_back_gives_one_try_and_repairs_the_record() {
    let mut world = World::enrolled(1);
    let honest = world.now;
    world.wait(Duration::from_secs(400 * 24 * 3600));
    for _ in 0..6 {
        assert_eq!(world.fail(), TotpOutcome::Wrong);
        world.wait(Duration::from_secs(60));
    }
    world.now = honest;
    assert_eq!(world.fail(), TotpOutcome::Wrong);
    assert_eq!(world.fail(), TotpOutcome::Wait(honest.plus(Duration::from_secs(120))));
    assert_eq!(world.account.totp_throttle().run(), 7, "no fail is forgotten");
}

/// Dated as they are, they would never leave the 30 days.
#[test]
fn r68_fails_from_the_future_age_out_like_others() {
    let mut world = World::enrolled(1);
    let honest = world.now;
    world.wait(Duration::from_secs(400 * 24 * 3600));
    for _ in 0..4 {
        world.fail();
    }
    world.now = honest;
    world.fail();
    assert_eq!(world.account.totp_throttle().recent(), 5, "none is forgotten at once");
    world.wait(WINDOW + Duration::from_millis(1));
    world.fail();
    assert_eq!(world.account.totp_throttle().recent(), 1);
}

#[test]
fn r68_a_clock_set_back_a_little_still_waits() {
    let mut world = World::enrolled(1);
    for _ in 0..5 {
        world.fail();
    }
    let until = world.now.plus(Duration::from_secs(30));
    world.now = world.now.minus(Duration::from_secs(20));
    assert_eq!(world.fail(), TotpOutcome::Wait(until));
}

#[test]
fn r14_the_longest_run_overflows_nothing() {
    let mut throttle = Throttle::default();
    let now = Timestamp::from_millis(u64::MAX - 1);
    for _ in 0..200 {
        let _locks = throttle.charge(&TOTP, now, ClientTag(0), usize::MAX);
        let _locks = throttle.charge(&RECOVERY, Timestamp::from_millis(0), ClientTag(0), 0);
    }
    assert_eq!((throttle.run(), throttle.recent() <= 100), (400, true));
    assert!(matches!(throttle.decide(&TOTP, Timestamp::from_millis(1), ClientTag(1)), Decision::Wait(_)));
}

#[test]
fn r16_a_client_without_wrong_codes_is_not_crowded_out_of_recovery() {
    let mut throttle = Throttle::default();
    let (attacker, owner, unknown) = (ClientTag(66 << 16), ClientTag(1 << 16), ClientTag(0));
    let now = Timestamp::from_millis(1_800_000_000_000);
    for _ in 0..6 {
        assert!(!throttle.charge(&RECOVERY, now, attacker, 1), "recovery never locks");
    }
    assert!(matches!(throttle.decide(&RECOVERY, now, attacker), Decision::Wait(_)));
    assert!(matches!(throttle.decide(&RECOVERY, now, unknown), Decision::Wait(_)), "could be anybody");
    assert_eq!(throttle.decide(&RECOVERY, now, owner), Decision::Allow);
    assert!(!throttle.charge(&RECOVERY, now, owner, 1));
    assert!(
        matches!(throttle.decide(&RECOVERY, now, owner), Decision::Wait(_)),
        "wrong once, and the wait is the owner's too"
    );
    // Many clients together get no more than twenty tries a minute.
    for client in 100..113 {
        assert_eq!(throttle.decide(&RECOVERY, now, ClientTag(client << 16)), Decision::Allow);
        assert!(!throttle.charge(&RECOVERY, now, ClientTag(client << 16), 1));
    }
    assert!(matches!(throttle.decide(&RECOVERY, now, ClientTag(200 << 16)), Decision::Wait(_)));
}

/// RFC 4226 section 6 without a lock: 25 in 30 days and not one more, shared by the authenticators, and nobody is locked for ever.
#[test]
fn r15_without_a_lock_the_window_is_the_bound() {
    const NOW: Timestamp = Timestamp::from_millis(1_800_000_000_000);
    let budget = Budget { lock_at: None, in_window: Some(25), ..TOTP };
    let (mut throttle, mut now) = (Throttle::default(), NOW);
    let client = ClientTag(1);
    for n in 0..25 {
        now = now.plus(budget.max_wait);
        assert_eq!(throttle.decide(&budget, now, client), Decision::Allow, "{n}");
        assert!(!throttle.charge(&budget, now, client, 1), "nothing locks");
        throttle.clear(now, ClientTag(2));
    }
    let until = NOW.plus(budget.max_wait).plus(WINDOW);
    assert_eq!(
        throttle.decide(&budget, now, client),
        Decision::Wait(until),
        "a right code lowers no count of the window"
    );
    assert_eq!(throttle.decide(&budget, until, client), Decision::Allow);
    // Two authenticators: half of it each.
    let (shared, mut throttle) = (budget.shared_by(2), Throttle::default());
    for _ in 0..12 {
        let _never = throttle.charge(&shared, NOW, client, 2);
        throttle.clear(NOW, ClientTag(2));
    }
    assert_eq!(throttle.decide(&shared, NOW, client), Decision::Wait(NOW.plus(WINDOW)));
    // Counted while the clock was ahead: after its correction one try is let through, which dates them anew.
    let past = NOW.minus(WINDOW);
    assert_eq!(throttle.decide(&shared, past, client), Decision::Allow);
    let _never = throttle.charge(&shared, past, client, 2);
    assert_eq!(throttle.decide(&shared, past.plus(budget.max_wait), client), Decision::Wait(past.plus(WINDOW)));
}

/// Every bound stands where it is written: one millisecond decides.
#[test]
fn r13_r14_the_bounds_of_the_ledger_are_exact() {
    assert_eq!(WINDOW, Duration::from_secs(2_592_000));
    let (ms, one, other) = (Duration::from_millis(1), ClientTag(1), ClientTag(2));
    let begin = Timestamp::from_millis(10_000_000_000);
    let failed = |times: usize| {
        let mut throttle = Throttle::default();
        for _ in 0..times {
            assert!(!throttle.charge(&TOTP, begin, one, 1));
        }
        throttle
    };

    // Forgiven up to two minutes after it, and not later.
    for (after, left) in [(FORGIVEN, 0), (FORGIVEN + ms, 1)] {
        let mut throttle = failed(1);
        assert_eq!(throttle.failed_at(), Some(begin));
        throttle.clear(begin.plus(after), one);
        assert_eq!((throttle.recent(), throttle.failed_at()), (left, None), "{after:?}");
    }
    // Remembered for thirty days.
    for (after, left) in [(WINDOW - ms, 1), (WINDOW, 0)] {
        let mut throttle = failed(1);
        throttle.clear(begin.plus(after), other);
        assert_eq!(throttle.recent(), left, "{after:?}");
    }
    // A clock that was set back by more than the whole wait lets one try through.
    let wait = Duration::from_secs(30);
    for (back, allowed) in [(wait, false), (wait + ms, true)] {
        let decision = failed(5).decide(&TOTP, begin.minus(back), one);
        assert_eq!(decision == Decision::Allow, allowed, "{back:?}");
    }
}

#[test]
fn r16_the_bounds_of_who_is_new_to_recovery_are_exact() {
    let begin = Timestamp::from_millis(10_000_000_000);
    let (ms, one, other) = (Duration::from_millis(1), ClientTag(1 << 16), ClientTag(2 << 16));
    let waits = Budget { newcomers: 2, free: 1, first_wait: WINDOW, max_wait: WINDOW, ..RECOVERY };
    let admits = |throttle: &Throttle, after: Duration, client| {
        throttle.decide(&waits, begin.plus(after), client) == Decision::Allow
    };
    // Its own wrong code keeps a client waiting for an hour.
    let mut throttle = Throttle::default();
    assert!(!throttle.charge(&waits, begin, one, 1));
    let hour = Duration::from_secs(3600);
    for (after, admitted) in [(hour / 2, false), (hour - ms, false), (hour, true)] {
        assert_eq!(admits(&throttle, after, one), admitted, "{after:?}");
    }
    // Others come in between, as long as there were not too many in the last minute.
    assert!(!throttle.charge(&waits, begin, ClientTag(3 << 16), 1));
    let minute = Duration::from_secs(60);
    for (after, admitted) in [(minute - ms, false), (minute, true)] {
        assert_eq!(admits(&throttle, after, other), admitted, "{after:?}");
    }
    assert!(!admits(&throttle, minute, ClientTag::default()), "nobody in particular is nobody new");
}

#[test]
fn r24_the_bound_of_a_window_is_shared_too() {
    let window = Budget { in_window: Some(25), lock_at: None, ..TOTP };
    let shares = [0, 1, 2, 3, 100].map(|authenticators| window.shared_by(authenticators).in_window);
    assert_eq!(shares, [Some(25), Some(25), Some(12), Some(8), Some(1)]);
}

/// Sixty-five clients in turn were forgotten one after the other, took every place for newcomers for ever, and the owner had none.
#[test]
fn r16_sixty_five_clients_in_turn_are_no_newcomers_again() {
    let begin = Timestamp::from_millis(10_000_000_000);
    let mut throttle = Throttle::default();
    for _ in 0..6 {
        assert!(!throttle.charge(&RECOVERY, begin, ClientTag(1 << 16), 1));
    }
    let client = |n: u32| ClientTag((n % 65 + 2) << 16);
    let (mut evaluated, mut now, owner) = (0, begin, ClientTag(1000 << 16));
    for step in 0..200 {
        now = begin.plus(Duration::from_secs(3) * step);
        if throttle.decide(&RECOVERY, now, client(step)) == Decision::Allow {
            assert!(!throttle.charge(&RECOVERY, now, client(step), 1));
            evaluated += 1;
        }
        if step > 90 {
            assert_eq!(throttle.decide(&RECOVERY, now, owner), Decision::Allow, "after {} seconds", 3 * step);
        }
    }
    assert!(evaluated <= 65 + 10, "each once, and one whenever the wait was over: {evaluated}");
    assert!(!throttle.charge(&RECOVERY, now, client(0), 1));
    assert!((0..65).all(|n| matches!(throttle.decide(&RECOVERY, now, client(n)), Decision::Wait(_))));
    assert_eq!(throttle.decide(&RECOVERY, now, owner), Decision::Allow);
    // All of one network are one.
    assert!(matches!(throttle.decide(&RECOVERY, now, ClientTag((2 << 16) + 7)), Decision::Wait(_)));
}
