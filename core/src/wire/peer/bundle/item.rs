//! The items of a bundle (`PROTOCOL.md` section 5).

use bytes::Bytes;

use crate::id::PeerId;
use crate::wire::peer::seal::Passed;
use crate::wire::peer::state::State;
use crate::wire::{Lane, PeerLimits};

/// The maximum number of peers that a neighbour lists.
pub const MAX_NEIGHBOURS: usize = 64;

pub(super) const RECORD: u8 = 0x80;
pub(super) const RECORD_END: u8 = 0x04;
pub(super) const RECORD_OFFSET: u8 = 0x08;
pub(super) const RECORD_ABORT: u8 = 0x10;

/// The type numbers of control.
pub(super) mod kind {
    pub(in crate::wire) const PING: u8 = 1;
    pub(in crate::wire) const PONG: u8 = 2;
    pub(in crate::wire) const STATE: u8 = 3;
    pub(in crate::wire) const BYE: u8 = 4;
    pub(in crate::wire) const LIMITS: u8 = 5;
    pub(in crate::wire) const GIVEN_UP: u8 = 6;
    pub(in crate::wire) const NEIGHBOURS: u8 = 7;
    pub(in crate::wire) const PASS: u8 = 8;
    pub(in crate::wire) const PASSED: u8 = 9;
    pub(in crate::wire) const NO_WAY: u8 = 10;
    pub(in crate::wire) const WAIT: u8 = 11;
    pub(in crate::wire) const PROOF: u8 = 12;
}

/// The stream of a record: one of the lanes, or the transfers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stream {
    /// A lane; the record's number is a packet's.
    Lane(Lane),
    /// The transfers; the record's number is a transfer's.
    Transfers,
}

impl Stream {
    pub(super) const fn bits(self) -> u8 {
        match self {
            Self::Lane(lane) => lane.number(),
            Self::Transfers => 3,
        }
    }

    pub(super) const fn from_bits(bits: u8) -> Self {
        match bits & 3 {
            0 => Self::Lane(Lane::Events),
            1 => Self::Lane(Lane::Bulk),
            2 => Self::Lane(Lane::Volatile),
            _ => Self::Transfers,
        }
    }
}

/// A piece of a packet or of a transfer.
#[derive(Clone, PartialEq)]
pub struct Record {
    /// The stream.
    pub stream: Stream,
    /// The number of the packet in its lane, or of the transfer.
    pub number: u64,
    /// The offset of the bytes in the packet or transfer.
    pub offset: u64,
    /// Whether the packet or transfer ends with these bytes.
    pub end: bool,
    /// Whether the transfer is aborted.
    pub abort: bool,
    /// The bytes.
    pub bytes: Bytes,
}

impl Record {
    /// The maximum overhead of a record in bytes.
    pub(crate) const HEAD: usize = 1 + 8 + 8 + 4;
}

/// Prints the length of the bytes only.
impl std::fmt::Debug for Record {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { stream, number, offset, end, abort, bytes } = self;
        write!(f, "Record({stream:?} {number} at {offset}, {} bytes", bytes.len())?;
        write!(f, "{}{})", if *end { ", end" } else { "" }, if *abort { ", abort" } else { "" })
    }
}

/// An item of a bundle.
#[derive(Clone, Debug, PartialEq)]
pub enum Item {
    /// A piece of a packet or of a transfer.
    Record(Record),
    /// A ping, to be answered at once.
    Ping(u64),
    /// The answer to the ping with this number.
    Pong(u64),
    /// The acknowledgements of the sender, and the state of its own packets and transfers.
    State(State),
    /// The sender leaves.
    Bye,
    /// The limits of the sender's application.
    Limits(PeerLimits),
    /// This epoch of the receiver is over.
    GivenUp(u32),
    /// The peers to which the sender forwards bundles.
    Neighbours(Neighbours),
    /// A bundle to forward to this peer.
    Pass(PeerId, Passed),
    /// A bundle forwarded from this peer.
    Passed(PeerId, Passed),
    /// The sender forwards nothing to this peer at present.
    NoWay(PeerId),
    /// The sender's application takes no events at present. It precedes a `state`.
    Wait,
    /// A nonce that the sender has received from this member through the hub, under its own new id.
    Proof(PeerId, u64),
}

/// The peers to which a neighbour forwards bundles, and the rate.
#[derive(Clone, Debug, PartialEq)]
pub struct Neighbours {
    /// The peers.
    pub peers: Vec<PeerId>,
    /// The rate per pair of peers, in bytes per second.
    pub rate: u64,
}

/// The header of a record: all but its bytes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct RecordHead {
    pub(crate) stream: Stream,
    pub(crate) number: u64,
    pub(crate) offset: u64,
    pub(crate) end: bool,
    pub(crate) abort: bool,
    pub(crate) len: u64,
}
