//! What the limits are worth: the chance that somebody who knows the password guesses a code (RFC 4226 section 6).

use std::time::Duration;

use crate::{
    throttle::{Budget, WINDOW},
    totp::{Params, SKEW},
};

/// How often the owner is taken to log in: each right code ends the run and the wait for the guesser too.
pub const LOGINS_PER_DAY: f64 = 16.0;

const DAY: f64 = 86_400.0;
const DAYS_IN_YEAR: f64 = 365.0;

/// The chances of a guesser who never tires, for one account.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Odds {
    /// One guess.
    pub per_guess: f64,
    /// Guesses that the limits allow in a year.
    pub guesses_per_year: f64,
    /// A year of guessing.
    pub per_year: f64,
}

impl Odds {
    /// What these limits allow for codes of this kind. The number of authenticators does not matter: a guess hits that many times as
    /// often, and that many fewer are allowed.
    pub fn of(budget: &Budget, params: Params) -> Self {
        let valid_at_a_time = 2.0 * SKEW as f64 + 1.0;
        let per_guess = (valid_at_a_time / 10f64.powi(i32::from(params.digits))).min(1.0);
        let windows = DAYS_IN_YEAR * DAY / WINDOW.as_secs_f64();
        let counted = [budget.lock_at, budget.in_window].into_iter().flatten().map(|limit| f64::from(limit) * windows);
        let guesses_per_year = counted.fold(slowed(budget), f64::min);
        Self { per_guess, guesses_per_year, per_year: -f64::exp_m1(guesses_per_year * f64::ln_1p(-per_guess)) }
    }
}

/// Guesses in a year if only the waits bound them and the owner's logins end them again and again.
fn slowed(budget: &Budget) -> f64 {
    let between = Duration::from_secs_f64(DAY / LOGINS_PER_DAY);
    let mut run = budget.free;
    let mut time = Duration::ZERO;
    loop {
        let wait = budget.wait_after(run);
        if wait.is_zero() {
            return f64::INFINITY;
        }
        time = time.saturating_add(wait);
        if time > between {
            return f64::from(run) * LOGINS_PER_DAY * DAYS_IN_YEAR;
        }
        run = run.saturating_add(1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::throttle::TOTP;

    fn per_year(budget: Budget) -> f64 {
        Odds::of(&budget, Params::default()).per_year
    }

    fn about(found: f64, expected: f64) -> bool {
        (found / expected - 1.0).abs() < 0.02
    }

    /// The figures that `spec/security.md` and the requirements name, from the limits that ship.
    #[test]
    fn r15_the_figures_that_are_promised() {
        assert!(about(Odds::of(&TOTP, Params::default()).per_guess, 3.0e-6));
        assert!(about(per_year(TOTP), 3.65e-3), "{}", per_year(TOTP));
        let window = Budget { lock_at: None, in_window: Some(25), ..TOTP };
        assert!(about(per_year(window), 9.1e-4), "{}", per_year(window));
        let waits_alone = Budget { lock_at: None, ..TOTP };
        assert!(about(per_year(waits_alone), 0.19), "{}", per_year(waits_alone));
        let no_limit = Budget { lock_at: None, first_wait: Duration::ZERO, ..TOTP };
        assert!(per_year(no_limit) > 0.999_999);
        let eight = Params { digits: 8, ..Params::default() };
        assert!(about(Odds::of(&TOTP, eight).per_year, 3.65e-5));
    }

    #[test]
    fn a_guess_whose_wait_ends_with_the_owners_login_counts() {
        let between = Duration::from_secs(24 * 60 * 60 / 16);
        let budget = Budget { lock_at: None, first_wait: between, max_wait: between, ..TOTP };
        assert_eq!(Odds::of(&budget, Params::default()).guesses_per_year, 6.0 * 16.0 * 365.0);
    }

    #[test]
    fn a_lock_that_the_waits_never_reach_promises_nothing() {
        let budget = Budget { lock_at: Some(1_000_000), ..TOTP };
        assert!(about(per_year(budget), 0.19), "{}", per_year(budget));
    }
}
