//! One use of a code, and the window in which it counts.

use std::time::Duration;

use matrix_2fa_core::{EventKind, Seed, TimeStep, Timestamp, TotpCode, account::TotpOutcome, totp::matching_step};

use crate::world::{STEP, World, plain};

#[test]
fn r02_a_step_and_every_earlier_one_is_spent() {
    let mut world = World::enrolled(1);
    let now = world.now;
    assert_eq!(world.verify(&world.code(0)), TotpOutcome::Verified);
    assert_eq!(world.verify(&world.code(0)), TotpOutcome::Replayed);
    assert_eq!(world.verify(&world.code_at(0, now.minus(STEP))), TotpOutcome::Replayed);
    assert_eq!(world.verify(&world.code_at(0, now.plus(STEP))), TotpOutcome::Verified);
    assert_eq!(world.verify(&world.code(0)), TotpOutcome::Replayed, "no see-saw between T+1 and T");
}

/// A phone that runs a step fast: a ledger that keeps the time of use instead of the step takes its code twice.
#[test]
fn r02_a_code_from_a_fast_phone_works_once() {
    let mut world = World::enrolled(1);
    let code = world.code_at(0, world.now.plus(STEP));
    assert_eq!(world.verify(&code), TotpOutcome::Verified);
    for _ in 0..5 {
        world.wait(STEP / 2);
        assert_ne!(world.verify(&code), TotpOutcome::Verified);
    }
}

/// Two neighbouring steps can share a code. Storing the lower one would leave the higher one to be replayed.
#[test]
fn r02_when_two_steps_share_a_code_the_higher_one_is_stored() {
    let (seed, step, twin) = (0..u64::MAX)
        .find_map(|n| {
            let seed = Seed::from_bytes(n.to_be_bytes().repeat(3)[..20].to_vec());
            (1..4_000).find_map(|step| {
                let code = plain(&seed, step)?;
                (Some(&code) == plain(&seed, step + 1).as_ref()).then(|| (seed.clone(), step, code))
            })
        })
        .expect("about two in a million");
    let now = Timestamp::from_millis(step * 30_000);
    let code = TotpCode::parse(&twin).expect("a code");
    assert_eq!(matching_step(matrix_2fa_core::Params::default(), &seed, &code, now), Some(TimeStep(step + 1)));
}

#[test]
fn r06_spellings_of_one_code_are_one_code() {
    let mut world = World::enrolled(1);
    let step = world.now.as_secs() / 30;
    let digits = plain(&world.seed(&world.id(0)), step).expect("a code");
    let spaced = format!(" {} {}\n", &digits[..3], &digits[3..]);
    assert_eq!(world.verify(&TotpCode::parse(&spaced).expect("readable")), TotpOutcome::Verified);
    for again in [digits.clone(), format!("{}-{}", &digits[..2], &digits[2..]), spaced] {
        assert_eq!(world.verify(&TotpCode::parse(&again).expect("readable")), TotpOutcome::Replayed, "{again:?}");
    }
}

#[test]
fn r06_input_of_another_shape_is_wrong_and_never_evaluated() {
    let mut world = World::enrolled(1);
    let before = world.account.clone();
    for typed in ["", "1", "12345", "1234567", "12345678", "+12345", "\u{ff11}23456", "0000-0000-0000-0000"] {
        assert_eq!(world.verify_raw(TotpCode::parse(typed).as_ref()), TotpOutcome::Wrong, "{typed:?}");
    }
    assert_eq!(world.account, before, "nothing is charged, nothing is written");
}

#[test]
fn r11_a_replay_is_audited_once_and_never_charged() {
    let mut world = World::enrolled(1);
    let code = world.code(0);
    assert_eq!(world.verify(&code), TotpOutcome::Verified);
    let audited = |world: &World| {
        world.events.iter().filter(|event| matches!(event.kind, EventKind::FactorReplayed { .. })).count()
    };
    for _ in 0..50 {
        assert_eq!(world.verify(&code), TotpOutcome::Replayed);
    }
    assert_eq!(audited(&world), 1);
    assert_eq!((world.account.totp_throttle().run(), world.account.totp_throttle().recent()), (0, 0));
    let next = world.code_at(0, world.now.plus(STEP));
    assert_eq!(world.verify(&next), TotpOutcome::Verified);
    assert_eq!(world.verify(&next), TotpOutcome::Replayed);
    assert_eq!(audited(&world), 2, "another step is another line");
}

#[test]
fn r34_a_code_counts_from_30_seconds_before_its_step_to_59_seconds_after_its_begin() {
    let world = World::enrolled(1);
    let step = world.now.as_secs() / 30;
    let begin = Timestamp::from_millis(step * 30_000);
    let code = world.code_at(0, begin);
    let accepted = |at: Timestamp| {
        let mut world = world.clone();
        world.now = at;
        world.verify(&code) == TotpOutcome::Verified
    };
    let ms = Duration::from_millis;
    assert!(!accepted(begin.minus(ms(30_001))));
    assert!(accepted(begin.minus(ms(30_000))));
    assert!(accepted(begin));
    assert!(accepted(begin.plus(ms(59_999))));
    assert!(!accepted(begin.plus(ms(60_000))));
    let seconds = (-300i64..300).filter(|s| accepted(Timestamp::from_millis((step * 30).strict_add_signed(*s) * 1000)));
    assert_eq!(seconds.collect::<Vec<_>>(), (-30..60).collect::<Vec<_>>());
}

#[test]
fn r34_the_window_does_not_reach_before_the_epoch() {
    let seed = Seed::from_bytes(vec![1; 20]);
    let code = TotpCode::parse(&plain(&seed, 0).expect("a code")).expect("six digits");
    let at = |ms| matching_step(matrix_2fa_core::Params::default(), &seed, &code, Timestamp::from_millis(ms));
    assert_eq!((at(0), at(59_999), at(60_000)), (Some(TimeStep(0)), Some(TimeStep(0)), None));
    assert_eq!(at(u64::MAX), None, "the end of time is no crash");
}

#[test]
fn a_code_that_matches_several_authenticators_burns_every_one() {
    let mut world = World::new();
    let seed = Seed::from_bytes(vec![3; 20]);
    world.enroll_with_seed(seed.clone());
    world.enroll_with_seed(seed);
    let code = world.code(0);
    assert_eq!(world.verify(&code), TotpOutcome::Verified);
    let step = TimeStep(world.now.as_secs() / 30);
    assert!(world.account.authenticators().iter().all(|a| a.last_step == step && a.last_used_at == Some(world.now)));
    assert_eq!(world.verify(&code), TotpOutcome::Replayed);
}

/// A seed that cannot be opened (a lost key) may not read as "no factor".
#[test]
fn an_authenticator_whose_seed_is_missing_accepts_nothing() {
    let mut world = World::enrolled(1);
    let code = world.code(0);
    let transition = world.account.verify_totp(&world.context(), Some(&code), &[]);
    assert_eq!(world.commit(transition), TotpOutcome::Wrong);
    assert!(world.account.is_enrolled());
}
