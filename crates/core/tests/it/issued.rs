//! Codes that an administrator issued.

use std::time::Duration;

use matrix_2fa_core::{
    EventKind, Policy, Stage, Timestamp,
    account::{ChangeRefused, IssuedOutcome, ReserveOutcome, SettleOutcome},
    issued::{Issued, LONGEST},
    secret::RecoveryDigest,
};

use crate::world::{World, stray_code};

const RIGHT: [u8; 32] = [1; 32];
const WRONG: [u8; 32] = [2; 32];

impl World {
    fn issue(&mut self, lifetime: Duration) -> Result<(), ChangeRefused> {
        let (at, digest) = (self.now, RecoveryDigest::from_bytes(RIGHT));
        let issued = Issued { digest, author: "root".to_owned(), at, expires_at: at.plus(lifetime) };
        let transition = self.account.issue_code(&self.context(), issued);
        self.commit(transition)
    }

    fn types(&mut self, digest: [u8; 32]) -> IssuedOutcome {
        let transition = self.account.verify_issued(&self.context(), &RecoveryDigest::from_bytes(digest));
        self.commit(transition)
    }
}

#[test]
fn r47_an_issued_code_works_once_and_is_audited() {
    let mut world = World::enrolled(1);
    world.issue(LONGEST).expect("enrolled");
    assert_eq!(world.types(RIGHT), IssuedOutcome::Verified);
    assert_eq!(world.types(RIGHT), IssuedOutcome::Wrong, "spent");
    let kinds: Vec<&EventKind> = world.events.iter().map(|event| &event.kind).collect();
    assert!(kinds.iter().any(|kind| matches!(kind, EventKind::CodeIssued { author, .. } if author == "root")));
    assert!(kinds.contains(&&EventKind::IssuedCodeUsed));
    assert_eq!(world.account.recovery_throttle().run(), 1, "the spent one is charged");
}

#[test]
fn r47_an_issued_code_dies_after_a_day_at_most_also_if_the_clock_is_set_back() {
    let mut world = World::enrolled(1);
    world.issue(LONGEST).expect("enrolled");
    world.wait(LONGEST);
    assert_eq!(world.types(RIGHT), IssuedOutcome::Wrong);
    world.issue(LONGEST).expect("enrolled");
    world.now = Timestamp::from_millis(world.now.as_millis() - 1000 * 60 * 60);
    assert_eq!(world.types(RIGHT), IssuedOutcome::Wrong, "further than a day away");
}

#[test]
fn r47_issued_codes_have_the_budget_of_the_recovery_codes() {
    let mut world = World::enrolled(1);
    world.fail_until_locked();
    world.issue(LONGEST).expect("locked is enrolled");
    world.client = matrix_2fa_core::throttle::ClientTag(9);
    for _ in 0..5 {
        assert_eq!(world.types(WRONG), IssuedOutcome::Wrong);
    }
    let waits = world.types(RIGHT);
    assert!(
        matches!(waits, IssuedOutcome::Wait(until) if until <= world.now.plus(Duration::from_secs(60))),
        "{waits:?}"
    );
    world.wait(Duration::from_secs(60));
    assert_eq!(world.types(RIGHT), IssuedOutcome::Verified, "it was not used, and never locks");
    assert!(world.account.is_locked(), "and lifts no lock");
}

/// Both kinds together, in either order.
#[test]
fn r16_recovery_codes_and_issued_codes_share_one_budget() {
    let mut world = World::enrolled(1);
    world.issue(LONGEST).expect("enrolled");
    for _ in 0..3 {
        assert_eq!(world.recover(&stray_code()), Ok(SettleOutcome::Wrong));
    }
    assert_eq!(world.types(WRONG), IssuedOutcome::Wrong);
    assert_eq!(world.types(WRONG), IssuedOutcome::Wrong);
    assert!(matches!(world.types(RIGHT), IssuedOutcome::Wait(_)));
    let code = world.recovery_code(0);
    assert!(matches!(world.recover(&code), Err(ReserveOutcome::Wait(_))));
}

#[test]
fn r47_of_several_issued_codes_the_last_one_counts_and_it_goes_with_the_factors() {
    let mut world = World::new();
    assert_eq!(world.issue(LONGEST), Err(ChangeRefused::NotEnrolled));
    world.enroll();
    let transition = world.account.drop_recovery(&world.context());
    world.commit(transition).expect("there are codes");
    assert_eq!(world.account.stages(), [Stage::Totp]);
    world.issue(LONGEST).expect("enrolled");
    assert_eq!(world.account.stages(), [Stage::Totp, Stage::Recovery]);
    let changes: [fn(&mut World); 4] = [
        |world| {
            let transition = world.account.disable(&world.context(), Policy::OptIn);
            world.commit(transition).expect("opt-in");
        },
        |world| {
            let transition = world.account.reset(&world.context());
            world.commit(transition);
        },
        |world| {
            let set = world.new_set();
            let transition = world.account.regenerate(&world.context(), set);
            world.commit(transition).expect("enrolled");
        },
        |world| {
            let transition = world.account.restored(&world.context(), world.now);
            world.commit(transition);
        },
    ];
    for change in changes {
        let mut world = world.clone();
        change(&mut world);
        assert!(world.account.issued(world.now).is_none());
        assert_ne!(world.types(RIGHT), IssuedOutcome::Verified);
    }
}
