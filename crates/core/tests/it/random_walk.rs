//! Random sequences of everything that can happen to an account, under a clock that also jumps, watched by a model that shares no code
//! with the account: it keeps only what the world saw (which steps and codes were accepted, how often somebody was wrong).

mod model;

use std::time::Duration;

use matrix_2fa_core::{
    Account, EventKind, Policy, Stage, Timestamp,
    recovery::CODES,
    throttle::{Decision, RECOVERY, TOTP},
};
use model::Model;
use proptest::prelude::*;

use crate::world::World;

/// One thing that happens.
#[derive(Clone, Debug)]
enum Act {
    Wait(u64),
    JumpBack(u64),
    JumpAhead(u64),
    Client(u32),
    Policy(Policy),
    /// The code that the phone of authenticator `place` shows this many steps from now.
    Code {
        place: usize,
        offset: i64,
    },
    WrongCode,
    WrongCodes(u8),
    NoCode,
    Recover(usize),
    RecoverWrong,
    /// The process dies between reservation and hash.
    ReserveAndDie,
    ReserveAndAbandon,
    /// `twin`: with the seed of the first authenticator, as if random numbers had failed.
    Begin {
        twin: bool,
    },
    Confirm {
        right: bool,
        token: bool,
    },
    Remove(usize),
    Disable,
    DropRecovery,
    Regenerate,
    Unlock,
    Reset,
}

fn act() -> impl Strategy<Value = Act> {
    const MINUTE: u64 = 60_000;
    const HOUR: u64 = 60 * MINUTE;
    prop_oneof![
        20 => (0..3 * MINUTE).prop_map(Act::Wait),
        6 => (0..2 * HOUR).prop_map(Act::Wait),
        5 => (0..10 * MINUTE).prop_map(Act::JumpBack),
        1 => (0..40 * 24 * HOUR).prop_map(Act::JumpBack),
        1 => (0..40 * 24 * HOUR).prop_map(Act::JumpAhead),
        4 => (0..3u32).prop_map(Act::Client),
        3 => prop::sample::select(vec![Policy::Disallowed, Policy::OptIn, Policy::Required]).prop_map(Act::Policy),
        40 => (0..4usize, -3..=3i64).prop_map(|(place, offset)| Act::Code { place, offset }),
        12 => Just(Act::WrongCode),
        2 => (1..40u8).prop_map(Act::WrongCodes),
        2 => Just(Act::NoCode),
        10 => (0..CODES).prop_map(Act::Recover),
        4 => Just(Act::RecoverWrong),
        2 => Just(Act::ReserveAndDie),
        2 => Just(Act::ReserveAndAbandon),
        8 => prop::bool::weighted(0.3).prop_map(|twin| Act::Begin { twin }),
        12 => (prop::bool::weighted(0.7), prop::bool::weighted(0.9)).prop_map(|(right, token)| Act::Confirm { right, token }),
        2 => (0..4usize).prop_map(Act::Remove),
        1 => Just(Act::Disable),
        1 => Just(Act::DropRecovery),
        2 => Just(Act::Regenerate),
        1 => Just(Act::Unlock),
        1 => Just(Act::Reset),
    ]
}

/// What holds between any two values, whatever happened.
fn always(before: &Account, world: &World, act: &Act) {
    let account = &world.account;
    assert_eq!(account.is_enrolled(), !account.authenticators().is_empty());
    assert_eq!(account.stages().first(), account.is_enrolled().then_some(&Stage::Totp), "locked or not");
    assert_eq!(account.stages().contains(&Stage::Recovery), account.is_enrolled() && account.recovery_remaining() > 0);
    assert!(account.is_enrolled() || account.recovery().is_none(), "no recovery code outlives the last factor");
    assert!(account.recovery_remaining() <= CODES && account.totp_throttle().recent() <= 100);
    for new in account.authenticators() {
        let Some(old) = before.authenticators().iter().find(|old| old.id == new.id) else { continue };
        assert!(new.last_step >= old.last_step, "a spent step came back");
        assert!(old.locked_at.is_none() || new.locked_at.is_some() || matches!(act, Act::Unlock));
        assert_eq!((&new.seed, new.params, new.created_at), (&old.seed, old.params, old.created_at));
    }
    let administrative = matches!(act, Act::Unlock | Act::Reset);
    let fell = |old: u32, new: u32| new < old;
    if fell(before.totp_throttle().run(), account.totp_throttle().run()) {
        let verified = world
            .events
            .last()
            .is_some_and(|event| matches!(event.kind, EventKind::FactorVerified { stage: Stage::Totp, .. }));
        // Or a new authenticator took the place of locked ones, by a right code of its own.
        let rebound =
            world.events.last().is_some_and(|event| matches!(event.kind, EventKind::EnrollmentConfirmed { .. }));
        let rebound = before.is_locked() && matches!(act, Act::Confirm { .. }) && rebound;
        assert!(administrative || rebound || matches!(act, Act::Code { .. }) && verified, "the run fell by {act:?}");
    }
    if fell(before.recovery_throttle().run(), account.recovery_throttle().run()) {
        let used = world.events.last().is_some_and(|event| matches!(event.kind, EventKind::RecoveryCodeUsed { .. }));
        assert!(administrative || matches!(act, Act::Recover(_)) && used, "the run fell by {act:?}");
    }
    // However the clock jumped: nobody waits longer than the last wait, counted from the last fail, and never for ever.
    for (throttle, budget) in [(account.totp_throttle(), &TOTP), (account.recovery_throttle(), &RECOVERY)] {
        if let Decision::Wait(until) = throttle.decide(budget, world.now, world.client) {
            assert!(until.since(world.now) <= 2 * budget.max_wait);
            assert_eq!(throttle.decide(budget, until, world.client), Decision::Allow);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 192, max_shrink_iters: 4_000, ..ProptestConfig::default() })]

    /// R2, R7, R11, R13, R14, R16, R17, R24, R25, R31, R36 and R38 at once, for any history.
    #[test]
    fn r02_r07_r13_r14_r17_r31_r36_hold_for_any_history_and_clock(
        start in prop_oneof![9 => Just(crate::world::START), 1 => (0..200_000u64).prop_map(Timestamp::from_millis)],
        enrolled in 0..4usize,
        acts in prop::collection::vec(act(), 1..160),
    ) {
        let mut world = World::new();
        world.now = start;
        let mut model = Model::default();
        for _ in 0..enrolled {
            model.begin(&mut world, false);
            model.confirm(&mut world, true, true);
            world.wait(Duration::from_secs(60));
        }
        for act in &acts {
            let before = world.account.clone();
            model.play(&mut world, act);
            always(&before, &world, act);
        }
        let stored = serde_json::to_value(&world.account).expect("serialisable");
        prop_assert_eq!(serde_json::from_value::<Account>(stored).expect("readable"), world.account);
    }
}
