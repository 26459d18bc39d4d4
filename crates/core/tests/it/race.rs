//! Many requests at once, as a store lets them meet: each decides on the value it loaded, and of two commits that expect the same
//! version one wins. Any order of loads and commits is a schedule; the proofs are over random schedules.

use matrix_2fa_core::{
    Account,
    account::{ReserveOutcome, SettleOutcome, TotpOutcome},
};
use proptest::prelude::*;

use crate::world::{World, slow_hash};

/// A compare-and-swap cell.
struct Cell {
    version: u64,
    account: Account,
}

/// Runs `requests` decisions. Each turn one of them, chosen by the schedule, either loads and decides or commits what it decided;
/// who loses a race starts again, as the engine does. Returns every outcome.
fn race<O: Clone>(
    cell: &mut Cell,
    requests: usize,
    schedule: &[usize],
    decide: impl Fn(usize, &Account) -> (Option<Account>, O),
) -> Vec<O> {
    let mut decided: Vec<Option<(u64, Option<Account>, O)>> = vec![None; requests];
    let mut answers: Vec<Option<O>> = vec![None; requests];
    let rest: Vec<usize> = (0..requests).flat_map(|request| [request; 2]).collect();
    let mut turn = |request: usize| {
        if answers[request].is_some() {
            return;
        }
        match decided[request].take() {
            None => {
                let (next, outcome) = decide(request, &cell.account);
                decided[request] = Some((cell.version, next, outcome));
            }
            Some((_, None, outcome)) => answers[request] = Some(outcome),
            Some((version, Some(next), outcome)) if version == cell.version => {
                *cell = Cell { version: version + 1, account: next };
                answers[request] = Some(outcome);
            }
            Some(_) => {} // conflict: nothing happened, load again
        }
    };
    schedule.iter().for_each(|request| turn(request % requests));
    for _ in 0..requests {
        rest.iter().for_each(|request| turn(*request));
    }
    answers.into_iter().map(|answer| answer.expect("everybody is served in the end")).collect()
}

fn schedule() -> impl Strategy<Value = Vec<usize>> {
    prop::collection::vec(0..100usize, 0..400)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn r01_one_code_at_once_a_hundred_times_succeeds_once(schedule in schedule()) {
        let world = World::enrolled(2);
        let (cx, code, seeds) = (world.context(), world.code(0), world.opened());
        let mut cell = Cell { version: 0, account: world.account };
        let answers = race(&mut cell, 100, &schedule, |_, account| {
            let transition = account.verify_totp(&cx, Some(&code), &seeds);
            (transition.account, transition.outcome)
        });
        prop_assert_eq!(answers.iter().filter(|answer| **answer == TotpOutcome::Verified).count(), 1);
        prop_assert_eq!(answers.iter().filter(|answer| **answer == TotpOutcome::Replayed).count(), 99);
        prop_assert_eq!(cell.account.totp_throttle().run(), 0);
    }

    #[test]
    fn r12_of_wrong_codes_at_once_five_are_evaluated(schedule in schedule()) {
        let world = World::enrolled(1);
        let (cx, code, seeds) = (world.context(), world.wrong_code(), world.opened());
        let mut cell = Cell { version: 0, account: world.account };
        let answers = race(&mut cell, 100, &schedule, |_, account| {
            let transition = account.verify_totp(&cx, Some(&code), &seeds);
            (transition.account, transition.outcome)
        });
        prop_assert_eq!(answers.iter().filter(|answer| **answer == TotpOutcome::Wrong).count(), 5);
        prop_assert_eq!(cell.account.totp_throttle().run(), 5);
    }

    /// Reservations meet first, then (late, out of order) their hashes.
    #[test]
    fn r07_one_recovery_code_at_once_a_hundred_times_succeeds_once(first in schedule(), second in schedule()) {
        let world = World::enrolled(1);
        let (cx, salt) = (world.context(), world.salt());
        let digest = slow_hash(&salt, &world.recovery_code(0));
        let mut cell = Cell { version: 0, account: world.account };
        let mut successes = 0;
        for schedule in [first, second] {
            let reserved = race(&mut cell, 100, &schedule, |request, account| {
                let transition = account.reserve_recovery(&cx, request as u64);
                (transition.account, transition.outcome)
            });
            prop_assert_eq!(reserved.iter().filter(|answer| **answer == ReserveOutcome::Reserved).count(), 1);
            let settled = race(&mut cell, 100, &schedule, |request, account| {
                let transition = account.settle_recovery(&cx, request as u64, &salt, &digest);
                (transition.account, transition.outcome)
            });
            successes += settled.iter().filter(|answer| matches!(answer, SettleOutcome::Verified { .. })).count();
        }
        prop_assert_eq!(successes, 1);
        prop_assert_eq!(cell.account.recovery_remaining(), 9);
    }
}
