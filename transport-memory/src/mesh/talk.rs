//! The bundles that sessions send to each other, and when they are sent and received.

use std::sync::Arc;

use socketio_p2p_core::Time;

use super::node::Node;
use crate::broker::End;
use crate::freight::Freight;
use crate::server::SocketId;

/// The line that carries a bundle from one session to another: the same for both directions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Line {
    /// Between these sockets.
    Relay(SocketId, SocketId),
    /// Between these ends.
    Direct(End, End),
    /// The datagram channel there.
    Datagrams(End, End),
    /// Through this node.
    Via(usize),
    /// By the hub, of a sender whose socket has closed since.
    Orphan,
}

impl Line {
    pub(super) fn relay(one: SocketId, other: SocketId) -> Self {
        Self::Relay(one.min(other), one.max(other))
    }

    pub(super) fn direct(one: End, other: End) -> Self {
        Self::Direct(one.min(other), one.max(other))
    }

    pub(super) fn datagrams(one: End, other: End) -> Self {
        Self::Datagrams(one.min(other), one.max(other))
    }
}

/// A bundle that one session sends to another.
#[derive(Debug)]
pub(crate) struct Talk {
    pub(crate) from: Node,
    pub(crate) to: Node,
    pub(crate) line: Line,
    /// When it was handed to the path.
    pub(crate) sent: Sending,
    /// The line by the hub between the two at that time, if there is one.
    pub(crate) relay: Option<Line>,
    /// The longest message of the datagram channel beside it, where that is open at both ends.
    pub(crate) datagrams: Option<usize>,
    pub(crate) freight: Arc<Freight>,
}

/// When a session handed a bundle to a path.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Sending {
    pub(crate) at: Time,
    /// The last time at which it could not act at once, or its transport took nothing.
    pub(crate) held: Time,
    /// Its place among all that are sent and received.
    pub(crate) order: u64,
}

/// A bundle sent, or received.
#[derive(Debug)]
pub(crate) struct Seen {
    pub(crate) talk: Arc<Talk>,
    pub(crate) heard: Option<Hearing>,
}

/// When a bundle was received, and its place among all that are sent and received.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Hearing {
    pub(crate) at: Time,
    pub(crate) order: u64,
}
