//! What a hub refuses. Nothing here carries a token, a signal or a payload.

use std::time::Duration;

use thiserror::Error;

use crate::id::{InvalidName, PeerId, RoomName};

/// Why a client cannot join. It goes to the client in the `CONNECT_ERROR` packet.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum JoinError {
    /// The room has all the members it takes.
    #[error("room {room:?} has all {capacity} members that it takes")]
    RoomFull {
        /// The room.
        room: RoomName,
        /// How many members it takes.
        capacity: usize,
    },
    /// A new room would be one too many.
    #[error("there are {max} rooms already and {room:?} would be one more")]
    TooManyRooms {
        /// The room asked for.
        room: RoomName,
        /// How many rooms the hub takes.
        max: usize,
    },
    /// The client has come back too often, or too many have joined the room, in a short time.
    #[error("try again in {} ms: too many joins of room {room:?}", retry_after.as_millis())]
    TooManyJoins {
        /// The room.
        room: RoomName,
        /// When the next one is let in, in whole milliseconds.
        retry_after: Duration,
    },
    /// The client's own account of itself cannot be read.
    #[error("the `p2p` entry of the auth payload cannot be read: {reason}")]
    BadAuth {
        /// What is wrong with it.
        reason: String,
    },
    /// The socket id of a v0 client cannot serve as a peer id.
    // Without a source: the text goes to the client, whole.
    #[error("the socket id cannot serve as a peer id: {0}")]
    BadName(InvalidName),
    /// A member of the room has the socket id of this v0 client for its id.
    #[error("room {room:?} has a member {name:?} already")]
    NameTaken {
        /// The room.
        room: RoomName,
        /// The name.
        name: PeerId,
    },
}

impl JoinError {
    /// A stable word for programs: `room-full`, `too-many-rooms`, `too-many-joins`, `bad-auth`, `bad-name` or
    /// `name-taken`. On the wire it stands before the text in the message of the `CONNECT_ERROR`, up to the first colon
    /// (`{"message":"room-full: room …"}`), because `socketioxide` has room for nothing but a message.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::RoomFull { .. } => "room-full",
            Self::TooManyRooms { .. } => "too-many-rooms",
            Self::TooManyJoins { .. } => "too-many-joins",
            Self::BadAuth { .. } => "bad-auth",
            Self::BadName(_) => "bad-name",
            Self::NameTaken { .. } => "name-taken",
        }
    }

    /// When to try again, where it is a matter of time alone. On the wire the text begins with it
    /// (`{"message":"too-many-joins: try again in 500 ms: …"}`).
    #[must_use]
    pub const fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::TooManyJoins { retry_after, .. } => Some(*retry_after),
            Self::RoomFull { .. }
            | Self::TooManyRooms { .. }
            | Self::BadAuth { .. }
            | Self::BadName(_)
            | Self::NameTaken { .. } => None,
        }
    }
}

/// What a client did that it may not. Only the client itself is affected, and its message is dropped.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum ClientError {
    /// The client is not connected (any more).
    #[error("the client is not connected any more")]
    Gone,
    /// More signals than the rate limit allows.
    #[error("more signals than {per_second} per second after the first {burst}")]
    TooManySignals {
        /// How many are allowed at once.
        burst: u32,
        /// How many are allowed per second in the long run.
        per_second: u32,
    },
    /// A signal over the limit.
    #[error("a signal of {got} bytes where {max} are allowed")]
    SignalTooLarge {
        /// Its bytes, the offer id counted.
        got: usize,
        /// The limit.
        max: usize,
    },
    /// More offers in one message than allowed.
    #[error("{got} offers in one message where {max} are allowed")]
    TooManyOffers {
        /// How many came.
        got: usize,
        /// The limit.
        max: usize,
    },
    /// An offer of a v1 client that does not say whom it is for.
    #[error("an offer without `toPeerId`")]
    Unaddressed,
    /// The receiver is no other member of the sender's room; it may have just left.
    #[error("{peer:?} is no other member of the room")]
    UnknownPeer {
        /// The receiver.
        peer: PeerId,
    },
    /// The receiver's connection is lost.
    #[error("the connection of {peer:?} is lost")]
    PeerAway {
        /// The receiver.
        peer: PeerId,
    },
    /// A relayed packet over the limit.
    #[error("a packet of {got} bytes where {max} are allowed")]
    PacketTooLarge {
        /// Its bytes, attachments counted.
        got: usize,
        /// The limit.
        max: usize,
    },
    /// A relayed packet in too many parts, or in none.
    #[error("a packet in {got} parts where 1 to {max} are allowed")]
    PartCount {
        /// How many parts came.
        got: usize,
        /// The limit.
        max: usize,
    },
    /// An envelope for more receivers than the room has members.
    #[error("an envelope for {got} receivers in a room of {members} members")]
    TooManyRecipients {
        /// How many came.
        got: usize,
        /// The members of the room.
        members: usize,
    },
    /// An envelope that names one receiver several times. Nobody has got it.
    #[error("an envelope that names {peer:?} several times")]
    DuplicateRecipient {
        /// The receiver.
        peer: PeerId,
    },
    /// More envelopes, or events of a v0 client, than the rate limit allows. Links make it good.
    #[error("more envelopes than {per_second} per second after the first {burst}")]
    TooManyEnvelopes {
        /// How many are allowed at once.
        burst: u32,
        /// How many are allowed per second in the long run.
        per_second: u32,
    },
    /// More bytes for receivers than the rate limit allows, those for each receiver counted. Links make it good.
    #[error("more bytes for receivers than {per_second} per second after the first {burst}")]
    TooMuchToDeliver {
        /// How many bytes are allowed at once.
        burst: u64,
        /// How many bytes are allowed per second in the long run.
        per_second: u64,
    },
    /// An event of its own from a v1 client, whose events travel in envelopes.
    #[error("an event outside an envelope, from a v1 client")]
    UnexpectedEvent,
    /// An envelope from a v0 client.
    #[error("an envelope from a v0 client")]
    UnexpectedEnvelope,
    /// A packet that is no message of the dialect: reported by
    /// [`handle_malformed`](super::Hub::handle_malformed).
    #[error("a packet that is no message of the dialect")]
    Malformed,
}
