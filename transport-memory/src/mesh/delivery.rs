//! Messages in flight in a mesh, and inputs of raw nodes.

use std::sync::Arc;

use socketio_p2p_core::hub::Departure;
use socketio_p2p_core::wire::{Member, Signal};
use socketio_p2p_core::{ConnectionId, ConnectionReport, Frame, Packet, Time};

use super::load::Cargo;
use super::talk::{Sending, Talk};
use crate::broker::End;
use crate::server::SocketId;

#[derive(Debug)]
pub(super) enum Delivery {
    ToServer {
        socket: SocketId,
        frames: Vec<Frame>,
        sent: Sending,
    },
    ToNode {
        node: usize,
        socket: SocketId,
        packet: Packet,
        cargo: Option<Cargo>,
        talk: Option<Arc<Talk>>,
    },
    SignalingOpen {
        node: usize,
    },
    SignalingFailed {
        node: usize,
    },
    SignalingClosed {
        node: usize,
        socket: SocketId,
    },
    ServerSeesClose {
        socket: SocketId,
        departure: Departure,
    },
    DirectSignal {
        end: End,
        signal: Signal,
    },
    DirectReport {
        end: End,
        report: ConnectionReport,
    },
    DirectOpen {
        end: End,
    },
    DirectFrame {
        from: End,
        to: End,
        frame: Frame,
        cargo: Option<Cargo>,
        talk: Option<Arc<Talk>>,
    },
    DatagramsOpen {
        end: End,
        longest: usize,
    },
    Datagram {
        from: End,
        to: End,
        frame: Frame,
        talk: Option<Arc<Talk>>,
    },
    DirectClosed {
        end: End,
    },
    /// A half-open socket is found out.
    PingTimeout {
        node: usize,
        socket: SocketId,
    },
    /// A direct path that flaps breaks.
    Flap {
        end: End,
    },
    /// A slow node takes a message from its inbox.
    TakeInput {
        node: usize,
    },
    /// A node's transports take its output.
    Drain {
        node: usize,
    },
    /// The hub tells of a member that it did not name.
    TellMember {
        socket: SocketId,
        member: Member,
    },
}

impl Delivery {
    /// The node that takes it as its input.
    pub(super) fn receiver(&self) -> Option<usize> {
        match self {
            Self::ToNode { node, .. }
            | Self::SignalingOpen { node }
            | Self::SignalingFailed { node }
            | Self::SignalingClosed { node, .. } => Some(*node),
            Self::DirectSignal { end, .. }
            | Self::DirectReport { end, .. }
            | Self::DirectOpen { end }
            | Self::DatagramsOpen { end, .. }
            | Self::DirectClosed { end }
            | Self::Datagram { to: end, .. }
            | Self::DirectFrame { to: end, .. } => Some(end.0),
            Self::ToServer { .. }
            | Self::ServerSeesClose { .. }
            | Self::PingTimeout { .. }
            | Self::Flap { .. }
            | Self::TakeInput { .. }
            | Self::Drain { .. }
            | Self::TellMember { .. } => None,
        }
    }

    /// The inputs of a raw node that it is.
    pub(super) fn into_raw(self) -> Vec<RawInput> {
        match self {
            Self::ToNode { packet, .. } => packet.frames().map(RawInput::Frame).collect(),
            Self::SignalingOpen { .. } => vec![RawInput::Open],
            Self::SignalingFailed { .. } | Self::SignalingClosed { .. } => vec![RawInput::Closed],
            Self::DirectOpen { end } => vec![RawInput::DirectOpen(end.1)],
            Self::DirectFrame { to, frame, .. } => vec![RawInput::DirectFrame(to.1, frame)],
            Self::DirectClosed { end } => vec![RawInput::DirectClosed(end.1)],
            Self::DirectSignal { .. }
            | Self::DirectReport { .. }
            | Self::DatagramsOpen { .. }
            | Self::Datagram { .. }
            | Self::ToServer { .. }
            | Self::ServerSeesClose { .. }
            | Self::PingTimeout { .. }
            | Self::Flap { .. }
            | Self::TakeInput { .. }
            | Self::Drain { .. }
            | Self::TellMember { .. } => Vec::new(),
        }
    }
}

/// A delivery with its time and its number.
#[derive(Debug)]
pub(super) struct Scheduled {
    pub(super) at: Time,
    pub(super) number: u64,
    pub(super) delivery: Delivery,
}

/// An input of a raw node.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum RawInput {
    /// Its socket to the hub is open.
    Open,
    /// A frame from the hub.
    Frame(Frame),
    /// Its socket to the hub has closed, or could not be opened.
    Closed,
    /// A direct connection has opened.
    DirectOpen(ConnectionId),
    /// A frame on a direct connection.
    DirectFrame(ConnectionId, Frame),
    /// A direct connection has closed.
    DirectClosed(ConnectionId),
}
