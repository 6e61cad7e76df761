//! The time inside a session or a hub: the caller's clock without the time that it jumped over.

use std::time::Duration;

use crate::time::{Time, nanos};

/// An input that comes later than this after a deadline tells of a clock that jumped, not of a slow driver.
const JUMP: Duration = Duration::from_secs(2);

/// Everything inside a session, or a hub, goes by this time, so that nobody is blamed for time that did not pass.
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

    /// Takes the caller's time of an input; `due` is the deadline that is next, in inner time. The inner time.
    pub(crate) fn advance(&mut self, now: Time, due: Option<Time>) -> Time {
        let last = std::mem::replace(&mut self.last, now);
        let late = due.map_or(Duration::ZERO, |due| self.inner(now) - due);
        if late > JUMP {
            self.skipped += now - last;
        }
        self.inner(now)
    }

    /// The inner time that is `now` for the caller.
    pub(crate) fn inner(&self, now: Time) -> Time {
        Time::from_nanos(now.as_nanos().saturating_sub(nanos(self.skipped)))
    }

    /// The caller's time of an inner one.
    pub(crate) fn outer(&self, at: Time) -> Time {
        at + self.skipped
    }
}

#[cfg(test)]
mod tests {
    use super::Clock;
    use crate::time::Time;

    #[test]
    fn the_time_of_a_jump_does_not_pass_inside() {
        let at = Time::from_millis;
        let mut clock = Clock::new(at(0));
        assert_eq!(clock.advance(at(1_000), Some(at(900))), at(1_000));
        assert_eq!(clock.advance(at(3_600_000), Some(at(1_500))), at(1_000));
        assert_eq!(clock.advance(at(3_600_100), Some(at(1_500))), at(1_100));
        assert_eq!(clock.outer(at(1_500)), at(3_600_500));
        // Late, but not by so much: the driver is slow.
        assert_eq!(clock.advance(at(3_602_500), Some(at(1_500))), at(3_500));
        // Nothing was due.
        assert_eq!(clock.advance(at(9_999_000), None), at(6_400_000));
    }
}
