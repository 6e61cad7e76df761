//! How long a peer to which a path leads may acknowledge nothing of what it was sent.

use std::time::Duration;

use crate::time::Time;

/// So many acknowledged bytes are progress: less does not put the time-out off.
const PROGRESS: u64 = 1 << 10;

/// Runs while something waits and a path is there; the time without a path does not count.
#[derive(Debug, Default)]
pub(crate) struct Stall {
    at: Option<Time>,
    /// What was left when the path was lost.
    left: Option<Duration>,
    news: u64,
}

impl Stall {
    /// The peer has acknowledged so many bytes more; `all`: everything that it was sent.
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
    fn the_time_without_a_path_does_not_count_and_a_byte_is_no_progress() {
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
