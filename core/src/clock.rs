//! The inner time of a session or a hub: the caller's clock without the time that it skipped.

use std::time::Duration;

use crate::time::{Time, nanos};

/// An input that comes later than this after a deadline indicates a clock jump, not a slow driver.
const JUMP: Duration = Duration::from_secs(2);

/// The inner clock, which all deadlines of a session or a hub use, so that a clock jump expires no time-out.
#[derive(Debug)]
pub(crate) struct Clock {
    /// The caller's time of the last input.
    last: Time,
    skipped: Duration,
}

impl Clock {
    pub(crate) const fn new(now: Time) -> Self {
        Self { last: now, skipped: Duration::ZERO }
    }

    /// Advances to the caller's time of an input, and returns the inner time. `due` is the next deadline, in
    /// inner time.
    pub(crate) fn advance(&mut self, now: Time, due: Option<Time>) -> Time {
        let last = std::mem::replace(&mut self.last, now);
        let late = due.map_or(Duration::ZERO, |due| self.inner(now) - due);
        if late > JUMP {
            self.skipped += now - last;
        }
        self.inner(now)
    }

    /// Converts the caller's time to the inner time.
    pub(crate) fn inner(&self, now: Time) -> Time {
        Time::from_nanos(now.as_nanos().saturating_sub(nanos(self.skipped)))
    }

    /// Converts an inner time to the caller's time.
    pub(crate) fn outer(&self, at: Time) -> Time {
        at + self.skipped
    }
}

#[cfg(test)]
mod tests {
    use super::Clock;
    use crate::time::Time;

    #[test]
    fn a_clock_jump_does_not_advance_the_inner_time() {
        let at = Time::from_millis;
        let mut clock = Clock::new(at(0));
        assert_eq!(clock.advance(at(1_000), Some(at(900))), at(1_000));
        assert_eq!(clock.advance(at(3_600_000), Some(at(1_500))), at(1_000));
        assert_eq!(clock.advance(at(3_600_100), Some(at(1_500))), at(1_100));
        assert_eq!(clock.outer(at(1_500)), at(3_600_500));
        // Late, but within the tolerance for a slow driver.
        assert_eq!(clock.advance(at(3_602_500), Some(at(1_500))), at(3_500));
        // Without a deadline.
        assert_eq!(clock.advance(at(9_999_000), None), at(6_400_000));
    }
}
