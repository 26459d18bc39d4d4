//! The one place that reads the wall clock and the one that draws random numbers. Everything else is handed both.

use std::{
    sync::LazyLock,
    time::{Duration, Instant, UNIX_EPOCH},
};

use matrix_2fa_core::{Clock, Timestamp};

/// The machine's clocks.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

/// When this process first asked how much time has passed.
#[expect(clippy::disallowed_methods, reason = "the one adapter of the monotonic clock")]
static BEGIN: LazyLock<Instant> = LazyLock::new(Instant::now);

impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "the one adapter of the wall clock")]
    fn now(&self) -> Timestamp {
        let since_epoch = std::time::SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Timestamp::from_millis(u64::try_from(since_epoch.as_millis()).unwrap_or(u64::MAX))
    }

    fn elapsed(&self) -> Duration {
        BEGIN.elapsed()
    }
}

/// Where random bytes come from.
pub trait Random: Send + Sync + 'static {
    /// Fills `bytes` with bytes that nobody can guess.
    fn fill(&self, bytes: &mut [u8]);
}

/// A cryptographic generator that the operating system seeds and reseeds.
#[derive(Clone, Copy, Debug, Default)]
pub struct OsRandom;

impl Random for OsRandom {
    #[expect(clippy::disallowed_methods, reason = "the one adapter of the random numbers")]
    fn fill(&self, bytes: &mut [u8]) {
        rand::fill(bytes);
    }
}
