//! Recovery codes: spent once, charged before they are hashed.

use std::{collections::HashSet, time::Duration};

use matrix_2fa_core::{
    EventKind, RecoveryCode, Stage,
    account::{ReserveOutcome, SettleOutcome},
    recovery::{CODE_BYTES, CODE_CHARS, CODES},
};
use proptest::prelude::*;

use crate::world::{World, stray_code};

#[test]
fn r07_a_recovery_code_works_once() {
    let mut world = World::enrolled(1);
    for place in 0..CODES {
        let code = world.recovery_code(place);
        assert_eq!(world.recover(&code), Ok(SettleOutcome::Verified { remaining: CODES - 1 - place }));
        if place + 1 < CODES {
            assert_eq!(world.recover(&code), Ok(SettleOutcome::Replayed));
        }
    }
    assert_eq!(world.account.stages(), [Stage::Totp], "no codes left: the stage is gone, the factor stays");
    assert_eq!(world.reserve().1, ReserveOutcome::NotEnrolled);
}

#[test]
fn r09_another_sets_code_does_not_work() {
    let mut alice = World::enrolled(1);
    let mut bob = World::enrolled(1);
    let set = { bob.new_set() };
    let transition = bob.account.regenerate(&bob.context(), set);
    bob.commit(transition).expect("enrolled");
    assert_eq!(alice.recover(&bob.recovery_code(0)), Ok(SettleOutcome::Wrong));
    assert_eq!(alice.account.recovery_remaining(), CODES);
}

#[test]
fn r40_a_set_is_ten_codes_of_80_bit() {
    assert_eq!((CODES, CODE_BYTES * 8, CODE_CHARS), (10, 80, 16));
    let world = World::enrolled(1);
    assert_eq!(world.account.recovery_remaining(), 10);
}

proptest! {
    #[test]
    fn r40_spelling_and_reading_agree(bytes in any::<[u8; CODE_BYTES]>(), upper in any::<bool>(), hyphens in any::<u16>()) {
        let code = RecoveryCode::from_random(bytes);
        let shown = code.to_grouped();
        prop_assert_eq!(shown.len(), 19);
        prop_assert!(!shown.contains(['I', 'L', 'O', 'U']));
        let mut typed = String::new();
        for (i, c) in shown.replace('-', "").chars().enumerate() {
            if hyphens & (1 << i) != 0 {
                typed.push(if i % 2 == 0 { '-' } else { ' ' });
            }
            typed.push(if upper { c } else { c.to_ascii_lowercase() });
        }
        let read = RecoveryCode::parse(&typed).expect("readable");
        prop_assert_eq!(read.expose(), code.expose());
    }

    #[test]
    fn r40_whatever_is_typed_is_a_canonical_code_or_nothing(typed in ".{0,40}") {
        if let Some(code) = RecoveryCode::parse(&typed) {
            let canonical: String = typed
                .chars()
                .filter(|c| !matches!(c, '-' | ' ' | '\t' | '\r' | '\n'))
                .map(|c| match c.to_ascii_uppercase() { 'O' => '0', 'I' | 'L' => '1', c => c })
                .collect();
            prop_assert_eq!(code.expose(), canonical.as_bytes());
        }
    }
}

#[test]
fn r40_different_bytes_are_different_codes() {
    let codes: HashSet<_> = (0..=u8::MAX).map(|n| RecoveryCode::from_random([n; CODE_BYTES]).to_grouped()).collect();
    assert_eq!(codes.len(), 256);
}

#[test]
fn r42_one_try_is_in_flight_and_it_is_charged_before_the_hash() {
    let mut world = World::enrolled(1);
    let (id, reserved) = world.reserve();
    assert_eq!(reserved, ReserveOutcome::Reserved);
    assert_eq!(world.account.recovery_throttle().run(), 1, "a process that dies now has paid");
    assert!(matches!(world.reserve().1, ReserveOutcome::Wait(_)));
    let salt = world.salt();
    assert_eq!(world.settle(id, &salt, &stray_code()), SettleOutcome::Wrong);
    assert_eq!(world.account.recovery_throttle().run(), 1, "charged once");
    assert_eq!(world.reserve().1, ReserveOutcome::Reserved);
}

#[test]
fn r42_a_reservation_of_a_dead_process_blocks_ten_seconds_only_and_keeps_its_charge() {
    let mut world = World::enrolled(1);
    let (dead, _) = world.reserve();
    let ReserveOutcome::Wait(until) = world.reserve().1 else { unreachable!("one is in flight") };
    assert_eq!(until.since(world.now), Duration::from_secs(10));
    world.now = until;
    let (id, reserved) = world.reserve();
    assert_eq!(reserved, ReserveOutcome::Reserved);
    assert_eq!(world.account.recovery_throttle().run(), 2);
    let salt = world.salt();
    let code = world.recovery_code(0);
    assert_eq!(world.settle(dead, &salt, &code), SettleOutcome::Stale, "the late one decides nothing");
    assert!(matches!(world.settle(id, &salt, &code), SettleOutcome::Verified { .. }));
}

#[test]
fn r42_a_hash_that_could_not_be_made_costs_nothing() {
    let mut world = World::enrolled(1);
    let (id, _) = world.reserve();
    let transition = world.account.abandon_recovery(id + 1);
    world.commit(transition);
    assert_eq!(world.account.recovery_throttle().run(), 1, "nobody else's");
    let transition = world.account.abandon_recovery(id);
    world.commit(transition);
    assert_eq!(world.account.recovery_throttle().run(), 0);
    assert_eq!(world.reserve().1, ReserveOutcome::Reserved);
}

#[test]
fn r43_regeneration_replaces_the_whole_set_at_once() {
    let mut world = World::enrolled(1);
    let old: Vec<_> = (0..CODES).map(|place| world.recovery_code(place)).collect();
    let old_salt = world.salt();
    let (in_flight, _) = world.reserve();
    let set = world.new_set();
    let transition = world.account.regenerate(&world.context(), set);
    world.commit(transition).expect("enrolled");
    assert_eq!(world.settle(in_flight, &old_salt, &old[0]), SettleOutcome::Stale, "hashed against a dead set");
    assert_eq!(world.recover(&old[1]), Ok(SettleOutcome::Wrong));
    assert_eq!(world.account.recovery_remaining(), CODES);
    let fresh = world.recovery_code(0);
    assert_eq!(world.recover(&fresh), Ok(SettleOutcome::Verified { remaining: CODES - 1 }));
}

#[test]
fn r44_every_use_is_audited_with_what_is_left() {
    let mut world = World::enrolled(1);
    world.recover(&world.recovery_code(4)).expect("free");
    assert!(world.events.iter().any(|e| e.kind == EventKind::RecoveryCodeUsed { remaining: 9 }));
}

#[test]
fn r11_a_spent_recovery_code_is_audited_as_a_replay() {
    let mut world = World::enrolled(1);
    let code = world.recovery_code(0);
    world.recover(&code).expect("free");
    assert_eq!(world.recover(&code), Ok(SettleOutcome::Replayed));
    let last = &world.events.last().expect("events").kind;
    assert!(matches!(last, EventKind::FactorReplayed { stage: Stage::Recovery, .. }), "{last:?}");
    assert_eq!(world.account.recovery_throttle().run(), 1, "it cost a hash, so it is charged");
}
