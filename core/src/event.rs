//! What a session tells its application.

use std::time::Duration;

use crate::codec::Packet;
use crate::error::{JoinRefusal, PeerError, SignalingError};
use crate::id::{Dialect, EmitId, PeerId, RoomName};
use crate::path::Path;
use crate::transfer::{IncomingTransferId, OutgoingTransferId, TransferId, TransferOutcome};
use crate::wire::{Epochs, Lane};

/// Why a peer is gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum LeaveReason {
    /// It said good-bye: to this session, or to the hub. An original client that is gone has always left: the hub
    /// does not wait for it to come back.
    Left,
    /// Its connection to the hub broke, as when its program crashes, and it has not come back within the hub's resume
    /// window, or the hub gave its seat to somebody else meanwhile.
    Lost,
    /// It was without a live path for the resume window.
    TimedOut,
    /// It came back without its memory of us: what was under way is lost, a new epoch starts.
    Restarted,
    /// It acknowledged nothing for the stall timeout although a path led to it: what was under way is lost, a new
    /// epoch starts.
    Stalled,
    /// This session got a new identity from the hub (its resume token was not accepted), so all links start
    /// anew.
    IdentityChanged,
    /// This session closed.
    Closed,
}

impl std::fmt::Display for LeaveReason {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Left => "left",
            Self::Lost => "lost",
            Self::TimedOut => "timed out",
            Self::Restarted => "restarted",
            Self::Stalled => "stalled",
            Self::IdentityChanged => "identity changed",
            Self::Closed => "closed",
        })
    }
}

/// How an emit ended for one peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Outcome {
    /// The peer's session has handed the event to its application.
    Delivered,
    /// It was never sent: the peer was gone before, or it is a v0 peer and the event is too long for the path
    /// in use, on which such a peer can put nothing together.
    NotSent,
    /// It is not acceptable to the peer: beyond the limits of its application, on a path that its policy forbids, more than
    /// it has [room](crate::Config::receive_bytes) for, or
    /// unfinished for longer than its [`unfinished_timeout`](crate::Config::unfinished_timeout), as when this side's policy
    /// leaves no path for the rest of it.
    Refused,
    /// It was sent, and the peer was gone before it could acknowledge. Always so with a v0 peer, which cannot
    /// acknowledge.
    Unknown,
}

impl std::fmt::Display for Outcome {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Delivered => "delivered",
            Self::NotSent => "not sent",
            Self::Refused => "refused",
            Self::Unknown => "unknown",
        })
    }
}

/// The right to answer an event whose sender asked for an acknowledgement.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReplyToken {
    pub(crate) peer: PeerId,
    pub(crate) epochs: Epochs,
    pub(crate) ack_id: u64,
}

impl ReplyToken {
    /// Who asked.
    #[must_use]
    pub const fn peer(&self) -> &PeerId {
        &self.peer
    }
}

/// Something that happened. Order matters: an event comes before all that follow from it.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Event {
    /// Joined the room.
    Connected {
        /// The own id.
        id: PeerId,
        /// The room.
        room: RoomName,
        /// Whether this is the identity of before.
        resumed: bool,
    },
    /// The signalling channel is lost or could not be opened. Direct paths live on.
    Disconnected {
        /// What happened, and who is to blame.
        error: SignalingError,
        /// The pause before the next try.
        retry_in: Duration,
    },
    /// The server refuses the session. It does not try again until
    /// [`reconnect`](crate::Session::reconnect).
    Refused(JoinRefusal),
    /// A peer is there. Events go through the relay from now on.
    PeerJoined {
        /// Who.
        peer: PeerId,
        /// Its dialect.
        dialect: Dialect,
    },
    /// A peer is gone, all outcomes of emits to it have been reported.
    PeerLeft {
        /// Who.
        peer: PeerId,
        /// Why.
        reason: LeaveReason,
    },
    /// No live path leads to the peer. Events wait for it up to the resume window.
    PeerAway {
        /// Who.
        peer: PeerId,
    },
    /// A peer that was away has a live path again.
    PeerBack {
        /// Who.
        peer: PeerId,
    },
    /// Events to the peer go another way from now on.
    PathChanged {
        /// Who.
        peer: PeerId,
        /// The new way.
        path: Path,
    },
    /// Every eligible peer has a direct path that has proved itself (the original's `ready`).
    Ready,
    /// Events go directly to every eligible peer (the original's `upgrade`).
    Upgrade,
    /// Something about one peer failed; the others are not touched (the original's `peer-error`).
    PeerError {
        /// Who.
        peer: PeerId,
        /// What.
        error: PeerError,
    },
    /// An event of a peer.
    Received {
        /// Who sent it.
        from: PeerId,
        /// The way on which it came.
        path: Path,
        /// The event.
        packet: Packet,
        /// Given when the sender waits for an answer.
        reply: Option<ReplyToken>,
    },
    /// The answer to an [`emit_with_ack`](crate::Session::emit_with_ack).
    Ack {
        /// The emit.
        emit: EmitId,
        /// Who answers.
        from: PeerId,
        /// The answer.
        packet: Packet,
    },
    /// No answer will come.
    NoAck {
        /// The emit.
        emit: EmitId,
        /// Who did not answer.
        peer: PeerId,
        /// Whether the time was up; otherwise the peer is gone.
        timed_out: bool,
    },
    /// Every peer that took a question to all has answered, or will not.
    AcksComplete {
        /// The emit.
        emit: EmitId,
        /// Who answered, in the order of the answers.
        answered: Vec<PeerId>,
        /// Who did not.
        missing: Vec<PeerId>,
    },
    /// How an emit ended for one peer.
    Outcome {
        /// The emit.
        emit: EmitId,
        /// The receiver.
        peer: PeerId,
        /// How it ended.
        outcome: Outcome,
    },
    /// A peer for which an emit was blocked takes events again.
    Writable {
        /// Who.
        peer: PeerId,
        /// In this lane.
        lane: Lane,
    },
    /// A peer announces a transfer. It waits to be read, or to be cancelled.
    TransferOpened {
        /// Who sends.
        from: PeerId,
        /// The transfer.
        transfer: IncomingTransferId,
        /// What it is, in the sender's words.
        packet: Packet,
        /// Its length in bytes, if the sender has said so.
        size: Option<u64>,
    },
    /// A transfer in which nothing was to be read has bytes, or has ended.
    TransferReadable {
        /// The transfer.
        transfer: IncomingTransferId,
    },
    /// A transfer that took less than was given takes bytes again.
    TransferWritable {
        /// The transfer.
        transfer: OutgoingTransferId,
    },
    /// A transfer is over, other than by this end's own reading or cancelling.
    TransferEnded {
        /// The transfer.
        transfer: TransferId,
        /// How it ended.
        outcome: TransferOutcome,
    },
    /// An event of the server's own application on the same namespace.
    ServerEvent {
        /// The event.
        packet: Packet,
    },
    /// The session is closed. The last event.
    Closed,
}
