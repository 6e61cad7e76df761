//! Errors, by culprit: this application, a remote peer, the server.

use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::codec::{DecodeError, EncodeError, PacketType};
use crate::id::PeerId;
use crate::path::Path;
use crate::wire::{Lane, MessageError};

/// An emit that was not accepted. Nothing was queued.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum EmitError {
    /// The queue for the peer is full. `Event::Writable` tells when to try again, unless `Event::PeerLeft` comes
    /// before: the link that begins after it has an empty queue.
    #[error("the {lane:?} queue for peer {peer} is full ({queued} bytes wait)")]
    Blocked {
        /// The peer.
        peer: PeerId,
        /// The lane.
        lane: Lane,
        /// What waits for it.
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
    #[error("the packet exceeds the limits: {0}")]
    Limits(#[from] DecodeError),
    /// The packet's ack id could not be written.
    #[error("the packet could not be encoded: {0}")]
    Encode(#[from] EncodeError),
    /// The peer is an original JavaScript client, which cannot take this.
    #[error("peer {peer} speaks the original dialect and cannot take {what}")]
    UnsupportedByPeer {
        /// The peer.
        peer: PeerId,
        /// What it cannot take.
        what: &'static str,
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
    /// The answer comes too late: the peer that asked is gone.
    #[error("the peer {0} that asked for the acknowledgement is gone")]
    ReplyExpired(PeerId),
    /// The session is closing.
    #[error("the session is closed")]
    Closed,
}

/// What went wrong with one peer. It says who is to blame.
#[derive(Clone, Debug, Error)]
#[non_exhaustive]
pub enum PeerError {
    /// The direct path failed or was not made; the text is the transport's.
    #[error("the direct path failed: {0}")]
    DirectFailed(String),
    /// The direct path was open and silent for too long.
    #[error("the direct path was silent for {0} ms")]
    DirectSilent(u64),
    /// Of a packet that had begun nothing more came for so many milliseconds: it is refused.
    #[error("a packet did not go on for {0} ms")]
    Unfinished(u64),
    /// There is no room for what has come of all peers ([`receive_bytes`](crate::Config::receive_bytes)): of this peer,
    /// whose unfinished packet was the largest, that packet is refused.
    #[error("there is no room for the rest of a packet")]
    NoRoom,
    /// The attempt at a direct path took too long.
    #[error("no direct path within {0} ms")]
    NegotiationTimedOut(u64),
    /// The peer sent a frame that is no packet.
    #[error("the peer sent a bad frame: {0}")]
    BadFrame(DecodeError),
    /// The peer sent a packet that breaks the limits or is not well formed; it was refused.
    #[error("the peer sent a bad packet: {0}")]
    BadPacket(DecodeError),
    /// The peer sent a packet on a path that this session's policy forbids; it was refused.
    #[error("the peer sent a packet by {0:?}, which the policy forbids")]
    ForbiddenPath(Path),
    /// The peer broke the link protocol.
    #[error("the peer misbehaved: {0}")]
    Misbehaved(&'static str),
    /// The peer passed something on as another peer's that is not, or not any more. The link to that other peer is
    /// not touched.
    #[error("the peer passed on a packet as of peer {from} that {from} {what}")]
    NotGenuine {
        /// Whose it is said to be.
        from: PeerId,
        /// What is wrong with it.
        what: &'static str,
    },
    /// The peer sent a signal that cannot be read.
    #[error("the peer sent a signal that cannot be read")]
    BadSignal,
}

/// Why a server refuses a session.
#[derive(Clone, Debug, PartialEq, Eq, Error, Serialize, Deserialize)]
#[error("the server refuses the connection: {message}")]
pub struct JoinRefusal {
    /// The server's words.
    pub message: String,
    /// The stable name of the reason, `room-full` for one, when the server is a hub of ours.
    pub code: Option<String>,
}

/// A frame on the signalling channel that is not what it should be. The session asks for a new channel.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum SignalingError {
    /// The server sent a frame that is no packet.
    #[error("the server sent a bad frame: {0}")]
    BadFrame(#[from] DecodeError),
    /// The server sent a message of the dialect that cannot be read.
    #[error("the server sent a bad message: {0}")]
    BadMessage(#[from] MessageError),
    /// The server sent a packet that does not fit the state of the connection.
    #[error("the server sent {0} out of turn")]
    Unexpected(PacketType),
}
