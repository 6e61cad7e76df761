//! Failures that concern one peer.

use std::time::Duration;

use thiserror::Error;

use crate::codec::{DecodeError, PacketType};
use crate::id::PeerId;
use crate::path::Path;
use crate::wire::BadBundle;

/// A failure that concerns one peer. The variant names the culprit.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum PeerError {
    /// The direct path failed or was not established; the text is the transport's.
    #[error("the direct path failed: {0}")]
    DirectFailed(String),
    /// Nothing was received on the open direct path for the silence time-out.
    #[error("expected a frame on the direct path within {} ms, got none", .0.as_millis())]
    DirectSilent(Duration),
    /// The session refused an unfinished packet, because less than 1 KiB of it arrived within this time.
    #[error("expected the next 1 KiB of a packet within {} ms, got less", .0.as_millis())]
    Unfinished(Duration),
    /// The received data of all peers exceeds [`receive_bytes`](crate::Config::receive_bytes). The session
    /// refused this peer's unfinished packet, which was the largest of all, or, when no packet was unfinished,
    /// the missing packet behind which most data of this peer waited.
    #[error("the memory for received data is full: the largest unfinished packet is refused")]
    NoRoom,
    /// The attempt at a direct path did not finish within the time-out.
    #[error("expected a direct path within {} ms, got none", .0.as_millis())]
    NegotiationTimedOut(Duration),
    /// The peer sent a frame that is not part of a packet.
    #[error("the peer sent a bad frame")]
    BadFrame(#[source] DecodeError),
    /// The peer sent a packet that is malformed or exceeds the limits; the session refused it.
    #[error("the peer sent a bad packet")]
    BadPacket(#[source] DecodeError),
    /// The peer sent a packet on a path that this session's policy forbids; the session refused it.
    #[error("the peer sent a packet on the path {0}, which the policy forbids")]
    ForbiddenPath(Path),
    /// The peer violated the link protocol.
    #[error("the peer violated the link protocol")]
    Misbehaved(#[source] Misbehavior),
    /// The peer, a neighbour, forwarded a bundle whose MAC is not that of the named sender. The link to that
    /// sender is not affected.
    #[error("expected a bundle sealed by peer {from} from the neighbour, got one with a wrong MAC")]
    Forged {
        /// The named sender.
        from: PeerId,
    },
    /// The peer, a neighbour, forwarded a bundle a second time or too late. The link to the sender is not
    /// affected.
    #[error(
        "expected a new bundle of peer {from} from the neighbour, got a duplicate or an old one"
    )]
    Replayed {
        /// The sender.
        from: PeerId,
    },
    /// The peer sent a malformed signal.
    #[error("the peer sent a malformed signal")]
    BadSignal,
}

/// A violation of the link protocol (`PROTOCOL.md`): what was expected, and what was received.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum Misbehavior {
    /// A message that is not a bundle.
    #[error(transparent)]
    BadBundle(#[from] BadBundle),
    /// A text message on a data channel between v1 peers.
    #[error("expected a binary message on the data channel, got a text of {bytes} bytes")]
    TextMessage {
        /// The length in bytes.
        bytes: usize,
    },
    /// A bundle of an earlier incarnation on a data channel, which belongs to one pair of incarnations.
    #[error(
        "expected a bundle of the current epochs on the data channel, got epoch {epoch} for {peer_epoch}"
    )]
    StaleEpochs {
        /// The sender's epoch.
        epoch: u32,
        /// The receiver's epoch, as the sender knows it.
        peer_epoch: u32,
    },
    /// An acknowledgement of a packet, or of bytes, that were never sent.
    #[error("expected an acknowledgement of sent data, got one beyond it")]
    AckBeyondSent,
    /// Control between neighbours on a path that is not a data channel.
    #[error("expected control between neighbours on the data channel, got it on the path {0}")]
    NeighbourControl(Path),
    /// A packet or a transfer with the last possible number, which no other can follow.
    #[error("expected a number below {max}, got {number}")]
    Number {
        /// The number.
        number: u64,
        /// The exclusive upper bound of numbers.
        max: u64,
    },
    /// Records of a packet that reach beyond its end or disagree on its end.
    #[error("expected the records of a packet to agree on its end, got a contradiction")]
    PacketContradiction,
    /// Reassembled records that do not form a packet.
    #[error("expected the records to form a packet, got lengths that do not add up")]
    NoPacket,
    /// An event in the namespace of link control.
    #[error("expected an event in a namespace of the application, got that of link control")]
    ReservedNamespace,
    /// An event with a name of the signalling dialect.
    #[error("expected an event of the application, got one of the signalling dialect")]
    ReservedEvent,
    /// A packet that is neither an event nor an acknowledgement.
    #[error("expected an EVENT or an ACK, got {0}")]
    NotAnEvent(PacketType),
    /// Bytes of a transfer beyond the credit that the receiver granted.
    #[error("expected bytes of a transfer below offset {granted}, got some up to {until}")]
    TransferWindow {
        /// The granted offset.
        granted: u64,
        /// The offset at which the received bytes end.
        until: u64,
    },
    /// Records of a transfer that reach beyond its end or disagree on its end.
    #[error("expected the records of a transfer to agree on its end, got a contradiction")]
    TransferContradiction,
    /// A transfer whose size differs from the announced one.
    #[error("expected a transfer of {announced} bytes, got {got}")]
    TransferSize {
        /// The announced size in bytes.
        announced: u64,
        /// The received size in bytes.
        got: u64,
    },
    /// A transfer that does not begin with an event of the application.
    #[error("expected a transfer to begin with an event of the application")]
    TransferAnnouncement,
    /// Offers beyond the rate limit of this session.
    #[error("expected offers within the rate limit, got more")]
    TooManyOffers,
    /// An envelope with only some of the numbers of a record.
    #[error("expected an envelope with all numbers of a record or with none, got only some")]
    EnvelopeNumbers,
    /// An envelope of a v0 client that contains no packet.
    #[error("expected a packet in an envelope of a v0 client, got lengths that do not add up")]
    EnvelopePacket,
}

impl From<Misbehavior> for PeerError {
    fn from(misbehavior: Misbehavior) -> Self {
        Self::Misbehaved(misbehavior)
    }
}
