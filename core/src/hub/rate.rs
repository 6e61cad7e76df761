//! The rate limits: token buckets kept as one point in time (GCRA), so that nothing is lost to rounding and an
//! idle client costs nothing.

use std::time::Duration;

use crate::time::Time;

/// What one token takes in the time of a bucket, which is nanoseconds × tokens per second.
const TOKEN: u128 = 1_000_000_000;

/// The size of a bucket, and how fast it fills. Zeros count as one.
#[derive(Clone, Copy, Debug)]
pub(super) struct Rate {
    burst: u64,
    per_second: u64,
}

impl Rate {
    pub(super) fn new(burst: impl Into<u64>, per_second: impl Into<u64>) -> Self {
        Self { burst: burst.into().max(1), per_second: per_second.into().max(1) }
    }

    fn allowed(self) -> u128 {
        u128::from(self.burst) * TOKEN
    }
}

/// What was used of a bucket.
#[derive(Debug, Default)]
pub(super) struct Usage {
    /// When the bucket is full again, in its own time.
    full_at: u128,
}

/// The outcome of a charge: what becomes of the message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Charge {
    /// It is within the rate.
    Pass,
    /// It is beyond the rate.
    Refuse,
    /// The client does not slow down.
    Abuse,
}

impl Usage {
    /// Takes `cost` tokens. What is over the limit counts all the same, so that a client that does not slow down
    /// gets no further; over the limit by as much again as the burst is abuse.
    pub(super) fn charge(&mut self, cost: u64, now: Time, rate: Rate) -> Charge {
        let owed = self.owed(now, rate).saturating_add(u128::from(cost) * TOKEN);
        self.full_at = clock(now, rate).saturating_add(owed);
        if owed <= rate.allowed() {
            Charge::Pass
        } else if owed <= rate.allowed() * 2 {
            Charge::Refuse
        } else {
            Charge::Abuse
        }
    }

    /// Takes `cost` tokens if they are there, and otherwise nothing. What costs more than the bucket holds needs
    /// one and leaves a debt: it would never pass otherwise.
    pub(super) fn take(&mut self, cost: u64, now: Time, rate: Rate) -> bool {
        let owed = self.owed(now, rate);
        let needed = if cost > rate.burst { 1 } else { cost };
        let passes = owed.saturating_add(u128::from(needed) * TOKEN) <= rate.allowed();
        if passes {
            let cost = u128::from(cost) * TOKEN;
            self.full_at = clock(now, rate).saturating_add(owed.saturating_add(cost));
        }
        passes
    }

    /// How long it is until there is a token.
    pub(super) fn wait(&self, now: Time, rate: Rate) -> Duration {
        let missing = self.owed(now, rate).saturating_add(TOKEN).saturating_sub(rate.allowed());
        let nanos = missing.div_ceil(u128::from(rate.per_second));
        Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
    }

    fn owed(&self, now: Time, rate: Rate) -> u128 {
        self.full_at.saturating_sub(clock(now, rate))
    }
}

fn clock(now: Time, rate: Rate) -> u128 {
    u128::from(now.as_nanos()) * u128::from(rate.per_second)
}

/// The limit on messages that the sender's link retransmits when they are refused. A refused message costs nothing of
/// what may pass: a client that sends too much gets the allowed rate through, and one that adapts to its losses is
/// never closed. Abuse is to exceed the rate a second time with refused messages alone.
#[derive(Debug, Default)]
pub(super) struct Throttle {
    passed: Usage,
    refused: Usage,
}

impl Throttle {
    pub(super) fn charge(&mut self, cost: u64, now: Time, rate: Rate) -> Charge {
        if self.passed.take(cost, now, rate) {
            Charge::Pass
        } else if self.refused.take(cost, now, rate) {
            Charge::Refuse
        } else {
            Charge::Abuse
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rate(burst: u64, per_second: u64) -> Rate {
        Rate::new(burst, per_second)
    }

    #[test]
    fn burst_passes_then_refuses_then_is_abuse() {
        let mut usage = Usage::default();
        let mut outcomes = (0..7).map(|_| usage.charge(1, Time::ZERO, rate(3, 10)));
        assert!(outcomes.by_ref().take(3).all(|outcome| outcome == Charge::Pass));
        assert!(outcomes.by_ref().take(3).all(|outcome| outcome == Charge::Refuse));
        assert_eq!(outcomes.next(), Some(Charge::Abuse));
    }

    #[test]
    fn the_long_run_rate_always_passes() {
        let mut usage = Usage::default();
        for tick in 0..1000 {
            let now = Time::from_millis(tick * 100);
            assert_eq!(usage.charge(1, now, rate(3, 10)), Charge::Pass, "at {now:?}");
        }
    }

    #[test]
    fn a_rate_above_one_per_nanosecond_is_exact() {
        let mut usage = Usage::default();
        let rate = rate(3, 3_000_000_000);
        for nanos in 0..1000 {
            let now = Time::from_nanos(nanos);
            assert_eq!(usage.charge(3, now, rate), Charge::Pass, "at {now:?}");
            assert_eq!(usage.wait(now, rate), Duration::from_nanos(1));
        }
        assert_eq!(usage.charge(1, Time::from_nanos(999), rate), Charge::Refuse);
    }

    #[test]
    fn a_pause_fills_the_bucket_and_no_more() {
        let mut usage = Usage::default();
        assert_eq!(usage.charge(3, Time::ZERO, rate(3, 10)), Charge::Pass);
        let later = Time::from_millis(3_600_000);
        assert_eq!(usage.charge(3, later, rate(3, 10)), Charge::Pass);
        assert_eq!(usage.charge(1, later, rate(3, 10)), Charge::Refuse);
    }

    #[test]
    fn what_is_not_there_is_not_taken_and_comes_when_it_was_said_to() {
        let mut usage = Usage::default();
        let rate = rate(2, 10);
        assert!(usage.take(1, Time::ZERO, rate) && usage.take(1, Time::ZERO, rate));
        for _ in 0..100 {
            assert!(!usage.take(1, Time::ZERO, rate));
        }
        let wait = Duration::from_millis(100);
        assert_eq!(usage.wait(Time::ZERO, rate), wait);
        assert!(!usage.take(1, Time::ZERO + (wait - Duration::from_nanos(1)), rate));
        assert!(usage.take(1, Time::ZERO + wait, rate));
        assert_eq!(usage.wait(Time::ZERO + wait, rate), wait);
    }

    #[test]
    fn what_costs_more_than_the_bucket_holds_passes_and_is_paid_for() {
        let mut usage = Usage::default();
        let rate = rate(10, 10);
        assert!(usage.take(50, Time::ZERO, rate));
        assert!(!usage.take(1, Time::from_millis(4099), rate));
        assert!(usage.take(1, Time::from_millis(4100), rate));
    }

    #[test]
    fn who_keeps_sending_twice_what_is_allowed_gets_half_of_it_through_and_is_not_abusive() {
        let mut throttle = Throttle::default();
        let rate = rate(100, 10);
        let outcomes = (0..10_000).map(|tick| {
            let now = Time::from_millis(tick * 50);
            throttle.charge(1, now, rate)
        });
        let outcomes: Vec<_> = outcomes.collect();
        let passed = outcomes.iter().filter(|outcome| **outcome == Charge::Pass).count();
        assert!((5_000..5_102).contains(&passed), "{passed}");
        assert!(!outcomes.contains(&Charge::Abuse));
    }

    #[test]
    fn who_keeps_sending_three_times_what_is_allowed_is_abusive() {
        let mut throttle = Throttle::default();
        let rate = rate(100, 10);
        let outcomes = (0..1_000).map(|tick| {
            let now = Time::from_millis(tick * 33);
            throttle.charge(1, now, rate)
        });
        assert!(outcomes.collect::<Vec<_>>().contains(&Charge::Abuse));
    }

    #[test]
    fn extreme_costs_and_times_do_not_overflow() {
        let mut usage = Usage::default();
        let end = Time::from_nanos(u64::MAX);
        assert_eq!(usage.charge(u64::MAX, end, rate(1, 0)), Charge::Abuse);
        let most = rate(u64::MAX, u64::MAX);
        assert!(usage.take(u64::MAX, end, most));
        assert_eq!(usage.wait(Time::ZERO, rate(0, 0)), Duration::from_nanos(u64::MAX));
    }
}
