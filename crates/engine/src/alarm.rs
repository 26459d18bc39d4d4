//! Wrong second factors of the whole server. Each account's own count bounds a guesser at one account; somebody with thousands of leaked
//! passwords stays below it at each. What they cannot hide is the sum.
//!
//! Two counters for whatever collects metrics, and a line at error level, once a minute while it lasts. A process counts what it sees
//! itself; behind several replicas the limit is one for each.

use std::{collections::VecDeque, sync::Mutex, time::Duration};

use matrix_2fa_core::{Event, EventKind};

/// Counter: wrong second factors, with the label `stage`.
pub const FAILURES: &str = "matrix_2fa_second_factor_failures_total";

/// Counter: those above the limit. Whoever watches this one should be woken when it grows.
pub const FAILURES_ABOVE_LIMIT: &str = "matrix_2fa_second_factor_failures_above_limit_total";

/// The alarm lasts this long after the last wrong code above the limit, and is repeated this often.
const MINUTE: Duration = Duration::from_secs(60);

/// When the sum of wrong codes is an alarm.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AlarmSettings {
    /// Wrong codes in a minute, of all users together, that are still normal. 0: no alarm.
    pub failures_per_minute: usize,
    /// While it lasts, the wait begins with the first wrong code of an account instead of the sixth.
    pub slows: bool,
}

impl Default for AlarmSettings {
    fn default() -> Self {
        Self { failures_per_minute: 100, slows: false }
    }
}

/// The sum of a minute.
pub(crate) struct Alarm {
    settings: AlarmSettings,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// The last wrong codes, as many as are normal in a minute, by the clock that nobody sets.
    lately: VecDeque<Duration>,
    raised_at: Option<Duration>,
    said_at: Option<Duration>,
}

impl Alarm {
    pub(crate) fn new(settings: AlarmSettings) -> Self {
        Self { settings, state: Mutex::default() }
    }

    /// Counts a wrong code.
    pub(crate) fn note(&self, event: &Event, elapsed: Duration) {
        let EventKind::FactorFailed { stage, .. } = &event.kind else { return };
        metrics::counter!(FAILURES, "stage" => format!("{stage:?}").to_lowercase()).increment(1);
        if self.settings.failures_per_minute == 0 || !self.is_above(elapsed) {
            return;
        }
        metrics::counter!(FAILURES_ABOVE_LIMIT).increment(1);
        let mut state = self.lock();
        state.raised_at = Some(elapsed);
        if state.said_at.is_none_or(|said| elapsed.saturating_sub(said) >= MINUTE) {
            state.said_at = Some(elapsed);
            tracing::error!(
                limit = self.settings.failures_per_minute,
                "more wrong second factors in a minute than are normal: somebody may be guessing codes with many stolen passwords"
            );
        }
    }

    /// Was there too much of it within the last minute?
    pub(crate) fn is_raised(&self, elapsed: Duration) -> bool {
        self.lock().raised_at.is_some_and(|raised| elapsed.saturating_sub(raised) < MINUTE)
    }

    /// The same, if the operator wants everybody to be slowed by it.
    pub(crate) fn slows(&self, elapsed: Duration) -> bool {
        self.settings.slows && self.is_raised(elapsed)
    }

    fn is_above(&self, elapsed: Duration) -> bool {
        let mut state = self.lock();
        state.lately.push_back(elapsed);
        if state.lately.len() <= self.settings.failures_per_minute {
            return false;
        }
        state.lately.pop_front().is_some_and(|first| elapsed.saturating_sub(first) < MINUTE)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use matrix_2fa_core::{Stage, Timestamp, event::Origin};
    use metrics_util::debugging::{DebugValue, DebuggingRecorder, Snapshotter};

    use super::*;

    fn failure() -> Event {
        let kind = EventKind::FactorFailed { stage: Stage::Totp, run: 1 };
        Event { at: Timestamp::default(), user: "@alice:example.org".to_owned(), origin: Origin::default(), kind }
    }

    fn counted(snapshotter: &Snapshotter) -> Vec<(String, u64)> {
        let metrics = snapshotter.snapshot().into_vec().into_iter();
        let mut counted: Vec<_> = metrics
            .map(|(key, _, _, value)| match value {
                DebugValue::Counter(count) => (key.key().name().to_owned(), count),
                other => unreachable!("{other:?}"),
            })
            .collect();
        counted.sort();
        counted
    }

    #[test]
    fn r23_more_than_a_minutes_worth_raises_the_metric_and_the_alarm_at_once() {
        let recorder = DebuggingRecorder::new();
        let snapshotter = recorder.snapshotter();
        metrics::with_local_recorder(&recorder, || {
            let alarm = Alarm::new(AlarmSettings { failures_per_minute: 3, slows: true });
            let at = Duration::from_secs;
            // Three a minute for an hour.
            (0..180).for_each(|n| alarm.note(&failure(), at(n * 20)));
            assert!(!alarm.is_raised(at(3600)));
            (0..3).for_each(|_| alarm.note(&failure(), at(4000)));
            assert!(!alarm.is_raised(at(4000)));
            alarm.note(&failure(), at(4059));
            assert!(alarm.is_raised(at(4059)) && alarm.slows(at(4118)));
            assert!(!alarm.is_raised(at(4119)), "it ends by itself");
        });
        assert_eq!(counted(&snapshotter), [(FAILURES_ABOVE_LIMIT.to_owned(), 1), (FAILURES.to_owned(), 184)]);
    }

    #[test]
    fn without_a_limit_there_is_no_alarm() {
        let alarm = Alarm::new(AlarmSettings { failures_per_minute: 0, slows: true });
        (0..1000).for_each(|_| alarm.note(&failure(), Duration::ZERO));
        assert!(!alarm.is_raised(Duration::ZERO));
    }
}
