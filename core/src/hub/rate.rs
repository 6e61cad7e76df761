//! The rate limit on signals: a token bucket kept as one point in time (GCRA), so that nothing is lost to
//! rounding and an idle client costs nothing.

use crate::time::Time;

/// What a client has used of its allowance.
#[derive(Debug, Default)]
pub(super) struct Allowance {
    /// When the bucket is full again.
    full_at: u64,
}

/// What becomes of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    Pass,
    /// Over the limit. It counts all the same, so that a client that does not slow down gets no further.
    Refuse,
    /// Over the limit by as much again as the burst: the client does not slow down.
    Abuse,
}

impl Allowance {
    /// Takes `cost` tokens from a bucket of `burst` that fills at `per_second`.
    pub(super) fn charge(&mut self, cost: u32, now: Time, burst: u32, per_second: u32) -> Verdict {
        let interval = 1_000_000_000 / u64::from(per_second.max(1));
        let now = now.as_nanos();
        let allowed = interval.saturating_mul(u64::from(burst));
        self.full_at =
            self.full_at.max(now).saturating_add(interval.saturating_mul(u64::from(cost)));
        let taken = self.full_at - now;
        if taken <= allowed {
            Verdict::Pass
        } else if taken <= allowed.saturating_mul(2) {
            Verdict::Refuse
        } else {
            Verdict::Abuse
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn burst_passes_then_refuses_then_is_abuse() {
        let mut allowance = Allowance::default();
        let mut verdicts = (0..7).map(|_| allowance.charge(1, Time::ZERO, 3, 10));
        assert!(verdicts.by_ref().take(3).all(|verdict| verdict == Verdict::Pass));
        assert!(verdicts.by_ref().take(3).all(|verdict| verdict == Verdict::Refuse));
        assert_eq!(verdicts.next(), Some(Verdict::Abuse));
    }

    #[test]
    fn the_long_run_rate_always_passes() {
        let mut allowance = Allowance::default();
        for tick in 0..1000 {
            let now = Time::from_millis(tick * 100);
            assert_eq!(allowance.charge(1, now, 3, 10), Verdict::Pass, "at {now:?}");
        }
    }

    #[test]
    fn a_pause_fills_the_bucket_and_no_more() {
        let mut allowance = Allowance::default();
        assert_eq!(allowance.charge(3, Time::ZERO, 3, 10), Verdict::Pass);
        let later = Time::from_millis(3_600_000);
        assert_eq!(allowance.charge(3, later, 3, 10), Verdict::Pass);
        assert_eq!(allowance.charge(1, later, 3, 10), Verdict::Refuse);
    }

    #[test]
    fn extreme_costs_and_times_do_not_overflow() {
        let mut allowance = Allowance::default();
        let end = Time::from_nanos(u64::MAX);
        assert_eq!(allowance.charge(u32::MAX, end, 1, 0), Verdict::Pass);
        assert_eq!(allowance.charge(u32::MAX, Time::ZERO, u32::MAX, 0), Verdict::Abuse);
    }
}
