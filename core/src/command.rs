//! What a session asks its transports to do.

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
    /// Close the signalling channel, after what was polled for it has been written. No report is expected.
    CloseSignaling,
    /// For the direct transport.
    Direct(DirectCommand),
}

/// What a direct transport is asked to do. Each names the connection it is about.
#[non_exhaustive]
pub enum DirectCommand {
    /// Make a connection and an offer for it.
    Offer {
        /// The new connection.
        connection: ConnectionId,
        /// The ICE servers to use.
        ice_servers: Vec<IceServer>,
        /// Whether the connection is to have a datagram channel beside the data channel, unordered and
        /// unreliable, if the remote end has one too.
        datagrams: bool,
    },
    /// Make a connection that answers this offer.
    Answer {
        /// The new connection.
        connection: ConnectionId,
        /// The ICE servers to use.
        ice_servers: Vec<IceServer>,
        /// The remote session description.
        sdp: String,
        /// Whether a datagram channel that the remote end offers is accepted.
        datagrams: bool,
    },
    /// Take a signal of the remote end.
    Signal {
        /// The connection; one that the transport does not know (any more) is ignored.
        connection: ConnectionId,
        /// An answer or a candidate.
        signal: Signal,
    },
    /// Close the connection and free what it holds. No event about it follows.
    Close {
        /// The connection; one that the transport does not know (any more) is ignored.
        connection: ConnectionId,
    },
}

/// Shows the kind and the length of a session description only.
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
