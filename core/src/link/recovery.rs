//! What pings tell of one path: its round trips, its rate, and from these how much may be under way on it.

use std::collections::VecDeque;
use std::time::Duration;

use crate::time::Time;

/// The round trip that is assumed of a path that has made none (RFC 9002 section 6.2.2).
const INITIAL_RTT: Duration = Duration::from_millis(333);

/// How long the other end may wait before it acknowledges.
pub(crate) const ACK_DELAY: Duration = Duration::from_millis(20);

/// Clocks and drivers are not finer than that.
const GRANULARITY: Duration = Duration::from_millis(10);

/// What may be under way on a path of which nothing is known, and on any.
const INITIAL_WINDOW: usize = 16 << 10;
const MIN_WINDOW: usize = 4 << 10;

/// The records of a path of which nothing is known, and of any.
const INITIAL_RECORD: usize = 4 << 10;
const MIN_RECORD: usize = 1 << 10;

/// A record takes this part of a second, so that what comes behind it waits for little.
const RECORDS_PER_SECOND: u64 = 20;

/// How much is under way beyond what the path itself holds: what an event waits for behind bulk.
const QUEUE: Duration = Duration::from_millis(400);

/// For so long the shortest round trip is believed.
const MIN_RTT_AGE: Duration = Duration::from_secs(10);

/// Pings that may be answered still.
const MAX_PINGS: usize = 32;

#[derive(Clone, Copy, Debug)]
struct Ping {
    number: u64,
    at: Time,
    /// What had been delivered on the path by then.
    delivered: u64,
    under_way: usize,
    /// The window was what kept more from being sent.
    limited: bool,
    order: u64,
}

/// The answer to a ping.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Answer {
    /// The ping's place among all that was sent.
    pub(crate) order: u64,
}

/// One path, as far as pings tell.
#[derive(Debug, Default)]
pub(crate) struct Recovery {
    pings: VecDeque<Ping>,
    smoothed: Option<Duration>,
    variation: Duration,
    shortest: Duration,
    shortest_at: Time,
    /// Little is sent until a ping has crossed a path that is nearly empty.
    draining: bool,
    /// Bytes per second; 0 when it is not known.
    rate: u64,
    delivered: u64,
    /// Bytes sent since the last ping.
    unprobed: usize,
}

impl Recovery {
    /// How long an answer may take, `max` at most.
    pub(crate) fn timeout(&self, max: Duration) -> Duration {
        let timeout = match self.smoothed {
            Some(smoothed) => smoothed + GRANULARITY.max(4 * self.variation) + ACK_DELAY,
            None => 3 * INITIAL_RTT,
        };
        timeout.min(max)
    }

    /// The time-out when so many in a row have passed: it doubles, up to `max`.
    pub(crate) fn backed_off(&self, times: u32, max: Duration) -> Duration {
        self.timeout(max).saturating_mul(1 << times.min(16)).min(max)
    }

    /// Whether a ping waits for its answer.
    pub(crate) fn is_asking(&self) -> bool {
        !self.pings.is_empty()
    }

    /// How many bytes may be under way, `max` at most.
    pub(crate) fn window(&self, max: usize) -> usize {
        let window = if self.draining {
            MIN_WINDOW
        } else if self.rate == 0 {
            INITIAL_WINDOW
        } else {
            bytes_in(self.rate, self.shortest + QUEUE)
        };
        window.max(MIN_WINDOW).min(max)
    }

    /// How long records are, `max` at most.
    pub(crate) fn record(&self, max: usize) -> usize {
        let record = match self.rate {
            0 => INITIAL_RECORD,
            rate => usize::try_from(rate / RECORDS_PER_SECOND).unwrap_or(usize::MAX),
        };
        record.max(MIN_RECORD).min(max)
    }

    /// Notes bytes that are sent. Whether it is time for a ping: there are a few in each window.
    pub(crate) fn note_sent(&mut self, bytes: usize, max: usize) -> bool {
        self.unprobed += bytes;
        self.unprobed >= self.window(max) / 2
    }

    /// Notes a ping that is sent.
    pub(crate) fn ping(
        &mut self,
        number: u64,
        order: u64,
        under_way: usize,
        limited: bool,
        now: Time,
    ) {
        if self.pings.len() == MAX_PINGS {
            // Of those between the last answer and now any will do.
            self.pings.remove(MAX_PINGS / 2);
        }
        let delivered = self.delivered;
        self.pings.push_back(Ping { number, at: now, delivered, under_way, limited, order });
        self.unprobed = 0;
        if self.smoothed.is_some() && now - self.shortest_at >= MIN_RTT_AGE {
            self.draining = true;
        }
    }

    /// So many bytes more are known to have come on this path.
    pub(crate) fn note_delivered(&mut self, bytes: usize) {
        self.delivered += bytes as u64;
    }

    /// The answer to a ping of this path has come, and what it acknowledges has been noted. `None`: there is no such ping,
    /// or one after it has been answered before.
    pub(crate) fn pong(&mut self, number: u64, now: Time) -> Option<Answer> {
        let at = self.pings.iter().position(|ping| ping.number == number)?;
        let ping = self.pings[at];
        self.pings.drain(..=at);
        let round_trip = now - ping.at;
        self.note_round_trip(round_trip, ping.under_way, now);
        self.note_rate(ping, round_trip);
        Some(Answer { order: ping.order })
    }

    /// RFC 9002 section 5.3.
    fn note_round_trip(&mut self, round_trip: Duration, under_way: usize, now: Time) {
        let fresh = self.draining && under_way <= MIN_WINDOW;
        if self.smoothed.is_none() || round_trip <= self.shortest || fresh {
            self.shortest = round_trip;
            self.shortest_at = now;
            self.draining = false;
        }
        match self.smoothed {
            None => {
                self.smoothed = Some(round_trip);
                self.variation = round_trip / 2;
            }
            Some(smoothed) => {
                self.variation = (3 * self.variation + smoothed.abs_diff(round_trip)) / 4;
                self.smoothed = Some((7 * smoothed + round_trip) / 8);
            }
        }
    }

    /// What was delivered in a round trip is a lower bound of the rate, and the rate itself when the window was full.
    fn note_rate(&mut self, ping: Ping, round_trip: Duration) {
        let delivered = self.delivered - ping.delivered;
        if delivered == 0 {
            return;
        }
        let nanos = round_trip.max(Duration::from_micros(100)).as_nanos() as u64;
        let sample = u64::try_from(u128::from(delivered) * 1_000_000_000 / u128::from(nanos));
        let sample = sample.unwrap_or(u64::MAX).max(1);
        // The window doubles at most: whoever gets the same as others, and hears its pong a little later, stays in step.
        let doubled = rate_of(2 * self.window(usize::MAX), self.shortest + QUEUE);
        let sample = sample.min(doubled.max(1));
        // Little that was sent says little of what a path takes that is not known.
        let unknown = self.rate == 0 && !ping.limited;
        if unknown && bytes_in(sample, self.shortest + QUEUE) < INITIAL_WINDOW {
            return;
        }
        if sample >= self.rate || (ping.limited && round_trip > self.shortest + 3 * QUEUE) {
            self.rate = sample;
        } else if ping.limited {
            self.rate -= (self.rate - sample) / 8;
        }
    }

    /// What was sent on the path is lost, and nothing has come of what was sent before either: hardly anything may be sent
    /// until something does.
    pub(crate) fn collapse(&mut self) {
        self.rate = 1;
    }
}

/// The rate that fills so many bytes in this time.
fn rate_of(bytes: usize, time: Duration) -> u64 {
    let rate = bytes as u128 * 1_000_000_000 / time.as_nanos().max(1);
    u64::try_from(rate).unwrap_or(u64::MAX)
}

fn bytes_in(rate: u64, time: Duration) -> usize {
    let bytes = u128::from(rate) * time.as_nanos() / 1_000_000_000;
    usize::try_from(bytes).unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;
    use std::time::Duration;

    use super::Recovery;
    use crate::time::Time;

    const MAX: usize = 1 << 20;

    /// Sends as much as the window allows over a path of `rate` bytes per second for `seconds`. The bytes delivered, and the
    /// longest time that anything was under way.
    fn saturate(
        recovery: &mut Recovery,
        rate: u64,
        latency: Duration,
        seconds: u64,
    ) -> (u64, Duration) {
        let (mut now, start, mut free_at) =
            (Time::from_millis(1000), Time::from_millis(1000), Time::ZERO);
        let mut under_way: VecDeque<(Time, usize, Option<u64>)> = VecDeque::new();
        let (mut number, mut delivered, mut worst) = (0, 0, Duration::ZERO);
        while now - start < Duration::from_secs(seconds) {
            loop {
                let bytes: usize = under_way.iter().map(|(_, bytes, _)| bytes).sum();
                if bytes >= recovery.window(MAX) {
                    break;
                }
                let record = recovery.record(64 << 10);
                free_at =
                    free_at.max(now) + Duration::from_nanos(record as u64 * 1_000_000_000 / rate);
                let ping = recovery.note_sent(record, MAX).then(|| {
                    number += 1;
                    recovery.ping(number, 0, bytes + record, true, now);
                    number
                });
                worst = worst.max(free_at + latency - now);
                under_way.push_back((free_at + 2 * latency, record, ping));
            }
            let (at, bytes, ping) = under_way.pop_front().unwrap();
            now = now.max(at);
            recovery.note_delivered(bytes);
            delivered += bytes as u64;
            if let Some(ping) = ping {
                recovery.pong(ping, now).unwrap();
            }
        }
        (delivered, worst)
    }

    #[test]
    fn a_path_is_filled_and_not_overfilled_whatever_its_rate() {
        for (rate, latency) in
            [(12_000, 20), (32_000, 50), (125_000, 40), (1_000_000, 40), (1_000_000, 1)]
        {
            let mut recovery = Recovery::default();
            let (delivered, worst) =
                saturate(&mut recovery, rate, Duration::from_millis(latency), 30);
            assert!(delivered >= rate * 30 * 85 / 100, "{delivered} bytes at {rate}");
            let most = Duration::from_millis(latency)
                + Duration::from_millis(if rate < 20_000 { 1500 } else { 750 });
            assert!(worst <= most, "{worst:?} at {rate}");
        }
    }

    #[test]
    fn a_path_that_gets_slower_is_followed() {
        let mut recovery = Recovery::default();
        saturate(&mut recovery, 1_000_000, Duration::from_millis(20), 5);
        assert!(recovery.window(MAX) > 300_000);
        saturate(&mut recovery, 20_000, Duration::from_millis(20), 60);
        assert!(recovery.window(MAX) < 20_000, "{}", recovery.window(MAX));
    }

    #[test]
    fn the_time_out_follows_round_trips_and_doubles_up_to_a_bound() {
        let mut recovery = Recovery::default();
        let max = Duration::from_secs(5);
        assert_eq!(recovery.timeout(max), Duration::from_millis(999));
        for number in 0..50 {
            let at = Time::from_millis(number * 100);
            recovery.ping(number, number, 0, false, at);
            recovery.pong(number, at + Duration::from_millis(40)).unwrap();
        }
        let timeout = recovery.timeout(max);
        assert!((60..=90).contains(&timeout.as_millis()), "{timeout:?}");
        assert_eq!(recovery.backed_off(2, max), 4 * timeout);
        assert_eq!(recovery.backed_off(60, max), max);
    }

    #[test]
    fn a_pong_counts_once_and_for_the_pings_before_it() {
        let mut recovery = Recovery::default();
        for number in 1..=3 {
            recovery.ping(number, 10 * number, 0, false, Time::ZERO);
        }
        assert_eq!(recovery.pong(2, Time::ZERO).unwrap().order, 20);
        assert!(recovery.pong(1, Time::ZERO).is_none() && recovery.pong(2, Time::ZERO).is_none());
        assert!(recovery.pong(7, Time::ZERO).is_none());
    }
}
