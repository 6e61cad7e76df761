//! Commands of the application that have no effect.

use thiserror::Error;

use crate::codec::{DecodeError, EncodeError, PacketType};
use crate::id::PeerId;
use crate::wire::Lane;

/// An emit that was not accepted. Nothing was queued.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum EmitError {
    /// The queue for the peer is full. `Event::Writable` tells when to try again, unless `Event::PeerLeft` comes
    /// before: the link that begins after it has an empty queue.
    #[error("the {lane} queue for peer {peer} is full ({queued} bytes wait)")]
    Blocked {
        /// The peer.
        peer: PeerId,
        /// The lane.
        lane: Lane,
        /// The bytes that wait for it.
        queued: usize,
    },
    /// The path does not take the volatile event now, or never takes one of this size.
    #[error("the volatile event for peer {0} was dropped")]
    Dropped(PeerId),
    /// Nobody of this id is in the room.
    #[error("no peer {0} in the room")]
    UnknownPeer(PeerId),
    /// The event's name belongs to the signalling dialect.
    #[error("the event name {0:?} is reserved for signalling")]
    ReservedEvent(String),
    /// The namespace belongs to link control.
    #[error("the namespace {0} is reserved for link control")]
    ReservedNamespace(String),
    /// Only events can be emitted.
    #[error("expected an EVENT, got {0}")]
    NotAnEvent(PacketType),
    /// The packet exceeds the session's own limits.
    #[error("the packet exceeds the limits of this session")]
    Limits(#[from] DecodeError),
    /// The packet's ack id could not be written.
    #[error("the packet could not be encoded")]
    Encode(#[from] EncodeError),
    /// The peer is an original JavaScript client, which cannot take this.
    #[error("peer {peer} speaks the original dialect and cannot take {what}")]
    UnsupportedByPeer {
        /// The peer.
        peer: PeerId,
        /// What it cannot take.
        what: Unsupported,
    },
    /// The packet exceeds what the peer's application accepts.
    #[error("the packet exceeds the limits of peer {0}")]
    BeyondPeerLimits(PeerId),
    /// Too many answers are waited for already.
    #[error("{0} answers are waited for already")]
    TooManyPendingAcks(usize),
    /// Too many transfers to the peer are open already.
    #[error("{0} transfers to the peer are open already")]
    TooManyTransfers(usize),
    /// The session is closing.
    #[error("the session is closed")]
    Closed,
}

/// What an original JavaScript client cannot take.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Error)]
#[non_exhaustive]
pub enum Unsupported {
    /// It answers nothing.
    #[error("an event that asks for an acknowledgement")]
    Acknowledgement,
    /// It knows the default namespace only.
    #[error("an event in a namespace")]
    Namespace,
    /// It puts attachments together from their pieces, of which an empty one has none.
    #[error("an empty blob")]
    EmptyBlob,
    /// It takes all binary messages of an event for pieces of one blob.
    #[error("more than one blob in an event")]
    SeveralBlobs,
    /// It has no transfers.
    #[error("a transfer")]
    Transfer,
}

/// An answer that was not accepted. Nothing was queued.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ReplyError {
    /// The answer comes too late: the peer that asked is gone.
    #[error("the peer {0} that asked for the acknowledgement is gone")]
    Expired(PeerId),
    /// The queue for the peer is full. `Event::Writable` tells when to try again.
    #[error("the {lane} queue for peer {peer} is full ({queued} bytes wait)")]
    Blocked {
        /// The peer.
        peer: PeerId,
        /// The lane, which is that for events.
        lane: Lane,
        /// The bytes that wait for it.
        queued: usize,
    },
    /// The answer exceeds what the peer's application accepts.
    #[error("the answer exceeds the limits of peer {0}")]
    BeyondPeerLimits(PeerId),
    /// The answer exceeds the session's own limits.
    #[error("the answer exceeds the limits of this session")]
    Limits(#[from] DecodeError),
    /// The arguments could not be encoded.
    #[error("the answer could not be encoded")]
    Encode(#[from] EncodeError),
}

impl ReplyError {
    /// Why a link did not take the answer to a question of `peer`.
    pub(crate) fn new(peer: &PeerId, error: EmitError) -> Self {
        match error {
            EmitError::Blocked { peer, lane, queued } => Self::Blocked { peer, lane, queued },
            EmitError::BeyondPeerLimits(peer) => Self::BeyondPeerLimits(peer),
            EmitError::Limits(error) => Self::Limits(error),
            EmitError::Encode(error) => Self::Encode(error),
            // An answer is no event, goes on the lane for events, and only v1 peers ask.
            EmitError::Dropped(_)
            | EmitError::UnknownPeer(_)
            | EmitError::ReservedEvent(_)
            | EmitError::ReservedNamespace(_)
            | EmitError::NotAnEvent(_)
            | EmitError::UnsupportedByPeer { .. }
            | EmitError::TooManyPendingAcks(_)
            | EmitError::TooManyTransfers(_)
            | EmitError::Closed => Self::Expired(peer.clone()),
        }
    }
}

/// An upgrade that was not started.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum UpgradeError {
    /// Nobody of this id is in the room.
    #[error("no peer {0} in the room")]
    UnknownPeer(PeerId),
}
