//! What goes wrong with one peer.

use std::time::Duration;

use thiserror::Error;

use crate::codec::{DecodeError, PacketType};
use crate::id::PeerId;
use crate::path::Path;
use crate::wire::BadBundle;

/// What went wrong with one peer. It says who is to blame.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum PeerError {
    /// The direct path failed or was not made; the text is the transport's.
    #[error("the direct path failed: {0}")]
    DirectFailed(String),
    /// The direct path was open and silent for too long.
    #[error("the direct path was silent for {} ms", .0.as_millis())]
    DirectSilent(Duration),
    /// Of a packet that had begun nothing more came for so long: it is refused.
    #[error("a packet did not go on for {} ms", .0.as_millis())]
    Unfinished(Duration),
    /// There is no room for what has come of all peers ([`receive_bytes`](crate::Config::receive_bytes)): of this peer,
    /// whose unfinished packet was the largest, that packet is refused.
    #[error("there is no room for the rest of a packet")]
    NoRoom,
    /// The attempt at a direct path took too long.
    #[error("no direct path within {} ms", .0.as_millis())]
    NegotiationTimedOut(Duration),
    /// The peer sent a frame that is no packet.
    #[error("the peer sent a bad frame")]
    BadFrame(#[source] DecodeError),
    /// The peer sent a packet that breaks the limits or is not well formed; it was refused.
    #[error("the peer sent a bad packet")]
    BadPacket(#[source] DecodeError),
    /// The peer sent a packet on a path that this session's policy forbids; it was refused.
    #[error("the peer sent a packet on the path {0}, which the policy forbids")]
    ForbiddenPath(Path),
    /// The peer broke the link protocol.
    #[error("the peer misbehaved")]
    Misbehaved(#[source] Misbehavior),
    /// The peer passed on a bundle that the peer whose it is said to be has not sealed. The link to that other peer is
    /// not touched.
    #[error("the peer passed on a bundle as of peer {from} that {from} did not send")]
    Forged {
        /// Whose it is said to be.
        from: PeerId,
    },
    /// The peer passed on a bundle that had come before. The link to the peer that sent it is not touched.
    #[error("the peer passed on a bundle of peer {from} that came before")]
    Replayed {
        /// Who sent it once.
        from: PeerId,
    },
    /// The peer sent a signal that cannot be read.
    #[error("the peer sent a signal that cannot be read")]
    BadSignal,
}

/// How a peer broke the link protocol (`PROTOCOL.md`): what was expected, and what came.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum Misbehavior {
    /// A message that is no bundle.
    #[error(transparent)]
    BadBundle(#[from] BadBundle),
    /// A text message on a data channel between v1 peers.
    #[error("expected a binary message on the data channel, got a text of {bytes} bytes")]
    TextMessage {
        /// Its length.
        bytes: usize,
    },
    /// A bundle of an incarnation that is over, on a data channel, which belongs to one pair of incarnations.
    #[error(
        "expected a bundle of the current epochs on the data channel, got epoch {epoch} for {peer_epoch}"
    )]
    StaleEpochs {
        /// The sender's epoch.
        epoch: u32,
        /// The receiver's epoch, as the sender knows it.
        peer_epoch: u32,
    },
    /// An acknowledgement of a packet or of bytes that were never sent.
    #[error("expected an acknowledgement of what was sent, got one beyond it")]
    AckBeyondSent,
    /// What neighbours say to each other, on a path that is no data channel.
    #[error("expected control between neighbours on the data channel, got it on the path {0}")]
    NeighbourControl(Path),
    /// A packet or transfer of a number that no other can follow.
    #[error("expected a number below {max}, got {number}")]
    Number {
        /// The number.
        number: u64,
        /// One above the highest number.
        max: u64,
    },
    /// Records of a packet that overlap its end or give it two.
    #[error("expected the records of a packet to agree on its end, got a contradiction")]
    PacketContradiction,
    /// Records that are put together and make no packet.
    #[error("expected the records to make a packet, got lengths that do not add up")]
    NoPacket,
    /// An event in the namespace of link control.
    #[error("expected an event in a namespace of the application, got that of link control")]
    ReservedNamespace,
    /// An event with a name of the signalling dialect.
    #[error("expected an event of the application, got one of the signalling dialect")]
    ReservedEvent,
    /// A packet that is neither event nor acknowledgement.
    #[error("expected an EVENT or an ACK, got {0}")]
    NotAnEvent(PacketType),
    /// More bytes of a transfer than the receiver has granted.
    #[error("expected a transfer's bytes below {granted}, got some up to {until}")]
    TransferWindow {
        /// The bytes below this were granted.
        granted: u64,
        /// The bytes that came end here.
        until: u64,
    },
    /// Records of a transfer that overlap its end or give it two.
    #[error("expected the records of a transfer to agree on its end, got a contradiction")]
    TransferContradiction,
    /// A transfer of another size than was announced.
    #[error("expected a transfer of {announced} bytes, got {got}")]
    TransferSize {
        /// The size announced.
        announced: u64,
        /// The size that came.
        got: u64,
    },
    /// A transfer that does not begin with an event of the application.
    #[error("expected a transfer to begin with an event of the application")]
    TransferAnnouncement,
    /// More offers than this session takes up.
    #[error("expected no more offers than attempts are made, got more")]
    TooManyOffers,
    /// An envelope with a part of the numbers that a record has.
    #[error("expected an envelope with all numbers of a record or with none, got a part of them")]
    EnvelopeNumbers,
    /// An envelope of an original client that holds no packet.
    #[error(
        "expected a packet in an envelope of an original client, got lengths that do not add up"
    )]
    EnvelopePacket,
}

impl From<Misbehavior> for PeerError {
    fn from(misbehavior: Misbehavior) -> Self {
        Self::Misbehaved(misbehavior)
    }
}
