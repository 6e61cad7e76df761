//! What goes between peers through the hub.

use bytes::Bytes;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::id::PeerId;
use crate::redacted::Redacted;

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

impl std::fmt::Display for Lane {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Events => "events",
            Self::Bulk => "bulk",
            Self::Volatile => "volatile",
        })
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

/// What tells a receiver whose record it got: the incarnations of the link and the packet's place in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Numbers {
    /// The incarnations, as the sender sees them.
    pub epochs: Epochs,
    /// The lane.
    pub lane: Lane,
    /// The packet's number within epoch and lane, from 0.
    pub seq: u64,
}

/// Which part of a packet a record is: the same for all its receivers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Piece {
    /// Where in the flattened packet it begins.
    pub at: u64,
    /// Whether the packet ends with it.
    pub end: bool,
}

impl Piece {
    /// A packet that is one record.
    pub const WHOLE: Self = Self { at: 0, end: true };
}

/// One receiver of an envelope.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recipient {
    /// Who.
    pub id: PeerId,
    /// For a record: its place in the stream to this receiver. None for a bundle, and for a v0 client.
    pub numbers: Option<Numbers>,
}

/// What goes through the hub to one peer or more: one upload, whatever their number. Opaque to whoever carries it.
#[derive(Clone, PartialEq, Eq)]
pub struct Upload {
    /// The receivers.
    #[doc(hidden)]
    pub to: Vec<Recipient>,
    /// For a record: which part of its packet it is. None for a bundle.
    #[doc(hidden)]
    pub piece: Option<Piece>,
    /// The record's bytes or the bundle, unread by the hub.
    #[doc(hidden)]
    pub body: Bytes,
}

/// What came through the hub from one peer. Opaque to whoever carries it.
#[derive(Clone, PartialEq, Eq)]
pub struct Download {
    /// The sender, written by the hub.
    #[doc(hidden)]
    pub from: PeerId,
    /// For a record: whose it is. None for a bundle, and from a v0 client.
    #[doc(hidden)]
    pub numbers: Option<Numbers>,
    /// For a record: which part of its packet it is.
    #[doc(hidden)]
    pub piece: Option<Piece>,
    /// The record's bytes, the bundle, or the flattened packet of a v0 client; shared by all receivers.
    #[doc(hidden)]
    pub body: Bytes,
}

/// Shows the length of the body only.
impl std::fmt::Debug for Upload {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { to, piece, body } = self;
        f.debug_struct("Upload")
            .field("to", to)
            .field("piece", piece)
            .field("body", &Redacted(body))
            .finish()
    }
}

/// Shows the length of the body only.
impl std::fmt::Debug for Download {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { from, numbers, piece, body } = self;
        f.debug_struct("Download")
            .field("from", from)
            .field("numbers", numbers)
            .field("piece", piece)
            .field("body", &Redacted(body))
            .finish()
    }
}
