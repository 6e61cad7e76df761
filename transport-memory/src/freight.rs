//! The contents of bundles, read once for the mesh and for all judges.

use std::sync::Arc;

use bytes::Bytes;
use socketio_p2p_core::PeerId;
use socketio_p2p_core::wire::{
    Bundle, Download, Epochs, Item, Neighbours, Passed, Record, ServerMessage, State, Stream,
};

use crate::digest::digest_of;

/// The contents of a bundle, or of a record with several receivers.
#[derive(Debug)]
pub(crate) struct Freight {
    /// The sender, where the hub carries it.
    pub(crate) from: Option<PeerId>,
    pub(crate) epochs: Epochs,
    pub(crate) records: Vec<Part>,
    pub(crate) control: Control,
    pub(crate) state: Option<Box<State>>,
    /// Bundles to be forwarded, and their receivers.
    pub(crate) passes: Vec<(PeerId, Arc<Self>)>,
    /// The senders of forwarded bundles.
    pub(crate) passed_on: Vec<PeerId>,
    /// Control about forwarding, and forwarded bundles.
    pub(crate) neighbourly: Vec<Neighbourly>,
}

/// An item about forwarding between neighbours.
#[derive(Clone, Debug)]
pub(crate) enum Neighbourly {
    /// A bundle to be forwarded to this peer.
    Pass(PeerId, Sealed),
    /// A forwarded bundle of this peer.
    Passed(PeerId, Sealed),
    /// The neighbour does not forward to this peer.
    NoWay(PeerId),
    /// The peers to which a neighbour forwards, and its bytes per second.
    Knows(Vec<PeerId>, u64),
}

/// A bundle forwarded by a neighbour.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Sealed {
    pub(crate) number: u64,
    /// A digest of all its bytes, its number and its seal.
    pub(crate) digest: u64,
    pub(crate) bytes: usize,
    pub(crate) epochs: Option<Epochs>,
    pub(crate) has_records: bool,
}

impl Sealed {
    fn new(passed: &Passed, inner: Option<&Freight>) -> Self {
        let Passed { number, seal, bundle } = passed;
        Self {
            number: *number,
            digest: digest_of(*number, [&seal.as_bytes()[..], bundle]),
            bytes: bundle.len(),
            epochs: inner.map(|inner| inner.epochs),
            has_records: inner.is_some_and(|inner| !inner.records.is_empty()),
        }
    }
}

/// A part of a packet or a transfer.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Part {
    pub(crate) stream: Stream,
    pub(crate) number: u64,
    pub(crate) at: u64,
    pub(crate) len: usize,
    /// The packet ends with it.
    pub(crate) end: bool,
}

/// The items of a bundle beside records.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "it is a set")]
pub(crate) struct Control {
    pub(crate) state: bool,
    /// A state that speaks of refusals or transfers.
    pub(crate) tells: bool,
    pub(crate) ping: bool,
    pub(crate) pong: bool,
    pub(crate) limits: bool,
    /// The sender's application takes no events.
    pub(crate) wait: bool,
    pub(crate) other: bool,
}

impl Freight {
    /// The contents of a message of the hub.
    pub(crate) fn of(message: &ServerMessage) -> Option<Self> {
        let ServerMessage::Relay(Download { from, numbers, piece, body }) = message else {
            return None;
        };
        let freight = if let Some((numbers, piece)) = numbers.zip(*piece) {
            let (stream, len) = (Stream::Lane(numbers.lane), body.len());
            let part = Part { stream, number: numbers.seq, at: piece.at, len, end: piece.end };
            Self { records: vec![part], ..Self::empty(numbers.epochs) }
        } else {
            Self::in_bundle(body)?
        };
        Some(Self { from: Some(from.clone()), ..freight })
    }

    const fn empty(epochs: Epochs) -> Self {
        let control = Control {
            state: false,
            tells: false,
            ping: false,
            pong: false,
            limits: false,
            wait: false,
            other: false,
        };
        Self {
            from: None,
            epochs,
            records: Vec::new(),
            control,
            state: None,
            passes: Vec::new(),
            passed_on: Vec::new(),
            neighbourly: Vec::new(),
        }
    }

    /// The contents of a bundle.
    pub(crate) fn in_bundle(bytes: &Bytes) -> Option<Self> {
        let bundle = Bundle::read(bytes.clone()).ok()?;
        let mut freight = Self::empty(bundle.epochs);
        for item in bundle.map_while(Result::ok) {
            freight.note(item);
        }
        Some(freight)
    }

    fn note(&mut self, item: Item) {
        let control = &mut self.control;
        match item {
            Item::Record(Record { stream, number, offset, end, bytes, .. }) => {
                self.records.push(Part { stream, number, at: offset, len: bytes.len(), end });
            }
            Item::State(state) => {
                control.state = true;
                let refused = !state.refused.is_empty();
                control.tells |= refused || state.opened > 0 || !state.incoming.is_empty();
                self.state = Some(Box::new(state));
            }
            Item::Ping(_) => control.ping = true,
            Item::Pong(_) => control.pong = true,
            Item::Limits(_) => control.limits = true,
            Item::Pass(to, passed) => {
                control.other = true;
                let inner = Self::in_bundle(&passed.bundle);
                let sealed = Sealed::new(&passed, inner.as_ref());
                self.neighbourly.push(Neighbourly::Pass(to.clone(), sealed));
                if let Some(inner) = inner {
                    self.passes.push((to, Arc::new(inner)));
                }
            }
            Item::Passed(from, passed) => {
                control.other = true;
                let inner = Self::in_bundle(&passed.bundle);
                let sealed = Sealed::new(&passed, inner.as_ref());
                self.neighbourly.push(Neighbourly::Passed(from.clone(), sealed));
                self.passed_on.push(from);
            }
            Item::NoWay(to) => {
                control.other = true;
                self.neighbourly.push(Neighbourly::NoWay(to));
            }
            Item::Neighbours(Neighbours { peers, rate }) => {
                control.other = true;
                self.neighbourly.push(Neighbourly::Knows(peers, rate));
            }
            Item::Wait => control.wait = true,
            Item::Proof(..) => {}
            Item::Bye | Item::GivenUp(_) => control.other = true,
        }
    }

    /// The bytes of all records.
    pub(crate) fn bytes(&self) -> usize {
        self.records.iter().map(|part| part.len).sum()
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use socketio_p2p_core::wire::{
        Bundle, Epochs, Item, Lane, Passed, Record, Seal, State, Stream,
    };

    use super::{Control, Freight};

    const EPOCHS: Epochs = Epochs { epoch: 1, peer_epoch: 2 };

    #[test]
    fn records_control_and_what_is_passed_on_are_read() {
        let bytes = Bytes::from_static(b"seven b");
        let stream = Stream::Lane(Lane::Volatile);
        let record = Record { stream, number: 3, offset: 0, end: true, abort: false, bytes };
        let inner = Bundle::write(EPOCHS, &[Item::Record(record.clone()), Item::Ping(1)]);
        let passed = Passed { number: 1, seal: Seal::new([0; 32]), bundle: inner };
        let state = State { refused: vec![(Lane::Events, 4)], ..State::default() };
        let items =
            [Item::State(state), Item::Record(record), Item::Pass("ann".parse().unwrap(), passed)];
        let freight = Freight::in_bundle(&Bundle::write(EPOCHS, &items)).unwrap();
        let control = Control { state: true, tells: true, other: true, ..Control::default() };
        assert_eq!((freight.control, freight.epochs), (control, EPOCHS));
        assert_eq!(freight.bytes(), 7);
        let inner = &freight.passes[0].1;
        assert!(inner.control.ping && inner.records[0].end);
    }
}
