//! The control item `state`: complete acknowledgements, each of which replaces all earlier ones.

use bytes::{Buf as _, BufMut as _, Bytes, BytesMut};

use super::varint;
use crate::wire::Lane;

/// The maximum number of ranges received out of order, per lane and per transfer.
pub const MAX_RANGES: usize = 16;

/// The maximum number of refusals.
pub const MAX_REFUSED: usize = 64;

/// The maximum number of transfers of one kind.
const MAX_TRANSFERS: usize = 1024;

/// A position in a lane: byte `offset` of packet `number`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// The packet's number.
    pub number: u64,
    /// The offset in the packet.
    pub offset: u64,
}

/// The received records of one lane.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LaneState {
    /// The position before which everything has been received.
    pub next: Place,
    /// The ranges received out of order, each from the first position up to the second, in order.
    pub ahead: Vec<(Place, Place)>,
}

/// The acknowledgements of one side, and the state of its own packets and transfers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct State {
    /// The reliable lanes.
    pub lanes: [LaneState; Lane::RELIABLE.len()],
    /// One above the highest number received on the volatile lane.
    pub seen: u64,
    /// The numbers below which this side knows the outcome of its own packets.
    pub settled: [u64; Lane::RELIABLE.len()],
    /// The refused packets, until the other side has settled them.
    pub refused: Vec<(Lane, u64)>,
    /// The other side's transfers that are open, or whose end the other side may not know.
    pub incoming: Vec<Incoming>,
    /// The number of transfers that this side has opened.
    pub opened: u64,
    /// The opened transfers that have not ended.
    pub open: Vec<u64>,
}

/// The state of a transfer at its receiver.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Incoming {
    /// The transfer's number.
    pub number: u64,
    /// The state.
    pub kind: IncomingKind,
}

/// The state of a transfer at its receiver.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum IncomingKind {
    /// The transfer is open.
    Open {
        /// The application has read the bytes below this offset.
        read: u64,
        /// The bytes below this offset are received.
        had: u64,
        /// The bytes below this offset may be sent (credit).
        granted: u64,
        /// The ranges received out of order.
        ahead: Vec<(u64, u64)>,
    },
    /// The application has read everything.
    Done,
    /// The application wants no more.
    Refused,
    /// The sender aborted the transfer.
    Aborted,
    /// The transfer was opened in an earlier incarnation.
    Unknown,
}

impl State {
    pub(super) fn write(&self, buffer: &mut BytesMut) {
        for LaneState { next, ahead } in &self.lanes {
            put_place(buffer, *next);
            put_count(buffer, ahead.len().min(MAX_RANGES));
            for (from, to) in ahead.iter().take(MAX_RANGES) {
                put_place(buffer, *from);
                put_place(buffer, *to);
            }
        }
        varint::put(buffer, self.seen);
        self.settled.iter().for_each(|settled| varint::put(buffer, *settled));
        put_count(buffer, self.refused.len().min(MAX_REFUSED));
        for (lane, number) in self.refused.iter().take(MAX_REFUSED) {
            buffer.put_u8(lane.number());
            varint::put(buffer, *number);
        }
        put_count(buffer, self.incoming.len().min(MAX_TRANSFERS));
        for incoming in self.incoming.iter().take(MAX_TRANSFERS) {
            incoming.write(buffer);
        }
        varint::put(buffer, self.opened);
        put_count(buffer, self.open.len().min(MAX_TRANSFERS));
        self.open.iter().take(MAX_TRANSFERS).for_each(|number| varint::put(buffer, *number));
    }

    pub(super) fn read(bytes: &mut Bytes) -> Option<Self> {
        let mut lane = || {
            let next = take_place(bytes)?;
            let ahead = take_all(bytes, MAX_RANGES, |bytes| {
                Some((take_place(bytes)?, take_place(bytes)?))
            })?;
            Some(LaneState { next, ahead })
        };
        let lanes = [lane()?, lane()?];
        let seen = varint::take(bytes)?;
        let settled = [varint::take(bytes)?, varint::take(bytes)?];
        let refused = take_all(bytes, MAX_REFUSED, |bytes| {
            let lane = match take_byte(bytes)? {
                0 => Lane::Events,
                1 => Lane::Bulk,
                _ => return None,
            };
            Some((lane, varint::take(bytes)?))
        })?;
        let incoming = take_all(bytes, MAX_TRANSFERS, Incoming::read)?;
        let opened = varint::take(bytes)?;
        let open = take_all(bytes, MAX_TRANSFERS, varint::take)?;
        Some(Self { lanes, seen, settled, refused, incoming, opened, open })
    }
}

impl Incoming {
    fn write(&self, buffer: &mut BytesMut) {
        varint::put(buffer, self.number);
        let kind = match &self.kind {
            IncomingKind::Open { read, had, granted, ahead } => {
                buffer.put_u8(0);
                [read, had, granted].into_iter().for_each(|number| varint::put(buffer, *number));
                put_count(buffer, ahead.len().min(MAX_RANGES));
                for (from, to) in ahead.iter().take(MAX_RANGES) {
                    varint::put(buffer, *from);
                    varint::put(buffer, *to);
                }
                return;
            }
            IncomingKind::Done => 1,
            IncomingKind::Refused => 2,
            IncomingKind::Aborted => 3,
            IncomingKind::Unknown => 4,
        };
        buffer.put_u8(kind);
    }

    fn read(bytes: &mut Bytes) -> Option<Self> {
        let number = varint::take(bytes)?;
        let kind = match take_byte(bytes)? {
            0 => {
                let mut next = || varint::take(bytes);
                let (read, had, granted) = (next()?, next()?, next()?);
                let range = |bytes: &mut Bytes| Some((varint::take(bytes)?, varint::take(bytes)?));
                let ahead = take_all(bytes, MAX_RANGES, range)?;
                IncomingKind::Open { read, had, granted, ahead }
            }
            1 => IncomingKind::Done,
            2 => IncomingKind::Refused,
            3 => IncomingKind::Aborted,
            4 => IncomingKind::Unknown,
            _ => return None,
        };
        Some(Self { number, kind })
    }
}

fn put_count(buffer: &mut BytesMut, count: usize) {
    varint::put(buffer, count as u64);
}

fn put_place(buffer: &mut BytesMut, Place { number, offset }: Place) {
    varint::put(buffer, number);
    varint::put(buffer, offset);
}

fn take_place(bytes: &mut Bytes) -> Option<Place> {
    Some(Place { number: varint::take(bytes)?, offset: varint::take(bytes)? })
}

fn take_byte(bytes: &mut Bytes) -> Option<u8> {
    (!bytes.is_empty()).then(|| bytes.get_u8())
}

/// Reads a counted list of at most `max` elements.
fn take_all<T>(
    bytes: &mut Bytes,
    max: usize,
    take: impl Fn(&mut Bytes) -> Option<T>,
) -> Option<Vec<T>> {
    let count = usize::try_from(varint::take(bytes)?).ok().filter(|count| *count <= max)?;
    (0..count).map(|_| take(bytes)).collect()
}

#[cfg(test)]
mod tests {
    use bytes::BytesMut;
    use proptest::prelude::*;

    use super::{Incoming, IncomingKind, LaneState, Place, State};
    use crate::wire::Lane;

    fn place() -> impl Strategy<Value = Place> {
        (0..1_u64 << 40, 0..1_u64 << 30).prop_map(|(number, offset)| Place { number, offset })
    }

    fn lane() -> impl Strategy<Value = LaneState> {
        (place(), prop::collection::vec((place(), place()), 0..4))
            .prop_map(|(next, ahead)| LaneState { next, ahead })
    }

    fn incoming() -> impl Strategy<Value = Incoming> {
        let small = || 0..1_u64 << 50;
        let ahead = prop::collection::vec((small(), small()), 0..4);
        let open = (small(), small(), small(), ahead).prop_map(|(read, had, granted, ahead)| {
            IncomingKind::Open { read, had, granted, ahead }
        });
        let kind = prop_oneof![
            open,
            Just(IncomingKind::Done),
            Just(IncomingKind::Refused),
            Just(IncomingKind::Aborted),
            Just(IncomingKind::Unknown),
        ];
        (small(), kind).prop_map(|(number, kind)| Incoming { number, kind })
    }

    proptest! {
        #[test]
        fn reading_returns_what_was_written(
            lanes in [lane(), lane()],
            seen in 0..1_u64 << 60,
            refused in prop::collection::vec((prop::sample::select(&Lane::RELIABLE[..]), 0..99_u64), 0..9),
            incoming in prop::collection::vec(incoming(), 0..4),
            open in prop::collection::vec(0..99_u64, 0..4),
        ) {
            let settled = [seen / 2, seen / 3];
            let state = State { lanes, seen, settled, refused, incoming, opened: seen, open };
            let mut buffer = BytesMut::new();
            state.write(&mut buffer);
            let mut bytes = buffer.freeze();
            prop_assert_eq!(State::read(&mut bytes), Some(state));
            prop_assert!(bytes.is_empty());
        }
    }

    #[test]
    fn the_state_of_an_unused_link_is_short() {
        let mut buffer = BytesMut::new();
        State::default().write(&mut buffer);
        assert_eq!(buffer.len(), 13);
    }
}
