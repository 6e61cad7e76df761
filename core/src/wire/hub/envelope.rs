//! What goes between peers through the hub.

use bytes::Bytes;

use crate::id::PeerId;
use crate::redacted::Redacted;
use crate::wire::{Epochs, Lane};

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
