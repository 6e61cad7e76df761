//! What has been handed to paths and is neither acknowledged nor known to be lost.

use std::collections::VecDeque;
use std::ops::Range;
use std::time::Duration;

use super::stall::Stall;
use crate::path::Path;
use crate::time::Time;
use crate::wire::{Lane, Stream};

/// So many acknowledged bytes are progress.
const PROGRESS: u64 = 1 << 10;

/// A kind of path: there is one of each at most.
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

/// A record that is under way.
#[derive(Clone, Debug)]
pub(crate) struct Sent {
    /// Its place among all that was sent on this link.
    order: u64,
    /// `None`: its path is over.
    path: Option<PathKind>,
    at: Time,
    pub(crate) stream: Stream,
    pub(crate) number: u64,
    pub(crate) bytes: Range<u64>,
    /// Its packet or transfer is over without it: where it is does not matter, but it takes room on its path.
    moot: bool,
}

/// What is known of a record that was sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fate {
    /// Nothing yet.
    Unknown,
    /// The peer has it.
    Arrived,
    /// Nobody asks for it any more.
    Moot,
}

impl Sent {
    fn len(&self) -> usize {
        usize::try_from(self.bytes.end - self.bytes.start).unwrap_or(usize::MAX)
    }
}

/// Bytes under way on one path.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct InFlight {
    /// Of everything.
    pub(crate) all: usize,
    /// Of bulk and transfers.
    pub(crate) bulk: usize,
}

/// All records under way, in the order in which they were sent.
#[derive(Debug, Default)]
pub(crate) struct Flight {
    sent: VecDeque<Sent>,
    next_order: u64,
    in_flight: PerPath<InFlight>,
    pub(crate) stall: Stall,
    /// Losses in a row without progress in between.
    setbacks: u32,
    /// What was acknowledged since the last loss.
    news: u64,
    /// Until then nothing is sent again, nor anything new.
    held_until: Option<Time>,
}

impl Flight {
    pub(crate) fn is_empty(&self) -> bool {
        self.sent.is_empty()
    }

    pub(crate) const fn in_flight(&self, path: PathKind) -> InFlight {
        self.in_flight[path.index()]
    }

    /// The place of what is sent next.
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

    /// The peer has acknowledged so many bytes more; `waits`: not all that it was sent, lost pieces counted.
    pub(crate) fn note_news(&mut self, news: u64, waits: bool) {
        self.news += news;
        let all = self.sent.iter().all(|sent| sent.moot);
        self.stall.note_progress(news, !waits);
        if all || self.news >= PROGRESS {
            self.setbacks = 0;
            self.held_until = None;
        }
    }

    /// Something was lost. Whether nothing has been acknowledged since the last time: what is sent again then waits, longer
    /// with each time, for what `pause` says.
    pub(crate) fn note_loss(&mut self, pause: impl Fn(u32) -> Duration, now: Time) -> bool {
        let progress = std::mem::take(&mut self.news) >= PROGRESS;
        self.setbacks = if progress { 0 } else { self.setbacks.saturating_add(1) };
        if self.setbacks < 2 {
            return false;
        }
        self.held_until = Some(now + pause(self.setbacks - 2));
        true
    }

    /// Until when nothing may be sent.
    pub(crate) fn held_until(&self, now: Time) -> Option<Time> {
        self.held_until.filter(|until| now < *until)
    }

    /// A packet or a transfer is over before all of it has come. What was sent of it stays under way until a pong tells
    /// that it has gone by.
    pub(crate) fn note_moot(&mut self, stream: Stream, number: u64) {
        let those =
            self.sent.iter_mut().filter(|sent| (sent.stream, sent.number) == (stream, number));
        those.for_each(|sent| sent.moot = true);
    }

    /// Forgets what is acknowledged at the front: paths keep their order, so that is nearly all of it. Tells how many bytes
    /// of it went on each path.
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

    /// Takes what is lost: all that was sent before `order`, on `path`, on a path that is over, or on another path before
    /// the time that `patience` gives for it.
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

    /// A path is over: what is under way on it waits for word from another.
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
    fn what_was_sent_before_a_ping_on_its_path_and_is_not_acknowledged_is_lost() {
        let relay = (PathKind::Relay, EVENTS, 5);
        let mut flight = flight(&[relay, relay, relay, relay]);
        assert_eq!(lost(&mut flight, PathKind::Relay, 3, 0, &[1]), [0, 2]);
        assert_eq!(flight.in_flight(PathKind::Relay).all, 10);
        assert_eq!(lost(&mut flight, PathKind::Relay, 3, 0, &[]), [0; 0]);
    }

    #[test]
    fn what_is_on_another_path_is_lost_when_its_time_is_up_or_the_path_is_over() {
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
    fn a_sweep_takes_what_is_acknowledged_at_the_front() {
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
    fn records_of_what_is_over_take_room_until_a_pong_tells_that_they_have_gone_by() {
        let mut flight = flight(&[(PathKind::Relay, BULK, 0), (PathKind::Relay, EVENTS, 0)]);
        flight.note_moot(BULK, 0);
        flight.sweep(|_| Fate::Arrived);
        assert_eq!(flight.in_flight(PathKind::Relay).all, 20);
        assert_eq!(lost(&mut flight, PathKind::Relay, 1, 0, &[]), [0; 0]);
        assert_eq!(flight.in_flight(PathKind::Relay).all, 10);
        assert_eq!(lost(&mut flight, PathKind::Relay, 2, 0, &[]), [1]);
    }
}
