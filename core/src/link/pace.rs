//! A token bucket of bytes.

use std::time::Duration;

use crate::time::Time;

/// A token bucket of bytes, stored as the time at which it is full again: without rounding errors and without
/// timers.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Bucket {
    full_at: Time,
}

impl Bucket {
    /// Returns when the bucket is not empty. A packet may take more than is available; the next one then waits
    /// longer.
    pub(crate) fn ready_at(&self, burst: usize, rate: u64) -> Time {
        let full_at = self.full_at.as_nanos();
        Time::from_nanos(full_at.saturating_sub(time_for(burst, rate).as_nanos() as u64))
    }

    pub(crate) fn is_full(&self, now: Time) -> bool {
        self.full_at <= now
    }

    /// Takes `bytes` out of the bucket.
    pub(crate) fn take(&mut self, bytes: usize, rate: u64, now: Time) {
        self.full_at = self.full_at.max(now) + time_for(bytes, rate);
    }
}

fn time_for(bytes: usize, rate: u64) -> Duration {
    let nanos = bytes as u128 * 1_000_000_000 / u128::from(rate.max(1));
    Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::Bucket;
    use crate::time::Time;

    #[test]
    fn the_token_bucket_holds_the_rate_and_a_pause_gains_one_burst() {
        let (mut bucket, mut now, mut sent) = (Bucket::default(), Time::from_millis(1000), 0);
        let start = now;
        while now - start < Duration::from_secs(10) {
            now = now.max(bucket.ready_at(5_000, 10_000));
            bucket.take(700, 10_000, now);
            sent += 700;
        }
        assert!((100_000..=100_000 + 5_000 + 1_400).contains(&sent), "{sent} bytes in 10 s");
        now = now + Duration::from_secs(3600);
        let at_once = (0..).take_while(|_| {
            let ready = bucket.ready_at(5_000, 10_000) <= now;
            bucket.take(700, 10_000, now);
            ready
        });
        assert_eq!(at_once.count(), 8);
    }

    #[test]
    fn token_bucket_rates_and_times_do_not_overflow() {
        let mut bucket = Bucket::default();
        bucket.take(usize::MAX, 0, Time::from_nanos(u64::MAX));
        assert_eq!(bucket.ready_at(usize::MAX, 0), Time::ZERO);
        assert_eq!(bucket.ready_at(0, 0), Time::from_nanos(u64::MAX));
    }
}
