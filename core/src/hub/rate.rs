//! Rate limits: token buckets stored as one point in time (GCRA), without rounding errors and without timers.

use std::time::Duration;

use crate::time::Time;

/// The cost of one token in a bucket's own time, which is nanoseconds × tokens per second.
const TOKEN: u128 = 1_000_000_000;

/// The burst of a bucket, and its rate. Zero counts as one.
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

/// The usage of a bucket.
#[derive(Debug, Default)]
pub(super) struct Usage {
    /// The time when the bucket is full again, in its own time.
    full_at: u128,
}

/// The result of a charge.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Charge {
    /// The message is within the rate.
    Pass,
    /// The message exceeds the rate.
    Refuse,
    /// The client keeps exceeding the rate.
    Abuse,
}

impl Usage {
    /// Takes `cost` tokens, also beyond the limit, so that a client that keeps exceeding the rate gets no
    /// message through. To exceed the limit by as much as the burst is abuse.
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

    /// Takes `cost` tokens if they are available, and otherwise none. A cost above the burst needs one token
    /// and leaves a debt, because it could never pass otherwise.
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

    /// Returns the time until a token is available.
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

/// The rate limit for messages whose records the sender's link retransmits after a refusal. A refused message
/// takes no token: a client that sends too much gets the permitted rate, and one that adapts to its losses is
/// never closed. Abuse is to exceed the rate a second time, with refused messages alone.
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
    fn a_charge_passes_within_the_burst_then_is_refused_then_is_abuse() {
        let mut usage = Usage::default();
        let mut outcomes = (0..7).map(|_| usage.charge(1, Time::ZERO, rate(3, 10)));
        assert!(outcomes.by_ref().take(3).all(|outcome| outcome == Charge::Pass));
        assert!(outcomes.by_ref().take(3).all(|outcome| outcome == Charge::Refuse));
        assert_eq!(outcomes.next(), Some(Charge::Abuse));
    }

    #[test]
    fn the_token_bucket_always_passes_its_long_run_rate() {
        let mut usage = Usage::default();
        for tick in 0..1000 {
            let now = Time::from_millis(tick * 100);
            assert_eq!(usage.charge(1, now, rate(3, 10)), Charge::Pass, "at {now:?}");
        }
    }

    #[test]
    fn a_token_bucket_rate_above_one_per_nanosecond_is_exact() {
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
    fn a_pause_fills_the_token_bucket_up_to_its_burst() {
        let mut usage = Usage::default();
        assert_eq!(usage.charge(3, Time::ZERO, rate(3, 10)), Charge::Pass);
        let later = Time::from_millis(3_600_000);
        assert_eq!(usage.charge(3, later, rate(3, 10)), Charge::Pass);
        assert_eq!(usage.charge(1, later, rate(3, 10)), Charge::Refuse);
    }

    #[test]
    fn missing_tokens_are_not_taken_and_are_available_after_the_stated_wait() {
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
    fn a_cost_above_the_burst_passes_and_leaves_a_debt() {
        let mut usage = Usage::default();
        let rate = rate(10, 10);
        assert!(usage.take(50, Time::ZERO, rate));
        assert!(!usage.take(1, Time::from_millis(4099), rate));
        assert!(usage.take(1, Time::from_millis(4100), rate));
    }

    #[test]
    fn a_client_at_twice_the_rate_gets_half_of_its_messages_through_and_is_not_abusive() {
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
    fn a_client_at_three_times_the_rate_is_abusive() {
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
