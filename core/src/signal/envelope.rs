//! Packets between v1 peers on their way through the hub.

use std::sync::Arc;

use bytes::Bytes;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::id::PeerId;

/// Which lane of a link a packet belongs to. Order holds within a lane.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Lane {
    /// Events: the default.
    Events,
    /// Big blobs, which must not delay events.
    Bulk,
    /// Events that may be lost rather than late.
    Volatile,
}

impl Lane {
    /// All lanes, in the order of their numbers.
    pub const ALL: [Self; 3] = [Self::Events, Self::Bulk, Self::Volatile];

    /// The lanes on which nothing gets lost.
    pub const RELIABLE: [Self; 2] = [Self::Events, Self::Bulk];

    /// The number on the wire.
    #[must_use]
    pub const fn number(self) -> u8 {
        match self {
            Self::Events => 0,
            Self::Bulk => 1,
            Self::Volatile => 2,
        }
    }

    /// The position in arrays of one entry per lane.
    pub(crate) const fn index(self) -> usize {
        self.number() as usize
    }
}

impl Serialize for Lane {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_u8(self.number())
    }
}

impl<'de> Deserialize<'de> for Lane {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match u8::deserialize(deserializer)? {
            0 => Ok(Self::Events),
            1 => Ok(Self::Bulk),
            2 => Ok(Self::Volatile),
            _ => Err(serde::de::Error::custom("there are lanes 0, 1 and 2")),
        }
    }
}

/// The place of a packet in its sender's stream to one receiver.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sequence {
    /// The lane.
    pub lane: Lane,
    /// The number within epoch and lane, from 0.
    pub seq: u64,
}

/// The two incarnations of a link that an envelope belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Epochs {
    /// The sender's.
    pub epoch: u32,
    /// The receiver's, as far as the sender knows it; 0 when it does not.
    #[serde(default, rename = "for", skip_serializing_if = "is_zero")]
    pub peer_epoch: u32,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks for a reference")]
const fn is_zero(number: &u32) -> bool {
    *number == 0
}

/// One receiver of a relay envelope, with the numbering that holds for it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Recipient {
    /// Who.
    pub id: PeerId,
    /// The incarnations of the link to it.
    #[serde(flatten)]
    pub epochs: Epochs,
    /// The packet's place in the stream to it; none for link control.
    #[serde(flatten)]
    pub sequence: Option<Sequence>,
}

/// A packet on its way through the hub, to one peer or more: one upload, whatever their number.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Upload {
    /// The receivers.
    pub to: Vec<Recipient>,
    /// Head and attachments of the packet, unread by the hub.
    pub parts: Vec<Bytes>,
}

/// A packet that came through the hub from one peer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Download {
    /// The sender, written by the hub.
    pub from: PeerId,
    /// The incarnations of the link, as the sender sees them; none from a v0 client.
    pub epochs: Option<Epochs>,
    /// The packet's place in the sender's stream; none for link control and from a v0 client.
    pub sequence: Option<Sequence>,
    /// Head and attachments of the packet, shared by all receivers.
    pub parts: Arc<[Bytes]>,
}
