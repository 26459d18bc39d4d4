//! A new authenticator changes nothing until a right code confirms it.

use std::time::Duration;

use matrix_2fa_core::{
    Policy, Seed, TimeStep,
    account::{BeginRefused, Confirmation, TotpOutcome},
    totp::code_at,
};

use crate::world::{TOKEN, World};

const TEN_MINUTES: Duration = Duration::from_secs(600);

fn code_of(world: &World, id: &str) -> matrix_2fa_core::TotpCode {
    code_at(matrix_2fa_core::Params::default(), &world.seed(id), world.now).expect("default parameters")
}

#[test]
fn r03_the_code_that_confirmed_cannot_log_in() {
    let mut world = World::new();
    let pending = world.begin().expect("opt-in");
    let code = code_of(&world, &pending.id);
    assert!(matches!(
        world.confirm_with(&pending.id, &TOKEN, Some(&code)),
        Confirmation::Confirmed { first: true, .. }
    ));
    assert_eq!(world.verify(&code), TotpOutcome::Replayed);
}

#[test]
fn r25_a_pending_authenticator_changes_nothing_at_login() {
    let mut world = World::new();
    let pending = world.begin().expect("opt-in");
    assert!(!world.account.is_enrolled());
    assert!(world.account.stages().is_empty());
    assert_eq!(world.verify(&code_of(&world, &pending.id)), TotpOutcome::NotEnrolled);
    assert_eq!((world.account.enabled_at(), world.account.changed_at()), (None, None));
    let enabled = world.now;
    let code = code_of(&world, &pending.id);
    assert!(matches!(
        world.confirm_with(&pending.id, &TOKEN, Some(&code)),
        Confirmation::Confirmed { first: true, .. }
    ));
    assert_eq!((world.account.enabled_at(), world.account.changed_at()), (Some(enabled), Some(enabled)));
    world.wait(TEN_MINUTES);
    let changed = world.now;
    world.enroll();
    assert_eq!(world.account.changed_at(), Some(changed), "what was proved before it proves nothing any more");
    assert_eq!(world.account.enabled_at(), Some(enabled));
}

#[test]
fn r25_a_pending_authenticator_dies_after_ten_minutes() {
    for (age, alive) in [(TEN_MINUTES - Duration::from_millis(1), true), (TEN_MINUTES, false)] {
        let mut world = World::new();
        let pending = world.begin().expect("opt-in");
        assert_eq!(pending.expires_at, world.now.plus(TEN_MINUTES));
        world.wait(age);
        let code = code_of(&world, &pending.id);
        let confirmed = matches!(world.confirm_with(&pending.id, &TOKEN, Some(&code)), Confirmation::Confirmed { .. });
        assert_eq!((confirmed, world.account.is_enrolled()), (alive, alive), "{age:?}");
    }
}

#[test]
fn r25_five_wrong_confirmations_discard_it_and_cost_the_account_nothing() {
    let mut world = World::enrolled(1);
    let pending = world.begin().expect("opt-in");
    for n in 1..=5 {
        let wrong = world.wrong_code();
        let typed = (n != 3).then_some(&wrong); // the third one is not even a code
        assert_eq!(world.confirm_with(&pending.id, &TOKEN, typed), Confirmation::Wrong { discarded: n == 5 });
    }
    let code = code_of(&world, &pending.id);
    assert_eq!(world.confirm_with(&pending.id, &TOKEN, Some(&code)), Confirmation::Unknown);
    assert_eq!(world.account.totp_throttle().run(), 0, "a budget of its own");
    assert_eq!(world.verify(&world.code(0)), TotpOutcome::Verified);
}

#[test]
fn r25_only_the_token_that_began_can_confirm() {
    let mut world = World::new();
    let pending = world.begin().expect("opt-in");
    let code = code_of(&world, &pending.id);
    assert_eq!(world.confirm_with(&pending.id, &[8; 32], Some(&code)), Confirmation::Unknown);
    assert_eq!(world.account.pending(world.now).map(|p| p.fails), Some(0), "a stranger cannot use up its tries");
    assert!(matches!(world.confirm_with(&pending.id, &TOKEN, Some(&code)), Confirmation::Confirmed { .. }));
    assert_eq!(world.confirm_with(&pending.id, &TOKEN, Some(&code)), Confirmation::Unknown, "once");
}

#[test]
fn r26_a_seed_is_160_bit_and_32_characters_of_base32() {
    let seed = Seed::from_bytes((0..20).collect());
    let text = seed.to_base32();
    assert_eq!(text, "AAAQEAYEAUDAOCAJBIFQYDIOB4IBCEQT");
    assert_eq!(Seed::LEN * 8, 160);
}

#[test]
fn r31_a_new_enrollment_never_weakens_the_active_one() {
    let mut world = World::enrolled(1);
    let before = world.account.clone();
    let first = world.begin().expect("opt-in");
    let second = world.begin().expect("opt-in");
    assert_eq!(world.account.authenticators(), before.authenticators());
    assert_eq!(world.account.recovery(), before.recovery());
    assert_eq!(world.account.stages(), before.stages());
    assert_eq!(world.account.totp_throttle(), before.totp_throttle());
    assert_eq!(world.verify(&code_of(&world, &second.id)), TotpOutcome::Wrong, "a pending seed opens nothing");
    assert_eq!(world.verify(&world.code(0)), TotpOutcome::Verified);
    let code = code_of(&world, &first.id);
    assert_eq!(world.confirm_with(&first.id, &TOKEN, Some(&code)), Confirmation::Unknown, "the second replaced it");
    let code = code_of(&world, &second.id);
    assert!(matches!(
        world.confirm_with(&second.id, &TOKEN, Some(&code)),
        Confirmation::Confirmed { first: false, .. }
    ));
    assert_eq!(world.account.recovery(), before.recovery(), "codes come with the first factor only");
    assert!(world.account.authenticators()[0].last_step > TimeStep(0));
}

#[test]
fn enrollment_is_bounded_and_obeys_the_policy() {
    let mut world = World::enrolled(10);
    assert_eq!(world.begin(), Err(BeginRefused::TooMany));
    let mut world = World::new();
    world.policy = Policy::Disallowed;
    assert_eq!(world.begin(), Err(BeginRefused::Disallowed));
    assert_eq!(world.account, matrix_2fa_core::Account::default());
}
