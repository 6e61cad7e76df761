//! Envelopes: bundles and records on their way through the hub.

use bytes::Bytes;

use crate::id::PeerId;
use crate::redacted::Redacted;
use crate::wire::{Epochs, Lane};

/// The position of a record for one receiver: the incarnations of the link, the lane, and the packet's number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Numbers {
    /// The epochs, as the sender knows them.
    pub epochs: Epochs,
    /// The lane.
    pub lane: Lane,
    /// The packet's number within epoch and lane, from 0.
    pub seq: u64,
}

/// The position of a record in its packet, which is the same for all receivers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Piece {
    /// The offset of the record in the flattened packet.
    pub at: u64,
    /// Whether the packet ends with the record.
    pub end: bool,
}

impl Piece {
    /// The piece that is a whole packet.
    pub const WHOLE: Self = Self { at: 0, end: true };
}

/// One receiver of an envelope.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recipient {
    /// The receiver's id.
    pub id: PeerId,
    /// For a record: its numbers for this receiver. `None` for a bundle, and for a v0 receiver.
    pub numbers: Option<Numbers>,
}

/// An envelope on its way to the hub: one upload for one receiver or several. Opaque to applications and
/// servers.
#[derive(Clone, PartialEq, Eq)]
pub struct Upload {
    /// The receivers.
    #[doc(hidden)]
    pub to: Vec<Recipient>,
    /// For a record: its position in the packet. `None` for a bundle.
    #[doc(hidden)]
    pub piece: Option<Piece>,
    /// The bytes of the record, or the bundle, which the hub does not read.
    #[doc(hidden)]
    pub body: Bytes,
}

/// An envelope on its way from the hub. Opaque to applications and servers.
#[derive(Clone, PartialEq, Eq)]
pub struct Download {
    /// The sender, set by the hub.
    #[doc(hidden)]
    pub from: PeerId,
    /// For a record: its numbers for the receiver. `None` for a bundle, and from a v0 client.
    #[doc(hidden)]
    pub numbers: Option<Numbers>,
    /// For a record: its position in the packet.
    #[doc(hidden)]
    pub piece: Option<Piece>,
    /// The bytes of the record, the bundle, or the flattened packet of a v0 client; shared by all receivers.
    #[doc(hidden)]
    pub body: Bytes,
}

/// Prints the length of the body only.
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

/// Prints the length of the body only.
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
