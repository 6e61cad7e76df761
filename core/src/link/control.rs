//! Link control: what two v1 ends say to each other beside the application's packets.
//!
//! Control packets travel in a namespace of their own, on the direct channel and inside relay envelopes alike.

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use super::via::{Neighbours, Passed};
use crate::codec::{Blob, EncodeError, PayloadError};
use crate::id::PeerId;
use crate::packet::{Namespace, Packet};
use crate::signal::{Epochs, Lane, Sequence};

/// The namespace that applications can neither send in nor receive from.
pub(crate) const NAMESPACE: &str = "/socketio-p2p";

/// One number per lane, in the order of the lanes' numbers.
pub(crate) type PerLane<T> = [T; Lane::ALL.len()];

#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Control {
    /// The first message on a channel, and the answer to a stale envelope: who speaks.
    Hello(Epochs),
    /// A probe.
    Ping(u64),
    /// The answer to the probe of this number.
    Pong(u64),
    /// From here on whole packets on this channel are numbered by counting, from `next`.
    Begin { next: u64 },
    /// The next packet on this channel is this one of the volatile lane and does not count.
    Volatile { seq: u64 },
    /// What the application has got.
    Ack(Ack),
    /// A path broke: send again from here.
    Resume(Resume),
    /// A piece of a packet.
    Fragment(Fragment),
    /// The peer leaves.
    Bye,
    /// Whom the peer passes packets on to.
    Neighbours(Neighbours),
    /// A packet to pass on, or one that the peer passes on.
    Via(Passed),
    /// The peer passes nothing on to this one now.
    NoWay { to: PeerId },
}

/// Cumulative: everything below `received` has been handed to the application, or is in `refused`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Ack {
    pub(crate) received: PerLane<u64>,
    /// How many bytes of the next packet of each lane have come in fragments.
    pub(crate) partial: PerLane<u64>,
    /// The packets that were not acceptable, until the peer has said that it knows.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) refused: Vec<Sequence>,
    /// How far the sender of this knows what became of its own packets.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) told: Option<PerLane<u64>>,
}

/// Acknowledges as [`Ack`] does.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Resume {
    pub(crate) received: PerLane<u64>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) refused: Vec<Sequence>,
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Fragment {
    pub(crate) of: Sequence,
    /// Where in the flattened packet the piece belongs.
    pub(crate) offset: u64,
    /// The length of the flattened packet.
    pub(crate) total: u64,
    pub(crate) bytes: Bytes,
}

impl Fragment {
    /// The piece for relay envelopes, which say what it is a piece of.
    pub(crate) fn to_relayed_packet(&self) -> Result<Packet, EncodeError> {
        self.write(None)
    }

    fn write(&self, of: Option<Sequence>) -> Result<Packet, EncodeError> {
        let header = FragmentHeader { of, offset: self.offset, total: self.total };
        let packet = Packet::event("fragment", &(header, Blob::from(self.bytes.clone())))?;
        Ok(packet.in_namespace(&Namespace::from_static(NAMESPACE)))
    }

    /// Whether the packet ends with this piece.
    pub(crate) fn is_last(&self) -> bool {
        self.offset.saturating_add(self.bytes.len() as u64) >= self.total
    }
}

#[derive(Serialize, Deserialize)]
struct FragmentHeader {
    /// Not in a relay envelope, which has it itself: the same piece serves many.
    #[serde(flatten)]
    of: Option<Sequence>,
    offset: u64,
    total: u64,
}

#[derive(Serialize, Deserialize)]
struct Next {
    next: u64,
}

#[derive(Serialize, Deserialize)]
struct Seq {
    seq: u64,
}

#[derive(Serialize, Deserialize)]
struct To {
    to: PeerId,
}

/// A control packet that cannot be read.
#[derive(Debug)]
pub(crate) struct BadControl;

impl From<PayloadError> for BadControl {
    fn from(_: PayloadError) -> Self {
        Self
    }
}

impl Control {
    pub(crate) fn is_control(packet: &Packet) -> bool {
        packet.namespace().as_str() == NAMESPACE
    }

    /// Whether a numbered packet is a piece of one.
    pub(crate) fn is_fragment(packet: &Packet) -> bool {
        Self::is_control(packet) && packet.event_name().as_deref() == Some("fragment")
    }

    /// Whether `earlier`, if it has not been sent yet, need not be sent any more.
    pub(crate) fn supersedes(&self, earlier: &Self) -> bool {
        matches!(
            (self, earlier),
            (Self::Ping(_), Self::Ping(_))
                | (Self::Pong(_), Self::Pong(_))
                | (Self::Ack(_), Self::Ack(_))
                | (Self::Resume(_), Self::Resume(_))
                | (Self::Neighbours(_), Self::Neighbours(_))
        ) || matches!((self, earlier), (Self::NoWay { .. }, Self::NoWay { .. }) if self == earlier)
    }

    /// `None` for a message that a later version may have added: it is ignored. `sequence` is the envelope's.
    pub(crate) fn from_packet(
        packet: &Packet,
        sequence: Option<Sequence>,
    ) -> Result<Option<Self>, BadControl> {
        let event = packet.event_name().ok_or(BadControl)?;
        Ok(Some(match event.as_ref() {
            "hello" => Self::Hello(packet.args::<(Epochs,)>()?.0),
            "ping" => Self::Ping(packet.args::<(u64,)>()?.0),
            "pong" => Self::Pong(packet.args::<(u64,)>()?.0),
            "begin" => Self::Begin { next: packet.args::<(Next,)>()?.0.next },
            "volatile" => Self::Volatile { seq: packet.args::<(Seq,)>()?.0.seq },
            "ack" => Self::Ack(packet.args::<(Ack,)>()?.0),
            "resume" => Self::Resume(packet.args::<(Resume,)>()?.0),
            "fragment" => {
                let (header, bytes) = packet.args::<(FragmentHeader, Blob)>()?;
                let FragmentHeader { of, offset, total } = header;
                let of = of.or(sequence).ok_or(BadControl)?;
                Self::Fragment(Fragment { of, offset, total, bytes: bytes.into() })
            }
            "bye" => Self::Bye,
            "neighbours" => Self::Neighbours(packet.args::<(Neighbours,)>()?.0),
            "via" => Self::Via(Passed::from_packet(packet)?),
            "no-way" => Self::NoWay { to: packet.args::<(To,)>()?.0.to },
            _ => return Ok(None),
        }))
    }

    pub(crate) fn to_packet(&self) -> Result<Packet, EncodeError> {
        let packet = match self {
            Self::Hello(epochs) => Packet::event("hello", &(epochs,)),
            Self::Ping(number) => Packet::event("ping", &(number,)),
            Self::Pong(number) => Packet::event("pong", &(number,)),
            Self::Begin { next } => Packet::event("begin", &(Next { next: *next },)),
            Self::Volatile { seq } => Packet::event("volatile", &(Seq { seq: *seq },)),
            Self::Ack(ack) => Packet::event("ack", &(ack,)),
            Self::Resume(resume) => Packet::event("resume", &(resume,)),
            Self::Fragment(fragment) => return fragment.write(Some(fragment.of)),
            Self::Bye => Packet::event("bye", &()),
            Self::Neighbours(neighbours) => Packet::event("neighbours", &(neighbours,)),
            Self::Via(passed) => passed.to_packet(),
            Self::NoWay { to } => Packet::event("no-way", &(To { to: to.clone() },)),
        }?;
        Ok(packet.in_namespace(&Namespace::from_static(NAMESPACE)))
    }
}
