//! Token buckets.

use socketio_p2p_core::Time;

/// What one token takes in the time of a bucket.
const TOKEN: u128 = 1_000_000_000;

/// A burst, and a number per second in the long run. Zeros count as one.
#[derive(Clone, Copy, Debug)]
pub(super) struct Rate {
    pub(super) burst: u64,
    pub(super) per_second: u64,
}

/// The tokens used and not yet refilled.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Bucket {
    level: u128,
    last: Option<Time>,
}

impl Bucket {
    /// Something of this cost has passed. `false`: it was more than the rate allows. What costs more than the bucket
    /// holds may pass when anything is left.
    pub(super) fn pass(&mut self, cost: u64, rate: Rate, now: Time) -> bool {
        let earned = self.last.replace(now).map_or(0, |last| (now - last).as_nanos());
        self.level = self.level.saturating_sub(earned * u128::from(rate.per_second.max(1)));
        let burst = rate.burst.max(1);
        let needed = if cost > burst { 1 } else { cost };
        let allowed = self.level + u128::from(needed) * TOKEN <= u128::from(burst) * TOKEN;
        self.level += u128::from(cost) * TOKEN;
        allowed
    }
}

#[cfg(test)]
mod tests {
    use socketio_p2p_core::Time;

    use super::{Bucket, Rate};

    #[test]
    fn a_burst_passes_and_then_what_time_earns() {
        let (mut bucket, rate) = (Bucket::default(), Rate { burst: 3, per_second: 10 });
        assert!((0..3).all(|_| bucket.pass(1, rate, Time::from_millis(5))));
        assert!(bucket.pass(1, rate, Time::from_millis(105)));
        assert!(!bucket.pass(1, rate, Time::from_millis(204)));
    }

    #[test]
    fn what_is_larger_than_the_burst_passes_when_anything_is_left() {
        let (mut bucket, rate) = (Bucket::default(), Rate { burst: 3, per_second: 1 });
        assert!(bucket.pass(2, rate, Time::ZERO) && bucket.pass(9, rate, Time::ZERO));
        assert!(!bucket.pass(9, rate, Time::from_millis(7_999)));
    }
}
