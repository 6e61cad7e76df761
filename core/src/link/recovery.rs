//! The round-trip time and the rate of one path, measured by pings, and its congestion window.

use std::collections::VecDeque;
use std::time::Duration;

use crate::time::Time;

/// The assumed round-trip time of a path without a measurement (RFC 9002 section 6.2.2).
const INITIAL_RTT: Duration = Duration::from_millis(333);

/// The maximum delay of the peer's acknowledgements.
pub(crate) const ACK_DELAY: Duration = Duration::from_millis(20);

/// The assumed granularity of clocks and drivers.
const GRANULARITY: Duration = Duration::from_millis(10);

/// The initial window of a path, and the minimum window.
const INITIAL_WINDOW: usize = 16 << 10;
const MIN_WINDOW: usize = 4 << 10;

/// The initial length of records on a path, and the minimum length.
const INITIAL_RECORD: usize = 4 << 10;
const MIN_RECORD: usize = 1 << 10;

/// A record takes this fraction of a second on the path, which bounds the delay of the next one.
const RECORDS_PER_SECOND: u64 = 20;

/// The queueing delay on the path that the window permits: the delay of an event behind bulk.
const QUEUE: Duration = Duration::from_millis(400);

/// A round trip that exceeds the shortest one by less than this has not queued on the path.
const UNNOTICED: Duration = Duration::from_millis(20);

/// The time after which the shortest round trip is measured anew.
const MIN_RTT_AGE: Duration = Duration::from_secs(10);

/// The maximum number of unanswered pings that are kept.
const MAX_PINGS: usize = 32;

#[derive(Clone, Copy, Debug)]
struct Ping {
    number: u64,
    at: Time,
    /// The bytes delivered on the path when the ping was sent.
    delivered: u64,
    in_flight: usize,
    /// Whether the window limited sending.
    limited: bool,
    order: u64,
}

/// The result of a pong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Answer {
    /// The position of the ping among the records of the link.
    pub(crate) order: u64,
}

/// The measurements of one path.
#[derive(Debug, Default)]
pub(crate) struct Recovery {
    pings: VecDeque<Ping>,
    smoothed: Option<Duration>,
    variation: Duration,
    shortest: Duration,
    shortest_at: Time,
    /// Whether the shortest round trip was measured while the path was nearly empty.
    shortest_alone: bool,
    /// When the rate was last raised above the delivered rate.
    raised_at: Time,
    /// Whether little is sent until a ping has crossed the nearly empty path.
    draining: bool,
    /// Bytes per second; 0 when unknown.
    rate: u64,
    delivered: u64,
    /// The bytes sent since the last ping.
    unprobed: usize,
}

impl Recovery {
    /// Returns the smoothed round-trip time, once measured.
    pub(crate) const fn round_trip(&self) -> Option<Duration> {
        self.smoothed
    }

    /// Returns the probe time-out, at most `max`.
    pub(crate) fn timeout(&self, max: Duration) -> Duration {
        let timeout = match self.smoothed {
            Some(smoothed) => smoothed + GRANULARITY.max(4 * self.variation) + ACK_DELAY,
            None => 3 * INITIAL_RTT,
        };
        timeout.min(max)
    }

    /// Returns the probe time-out after `times` consecutive time-outs: it doubles with each, up to `max`.
    pub(crate) fn backed_off(&self, times: u32, max: Duration) -> Duration {
        self.timeout(max).saturating_mul(1 << times.min(16)).min(max)
    }

    /// Returns whether a ping is unanswered.
    pub(crate) fn is_asking(&self) -> bool {
        !self.pings.is_empty()
    }

    /// Returns the window in bytes, at most `max`.
    pub(crate) fn window(&self, max: usize) -> usize {
        self.filled(1, max)
    }

    /// Returns the part of the window for bulk, which queues less on the path and leaves the rest to events.
    pub(crate) fn bulk_window(&self, max: usize) -> usize {
        self.filled(2, max)
    }

    /// Returns the bytes that fill the path and the `part`-th part of the permitted queue.
    fn filled(&self, part: u32, max: usize) -> usize {
        let least = MIN_WINDOW / part as usize;
        let window = if self.draining {
            least
        } else if self.rate == 0 {
            INITIAL_WINDOW / part as usize
        } else {
            bytes_in(self.rate, self.shortest + QUEUE / part)
        };
        window.max(least).min(max / part as usize)
    }

    /// Returns the length of records in bytes, at most `max`.
    pub(crate) fn record(&self, max: usize) -> usize {
        let record = match self.rate {
            0 => INITIAL_RECORD,
            rate => usize::try_from(rate / RECORDS_PER_SECOND).unwrap_or(usize::MAX),
        };
        // The ping that ends draining crosses the path with one record, which must not fill the path.
        let max = if self.draining { max.min(MIN_WINDOW) } else { max };
        record.max(MIN_RECORD).min(max)
    }

    /// Notes sent bytes. Returns whether a ping is due: there are several per window, one of them when bulk has
    /// filled its part.
    pub(crate) fn note_sent(&mut self, bytes: usize, max: usize) -> bool {
        self.unprobed += bytes;
        self.unprobed >= self.bulk_window(max) / 2
    }

    /// Notes a sent ping.
    pub(crate) fn ping(
        &mut self,
        number: u64,
        order: u64,
        in_flight: usize,
        limited: bool,
        now: Time,
    ) {
        if self.pings.len() == MAX_PINGS {
            // Any ping between the last answer and now can go.
            self.pings.remove(MAX_PINGS / 2);
        }
        // Draining limits sending by itself, which says nothing about the rate of the path.
        let (delivered, limited) = (self.delivered, limited && !self.draining);
        self.pings.push_back(Ping { number, at: now, delivered, in_flight, limited, order });
        self.unprobed = 0;
        if self.smoothed.is_some() && now - self.shortest_at >= MIN_RTT_AGE {
            self.draining = true;
        }
    }

    /// Notes bytes newly known as delivered on this path.
    pub(crate) fn note_delivered(&mut self, bytes: usize) {
        self.delivered += bytes as u64;
    }

    /// Handles a pong of this path, after the acknowledgements that came with it. Returns `None` for an unknown
    /// ping, or one older than an answered one.
    pub(crate) fn pong(&mut self, number: u64, now: Time) -> Option<Answer> {
        let at = self.pings.iter().position(|ping| ping.number == number)?;
        let ping = self.pings[at];
        self.pings.drain(..=at);
        let round_trip = now - ping.at;
        self.note_round_trip(round_trip, ping.in_flight, now);
        self.note_rate(ping, round_trip, now);
        Some(Answer { order: ping.order })
    }

    /// RFC 9002 section 5.3.
    fn note_round_trip(&mut self, round_trip: Duration, in_flight: usize, now: Time) {
        let alone = in_flight <= MIN_WINDOW;
        let fresh = self.draining && alone;
        if self.smoothed.is_none() || round_trip <= self.shortest || fresh {
            self.shortest = round_trip;
            self.shortest_at = now;
            self.shortest_alone |= alone;
            self.draining = false;
        } else if round_trip - self.shortest < UNNOTICED {
            // The shortest round trip is confirmed: the path needs no draining.
            self.shortest_at = now;
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

    /// Updates the rate: the bytes delivered in a round trip are a lower bound, and the rate itself when the
    /// path was full.
    fn note_rate(&mut self, ping: Ping, round_trip: Duration, now: Time) {
        let delivered = self.delivered - ping.delivered;
        if delivered == 0 {
            return;
        }
        let nanos = round_trip.max(Duration::from_micros(100)).as_nanos() as u64;
        let sample = u64::try_from(u128::from(delivered) * 1_000_000_000 / u128::from(nanos));
        let sample = sample.unwrap_or(u64::MAX).max(1);
        // When a full window does not queue, the path may be faster: the rate is raised once per round trip.
        let idle = ping.limited
            && ping.at >= self.raised_at
            && self.shortest_alone
            && round_trip < self.shortest + QUEUE / 4;
        if idle {
            self.raised_at = now;
        }
        let sample = if idle { sample.saturating_mul(2) } else { sample };
        // The window at most doubles: links to several peers that share uploads stay in step although their
        // pongs arrive one after the other.
        let doubled = rate_of(2 * self.window(usize::MAX), self.shortest + QUEUE);
        let sample = sample.min(doubled.max(1));
        // A small number of bytes says little about the rate of an unmeasured path.
        let unknown = self.rate == 0 && !ping.limited;
        if unknown && bytes_in(sample, self.shortest + QUEUE) < INITIAL_WINDOW {
            return;
        }
        // A queue on the path shows that it is full, although small transport buffers keep the window from
        // being full.
        let waited = ping.in_flight > bytes_in(self.rate, self.shortest)
            && round_trip > self.shortest + QUEUE;
        let full = ping.limited || waited;
        if sample >= self.rate || (full && round_trip > self.shortest + 3 * QUEUE) {
            self.rate = sample;
        } else if full {
            self.rate -= (self.rate - sample) / 8;
        }
    }

    /// Shrinks the window to its minimum until data is acknowledged, because records were lost and none before
    /// them arrived.
    pub(crate) fn collapse(&mut self) {
        self.rate = 1;
    }
}

/// Returns the rate that delivers so many bytes in this time.
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

    /// A path whose rate in bytes per second (0: none) and latency may change.
    type Path = fn(Duration) -> (u64, Duration);

    /// Fills the window, with bulk alone or with events, over a path, from `from` on for `seconds`. Returns the
    /// bytes delivered, and the longest time in flight beyond the latency.
    fn saturate(
        recovery: &mut Recovery,
        bulk: bool,
        from: Time,
        path: Path,
        seconds: u64,
    ) -> (usize, Duration) {
        let (mut now, mut free_at) = (from, Time::ZERO);
        let mut in_flight: VecDeque<(Time, usize, Option<u64>)> = VecDeque::new();
        let (mut number, mut delivered, mut worst) = (from.as_nanos(), 0, Duration::ZERO);
        let mut sum = 0;
        while now - from < Duration::from_secs(seconds) {
            loop {
                let window = |recovery: &Recovery| match bulk {
                    true => recovery.bulk_window(MAX),
                    false => recovery.window(MAX),
                };
                if sum >= window(recovery) {
                    break;
                }
                let (rate, latency) = path(now - from);
                let record = recovery.record(64 << 10);
                let nanos = (record as u64 * 1_000_000_000).checked_div(rate).unwrap_or(0);
                free_at = free_at.max(now) + Duration::from_nanos(nanos);
                sum += record;
                let ping = recovery.note_sent(record, MAX).then(|| {
                    number += 1;
                    let limited = sum >= window(recovery);
                    recovery.ping(number, 0, sum, limited, now);
                    number
                });
                worst = worst.max(free_at - now);
                let last = in_flight.back().map_or(Time::ZERO, |(at, ..)| *at);
                in_flight.push_back(((free_at + 2 * latency).max(last), record, ping));
            }
            let (at, bytes, ping) = in_flight.pop_front().unwrap();
            now = now.max(at);
            sum -= bytes;
            recovery.note_delivered(bytes);
            delivered += bytes;
            if let Some(ping) = ping {
                recovery.pong(ping, now).unwrap();
            }
        }
        (delivered, worst)
    }

    const START: Time = Time::from_millis(1000);

    #[test]
    fn the_window_fills_a_path_of_any_rate_without_overfilling_it() {
        let ms = Duration::from_millis;
        let paths: [Path; 6] = [
            |_| (12_000, Duration::from_millis(20)),
            |_| (32_000, Duration::from_millis(50)),
            |_| (125_000, Duration::from_millis(40)),
            |_| (1_000_000, Duration::from_millis(40)),
            |_| (1_000_000, Duration::from_millis(1)),
            |_| (100_000, Duration::from_millis(500)),
        ];
        for path in paths {
            for bulk in [false, true] {
                let (rate, latency) = path(Duration::ZERO);
                // Measuring the rate takes round trips.
                let percent = if latency > ms(100) { 70 } else { 85 };
                let mut recovery = Recovery::default();
                let (delivered, worst) = saturate(&mut recovery, bulk, START, path, 30);
                assert!(
                    delivered as u64 >= rate * 30 * percent / 100,
                    "{delivered} bytes at {rate}"
                );
                let most = ms(if rate < 20_000 || latency > ms(100) { 1500 } else { 750 });
                assert!(worst <= most, "{worst:?} at {rate}, bulk {bulk}");
            }
        }
    }

    #[test]
    fn the_window_fills_a_long_path_within_a_few_round_trips() {
        let paths: [Path; 2] =
            [|_| (0, Duration::from_millis(200)), |_| (0, Duration::from_millis(500))];
        for path in paths {
            let latency = path(Duration::ZERO).1;
            for (bulk, window) in [(false, MAX), (true, MAX / 2)] {
                let mut recovery = Recovery::default();
                let (delivered, _) = saturate(&mut recovery, bulk, START, path, 20);
                let round_trips = 20_000 / (2 * latency.as_millis() as usize);
                let most = window * round_trips;
                assert!(delivered > most / 2, "{delivered} of {most} at {latency:?}, bulk {bulk}");
            }
        }
    }

    #[test]
    fn the_window_follows_a_growing_round_trip_time() {
        let path: Path = |at| {
            let latency = if at < Duration::from_secs(3) { 20 } else { 1_000 };
            (20_000, Duration::from_millis(latency))
        };
        for bulk in [false, true] {
            let mut recovery = Recovery::default();
            let (delivered, _) = saturate(&mut recovery, bulk, START, path, 60);
            assert!(delivered > 20_000 * 60 / 2, "{delivered}, bulk {bulk}");
        }
    }

    #[test]
    fn the_window_follows_a_falling_rate() {
        let mut recovery = Recovery::default();
        saturate(&mut recovery, false, START, |_| (1_000_000, Duration::from_millis(20)), 5);
        assert!(recovery.window(MAX) > 300_000);
        let later = START + Duration::from_secs(10);
        saturate(&mut recovery, false, later, |_| (20_000, Duration::from_millis(20)), 60);
        assert!(recovery.window(MAX) < 20_000, "{}", recovery.window(MAX));
    }

    #[test]
    fn the_probe_time_out_follows_round_trip_times_and_doubles_up_to_a_bound() {
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
    fn a_pong_counts_once_and_answers_earlier_pings() {
        let mut recovery = Recovery::default();
        for number in 1..=3 {
            recovery.ping(number, 10 * number, 0, false, Time::ZERO);
        }
        assert_eq!(recovery.pong(2, Time::ZERO).unwrap().order, 20);
        assert!(recovery.pong(1, Time::ZERO).is_none() && recovery.pong(2, Time::ZERO).is_none());
        assert!(recovery.pong(7, Time::ZERO).is_none());
    }
}
