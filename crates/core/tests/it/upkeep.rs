//! What the operator does to every account.

use matrix_2fa_core::{
    EventKind, SealedSeed,
    account::{ReserveOutcome, TotpOutcome},
};

use crate::world::{STEP, World};

#[test]
fn r64_sealing_anew_changes_nothing_but_the_seals() {
    let mut world = World::enrolled(2);
    world.fail();
    world.begin().expect("opt-in");
    let before = world.account.clone();
    let fresh = |id: &str| SealedSeed { key_id: "new".to_owned(), nonce: vec![9; 12], ciphertext: id.into() };
    let transition = world.account.reseal(|id, _| Some(fresh(id)));
    assert_eq!((transition.outcome, transition.events.len()), (3, 0), "two confirmed and a pending one");
    let resealed = transition.account.expect("changed");
    assert!(resealed.sealed_seeds().all(|(id, sealed)| *sealed == fresh(id)));

    // Back under the old seals it is the old value, to the last field.
    let old: Vec<_> = before.sealed_seeds().map(|(id, sealed)| (id.to_owned(), sealed.clone())).collect();
    let back = resealed.reseal(|id, _| old.iter().find(|(of, _)| of == id).map(|(_, sealed)| sealed.clone()));
    assert_eq!(back.account, Some(before));
    let untouched = resealed.reseal(|_, _| None);
    assert_eq!((untouched.account, untouched.outcome), (None, 0));
}

#[test]
fn r67_after_a_restore_nothing_works_that_may_have_been_used() {
    let mut world = World::enrolled(1);
    world.begin().expect("opt-in");
    world.fail();
    let throttle = world.account.totp_throttle().clone();
    let transition = world.account.restored(&world.context(), world.now);
    world.commit(transition);
    assert!(world.account.is_enrolled(), "the factor stays");
    assert_eq!(world.account.recovery_remaining(), 0);
    assert_eq!(world.reserve().1, ReserveOutcome::NotEnrolled);
    assert_eq!(world.account.sealed_seeds().count(), 1, "the pending enrollment ended");
    assert_eq!(*world.account.totp_throttle(), throttle, "counters stay");
    assert_eq!(
        world.events.last().map(|event| &event.kind),
        Some(&EventKind::Restored { recovery: true, pending: true })
    );

    // A fast phone may have shown the next step's code before the restore; the one after that nobody has seen.
    let soon = world.now.plus(STEP);
    let (present, next) = (world.code(0), world.code_at(0, soon));
    assert_eq!([world.verify(&present), world.verify(&next)], [TotpOutcome::Replayed, TotpOutcome::Replayed]);
    let again = world.account.restored(&world.context(), world.now);
    assert_eq!((again.account.is_none(), again.events.len()), (true, 0), "twice is once");
    world.wait(2 * STEP);
    let fresh = world.code(0);
    assert_eq!(world.verify(&fresh), TotpOutcome::Verified);
}
