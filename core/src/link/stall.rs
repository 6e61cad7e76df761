//! The time-out of a peer that acknowledges nothing although a path leads to it.

use std::time::Duration;

use crate::time::Time;

/// The acknowledged bytes that count as progress: fewer do not restart the time-out.
const PROGRESS: u64 = 1 << 10;

/// A timer that runs while data waits and a path exists; the time without a path does not count.
#[derive(Debug, Default)]
pub(crate) struct Stall {
    at: Option<Time>,
    /// The remaining time when the path ended.
    left: Option<Duration>,
    news: u64,
}

impl Stall {
    /// Notes newly acknowledged bytes; `all`: everything sent is acknowledged.
    pub(crate) fn note_progress(&mut self, news: u64, all: bool) {
        self.news += news;
        if all || self.news >= PROGRESS {
            *self = Self::default();
        }
    }

    pub(crate) fn arm(&mut self, waits: bool, has_path: bool, patience: Duration, now: Time) {
        if !waits {
            *self = Self::default();
        } else if has_path {
            let left = self.left.take().unwrap_or(patience);
            self.at.get_or_insert(now + left);
        } else if let Some(at) = self.at.take() {
            self.left = Some(at - now);
        }
    }

    pub(crate) const fn at(&self) -> Option<Time> {
        self.at
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::Stall;
    use crate::time::Time;

    const PATIENCE: Duration = Duration::from_secs(30);

    #[test]
    fn the_stall_time_out_excludes_time_without_a_path_and_ignores_single_bytes() {
        let mut stall = Stall::default();
        stall.arm(true, true, PATIENCE, Time::ZERO);
        assert_eq!(stall.at(), Some(Time::from_millis(30_000)));
        stall.arm(true, false, PATIENCE, Time::from_millis(20_000));
        assert_eq!(stall.at(), None);
        stall.arm(true, true, PATIENCE, Time::from_millis(60_000));
        stall.note_progress(1000, false);
        assert_eq!(stall.at(), Some(Time::from_millis(70_000)));
        stall.note_progress(24, false);
        assert_eq!(stall.at(), None);
        stall.arm(true, true, PATIENCE, Time::from_millis(65_000));
        stall.note_progress(0, true);
        assert_eq!(stall.at(), None);
    }
}
