//! What codes say about the clocks of server and phones: learnt from accepted codes and from wrong ones that were right some minutes ago,
//! told to the operator, never used to decide.

use std::{
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use matrix_2fa_core::{
    Account, Timestamp, TotpCode,
    account::{OpenedSeed, TotpOutcome},
    drift::{CodeOffsets, JumpWatch, offset_of, steps_from},
};

use crate::Engine;

/// Histogram: seconds that a code was ahead of the server's clock (negative: behind).
pub const CODE_OFFSET: &str = "matrix_2fa_code_offset_seconds";

/// Counter: how often the wall clock was set.
pub const CLOCK_JUMPS: &str = "matrix_2fa_clock_jumps_total";

/// A server clock that is this far off is told.
const FAR: u64 = 15;

/// At this many codes it is told first,
const FIRST_SAID: u64 = 10;

/// and told again after so many.
const SAY_AGAIN: u64 = 100;

/// Offsets of this process's life, and the clocks as they were last seen.
pub(crate) struct Timing {
    offsets: Mutex<CodeOffsets>,
    jumps: Mutex<JumpWatch>,
}

/// A code whose time is known.
#[derive(Clone, Copy)]
pub(crate) struct Timed {
    offset: i64,
    period: u32,
    accepted: bool,
}

impl Timing {
    pub(crate) fn new(wall: Timestamp, elapsed: Duration) -> Self {
        Self { offsets: Mutex::default(), jumps: Mutex::new(JumpWatch::new(wall, elapsed)) }
    }

    /// Compares the clocks. Called with every decision, so a jump is known before the first code that it concerns.
    pub(crate) fn watch(&self, wall: Timestamp, elapsed: Duration) {
        let Some(jump) = lock(&self.jumps).look(wall, elapsed) else { return };
        metrics::counter!(CLOCK_JUMPS).increment(1);
        let seconds = jump / 1000;
        tracing::error!(
            seconds,
            "the clock of this server was set (or the machine slept): codes are judged by it; check the time service"
        );
    }

    /// Counts a code, and says so if the picture is clear.
    pub(crate) fn learn(&self, user: &str, code: Timed) {
        let seconds = code.offset * i64::from(code.period);
        metrics::histogram!(CODE_OFFSET).record(seconds as f64);
        let (server, total) = {
            let mut offsets = lock(&self.offsets);
            offsets.record(code.offset);
            (offsets.server_is_behind(code.period), offsets.total())
        };
        let far = server.filter(|behind| behind.unsigned_abs() > FAR);
        if let Some(seconds) = far.filter(|_| total == FIRST_SAID || total.is_multiple_of(SAY_AGAIN)) {
            tracing::warn!(seconds, "the clock of this server is behind its users' phones (negative: ahead of them)");
        } else if far.is_none() && !code.accepted {
            tracing::info!(
                user.id = user,
                seconds,
                "a wrong code was right for another time: this user's phone is ahead (negative: behind)"
            );
        }
    }
}

impl Engine {
    /// From how far away codes came since the process started.
    pub fn code_offsets(&self) -> CodeOffsets {
        lock(&self.timing.offsets).clone()
    }
}

/// When a judged code was made. Looked for whenever it was not accepted, so that a replay, a near miss and a wild guess cost the same.
pub(crate) fn time_of(
    account: &Account,
    outcome: &TotpOutcome,
    next: Option<&Account>,
    code: Option<&TotpCode>,
    seeds: &[OpenedSeed],
    now: Timestamp,
) -> Option<Timed> {
    match outcome {
        TotpOutcome::Verified => {
            let used = next?.authenticators().iter().find(|of| of.last_used_at == Some(now))?;
            let offset = steps_from(used.last_step, now, used.params);
            Some(Timed { offset, period: used.params.period, accepted: true })
        }
        TotpOutcome::Wrong | TotpOutcome::Replayed => {
            let timed = seeds.iter().filter_map(|opened| {
                let params = account.authenticators().iter().find(|of| of.id == opened.id)?.params;
                let offset = offset_of(params, &opened.seed, code?, now)?;
                Some(Timed { offset, period: params.period, accepted: false })
            });
            // Every seed is looked at. A replay is a right code, and says nothing new.
            timed.fold(None, |found, timed| found.or(Some(timed))).filter(|_| *outcome == TotpOutcome::Wrong)
        }
        TotpOutcome::Wait(_) | TotpOutcome::Locked | TotpOutcome::NotEnrolled => None,
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
