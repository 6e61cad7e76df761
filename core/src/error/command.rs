//! Errors of commands of the application. A failed command has no effect.

use thiserror::Error;

use crate::codec::{DecodeError, EncodeError, PacketType};
use crate::id::PeerId;
use crate::wire::{Lane, Reserved};

/// The reason why an emit was not accepted. Nothing was queued.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum EmitError {
    /// The queue for the peer is full. `Event::Writable` reports when the queue accepts events again, unless
    /// `Event::PeerLeft` comes before: the next link to that peer has an empty queue.
    #[error("the {lane} queue for peer {peer} is full: {queued} bytes are queued")]
    Blocked {
        /// The peer.
        peer: PeerId,
        /// The lane.
        lane: Lane,
        /// The bytes that are queued.
        queued: usize,
    },
    /// The path has no capacity for the volatile event now, or never for one of this size.
    #[error("the volatile event for peer {0} was dropped")]
    Dropped(PeerId),
    /// The room has no peer with this id.
    #[error("no peer {0} in the room")]
    UnknownPeer(PeerId),
    /// The event name belongs to the signalling dialect.
    #[error("the event name {0:?} is reserved for signalling")]
    ReservedEvent(String),
    /// The namespace belongs to link control.
    #[error("the namespace {0} is reserved for link control")]
    ReservedNamespace(String),
    /// The packet is not an event.
    #[error("expected an EVENT, got {0}")]
    NotAnEvent(PacketType),
    /// The packet exceeds the session's own limits.
    #[error("the packet exceeds the limits of this session")]
    Limits(#[from] DecodeError),
    /// The ack id of the packet could not be written.
    #[error("the packet could not be encoded")]
    Encode(#[from] EncodeError),
    /// The peer is a v0 peer, which does not support the packet.
    #[error("peer {peer} speaks dialect v0, which does not support {what}")]
    UnsupportedByPeer {
        /// The peer.
        peer: PeerId,
        /// The unsupported part.
        what: Unsupported,
    },
    /// The packet exceeds the limits of the peer's application.
    #[error("the packet exceeds the limits of peer {0}")]
    BeyondPeerLimits(PeerId),
    /// The maximum number of acknowledgements from one peer is pending.
    #[error("the maximum of {0} pending acknowledgements is reached")]
    TooManyPendingAcks(usize),
    /// The maximum number of transfers to one peer is open.
    #[error("the maximum of {0} open transfers to the peer is reached")]
    TooManyTransfers(usize),
    /// The session is not in its room, so that no server takes the event.
    #[error("the session is not connected to the server")]
    NotJoined,
    /// The queue for the server is full. `Event::ServerWritable` reports when it accepts events again.
    #[error("the queue for the server is full: {queued} bytes are queued")]
    ServerBlocked {
        /// The bytes that are queued.
        queued: usize,
    },
    /// The packet exceeds the limits of the server.
    #[error("expected a packet within the server's limits, of at most {max} bytes, got {got}")]
    BeyondServerLimits {
        /// The bytes of the packet.
        got: usize,
        /// The maximum.
        max: usize,
    },
    /// The session is closing.
    #[error("the session is closing or closed")]
    Closed,
}

impl From<Reserved> for EmitError {
    fn from(reserved: Reserved) -> Self {
        match reserved {
            Reserved::Namespace(name) => Self::ReservedNamespace(name),
            Reserved::Event(name) => Self::ReservedEvent(name),
        }
    }
}

/// What dialect v0 does not support.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Error)]
#[non_exhaustive]
pub enum Unsupported {
    /// A v0 peer does not acknowledge.
    #[error("acknowledgements")]
    Acknowledgement,
    /// A v0 peer uses the default namespace only.
    #[error("an event outside of the default namespace")]
    Namespace,
    /// A v0 peer reassembles a blob from its pieces, and an empty blob has none.
    #[error("an empty blob")]
    EmptyBlob,
    /// A v0 peer takes all binary messages of an event as pieces of one blob.
    #[error("more than one blob in an event")]
    SeveralBlobs,
    /// Dialect v0 has no transfers.
    #[error("transfers")]
    Transfer,
}

/// The reason why an answer was not accepted. Nothing was queued.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ReplyError {
    /// The link to the peer that asked has ended.
    #[error("the link to peer {0}, which asked for the acknowledgement, has ended")]
    Expired(PeerId),
    /// The queue for the peer is full. `Event::Writable` reports when the queue accepts packets again.
    #[error("the {lane} queue for peer {peer} is full: {queued} bytes are queued")]
    Blocked {
        /// The peer.
        peer: PeerId,
        /// The lane; always the lane for events.
        lane: Lane,
        /// The bytes that are queued.
        queued: usize,
    },
    /// The server's application asked, and the connection on which it asked is lost.
    #[error("the connection to the server, which asked for the acknowledgement, is lost")]
    Disconnected,
    /// The server's application asked, and the queue for the server is full.
    #[error("the queue for the server is full: {queued} bytes are queued")]
    ServerBlocked {
        /// The bytes that are queued.
        queued: usize,
    },
    /// The answer exceeds the limits of the peer's application.
    #[error("the answer exceeds the limits of peer {0}")]
    BeyondPeerLimits(PeerId),
    /// The answer exceeds the session's own limits.
    #[error("the answer exceeds the limits of this session")]
    Limits(#[from] DecodeError),
    /// The arguments could not be encoded.
    #[error("the answer could not be encoded")]
    Encode(#[from] EncodeError),
    /// The session has ended.
    #[error("the session has ended")]
    Closed,
}

impl ReplyError {
    /// Converts the error of the link to `peer` for an answer.
    pub(crate) fn new(peer: &PeerId, error: EmitError) -> Self {
        match error {
            EmitError::Blocked { peer, lane, queued } => Self::Blocked { peer, lane, queued },
            EmitError::BeyondPeerLimits(peer) => Self::BeyondPeerLimits(peer),
            EmitError::Limits(error) => Self::Limits(error),
            EmitError::Encode(error) => Self::Encode(error),
            // An answer is not an event, uses the lane for events, and goes to v1 peers only.
            EmitError::Dropped(_)
            | EmitError::UnknownPeer(_)
            | EmitError::ReservedEvent(_)
            | EmitError::ReservedNamespace(_)
            | EmitError::NotAnEvent(_)
            | EmitError::UnsupportedByPeer { .. }
            | EmitError::TooManyPendingAcks(_)
            | EmitError::TooManyTransfers(_)
            | EmitError::NotJoined
            | EmitError::ServerBlocked { .. }
            | EmitError::BeyondServerLimits { .. }
            | EmitError::Closed => Self::Expired(peer.clone()),
        }
    }
}

/// The reason why an upgrade was not started.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum UpgradeError {
    /// The room has no peer with this id.
    #[error("no peer {0} in the room")]
    UnknownPeer(PeerId),
}
