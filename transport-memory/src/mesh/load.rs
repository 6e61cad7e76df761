//! The bytes of records in flight between sessions, measured on each path: neither lost nor delivered. Volatile events,
//! retransmissions, duplicates and messages held back by a fault do not count.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use socketio_p2p_core::wire::{Epochs, Lane, Stream};

use super::node::Node;
use crate::broker::End;
use crate::freight::{Freight, Part};
use crate::server::SocketId;

/// A new peak of bytes in flight.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Load {
    pub(crate) sender: Node,
    pub(crate) receiver: Node,
    pub(crate) direct: bool,
    pub(crate) bytes: LoadBytes,
}

/// Bytes of records.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct LoadBytes {
    pub(crate) all: usize,
    /// Of these, bulk and transfers.
    pub(crate) bulk: usize,
}

/// Records that are counted together: those of one pair of incarnations on one path.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum LoadPath {
    Relay { from: SocketId, to: SocketId, epoch: u32, peer_epoch: u32 },
    Direct { from: End },
}

#[derive(Debug, Default)]
struct InFlight {
    all: AtomicUsize,
    bulk: AtomicUsize,
}

/// Records in flight, which count until this is dropped.
#[derive(Debug)]
pub(super) struct Cargo {
    bytes: LoadBytes,
    way: Arc<InFlight>,
}

impl Drop for Cargo {
    fn drop(&mut self) {
        self.way.all.fetch_sub(self.bytes.all, Ordering::Relaxed);
        self.way.bulk.fetch_sub(self.bytes.bulk, Ordering::Relaxed);
    }
}

/// The bytes in flight on all paths.
#[derive(Debug, Default)]
pub(super) struct Loads {
    ways: BTreeMap<LoadPath, (Arc<InFlight>, LoadBytes)>,
    told: BTreeMap<Between, Told>,
    seen: Vec<Load>,
}

/// Sender, receiver, and their incarnations.
type Between = (usize, usize, u32, u32);

/// How far a sender has come, on whatever path: what it sends again does not count. Another copy of it may be acknowledged
/// before it has come.
#[derive(Debug, Default)]
struct Told {
    lanes: [(u64, u64); Lane::RELIABLE.len()],
    transfers: BTreeMap<u64, u64>,
}

impl Told {
    /// Whether a part has not been sent before.
    fn take_fresh(&mut self, part: &Part) -> bool {
        let Part { stream, number, at, len, .. } = *part;
        let end = at + len as u64;
        match stream {
            Stream::Lane(Lane::Volatile) => false,
            Stream::Lane(lane) => {
                let told = &mut self.lanes[usize::from(lane.number())];
                let fresh = (number, at) >= *told;
                *told = (number, end).max(*told);
                fresh
            }
            Stream::Transfers => {
                let told = self.transfers.entry(number).or_default();
                let fresh = at >= *told;
                *told = end.max(*told);
                fresh
            }
        }
    }
}

impl Loads {
    pub(super) fn take(&mut self, seen: &mut Vec<Load>) {
        seen.append(&mut self.seen);
    }

    /// Records go on a direct connection.
    pub(super) fn send_direct(&mut self, from: End, to: End, freight: &Freight) -> Option<Cargo> {
        self.send(LoadPath::Direct { from }, (from.0, to.0), freight)
    }

    /// Records go from the hub to a node.
    pub(super) fn send_by_hub(
        &mut self,
        (sender, from): (usize, SocketId),
        (receiver, to): (usize, SocketId),
        freight: &Freight,
    ) -> Option<Cargo> {
        let Epochs { epoch, peer_epoch } = freight.epochs;
        let way = LoadPath::Relay { from, to, epoch, peer_epoch };
        self.send(way, (sender, receiver), freight)
    }

    fn send(
        &mut self,
        way: LoadPath,
        (sender, receiver): (usize, usize),
        freight: &Freight,
    ) -> Option<Cargo> {
        let Epochs { epoch, peer_epoch } = freight.epochs;
        let told = self.told.entry((sender, receiver, epoch, peer_epoch)).or_default();
        let mut bytes = LoadBytes::default();
        for part in freight.records.iter().filter(|part| told.take_fresh(part)) {
            bytes.all += part.len;
            bytes.bulk += if part.stream == Stream::Lane(Lane::Events) { 0 } else { part.len };
        }
        if bytes.all == 0 {
            return None;
        }
        let (on_way, peak) = self.ways.entry(way).or_default();
        let before = LoadBytes {
            all: on_way.all.fetch_add(bytes.all, Ordering::Relaxed),
            bulk: on_way.bulk.fetch_add(bytes.bulk, Ordering::Relaxed),
        };
        // What bulk has is of interest when there is more of it.
        let bulk = if bytes.bulk > 0 { before.bulk } else { 0 };
        if before.all > peak.all || bulk > peak.bulk {
            *peak = LoadBytes { all: before.all.max(peak.all), bulk: bulk.max(peak.bulk) };
            let (sender, receiver) = (Node(sender), Node(receiver));
            let direct = matches!(way, LoadPath::Direct { .. });
            let bytes = LoadBytes { all: before.all, bulk };
            self.seen.push(Load { sender, receiver, direct, bytes });
        }
        Some(Cargo { bytes, way: Arc::clone(on_way) })
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use socketio_p2p_core::ConnectionId;
    use socketio_p2p_core::wire::{Bundle, Epochs, Item, Lane, Record, Stream};

    use super::{Cargo, Freight, LoadBytes, Loads};

    const EVENTS: Stream = Stream::Lane(Lane::Events);
    const BULK: Stream = Stream::Lane(Lane::Bulk);

    fn freight(records: &[(Stream, u64, u64, usize)]) -> Freight {
        let item = |&(stream, number, offset, len): &(Stream, u64, u64, usize)| {
            let bytes = Bytes::from(vec![7; len]);
            Item::Record(Record { stream, number, offset, end: false, abort: false, bytes })
        };
        let items: Vec<Item> = records.iter().map(item).chain([Item::Ping(4)]).collect();
        let bundle = Bundle::write(Epochs { epoch: 1, peer_epoch: 1 }, &items);
        Freight::in_bundle(&bundle).unwrap()
    }

    /// What is told when this is sent, and what has to be dropped when it has come.
    fn send(
        loads: &mut Loads,
        records: &[(Stream, u64, u64, usize)],
    ) -> (Option<Cargo>, Option<LoadBytes>) {
        let end = |node| (node, ConnectionId::from_u64(1));
        let cargo = loads.send_direct(end(0), end(1), &freight(records));
        let mut seen = Vec::new();
        loads.take(&mut seen);
        (cargo, seen.first().map(|load| load.bytes))
    }

    #[test]
    fn what_is_on_the_way_counts_until_it_is_dropped_and_only_peaks_are_told() {
        let mut loads = Loads::default();
        let (first, told) = send(&mut loads, &[(EVENTS, 0, 0, 100)]);
        assert_eq!(told, None);
        let (second, told) = send(&mut loads, &[(EVENTS, 0, 100, 50)]);
        assert_eq!(told, Some(LoadBytes { all: 100, bulk: 0 }));
        drop(first);
        let (third, told) = send(&mut loads, &[(BULK, 0, 0, 10), (Stream::Transfers, 3, 0, 7)]);
        assert_eq!(told, None);
        let (fourth, told) = send(&mut loads, &[(BULK, 0, 10, 10)]);
        assert_eq!(told, Some(LoadBytes { all: 67, bulk: 17 }));
        drop((second, third, fourth));
        let (_fifth, told) = send(&mut loads, &[(EVENTS, 1, 0, 10)]);
        assert_eq!(told, None);
    }

    #[test]
    fn what_is_sent_again_and_volatile_events_do_not_count() {
        let mut loads = Loads::default();
        let (_first, _) = send(&mut loads, &[(EVENTS, 4, 0, 100), (Stream::Transfers, 3, 0, 50)]);
        let again = [(EVENTS, 3, 0, 9), (EVENTS, 4, 50, 50), (Stream::Transfers, 3, 40, 10)];
        assert!(send(&mut loads, &again).0.is_none());
        assert!(send(&mut loads, &[(Stream::Lane(Lane::Volatile), 9, 0, 70)]).0.is_none());
    }
}
