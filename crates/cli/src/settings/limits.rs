//! The limits for wrong codes: from what people write to a budget, and what that budget is worth.

use std::time::Duration;

use matrix_2fa_core::{
    Params,
    odds::{LOGINS_PER_DAY, Odds},
    throttle::{Budget, TOTP},
};
use serde::Deserialize;

use super::Settings;
use crate::failure::Failure;

/// How long something takes, as people write it: `30s`, `1h`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct Span(pub Duration);

impl TryFrom<String> for Span {
    type Error = String;

    fn try_from(given: String) -> Result<Self, String> {
        let span = humantime::parse_duration(&given).map(Self);
        span.map_err(|_| format!("{given:?} is no duration; write 30s, 5m or 1h"))
    }
}

/// A number, or never.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "Written")]
pub struct LockAt(pub Option<u32>);

#[derive(Deserialize)]
#[serde(untagged)]
enum Written {
    Number(u32),
    Word(String),
}

impl TryFrom<Written> for LockAt {
    type Error = String;

    fn try_from(written: Written) -> Result<Self, String> {
        match written {
            Written::Number(number) => Ok(Self(Some(number))),
            Written::Word(word) if word == "never" => Ok(Self(None)),
            Written::Word(word) => match word.parse() {
                Ok(number) => Ok(Self(Some(number))),
                Err(_) => Err(format!("{word:?} is no number; write one like 100, or never")),
            },
        }
    }
}

impl Settings {
    /// The limits for wrong TOTP codes.
    pub fn totp_budget(&self) -> Budget {
        let LockAt(lock_at) = self.totp_lock_at;
        Budget {
            free: self.totp_free_tries,
            first_wait: self.totp_first_wait.0,
            max_wait: self.totp_max_wait.0,
            lock_at,
            in_window: if lock_at.is_none() { Some(self.totp_monthly_tries) } else { None },
            ..TOTP
        }
    }

    /// What these limits leave to a guesser.
    pub fn odds(&self) -> Odds {
        Odds::of(&self.totp_budget(), Params::default())
    }

    /// The same for people.
    pub fn odds_in_words(&self) -> String {
        let Odds { guesses_per_year, per_year, .. } = self.odds();
        format!(
            "who knows a password guesses a code within a year with a probability of {per_year:.1e} ({guesses_per_year:.0} tries; the owner logging in up to {LOGINS_PER_DAY} times a day)"
        )
    }

    /// Limits that are none are refused, with the figure.
    pub(super) fn check_limits(&self) -> Result<(), Failure> {
        let bad = |key: &str, problem: String| Err(Failure::start(format!("{key}: {problem}")));
        let budget = self.totp_budget();
        if budget.free == 0 || budget.lock_at == Some(0) || budget.in_window == Some(0) {
            return bad(
                "totp_free_tries, totp_lock_at, totp_monthly_tries",
                "there must be at least one try".to_owned(),
            );
        }
        if budget.first_wait.is_zero() || budget.max_wait < budget.first_wait {
            let problem = "the first wait must be longer than nothing and not longer than the longest".to_owned();
            return bad("totp_first_wait, totp_max_wait", problem);
        }
        // NaN is no ceiling.
        if !(self.max_guess_probability > 0.0 && self.max_guess_probability <= 1.0) {
            return bad("max_guess_probability", "write a probability like 0.01".to_owned());
        }
        if self.odds().per_year > self.max_guess_probability {
            let problem = format!(
                "with these limits {}; the ceiling is {:.1e} (max_guess_probability): allow fewer tries",
                self.odds_in_words(),
                self.max_guess_probability
            );
            return bad("totp_lock_at, totp_monthly_tries", problem);
        }
        Ok(())
    }
}
