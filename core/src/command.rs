//! The requests of a session to its transports.

use std::fmt;

use crate::id::ConnectionId;
use crate::redacted::Redacted;
use crate::wire::{IceServer, Signal};

/// A request of the session to one of its transports.
#[derive(Debug)]
#[non_exhaustive]
pub enum Command {
    /// Open the signalling channel, then report
    /// [`handle_signaling_open`](crate::Session::handle_signaling_open) or
    /// [`handle_signaling_closed`](crate::Session::handle_signaling_closed).
    ConnectSignaling,
    /// Close the signalling channel, after the frames polled for it have been written. The session expects no
    /// report.
    CloseSignaling,
    /// A request to the direct transport.
    Direct(DirectCommand),
}

/// A request to the direct transport, about one connection.
#[non_exhaustive]
pub enum DirectCommand {
    /// Create a connection and an offer for it.
    Offer {
        /// The new connection.
        connection: ConnectionId,
        /// The ICE servers to use.
        ice_servers: Vec<IceServer>,
        /// Whether the connection gets a datagram channel, unordered and unreliable, beside the data channel if
        /// the remote side supports it.
        datagrams: bool,
    },
    /// Create a connection that answers this offer.
    Answer {
        /// The new connection.
        connection: ConnectionId,
        /// The ICE servers to use.
        ice_servers: Vec<IceServer>,
        /// The remote session description.
        sdp: String,
        /// Whether to accept a datagram channel that the remote side offers.
        datagrams: bool,
    },
    /// Apply a signal of the remote side.
    Signal {
        /// The connection. An unknown or closed connection is ignored.
        connection: ConnectionId,
        /// An answer or a candidate.
        signal: Signal,
    },
    /// Close the connection and free its resources. The transport reports nothing more about it.
    Close {
        /// The connection. An unknown or closed connection is ignored.
        connection: ConnectionId,
    },
}

/// Prints the kind and the length of a session description only.
impl fmt::Debug for DirectCommand {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Offer { connection, ice_servers, datagrams } => f
                .debug_struct("Offer")
                .field("connection", connection)
                .field("ice_servers", ice_servers)
                .field("datagrams", datagrams)
                .finish(),
            Self::Answer { connection, ice_servers, sdp, datagrams } => f
                .debug_struct("Answer")
                .field("connection", connection)
                .field("ice_servers", ice_servers)
                .field("sdp", &Redacted(sdp.as_str()))
                .field("datagrams", datagrams)
                .finish(),
            Self::Signal { connection, signal } => f
                .debug_struct("Signal")
                .field("connection", connection)
                .field("signal", signal)
                .finish(),
            Self::Close { connection } => {
                f.debug_struct("Close").field("connection", connection).finish()
            }
        }
    }
}
