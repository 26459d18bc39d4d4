//! The database's clock, read along with every load. All replicas over one database decide by it, whatever their own clocks show.

use std::{
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

use matrix_2fa_core::{Clock, Timestamp};

/// What the database's clock shows: its last answer, moved on by the time that has passed in this process since.
#[derive(Debug)]
pub struct DatabaseClock {
    begin: Instant,
    reading: Mutex<Reading>,
}

#[derive(Clone, Copy, Debug)]
struct Reading {
    database: Timestamp,
    at: Instant,
}

impl Reading {
    fn moved_to(self, at: Instant) -> Timestamp {
        self.database.plus(at.saturating_duration_since(self.at))
    }
}

/// When a question was sent. Its answer is a reading of the clock between then and its arrival.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Asked(Instant);

impl Asked {
    pub(crate) fn now() -> Self {
        Self(instant())
    }
}

impl DatabaseClock {
    pub(crate) fn new(answer: Timestamp) -> Self {
        let begin = instant();
        Self { begin, reading: Mutex::new(Reading { database: answer, at: begin }) }
    }

    /// Takes an answer into account. Its way back took at most as long as the whole question, so the database's clock now shows
    /// something between the answer and that much more; what we had stays if it lies there, so that two answers that overtake each other
    /// do not make time go back.
    pub(crate) fn observe(&self, asked: Asked, answer: Timestamp) {
        let at = instant();
        let latest = answer.plus(at.saturating_duration_since(asked.0) + Duration::from_millis(1));
        let mut reading = self.reading.lock().unwrap_or_else(PoisonError::into_inner);
        *reading = Reading { database: reading.moved_to(at).clamp(answer, latest), at };
    }
}

impl Clock for DatabaseClock {
    fn now(&self) -> Timestamp {
        let reading = *self.reading.lock().unwrap_or_else(PoisonError::into_inner);
        reading.moved_to(instant())
    }

    /// This process's: the database's clock can jump, and whoever looks for that needs one that does not.
    fn elapsed(&self) -> Duration {
        instant().saturating_duration_since(self.begin)
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "it measures how long an answer is ago; what time it is says the database"
)]
fn instant() -> Instant {
    Instant::now()
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: Duration = Duration::from_secs(3600);

    #[test]
    fn it_follows_the_database_forward_and_back() {
        let start = Timestamp::from_millis(1_000_000_000);
        let clock = DatabaseClock::new(start);
        assert!(clock.now() >= start && clock.now() < start.plus(HOUR));
        clock.observe(Asked::now(), start.plus(HOUR));
        assert!(clock.now() >= start.plus(HOUR));
        assert!(clock.elapsed() < HOUR, "nobody waited");
        clock.observe(Asked::now(), start.minus(HOUR));
        assert!(clock.now() >= start.minus(HOUR) && clock.now() < start);
    }

    #[test]
    fn an_answer_that_was_overtaken_does_not_turn_it_back() {
        let start = Timestamp::from_millis(1_000_000_000);
        let clock = DatabaseClock::new(start);
        let long_ago = Asked(instant().checked_sub(HOUR).unwrap());
        clock.observe(long_ago, start.minus(HOUR / 2));
        assert!(clock.now() >= start);
    }
}
