//! A second factor that somebody typed on a page: one field for all of them.

use matrix_2fa_core::{Stage, recovery};
use matrix_2fa_engine::{Origination, verify::Verdict};
use matrix_2fa_store::RecordChange;

use super::{trouble::Trouble, words::Words};
use crate::TwoFactor;

/// How it went, if it was decided at all.
pub(crate) enum Checked {
    /// Right, used, and everything that was to join the commit happened.
    Right,
    /// Not right; this is what to tell the person.
    Refused { status: http::StatusCode, text: String },
}

/// Which factor it is: recovery codes have a shape that no other code has.
pub(crate) fn stage_of(code: &str) -> Stage {
    if recovery::is_code(code) { Stage::Recovery } else { Stage::Totp }
}

/// Checks what was typed, on the budgets that all doors share. `on_success` joins the commit that makes the code used.
pub(crate) async fn check(
    module: &TwoFactor,
    words: &Words,
    user: &str,
    from: &Origination,
    code: &str,
    on_success: Vec<RecordChange>,
) -> Result<Checked, Trouble> {
    use http::StatusCode;
    module.admit(from.client)?;
    let (status, text) = match module.engine().verify(user, from, stage_of(code), code, on_success).await? {
        Verdict::Verified => return Ok(Checked::Right),
        Verdict::Wrong | Verdict::NotEnrolled => (StatusCode::FORBIDDEN, words.say("code-wrong")),
        Verdict::Locked => (StatusCode::FORBIDDEN, words.say("code-locked")),
        Verdict::Wait(until) => {
            let seconds = until.since(module.engine().now()).as_millis().div_ceil(1000);
            let seconds = u64::try_from(seconds).unwrap_or(u64::MAX);
            let text = match seconds {
                0..=90 => words.count("code-wait-seconds", seconds),
                _ => words.count("code-wait-minutes", seconds.div_ceil(60)),
            };
            (StatusCode::TOO_MANY_REQUESTS, text)
        }
    };
    Ok(Checked::Refused { status, text })
}
