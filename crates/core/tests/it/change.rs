//! What its user or an administrator changes.

use matrix_2fa_core::{
    Account, Context, Policy, Proof, Stage,
    account::{BeginRefused, ChangeRefused, TotpOutcome},
};

use crate::world::World;

#[test]
fn r36_the_last_factor_takes_recovery_codes_and_pending_enrollments_with_it() {
    for by_id in [true, false] {
        let mut world = World::enrolled(1);
        world.begin().expect("opt-in");
        let id = world.id(0);
        let transition = if by_id {
            world.account.remove(&world.context(), world.policy, &id)
        } else {
            world.account.disable(&world.context(), world.policy)
        };
        let removal = world.commit(transition).expect("opt-in");
        assert_eq!((removal.disabled, removal.enabled), (vec![Stage::Totp, Stage::Recovery], vec![]));
        assert_eq!(world.account, Account::default(), "in one value");
    }
}

#[test]
fn r36_enrolling_again_revives_nothing() {
    let mut world = World::enrolled(1);
    let (old_code, old_salt) = (world.recovery_code(0), world.salt());
    let old_id = world.id(0);
    let transition = world.account.disable(&world.context(), world.policy);
    world.commit(transition).expect("opt-in");
    world.enroll();
    assert_ne!(world.salt(), old_salt);
    assert_ne!(world.id(0), old_id);
    assert_eq!(world.recover(&old_code), Ok(matrix_2fa_core::account::SettleOutcome::Wrong));
    assert_eq!(world.account.recovery_remaining(), 10);
}

#[test]
fn r36_removing_one_of_two_keeps_the_rest() {
    let mut world = World::enrolled(2);
    let (gone, kept) = (world.id(0), world.id(1));
    let code = world.code(0);
    let transition = world.account.remove(&world.context(), world.policy, &gone);
    let removal = world.commit(transition).expect("two");
    assert_eq!((removal.disabled, removal.enabled), (vec![], vec![Stage::Totp, Stage::Recovery]));
    assert_eq!(world.account.authenticators().len(), 1);
    assert_eq!(world.id(0), kept);
    assert_eq!(world.verify(&code), TotpOutcome::Wrong, "the removed one opens nothing");
    assert_eq!(world.verify(&world.code(0)), TotpOutcome::Verified);
}

#[test]
fn r38_under_required_the_last_factor_stays() {
    let mut world = World::enrolled(2);
    world.policy = Policy::Required;
    let first = world.id(0);
    let transition = world.account.disable(&world.context(), world.policy);
    assert_eq!(world.commit(transition), Err(ChangeRefused::Required));
    let transition = world.account.remove(&world.context(), world.policy, &first);
    world.commit(transition).expect("another one is left");
    let last = world.id(0);
    let before = world.account.clone();
    let transition = world.account.remove(&world.context(), world.policy, &last);
    assert_eq!(world.commit(transition), Err(ChangeRefused::Required));
    assert_eq!(world.account, before);
    let transition = world.account.drop_recovery(&world.context());
    world.commit(transition).expect("codes are not the factor");
    assert_eq!(world.account.stages(), [Stage::Totp]);
}

/// Under `disallowed` nobody enrolls, but who has a factor is asked for it until it is removed.
#[test]
fn a_policy_change_never_switches_a_factor_off() {
    let mut world = World::enrolled(1);
    world.policy = Policy::Disallowed;
    assert_eq!(world.account.stages(), [Stage::Totp, Stage::Recovery]);
    let transition = world.account.disable(&world.context(), world.policy);
    world.commit(transition).expect("removal is always allowed but under required");
}

#[test]
fn r39_nothing_of_a_forgotten_user_stays() {
    let mut world = World::enrolled(2);
    for _ in 0..5 {
        world.fail();
    }
    world.begin().expect("opt-in");
    let transition = world.account.forget(&world.context());
    world.commit(transition);
    assert_eq!(world.account, Account::default());
}

#[test]
fn an_administrators_reset_ends_lock_factors_and_counters() {
    let mut world = World::enrolled(2);
    world.policy = Policy::Required;
    world.fail_until_locked();
    let transition = world.account.reset(&world.context());
    let removal = world.commit(transition);
    assert_eq!(removal.disabled, [Stage::Totp, Stage::Recovery]);
    assert_eq!(world.account, Account::default());
}

#[test]
fn changes_of_what_is_not_there_change_nothing() {
    let mut world = World::new();
    let set = world.new_set();
    let (cx, policy) = (world.context(), world.policy);
    assert_eq!(world.account.rename(&cx, "x", "y").outcome, Err(ChangeRefused::Unknown));
    assert_eq!(world.account.remove(&cx, policy, "x").outcome, Err(ChangeRefused::Unknown));
    assert_eq!(world.account.disable(&cx, policy).outcome, Err(ChangeRefused::NotEnrolled));
    assert_eq!(world.account.drop_recovery(&cx).outcome, Err(ChangeRefused::NoRecoveryCodes));
    assert_eq!(
        world.account.regenerate(&cx, set).outcome,
        Err(ChangeRefused::NotEnrolled),
        "no codes without a factor"
    );
}

/// Between the proof and the change somebody else may have enrolled: the value that changes judges the proof, not the one that was read
/// when the password was checked. (A review won that race once in thirty tries before.)
#[test]
fn r30_what_a_password_alone_proved_changes_nothing_once_a_factor_is_there() {
    let world = World::enrolled(2);
    let cx = Context { proof: Proof::FirstFactor, ..world.context() };
    let (account, id) = (&world.account, world.id(0));
    let set = account.recovery().expect("enrolled").clone();
    assert_eq!(
        account.begin_enrollment(&cx, world.policy, world.new_authenticator()).outcome,
        Err(BeginRefused::Unproved)
    );
    assert_eq!(account.regenerate(&cx, set).outcome, Err(ChangeRefused::Unproved));
    assert_eq!(account.remove(&cx, world.policy, &id).outcome, Err(ChangeRefused::Unproved));
    assert_eq!(account.disable(&cx, world.policy).outcome, Err(ChangeRefused::Unproved));
    assert_eq!(account.drop_recovery(&cx).outcome, Err(ChangeRefused::Unproved));
}

#[test]
fn r30_a_recovery_login_replaces_and_renews_but_never_removes_the_last_factor() {
    let mut world = World::enrolled(2);
    let cx = Context { proof: Proof::RecoveryLogin, ..world.context() };
    let set = world.account.recovery().expect("enrolled").clone();
    assert!(world.account.begin_enrollment(&cx, world.policy, world.new_authenticator()).outcome.is_ok());
    assert!(world.account.regenerate(&cx, set).outcome.is_ok());
    assert_eq!(world.account.disable(&cx, world.policy).outcome, Err(ChangeRefused::Unproved));
    assert_eq!(world.account.drop_recovery(&cx).outcome, Err(ChangeRefused::Unproved));
    let transition = world.account.remove(&cx, world.policy, &world.id(0));
    world.commit(transition).expect("one of two");
    let last = world.account.remove(&cx, world.policy, &world.id(0));
    assert_eq!(last.outcome, Err(ChangeRefused::Unproved));
}

#[test]
fn the_same_name_again_writes_nothing() {
    let world = World::enrolled(1);
    let name = world.account.authenticators()[0].name.clone();
    let again = world.account.rename(&world.context(), &world.id(0), &name);
    assert!(again.outcome.is_ok() && again.account.is_none() && again.events.is_empty());
}

/// Whatever was proved with the factors rests on them, not on what they are called.
#[test]
fn r53_another_name_is_no_change_of_the_factors() {
    let mut world = World::enrolled(1);
    let before = world.account.changed_at();
    let transition = world.account.rename(&world.context(), &world.id(0), "another");
    assert_eq!(transition.events.len(), 1);
    world.commit(transition).expect("it is there");
    assert_eq!((world.account.authenticators()[0].name.as_str(), world.account.changed_at()), ("another", before));
}
