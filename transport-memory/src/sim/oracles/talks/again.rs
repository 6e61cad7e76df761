//! Retransmissions: no record is retransmitted before its path had time to acknowledge it.

use std::collections::VecDeque;
use std::time::Duration;

use socketio_p2p_core::Time;
use socketio_p2p_core::wire::{Lane, Stream};

use super::RoundTrips;
use crate::freight::Part;
use crate::invariant::{Breach, Invariant};
use crate::mesh::{Line, Talk};

/// What one side has sent in the last moment.
#[derive(Debug, Default)]
pub(super) struct Again {
    sent: VecDeque<Sent>,
    /// Since when all paths are what they are.
    since: Time,
}

#[derive(Clone, Copy, Debug)]
struct Sent {
    at: Time,
    held: Time,
    line: Line,
    relay: Option<Line>,
    part: Part,
}

impl Again {
    pub(super) fn forget(&mut self) {
        self.sent.clear();
    }

    /// Paths are others from now on.
    pub(super) const fn upset(&mut self, now: Time) {
        self.since = now;
    }

    pub(super) fn say(&mut self, talk: &Talk, round_trips: RoundTrips) -> Result<(), Breach> {
        let (line, at, held) = (talk.line, talk.sent.at, talk.sent.held);
        let longest = round_trips.relay.max(round_trips.direct);
        // What goes by the hub is seen later than it is sent.
        while self.sent.pop_front_if(|sent| sent.at + longest * 2 < at).is_some() {}
        for part in talk.freight.records.iter().filter(|part| is_reliable(part)) {
            let now = Sent { at, held, line, relay: talk.relay, part: *part };
            for other in self.sent.iter().filter(|other| other.overlaps(part)) {
                let (first, second) = if other.at <= at { (*other, now) } else { (now, *other) };
                let least = first.least(round_trips);
                let gap = second.at - first.at;
                let over =
                    matches!(first.line, Line::Relay(..)) && second.relay != Some(first.line);
                if gap < least && !over && second.held.max(self.since) < first.at {
                    return Err(Breach::new(
                        Invariant::Again,
                        format!(
                            "{:?} to wait for {least:?} before it sends something to {:?} again",
                            talk.from, talk.to
                        ),
                        format!("{part:?} on {:?}, {gap:?} after {:?}", second.line, first.line),
                    ));
                }
            }
            self.sent.push_back(now);
        }
        Ok(())
    }
}

fn is_reliable(part: &Part) -> bool {
    part.stream != Stream::Lane(Lane::Volatile) && part.len > 0
}

impl Sent {
    /// How long it takes at least to find out that this is lost: a ping after it and the answer. What goes by the hub is seen
    /// there only, and may have been late already.
    const fn least(&self, round_trips: RoundTrips) -> Duration {
        match self.line {
            Line::Relay(..) => Duration::from_nanos(round_trips.relay.as_nanos() as u64 / 4),
            Line::Direct(..) => round_trips.direct,
            Line::Datagrams(..) | Line::Via(_) | Line::Orphan => Duration::ZERO,
        }
    }

    fn overlaps(&self, other: &Part) -> bool {
        let end = |part: &Part| part.at + part.len as u64;
        (self.part.stream, self.part.number) == (other.stream, other.number)
            && self.part.at < end(other)
            && other.at < end(&self.part)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use socketio_p2p_core::Time;
    use socketio_p2p_core::wire::{Lane, Stream};

    use super::{RoundTrips, Sent};
    use crate::freight::Part;
    use crate::mesh::Line;

    fn sent(line: Line, at: u64, len: usize) -> Sent {
        let part = Part { stream: Stream::Lane(Lane::Events), number: 4, at, len, end: false };
        Sent { at: Time::ZERO, held: Time::ZERO, line, relay: None, part }
    }

    #[test]
    fn the_same_bytes_wait_for_a_round_trip_of_the_path_on_which_they_went() {
        let ms = Duration::from_millis;
        let round_trips = RoundTrips { relay: ms(40), direct: ms(8) };
        let (relay, other) = (sent(Line::Relay(1, 2), 0, 10), sent(Line::Via(3), 9, 1));
        assert_eq!((relay.least(round_trips), other.least(round_trips)), (ms(10), ms(0)));
        assert!(relay.overlaps(&other.part));
        assert!(!relay.overlaps(&sent(Line::Via(3), 10, 5).part));
    }
}
