//! The events that a session reports to its application.

use std::time::Duration;

use crate::codec::Packet;
use crate::direct_state::{DirectFailure, DirectState};
use crate::error::{JoinRefusal, PeerError, SignalingError};
use crate::id::{Dialect, EmitId, PeerId, RoomName};
use crate::path::Path;
use crate::transfer::{IncomingTransferId, OutgoingTransferId, TransferId, TransferOutcome};
use crate::wire::{Epochs, Lane, MemberData};

/// Why the link to a peer ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum LeaveReason {
    /// The peer left: it said good-bye to this session or to the hub. A v0 peer whose connection to the hub
    /// breaks has also left: the hub does not wait for v0 clients to reconnect.
    Left,
    /// The peer's connection to the hub broke, and the peer did not reconnect within the hub's resume window,
    /// or a newcomer got its seat earlier.
    Lost,
    /// The server's application removed the peer, or this session, from the room.
    Kicked,
    /// The peer had no live path for the resume window.
    TimedOut,
    /// The peer restarted without its state: packets in flight have an unknown outcome, and a new epoch begins.
    Restarted,
    /// The peer acknowledged too little within the stall time-out although a path led to it: packets in flight
    /// have an unknown outcome, and a new epoch begins.
    Stalled,
    /// The hub gave this session a new peer id, because it did not accept the resume token. The link had no
    /// validated channel on which the peer could prove its own new id ([`Event::PeerRenamed`]), or the peer has no new
    /// one: the hub has removed this session alone.
    IdentityChanged,
    /// This session closed.
    Closed,
}

impl std::fmt::Display for LeaveReason {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Left => "left",
            Self::Lost => "lost",
            Self::Kicked => "kicked",
            Self::TimedOut => "timed out",
            Self::Restarted => "restarted",
            Self::Stalled => "stalled",
            Self::IdentityChanged => "identity changed",
            Self::Closed => "closed",
        })
    }
}

/// The outcome of an emit for one peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Outcome {
    /// The peer's session delivered the event to its application.
    Delivered,
    /// The event was never sent: the link ended before, or the peer is a v0 peer and the event is longer than
    /// one message of the path in use, which a v0 peer cannot reassemble.
    NotSent,
    /// The peer refused the event: it is beyond the limits of the peer's application, it came on a path that
    /// the peer's policy forbids, the peer had no [memory](crate::Config::receive_bytes) for it, or it stayed
    /// unfinished for the peer's [`unfinished_timeout`](crate::Config::unfinished_timeout), for example because
    /// this side's policy leaves no path for the rest of it.
    Refused,
    /// The event was sent, and the link ended before the peer acknowledged it. Always the outcome of a sent
    /// event for a v0 peer, which does not acknowledge.
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

/// The token for answering one event whose sender asked for an acknowledgement.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReplyToken {
    pub(crate) asker: Asker,
    pub(crate) ack_id: u64,
}

/// Who asked, and in which incarnation of the link or on which connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Asker {
    Peer { peer: PeerId, epochs: Epochs },
    Server { connection: u64 },
}

impl ReplyToken {
    /// Returns the peer that asked; `None` when it was the server's application.
    #[must_use]
    pub const fn peer(&self) -> Option<&PeerId> {
        match &self.asker {
            Asker::Peer { peer, .. } => Some(peer),
            Asker::Server { .. } => None,
        }
    }
}

/// An event of a session. The order matters: a cause comes before its consequences.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Event {
    /// The session joined the room.
    Connected {
        /// The session's peer id.
        id: PeerId,
        /// The room.
        room: RoomName,
        /// Whether the peer id is the one of the previous connection.
        resumed: bool,
    },
    /// The signalling channel closed, or could not be opened. Direct paths stay open.
    Disconnected {
        /// The cause, and with it the culprit.
        error: SignalingError,
        /// The pause before the next attempt.
        retry_in: Duration,
    },
    /// The server refuses the session, or has removed it from the room. The session makes no further attempt until
    /// [`reconnect`](crate::Session::reconnect).
    Refused(JoinRefusal),
    /// A peer joined the room. Events to it go through the relay until a direct path is validated.
    PeerJoined {
        /// The peer.
        peer: PeerId,
        /// Its dialect.
        dialect: Dialect,
        /// What the server's application has verified about it.
        user: Option<MemberData>,
        /// Its metadata.
        metadata: Option<MemberData>,
    },
    /// A peer that is reached directly has a new id, because the hub has lost the key of its tokens. The peer has
    /// proved on its channel that it is the member with the new id. The link goes on: nothing is lost, and all later
    /// events name the new id. Calls may name a former id, also by the tokens of questions and transfers.
    PeerRenamed {
        /// The id until now.
        from: PeerId,
        /// The new id.
        to: PeerId,
    },
    /// A peer's metadata changed, or what the server's application has verified about it.
    PeerUpdated {
        /// The peer.
        peer: PeerId,
        /// What the server's application has verified about it.
        user: Option<MemberData>,
        /// Its metadata.
        metadata: Option<MemberData>,
    },
    /// The link to a peer ended. The outcomes of all emits to the peer have been reported before.
    PeerLeft {
        /// The peer.
        peer: PeerId,
        /// The reason.
        reason: LeaveReason,
        /// What the server's application had verified about it.
        user: Option<MemberData>,
    },
    /// No live path leads to the peer. Events wait for it, for up to the resume window.
    PeerAway {
        /// The peer.
        peer: PeerId,
    },
    /// A peer that was away has a live path again.
    PeerBack {
        /// The peer.
        peer: PeerId,
    },
    /// The path of events to the peer changed.
    PathChanged {
        /// The peer.
        peer: PeerId,
        /// The new path.
        path: Path,
    },
    /// The state of the direct path to a peer changed. The first one follows [`PeerJoined`](Self::PeerJoined).
    DirectChanged {
        /// The peer.
        peer: PeerId,
        /// The new state.
        state: DirectState,
        /// What failed, when the state is [`Failed`](DirectState::Failed) or [`GaveUp`](DirectState::GaveUp).
        failure: Option<Box<DirectFailure>>,
    },
    /// All peers, at most [`max_peers`](crate::Config::max_peers), have a validated direct path (the original's
    /// `ready`). Peers that are away, declined or could not be reached directly do not count.
    Ready,
    /// Events to all peers that count for [`Ready`](Self::Ready) go over a direct path (the original's
    /// `upgrade`).
    Upgrade,
    /// A failure that concerns one peer only (the original's `peer-error`).
    PeerError {
        /// The peer.
        peer: PeerId,
        /// The failure.
        error: PeerError,
    },
    /// A peer's event arrived.
    Received {
        /// The sender.
        from: PeerId,
        /// The path on which the event arrived.
        path: Path,
        /// The event.
        packet: Packet,
        /// The token for the answer, when the sender asked for an acknowledgement.
        reply: Option<ReplyToken>,
    },
    /// The answer to an [`emit_with_ack`](crate::Session::emit_with_ack).
    Ack {
        /// The emit.
        emit: EmitId,
        /// The peer that answered.
        from: PeerId,
        /// The answer.
        packet: Packet,
    },
    /// A peer will not answer an [`emit_with_ack`](crate::Session::emit_with_ack).
    NoAck {
        /// The emit.
        emit: EmitId,
        /// The peer that did not answer.
        peer: PeerId,
        /// Whether the time-out expired; otherwise the link to the peer ended.
        timed_out: bool,
    },
    /// All answers to an [`emit_with_ack`](crate::Session::emit_with_ack) to all peers, and all missing ones,
    /// have been reported.
    AcksComplete {
        /// The emit.
        emit: EmitId,
        /// The peers that answered, in the order of their answers.
        answered: Vec<PeerId>,
        /// The peers that did not answer.
        missing: Vec<PeerId>,
    },
    /// The outcome of an emit for one peer.
    Outcome {
        /// The emit.
        emit: EmitId,
        /// The receiver.
        peer: PeerId,
        /// The outcome.
        outcome: Outcome,
    },
    /// A peer for which an emit was blocked accepts events again.
    Writable {
        /// The peer.
        peer: PeerId,
        /// The lane that accepts events.
        lane: Lane,
    },
    /// A peer opened a transfer. The application reads or cancels it; meanwhile the peer waits.
    TransferOpened {
        /// The sender.
        from: PeerId,
        /// The transfer.
        transfer: IncomingTransferId,
        /// The event with which the sender describes the transfer.
        packet: Packet,
        /// The size in bytes, if the sender announced it.
        size: Option<u64>,
    },
    /// A transfer that had nothing to read has bytes, or has ended.
    TransferReadable {
        /// The transfer.
        transfer: IncomingTransferId,
    },
    /// A transfer that accepted only a part of the bytes written accepts bytes again.
    TransferWritable {
        /// The transfer.
        transfer: OutgoingTransferId,
    },
    /// A transfer ended, other than by this side's reading to the end or cancelling.
    TransferEnded {
        /// The transfer.
        transfer: TransferId,
        /// The outcome.
        outcome: TransferOutcome,
    },
    /// An event from the server's application in the same namespace.
    ServerEvent {
        /// The event.
        packet: Packet,
        /// The token for the answer, when the application asked for an acknowledgement.
        reply: Option<ReplyToken>,
    },
    /// The answer of the server's application to an [`emit_with_ack`](crate::Session::emit_with_ack) to
    /// [`Target::Server`](crate::Target::Server).
    ServerAck {
        /// The emit.
        emit: EmitId,
        /// The answer.
        packet: Packet,
    },
    /// The server's application will not answer.
    NoServerAck {
        /// The emit.
        emit: EmitId,
        /// Whether the time-out expired; otherwise the connection to the server was lost, and the application may
        /// have received the event or not.
        timed_out: bool,
    },
    /// The server accepts events again, after [`EmitError::ServerBlocked`](crate::EmitError::ServerBlocked).
    ServerWritable,
    /// The session is closed. No event follows.
    Closed,
}
