//! What is counted, for whoever collects metrics. Labels are of small, fixed sets: never a user, an address or a code.

use std::time::Duration;

use matrix_2fa_core::{Event, Stage};

use crate::{EngineError, verify::Verdict};

/// Counter: second factors that were brought, with the labels `stage` and `outcome` (`verified`, `wrong`, `throttled`, `locked`,
/// `not_enrolled`, `error`).
pub const ATTEMPTS: &str = "matrix_2fa_second_factor_attempts_total";
/// Counter: audited things, with the label `event`.
pub const EVENTS: &str = "matrix_2fa_events_total";
/// Histogram: seconds from the decision to its being durable.
pub const COMMIT_SECONDS: &str = "matrix_2fa_commit_seconds";
/// Histogram: commits that shared one flush of the embedded store, or one transaction of the database.
pub const FLUSHED_COMMITS: &str = matrix_2fa_store::FLUSHED_COMMITS;

pub(crate) fn attempt(stage: Stage, verdict: &Result<Verdict, EngineError>) {
    let stage = match stage {
        Stage::Totp => "totp",
        Stage::Recovery => "recovery",
        Stage::Password | Stage::Token | Stage::Dummy | Stage::Sso => "other",
    };
    let outcome = match verdict {
        Ok(Verdict::Verified) => "verified",
        Ok(Verdict::Wrong) => "wrong",
        Ok(Verdict::Wait(_)) => "throttled",
        Ok(Verdict::Locked) => "locked",
        Ok(Verdict::NotEnrolled) => "not_enrolled",
        Err(_) => "error",
    };
    metrics::counter!(ATTEMPTS, "stage" => stage, "outcome" => outcome).increment(1);
}

pub(crate) fn event(event: &Event) {
    metrics::counter!(EVENTS, "event" => event.kind.name()).increment(1);
}

pub(crate) fn committed(took: Duration) {
    metrics::histogram!(COMMIT_SECONDS).record(took.as_secs_f64());
}
