//! Records in flight: sent on a path, and neither acknowledged nor known to be lost.

use std::collections::VecDeque;
use std::ops::Range;
use std::time::Duration;

use super::stall::Stall;
use crate::path::Path;
use crate::time::Time;
use crate::wire::{Lane, Stream};

/// The acknowledged bytes that count as progress.
const PROGRESS: u64 = 1 << 10;

/// A kind of path, of which there is at most one each.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum PathKind {
    Relay,
    Direct,
    Via,
}

/// One value per kind of path.
pub(crate) type PerPath<T> = [T; PathKind::ALL.len()];

impl PathKind {
    pub(crate) const ALL: [Self; 3] = [Self::Direct, Self::Relay, Self::Via];

    pub(crate) const fn index(self) -> usize {
        self as usize
    }

    /// Returns the name for logs.
    #[cfg(feature = "tracing")]
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Relay => "relay",
            Self::Direct => "direct",
            Self::Via => "via",
        }
    }
}

impl From<&Path> for PathKind {
    fn from(path: &Path) -> Self {
        match path {
            Path::Relay => Self::Relay,
            Path::Direct => Self::Direct,
            Path::Via(_) => Self::Via,
        }
    }
}

/// A record in flight.
#[derive(Clone, Debug)]
pub(crate) struct Sent {
    /// The position among all records and pings of this link.
    order: u64,
    /// `None` when the path has ended.
    path: Option<PathKind>,
    at: Time,
    pub(crate) stream: Stream,
    pub(crate) number: u64,
    pub(crate) bytes: Range<u64>,
    /// Whether the packet or transfer ended without this record, which still counts towards the window of its
    /// path.
    moot: bool,
}

/// The fate of a record that was sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fate {
    /// Not known yet.
    Unknown,
    /// The peer has received it.
    Arrived,
    /// Its packet or transfer has ended.
    Moot,
}

impl Sent {
    fn len(&self) -> usize {
        usize::try_from(self.bytes.end - self.bytes.start).unwrap_or(usize::MAX)
    }
}

/// The bytes in flight on one path.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct InFlight {
    /// Of all streams.
    pub(crate) all: usize,
    /// Of bulk and transfers.
    pub(crate) bulk: usize,
}

/// All records in flight, in the order in which they were sent.
#[derive(Debug, Default)]
pub(crate) struct Flight {
    sent: VecDeque<Sent>,
    next_order: u64,
    in_flight: PerPath<InFlight>,
    pub(crate) stall: Stall,
    /// The number of consecutive losses without progress.
    setbacks: u32,
    /// The bytes acknowledged since the last loss.
    news: u64,
    /// The time until which nothing is sent, neither new data nor retransmissions.
    held_until: Option<Time>,
}

impl Flight {
    pub(crate) fn is_empty(&self) -> bool {
        self.sent.is_empty()
    }

    pub(crate) const fn in_flight(&self, path: PathKind) -> InFlight {
        self.in_flight[path.index()]
    }

    /// Returns the position of the next record or ping.
    pub(crate) const fn next_order(&self) -> u64 {
        self.next_order
    }

    pub(crate) fn push(
        &mut self,
        path: PathKind,
        stream: Stream,
        number: u64,
        bytes: Range<u64>,
        now: Time,
    ) {
        let order = self.next_order;
        self.next_order += 1;
        let sent = Sent { order, path: Some(path), at: now, stream, number, bytes, moot: false };
        let in_flight = &mut self.in_flight[path.index()];
        in_flight.all += sent.len();
        if is_bulk(stream) {
            in_flight.bulk += sent.len();
        }
        self.sent.push_back(sent);
    }

    /// Notes newly acknowledged bytes; `waits`: the peer has not acknowledged everything sent, including lost
    /// pieces.
    pub(crate) fn note_news(&mut self, news: u64, waits: bool) {
        self.news += news;
        let all = self.sent.iter().all(|sent| sent.moot);
        self.stall.note_progress(news, !waits);
        if all || self.news >= PROGRESS {
            self.setbacks = 0;
            self.held_until = None;
        }
    }

    /// Notes a loss. Returns whether nothing has been acknowledged since the last one; retransmission then
    /// waits for `pause`, which grows with each such loss.
    pub(crate) fn note_loss(&mut self, pause: impl Fn(u32) -> Duration, now: Time) -> bool {
        let progress = std::mem::take(&mut self.news) >= PROGRESS;
        self.setbacks = if progress { 0 } else { self.setbacks.saturating_add(1) };
        if self.setbacks < 2 {
            return false;
        }
        self.held_until = Some(now + pause(self.setbacks - 2));
        true
    }

    /// Ends the back-off of retransmissions.
    pub(crate) const fn resume(&mut self) {
        self.setbacks = 0;
        self.held_until = None;
    }

    /// Returns the time until which nothing may be sent.
    pub(crate) fn held_until(&self, now: Time) -> Option<Time> {
        self.held_until.filter(|until| now < *until)
    }

    /// Notes that a packet or a transfer ended before all of it arrived. Its records stay in flight until a
    /// pong shows that they have left the path.
    pub(crate) fn note_moot(&mut self, stream: Stream, number: u64) {
        let those =
            self.sent.iter_mut().filter(|sent| (sent.stream, sent.number) == (stream, number));
        those.for_each(|sent| sent.moot = true);
    }

    /// Removes acknowledged records from the front: paths keep their order, so that these are nearly all.
    /// Returns the removed bytes per path.
    pub(crate) fn sweep(&mut self, fate: impl Fn(&Sent) -> Fate) -> PerPath<usize> {
        let mut swept = PerPath::default();
        let arrived = |sent: &mut Sent| !sent.moot && fate(sent) == Fate::Arrived;
        while let Some(sent) = self.sent.pop_front_if(arrived) {
            self.count_out(&sent);
            if let Some(path) = sent.path {
                swept[path.index()] += sent.len();
            }
        }
        swept
    }

    /// Removes the records that are lost: those sent before `order` on `path` or on an ended path, and those on
    /// another path sent before the time that `patience` gives for it.
    pub(crate) fn take_lost(
        &mut self,
        path: PathKind,
        order: u64,
        patience: impl Fn(PathKind) -> Time,
        fate: impl Fn(&Sent) -> Fate,
    ) -> (Vec<Sent>, PerPath<usize>) {
        let (mut lost, mut swept) = (Vec::new(), PerPath::default());
        let before = self.sent.partition_point(|sent| sent.order < order);
        let rest = self.sent.split_off(before);
        for sent in std::mem::replace(&mut self.sent, rest).into_iter().rev() {
            let fate = if sent.moot { Fate::Moot } else { fate(&sent) };
            let is_over = match sent.path {
                None => true,
                Some(other) => other == path || sent.at <= patience(other),
            };
            if fate != Fate::Arrived && !is_over {
                self.sent.push_front(sent);
                continue;
            }
            self.count_out(&sent);
            match (fate, sent.path) {
                (Fate::Unknown, _) => lost.push(sent),
                (Fate::Arrived, Some(path)) => swept[path.index()] += sent.len(),
                (Fate::Arrived, None) | (Fate::Moot, _) => {}
            }
        }
        lost.reverse();
        (lost, swept)
    }

    /// Ends a path: its records wait for acknowledgements on another one.
    pub(crate) fn abandon(&mut self, path: PathKind) {
        if self.in_flight[path.index()].all == 0 {
            return;
        }
        for sent in self.sent.iter_mut().filter(|sent| sent.path == Some(path)) {
            sent.path = None;
        }
        self.in_flight[path.index()] = InFlight::default();
    }

    fn count_out(&mut self, sent: &Sent) {
        if let Some(path) = sent.path {
            let in_flight = &mut self.in_flight[path.index()];
            in_flight.all -= sent.len();
            if is_bulk(sent.stream) {
                in_flight.bulk -= sent.len();
            }
        }
    }
}

const fn is_bulk(stream: Stream) -> bool {
    matches!(stream, Stream::Transfers | Stream::Lane(Lane::Bulk))
}

#[cfg(test)]
mod tests {
    use super::{Fate, Flight, PathKind};
    use crate::time::Time;
    use crate::wire::{Lane, Stream};

    const EVENTS: Stream = Stream::Lane(Lane::Events);
    const BULK: Stream = Stream::Lane(Lane::Bulk);

    fn flight(sent: &[(PathKind, Stream, u64)]) -> Flight {
        let mut flight = Flight::default();
        for (path, stream, at) in sent {
            let number = flight.next_order();
            flight.push(*path, *stream, number, 0..10, Time::from_millis(*at));
        }
        flight
    }

    const fn fate(arrived: bool) -> Fate {
        if arrived { Fate::Arrived } else { Fate::Unknown }
    }

    fn lost(
        flight: &mut Flight,
        path: PathKind,
        order: u64,
        before: u64,
        acked: &[u64],
    ) -> Vec<u64> {
        let patience = |_| Time::from_millis(before);
        let fate = |sent: &super::Sent| fate(acked.contains(&sent.number));
        let (lost, _) = flight.take_lost(path, order, patience, fate);
        lost.into_iter().map(|sent| sent.number).collect()
    }

    #[test]
    fn records_sent_before_a_ping_on_its_path_and_not_acknowledged_are_lost() {
        let relay = (PathKind::Relay, EVENTS, 5);
        let mut flight = flight(&[relay, relay, relay, relay]);
        assert_eq!(lost(&mut flight, PathKind::Relay, 3, 0, &[1]), [0, 2]);
        assert_eq!(flight.in_flight(PathKind::Relay).all, 10);
        assert_eq!(lost(&mut flight, PathKind::Relay, 3, 0, &[]), [0; 0]);
    }

    #[test]
    fn records_in_flight_on_another_path_are_lost_after_its_time_out_or_its_end() {
        let all = [
            (PathKind::Relay, EVENTS, 5),
            (PathKind::Relay, EVENTS, 7),
            (PathKind::Via, BULK, 7),
            (PathKind::Direct, BULK, 8),
        ];
        let mut flight = flight(&all);
        assert_eq!(lost(&mut flight, PathKind::Direct, 3, 5, &[]), [0]);
        flight.abandon(PathKind::Via);
        assert_eq!(flight.in_flight(PathKind::Via).bulk, 0);
        assert_eq!(lost(&mut flight, PathKind::Direct, 4, 5, &[]), [2, 3]);
        assert!(!flight.is_empty());
    }

    #[test]
    fn a_sweep_removes_acknowledged_records_at_the_front() {
        let mut flight = flight(&[
            (PathKind::Direct, BULK, 0),
            (PathKind::Relay, EVENTS, 0),
            (PathKind::Direct, BULK, 0),
        ]);
        let swept = flight.sweep(|sent| fate(sent.number != 1));
        assert_eq!(swept[PathKind::Direct.index()], 10);
        assert_eq!(flight.in_flight(PathKind::Direct).bulk, 10);
        let swept = flight.sweep(|_| Fate::Arrived);
        assert_eq!(swept[PathKind::Direct.index()] + swept[PathKind::Relay.index()], 20);
        assert!(flight.is_empty());
    }

    #[test]
    fn records_of_ended_packets_stay_in_flight_until_a_pong() {
        let mut flight = flight(&[(PathKind::Relay, BULK, 0), (PathKind::Relay, EVENTS, 0)]);
        flight.note_moot(BULK, 0);
        flight.sweep(|_| Fate::Arrived);
        assert_eq!(flight.in_flight(PathKind::Relay).all, 20);
        assert_eq!(lost(&mut flight, PathKind::Relay, 1, 0, &[]), [0; 0]);
        assert_eq!(flight.in_flight(PathKind::Relay).all, 10);
        assert_eq!(lost(&mut flight, PathKind::Relay, 2, 0, &[]), [1]);
    }
}
