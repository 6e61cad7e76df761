//! What ends or refuses a connection to the server.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::codec::{DecodeError, EncodeError, PacketType};
use crate::wire::MessageError;

/// Why the signalling channel is lost. The session asks for a new one.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum SignalingError {
    /// The transport could not open the channel, or lost it; the text is the transport's.
    #[error("the signalling transport failed: {0}")]
    Transport(String),
    /// The server sent a frame that is no packet.
    #[error("the server sent a bad frame")]
    BadFrame(#[from] DecodeError),
    /// The server sent a message of the dialect that cannot be read.
    #[error("the server sent a bad message")]
    BadMessage(#[from] MessageError),
    /// The server sent a packet that does not fit the state of the connection.
    #[error("expected an EVENT of the server, got {0}")]
    Unexpected(PacketType),
    /// The server closed the connection.
    #[error("the server closed the connection")]
    Closed,
    /// The server did not answer the CONNECT of this session in time.
    #[error("the server did not answer CONNECT within {} ms", .within.as_millis())]
    NoConnect {
        /// [`Config::join_timeout`](crate::Config::join_timeout).
        within: Duration,
    },
    /// The server sent no welcome in time, as one that is no hub of this library.
    #[error("the server sent no welcome within {} ms", .within.as_millis())]
    NoWelcome {
        /// [`Config::join_timeout`](crate::Config::join_timeout).
        within: Duration,
    },
    /// The hub puts the session off: there have been too many joins of late.
    #[error("the server has no time for a join now")]
    PutOff(#[source] JoinRefusal),
    /// The CONNECT of this session could not be written.
    #[error("CONNECT could not be encoded")]
    Encode(#[from] EncodeError),
}

/// Why a server refuses a session.
#[derive(Clone, Debug, PartialEq, Eq, Error, Serialize, Deserialize)]
#[error("the server refuses the connection: {message}")]
#[non_exhaustive]
pub struct JoinRefusal {
    /// The server's words.
    pub message: String,
    /// The stable name of the reason, `room-full` for one, when the server is a hub of ours.
    pub code: Option<String>,
}
