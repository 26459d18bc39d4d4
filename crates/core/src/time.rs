//! Time as an argument. Nothing in this crate reads a clock.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use serde::{Deserialize, Serialize};

/// Milliseconds since the Unix epoch, UTC.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Timestamp(u64);

impl Timestamp {
    /// The moment `ms` milliseconds after the Unix epoch.
    pub const fn from_millis(ms: u64) -> Self {
        Self(ms)
    }

    /// Milliseconds since the Unix epoch.
    pub const fn as_millis(self) -> u64 {
        self.0
    }

    /// Whole seconds since the Unix epoch.
    pub const fn as_secs(self) -> u64 {
        self.0 / 1000
    }

    /// This moment moved forward; stops at the end of time instead of wrapping.
    pub fn plus(self, by: Duration) -> Self {
        Self(self.0.saturating_add(millis(by)))
    }

    /// This moment moved back; stops at the epoch.
    pub fn minus(self, by: Duration) -> Self {
        Self(self.0.saturating_sub(millis(by)))
    }

    /// How long after `earlier` this is; zero if it is not after it.
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_millis(self.0.saturating_sub(earlier.0))
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

/// Where "now" comes from. The one real implementation lives in the engine; everything else takes a [`Timestamp`].
pub trait Clock: Send + Sync {
    /// The present moment, by the wall clock: it can jump, because people and time servers set it.
    fn now(&self) -> Timestamp;

    /// Time since some moment in the past, by a clock that nobody sets: for rates and intervals, and to notice that the wall clock jumped.
    /// The default is for clocks that do not jump.
    fn elapsed(&self) -> Duration {
        Duration::from_millis(self.now().as_millis())
    }
}

/// A clock that stands still until it is told otherwise. Clones share the same hands.
#[derive(Clone, Debug)]
pub struct MockClock(Arc<Hands>);

#[derive(Debug)]
struct Hands {
    wall: AtomicU64,
    elapsed: AtomicU64,
}

impl MockClock {
    /// A clock that shows `now`.
    pub fn new(now: Timestamp) -> Self {
        Self(Arc::new(Hands { wall: AtomicU64::new(now.as_millis()), elapsed: AtomicU64::default() }))
    }

    /// Sets the wall clock. Forward, that much time has passed; back, somebody has set it and no time has passed.
    pub fn set(&self, now: Timestamp) {
        self.0.elapsed.fetch_add(millis(now.since(self.now())), Ordering::SeqCst);
        self.jump(now);
    }

    /// Sets the wall clock alone, forward or back: no time has passed.
    pub fn jump(&self, now: Timestamp) {
        self.0.wall.store(now.as_millis(), Ordering::SeqCst);
    }

    /// Lets time pass.
    pub fn advance(&self, by: Duration) {
        self.set(self.now().plus(by));
    }
}

impl Clock for MockClock {
    fn now(&self) -> Timestamp {
        Timestamp(self.0.wall.load(Ordering::SeqCst))
    }

    fn elapsed(&self) -> Duration {
        Duration::from_millis(self.0.elapsed.load(Ordering::SeqCst))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn at(ms: u64) -> Timestamp {
        Timestamp::from_millis(ms)
    }

    #[test]
    fn time_ends_and_does_not_wrap() {
        assert_eq!((at(2_999).as_millis(), at(2_999).as_secs()), (2_999, 2));
        assert_eq!((at(1_500).plus(SECOND), at(1_500).minus(SECOND)), (at(2_500), at(500)));
        assert_eq!((at(500).minus(SECOND), at(u64::MAX - 1).plus(SECOND)), (at(0), at(u64::MAX)));
        assert_eq!(at(5).plus(Duration::MAX), at(u64::MAX));
        assert_eq!((at(1_500).since(at(500)), at(500).since(at(1_500))), (SECOND, Duration::ZERO));
    }

    #[test]
    fn a_mock_clock_tells_time_that_passed_from_being_set() {
        let clock = MockClock::new(at(10_000));
        clock.advance(SECOND);
        assert_eq!((clock.now(), clock.elapsed()), (at(11_000), SECOND));
        clock.set(at(13_000));
        assert_eq!((clock.now(), clock.elapsed()), (at(13_000), 3 * SECOND));
        clock.set(at(5_000));
        clock.jump(at(50_000));
        assert_eq!((clock.now(), clock.elapsed()), (at(50_000), 3 * SECOND));
    }

    #[test]
    fn a_clock_that_does_not_jump_counts_by_itself() {
        struct Steady;
        impl Clock for Steady {
            fn now(&self) -> Timestamp {
                at(7_000)
            }
        }
        assert_eq!(Steady.elapsed(), 7 * SECOND);
    }
}
