//! The errors of a hub. None contains a token, a signal or a payload.

use std::time::Duration;

use thiserror::Error;

use crate::id::{InvalidName, PeerId, RoomName};

/// The reason why a client cannot join, which goes to the client in a `CONNECT_ERROR` packet.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum JoinError {
    /// The room is full.
    #[error("room {room:?} has the maximum of {capacity} members")]
    RoomFull {
        /// The room.
        room: RoomName,
        /// The maximum number of members.
        capacity: usize,
    },
    /// The hub has the maximum number of rooms.
    #[error("the hub has the maximum of {max} rooms, without {room:?}")]
    TooManyRooms {
        /// The requested room.
        room: RoomName,
        /// The maximum number of rooms.
        max: usize,
    },
    /// The returns of the client, or the joins of the room, exceed their rate limit.
    #[error("try again in {} ms: too many joins of room {room:?}", retry_after.as_millis())]
    TooManyJoins {
        /// The room.
        room: RoomName,
        /// The time until a join can succeed, in whole milliseconds.
        retry_after: Duration,
    },
    /// The hub is closing.
    #[error("try again in {} ms: the server is closing", retry_after.as_millis())]
    Closing {
        /// The time after which another hub should be there.
        retry_after: Duration,
    },
    /// The `p2p` entry of the client is malformed.
    #[error("the `p2p` entry of the auth payload is malformed: {reason}")]
    BadAuth {
        /// What was expected, what was received, and where.
        reason: String,
    },
    /// The socket id of a v0 client is not a valid peer id.
    // Without a source: the whole text goes to the client.
    #[error("the socket id is not a valid peer id: {0}")]
    BadName(InvalidName),
    /// Another member of the room has this v0 client's socket id as its peer id.
    #[error("room {room:?} has a member {name:?} already")]
    NameTaken {
        /// The room.
        room: RoomName,
        /// The peer id.
        name: PeerId,
    },
}

impl JoinError {
    /// Returns the stable code: `room-full`, `too-many-rooms`, `too-many-joins`, `closing`, `bad-auth`, `bad-name`
    /// or `name-taken`. On the wire the code precedes the text in the message of the `CONNECT_ERROR`, up to the
    /// first colon (`{"message":"room-full: room …"}`), because `socketioxide` has room for nothing but a message.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::RoomFull { .. } => "room-full",
            Self::TooManyRooms { .. } => "too-many-rooms",
            Self::TooManyJoins { .. } => "too-many-joins",
            Self::Closing { .. } => "closing",
            Self::BadAuth { .. } => "bad-auth",
            Self::BadName(_) => "bad-name",
            Self::NameTaken { .. } => "name-taken",
        }
    }

    /// Returns the time until a retry can succeed, for a temporary error. On the wire the text begins
    /// with it (`{"message":"too-many-joins: try again in 500 ms: …"}`).
    #[must_use]
    pub const fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::TooManyJoins { retry_after, .. } | Self::Closing { retry_after } => {
                Some(*retry_after)
            }
            Self::RoomFull { .. }
            | Self::TooManyRooms { .. }
            | Self::BadAuth { .. }
            | Self::BadName(_)
            | Self::NameTaken { .. } => None,
        }
    }
}

/// A violation by a client. The hub drops the message; other clients are not affected.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum ClientError {
    /// The client is unknown, or its connection has ended.
    #[error("the client is not connected")]
    Gone,
    /// The client's signals exceed their rate limit.
    #[error("expected at most {per_second} signals per second after a burst of {burst}, got more")]
    TooManySignals {
        /// The burst.
        burst: u32,
        /// The rate per second.
        per_second: u32,
    },
    /// A signal exceeds the maximum size.
    #[error("expected a signal of at most {max} bytes, got {got}")]
    SignalTooLarge {
        /// The bytes of the signal and its offer id.
        got: usize,
        /// The maximum.
        max: usize,
    },
    /// A message has more offers than the maximum.
    #[error("expected at most {max} offers in a message, got {got}")]
    TooManyOffers {
        /// The number of offers.
        got: usize,
        /// The maximum.
        max: usize,
    },
    /// An offer of a v1 client names no receiver.
    #[error("expected an offer with `toPeerId`, got one without")]
    Unaddressed,
    /// The receiver is not another member of the sender's room; it may have just left.
    #[error("expected another member of the room as the receiver, got {peer:?}")]
    UnknownPeer {
        /// The receiver.
        peer: PeerId,
    },
    /// The receiver is away.
    #[error("the receiver {peer:?} is away")]
    PeerAway {
        /// The receiver.
        peer: PeerId,
    },
    /// A relayed packet exceeds the maximum size.
    #[error("expected a packet of at most {max} bytes, got {got}")]
    PacketTooLarge {
        /// The bytes of the packet, including attachments.
        got: usize,
        /// The maximum.
        max: usize,
    },
    /// A relayed packet has more parts than the maximum, or none.
    #[error("expected a packet in 1 to {max} parts, got {got}")]
    PartCount {
        /// The number of parts.
        got: usize,
        /// The maximum.
        max: usize,
    },
    /// An envelope has more receivers than the room has members.
    #[error(
        "expected an envelope for at most {members} receivers, the members of the room, got {got}"
    )]
    TooManyRecipients {
        /// The number of receivers.
        got: usize,
        /// The number of members of the room.
        members: usize,
    },
    /// An envelope names a receiver more than once. The hub delivers it to no receiver.
    #[error("expected an envelope that names each receiver once, got {peer:?} twice")]
    DuplicateRecipient {
        /// The receiver.
        peer: PeerId,
    },
    /// The client's envelopes, or events of a v0 client, exceed their rate limit. Links retransmit the records.
    #[error(
        "expected at most {per_second} envelopes per second after a burst of {burst}, got more"
    )]
    TooManyEnvelopes {
        /// The burst.
        burst: u32,
        /// The rate per second.
        per_second: u32,
    },
    /// The bytes of the client's packets, counted once per receiver, exceed their rate limit. Links retransmit
    /// the records.
    #[error(
        "expected at most {per_second} delivered bytes per second after a burst of {burst}, got more"
    )]
    TooMuchToDeliver {
        /// The burst in bytes.
        burst: u64,
        /// The rate in bytes per second.
        per_second: u64,
    },
    /// A client changes its metadata more often than the rate limit allows.
    #[error(
        "expected at most {per_second} changes of metadata per second after a burst of {burst}, got more"
    )]
    TooManyUpdates {
        /// The burst.
        burst: u32,
        /// The rate per second.
        per_second: u32,
    },
    /// A v0 client sent an envelope.
    #[error("expected an event from a v0 client, got an envelope")]
    UnexpectedEnvelope,
    /// A packet is not a message of the dialect: reported by
    /// [`handle_malformed`](super::Hub::handle_malformed).
    #[error("expected a message of the dialect, got another packet")]
    Malformed,
}
