//! Errors of the connection to the server.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::codec::{DecodeError, EncodeError, PacketType};
use crate::wire::MessageError;

/// Why the signalling channel closed. The session asks for a new one.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum SignalingError {
    /// The transport could not open the channel, or lost it; the text is the transport's.
    #[error("the signalling transport failed: {0}")]
    Transport(String),
    /// The server sent a frame that is not part of a packet.
    #[error("the server sent a bad frame")]
    BadFrame(#[from] DecodeError),
    /// The server sent a malformed message of the signalling dialect.
    #[error("the server sent a malformed message")]
    BadMessage(#[from] MessageError),
    /// The server sent a packet of a type that does not fit the state of the connection.
    #[error("expected an EVENT of the server, got {0}")]
    Unexpected(PacketType),
    /// The server closed the connection.
    #[error("the server closed the connection")]
    Closed,
    /// The server did not answer this session's CONNECT within the time-out.
    #[error("expected an answer to CONNECT within {} ms, got none", .within.as_millis())]
    NoConnect {
        /// [`Config::join_timeout`](crate::Config::join_timeout).
        within: Duration,
    },
    /// The server sent no welcome within the time-out, for example because it runs no hub of this library.
    #[error("expected a welcome within {} ms, got none", .within.as_millis())]
    NoWelcome {
        /// [`Config::join_timeout`](crate::Config::join_timeout).
        within: Duration,
    },
    /// The server asks the session to come back later, because a rate limit is exceeded or the server closes. The
    /// session retries after the pause that the server demands.
    #[error("the server asks to try again later")]
    PutOff(#[source] JoinRefusal),
    /// The session's CONNECT could not be encoded.
    #[error("CONNECT could not be encoded")]
    Encode(#[from] EncodeError),
}

/// The reason why a server refuses a session.
#[derive(Clone, Debug, PartialEq, Eq, Error, Serialize, Deserialize)]
#[error("the server refuses the connection: {message}")]
#[non_exhaustive]
pub struct JoinRefusal {
    /// The server's text.
    pub message: String,
    /// The stable code of the reason, for example `room-full`, when the server runs a hub of this library.
    pub code: Option<String>,
}
