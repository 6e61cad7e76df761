//! What the hub asks for, and how connections end.

use std::fmt;

use crate::id::{ClientId, Dialect, RoomName};
use crate::wire::ServerMessage;

/// What the hub asks for.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Output {
    /// Send this.
    Send {
        /// To whom.
        to: Address,
        /// What. Payloads are shared: a clone per receiver copies no byte of them.
        message: ServerMessage,
    },
    /// End this client's connection. The hub has forgotten the client already: no
    /// [`handle_disconnect`](super::Hub::handle_disconnect) is needed for it, and one that comes is ignored.
    Close {
        /// Whose.
        client: ClientId,
        /// Why.
        reason: CloseReason,
    },
}

/// The receivers of a message. [`Hub::receivers`](super::Hub::receivers) lists them.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Address {
    /// One client.
    Client(ClientId),
    /// Everyone in a room who speaks this dialect and is not away.
    Room {
        /// The room.
        room: RoomName,
        /// But not this client.
        except: Option<ClientId>,
        /// The dialect.
        dialect: Dialect,
    },
}

/// Why the hub ends a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum CloseReason {
    /// Its identity came back on another connection: this one was half-open.
    Replaced,
    /// It kept on breaking a rate limit.
    Abusive,
}

impl fmt::Display for CloseReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Replaced => "replaced",
            Self::Abusive => "abusive",
        })
    }
}

/// How a connection ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Departure {
    /// The client said goodbye, or it was sent away for good.
    Left,
    /// The connection broke. A v1 client may come back.
    Lost,
}

impl fmt::Display for Departure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Left => "left",
            Self::Lost => "lost",
        })
    }
}
