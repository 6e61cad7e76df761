//! The outputs of a hub, and the ends of connections.

use std::fmt;
use std::time::Duration;

use crate::codec::Packet;
use crate::id::{ClientId, Dialect, RoomName};
use crate::wire::ServerMessage;

/// An output of a hub.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Output {
    /// Send a message.
    Send {
        /// The receivers.
        to: Address,
        /// The message. Clones share the payload's bytes.
        message: ServerMessage,
    },
    /// Close a client's connection. The hub has removed the client already: it needs no
    /// [`handle_disconnect`](super::Hub::handle_disconnect) for it, and ignores one.
    Close {
        /// The client.
        client: ClientId,
        /// The reason.
        reason: CloseReason,
        /// The last message to the client, to be sent before the connection closes. Messages that wait may be
        /// dropped.
        farewell: Option<ServerMessage>,
    },
    /// An event of a v1 client for the server's application, or its answer to one.
    Application {
        /// The client.
        client: ClientId,
        /// The EVENT, whose ack id, if any, asks for [`Hub::answer`](super::Hub::answer); or the ACK.
        packet: Packet,
    },
}

/// The receivers of a message. [`Hub::receivers`](super::Hub::receivers) lists them.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Address {
    /// One client.
    Client(ClientId),
    /// The members of a room that speak this dialect and are not away.
    Room {
        /// The room.
        room: RoomName,
        /// A client that is excluded.
        except: Option<ClientId>,
        /// The dialect.
        dialect: Dialect,
    },
}

/// The reason why the hub closes a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum CloseReason {
    /// The peer resumed on another connection: this one was half-open.
    Replaced,
    /// The client kept exceeding a rate limit.
    Abusive,
    /// The server's application removed the member: [`Hub::kick`](super::Hub::kick).
    Kicked,
    /// The server's application closed the room: [`Hub::close_room`](super::Hub::close_room).
    RoomClosed,
    /// The hub closes: [`Hub::close`](super::Hub::close).
    Closing {
        /// When clients are told to connect again.
        retry_after: Duration,
    },
}

impl fmt::Display for CloseReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Replaced => "replaced",
            Self::Abusive => "abusive",
            Self::Kicked => "kicked",
            Self::RoomClosed => "room-closed",
            Self::Closing { .. } => "closing",
        })
    }
}

/// The end of a connection, as the server reports it to the hub.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Departure {
    /// The client disconnected by itself, or was closed for good.
    Left,
    /// The connection broke. A v1 client can resume.
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
