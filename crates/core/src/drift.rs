//! Is the clock right? Three ways to notice that it is not: the wall clock moved against the one that nobody sets; accepted codes come
//! early or late as a rule; and a wrong code that was right some steps ago.
//!
//! Nothing of this decides about a code. It is told to the operator.

use std::time::Duration;

use crate::{
    secret::Seed,
    time::Timestamp,
    totp::{Params, TimeStep, TotpCode, code_at},
};

/// How far from now a wrong code is looked for, in steps: ten minutes each way.
pub const REACH: i64 = 20;

/// People take this long to read and type a code, so it arrives that much late although every clock is right.
const TYPING: i64 = 10;

/// Fewer codes say nothing.
const ENOUGH: u64 = 10;

/// A wall clock that moved this much against the other one has been set.
const JUMP: Duration = Duration::from_secs(5);

/// From how many steps away codes came: 0 is the step that the server's clock shows, 1 the one after it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CodeOffsets {
    counts: [u64; 2 * REACH as usize + 1],
}

impl Default for CodeOffsets {
    fn default() -> Self {
        Self { counts: [0; 2 * REACH as usize + 1] }
    }
}

impl CodeOffsets {
    /// Counts a code.
    pub fn record(&mut self, offset: i64) {
        let place = usize::try_from(offset.saturating_add(REACH)).ok();
        if let Some(count) = place.and_then(|place| self.counts.get_mut(place)) {
            *count += 1;
        }
    }

    /// Offsets that occurred, with their counts.
    pub fn iter(&self) -> impl Iterator<Item = (i64, u64)> {
        (-REACH..=REACH).zip(self.counts).filter(|(_, count)| *count > 0)
    }

    /// Codes counted.
    pub fn total(&self) -> u64 {
        self.counts.iter().sum()
    }

    /// Seconds that this server's clock is behind the phones of its users (negative: ahead of them), or `None` if too few codes were
    /// seen to say. Only codes around the most frequent offset count: one phone that is minutes off says nothing about the server.
    pub fn server_is_behind(&self, period: u32) -> Option<i64> {
        let (mode, _) = self.iter().max_by_key(|(_, count)| *count)?;
        let near = || self.iter().filter(|(offset, _)| (offset - mode).abs() <= 1);
        let codes: u64 = near().map(|(_, count)| count).sum();
        if codes < ENOUGH {
            return None;
        }
        let codes = i64::try_from(codes).unwrap_or(i64::MAX);
        let sum: i64 = near().map(|(offset, count)| offset * i64::try_from(count).unwrap_or(i64::MAX)).sum();
        Some(sum * i64::from(period) / codes + TYPING)
    }
}

/// How many steps from the present one this code belongs, if it is right anywhere within [`REACH`]. The same work whether it is or not.
pub fn offset_of(params: Params, seed: &Seed, code: &TotpCode, now: Timestamp) -> Option<i64> {
    use subtle::ConstantTimeEq;
    let period = Duration::from_secs(u64::from(params.period.max(1)));
    let mut found = None;
    for offset in -REACH..=REACH {
        let by = period * u32::try_from(offset.unsigned_abs()).unwrap_or(u32::MAX);
        let then = if offset < 0 { now.minus(by) } else { now.plus(by) };
        let expected = code_at(params, seed, then)?;
        if bool::from(expected.expose().as_bytes().ct_eq(code.expose().as_bytes())) {
            found = Some(offset);
        }
    }
    found
}

/// Steps from the present one.
pub fn steps_from(step: TimeStep, now: Timestamp, params: Params) -> i64 {
    let of = |step: TimeStep| i64::try_from(step.0).unwrap_or(i64::MAX);
    of(step).saturating_sub(of(TimeStep::at(now, params)))
}

/// Compares the wall clock with the one that nobody sets.
#[derive(Clone, Copy, Debug)]
pub struct JumpWatch {
    wall: Timestamp,
    elapsed: Duration,
}

impl JumpWatch {
    /// Begins with what both clocks show.
    pub fn new(wall: Timestamp, elapsed: Duration) -> Self {
        Self { wall, elapsed }
    }

    /// Looks again: milliseconds that the wall clock was set forward (negative: back) since the last look.
    pub fn look(&mut self, wall: Timestamp, elapsed: Duration) -> Option<i64> {
        let expected = self.wall.plus(elapsed.saturating_sub(self.elapsed));
        let (ahead, behind) = (wall.since(expected), expected.since(wall));
        if ahead.max(behind) < JUMP {
            // Slow drift adds up otherwise, and a time server that corrects it is no news. A look from before the last one is none either.
            if elapsed >= self.elapsed {
                *self = Self { wall, elapsed };
            }
            return None;
        }
        *self = Self { wall, elapsed };
        let millis = |duration: Duration| i64::try_from(duration.as_millis()).unwrap_or(i64::MAX);
        Some(millis(ahead) - millis(behind))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_millis(1_800_000_000_000);

    fn learnt(offsets: &[(i64, u64)]) -> Option<i64> {
        let mut codes = CodeOffsets::default();
        for (offset, count) in offsets {
            (0..*count).for_each(|_| codes.record(*offset));
        }
        codes.server_is_behind(30)
    }

    #[test]
    fn what_codes_say_about_the_servers_clock() {
        assert_eq!(learnt(&[]), None);
        assert_eq!(learnt(&[(0, 9)]), None, "too few");
        assert_eq!(learnt(&[(0, 10)]), Some(10), "enough");
        // Every clock right: a third of the codes is typed after its step has ended.
        assert_eq!(learnt(&[(0, 200), (-1, 100)]), Some(0));
        // 47 seconds slow, and ten seconds of typing: 23 of 30 codes come from the next step, and the others from the one after that.
        assert_eq!(learnt(&[(1, 230), (2, 70)]), Some(47));
        assert_eq!(learnt(&[(-1, 100), (-2, 200)]), Some(-40));
        // One phone that is eight minutes off, however often its owner tries.
        assert_eq!(learnt(&[(0, 200), (-1, 100), (-16, 150)]), Some(0));
        assert_eq!(learnt(&[(1000, 50), (i64::MIN, 50)]), None, "out of reach");
    }

    #[test]
    fn codes_are_listed_by_how_far_off_they_were() {
        let mut codes = CodeOffsets::default();
        assert_eq!((codes.iter().count(), codes.total()), (0, 0));
        for offset in [0, -20, 0, 20, 21] {
            codes.record(offset);
        }
        assert_eq!(codes.iter().collect::<Vec<_>>(), [(-20, 1), (0, 2), (20, 1)]);
        assert_eq!(codes.total(), 4);
    }

    #[test]
    fn steps_are_counted_from_the_present_one() {
        let params = Params::default();
        let present = TimeStep::at(NOW, params);
        assert_eq!(steps_from(present, NOW, params), 0);
        assert_eq!(steps_from(TimeStep(present.0 + 2), NOW, params), 2);
        assert_eq!(steps_from(TimeStep(present.0 - 3), NOW, params), -3);
    }

    #[test]
    fn a_wrong_code_tells_how_far_off_it_is() {
        let seed = Seed::from_bytes(b"12345678901234567890".to_vec());
        let params = Params::default();
        for offset in [-20, -3, 0, 1, 20] {
            let then = Timestamp::from_millis(NOW.as_millis().saturating_add_signed(offset * 30_000));
            let code = code_at(params, &seed, then).expect("in range");
            assert_eq!(offset_of(params, &seed, &code, NOW), Some(offset));
        }
        let far = code_at(params, &seed, NOW.plus(Duration::from_secs(3600))).expect("in range");
        assert_eq!(offset_of(params, &seed, &far, NOW), None);
    }

    #[test]
    fn r68_a_clock_that_was_set_is_noticed_once() {
        let mut watch = JumpWatch::new(NOW, Duration::ZERO);
        let second = Duration::from_secs(1);
        assert_eq!(watch.look(NOW.plus(second), second), None);
        assert_eq!(watch.look(NOW.plus(second * 3600), second * 3600), None, "an hour passed");
        assert_eq!(watch.look(NOW.plus(second * 3000), second * 3600), Some(-600_000));
        assert_eq!(watch.look(NOW.plus(second * 3001), second * 3601), None);
        assert_eq!(watch.look(NOW.plus(second * 7000), second * 3601), Some(3_999_000));
        // A look that another thread overtook, and the next one goes on from the one before it.
        assert_eq!(watch.look(NOW.plus(second * 6999), second * 3600), None);
        assert_eq!(watch.look(NOW.plus(second * 7004), second * 3601), None, "4 s ahead of the last one but one");
        assert_eq!(watch.look(NOW.plus(second * 7009), second * 3601), Some(5_000));
    }

    #[test]
    fn a_clock_that_drifts_was_not_set() {
        let (mut watch, second) = (JumpWatch::new(NOW, Duration::ZERO), Duration::from_secs(1));
        for look in 1..100 {
            assert_eq!(watch.look(NOW.plus(second * look * 4), second * look * 3), None);
        }
    }
}
