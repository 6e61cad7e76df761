//! What a bundle can hold (`PROTOCOL.md` section 5).

use bytes::Bytes;

use crate::id::PeerId;
use crate::wire::peer::seal::Passed;
use crate::wire::peer::state::State;
use crate::wire::{Lane, PeerLimits};

/// The most peers that a neighbour names.
pub const MAX_NEIGHBOURS: usize = 64;

pub(super) const RECORD: u8 = 0x80;
pub(super) const RECORD_END: u8 = 0x04;
pub(super) const RECORD_OFFSET: u8 = 0x08;
pub(super) const RECORD_ABORT: u8 = 0x10;

/// The types of control.
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
}

/// What records belong to: one of the lanes, or the transfers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stream {
    /// Packets in order, or volatile ones.
    Lane(Lane),
    /// Each number is a transfer.
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
    /// What it belongs to.
    pub stream: Stream,
    /// The packet's number in its lane, or the transfer's.
    pub number: u64,
    /// Where in it the bytes belong.
    pub offset: u64,
    /// It ends with these bytes.
    pub end: bool,
    /// The transfer is broken off.
    pub abort: bool,
    /// The bytes.
    pub bytes: Bytes,
}

impl Record {
    /// The most bytes that a record takes beside its own.
    pub(crate) const HEAD: usize = 1 + 8 + 8 + 4;
}

/// Shows no byte of the application's.
impl std::fmt::Debug for Record {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { stream, number, offset, end, abort, bytes } = self;
        write!(f, "Record({stream:?} {number} at {offset}, {} bytes", bytes.len())?;
        write!(f, "{}{})", if *end { ", end" } else { "" }, if *abort { ", abort" } else { "" })
    }
}

/// One thing that a bundle says.
#[derive(Clone, Debug, PartialEq)]
pub enum Item {
    /// A piece of a packet or of a transfer.
    Record(Record),
    /// To be answered at once.
    Ping(u64),
    /// The answer to the ping of this number.
    Pong(u64),
    /// What the sender has, and knows.
    State(State),
    /// The sender leaves.
    Bye,
    /// What the sender's application accepts.
    Limits(PeerLimits),
    /// This epoch of the receiver's is over.
    GivenUp(u32),
    /// Whom the sender passes bundles on to.
    Neighbours(Neighbours),
    /// To be passed on to this peer.
    Pass(PeerId, Passed),
    /// Passed on for this peer.
    Passed(PeerId, Passed),
    /// Nothing is passed on to this peer now.
    NoWay(PeerId),
}

/// Whom a neighbour passes bundles on to, and how many bytes per second from one peer to one other.
#[derive(Clone, Debug, PartialEq)]
pub struct Neighbours {
    /// Whom.
    pub peers: Vec<PeerId>,
    /// Bytes per second.
    pub rate: u64,
}

/// A record without its bytes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct RecordHead {
    pub(crate) stream: Stream,
    pub(crate) number: u64,
    pub(crate) offset: u64,
    pub(crate) end: bool,
    pub(crate) abort: bool,
    pub(crate) len: u64,
}
