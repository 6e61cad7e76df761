//! Events for `tracing` (feature `tracing`). The table of the core's crate documentation lists them.

use socketio_p2p_core::driver::TransportError;
use socketio_p2p_core::{ConnectionId, ConnectionReport};
use tracing::debug;

use crate::role::Role;

pub(crate) fn begun(connection: ConnectionId, role: &Role) {
    let side = match role {
        Role::Offerer => "offerer",
        Role::Answerer(_) => "answerer",
    };
    let connection = connection.as_u64();
    debug!(target: "socketio_p2p::webrtc", connection, side, "connection begun");
}

pub(crate) fn reported(connection: ConnectionId, report: &ConnectionReport) {
    let connection = connection.as_u64();
    debug!(
        target: "socketio_p2p::webrtc", connection, stage = %report.stage,
        local_candidates = %report.local, remote_candidates = %report.remote, "connection report"
    );
}

pub(crate) fn opened(connection: ConnectionId, datagrams: bool) {
    let connection = connection.as_u64();
    debug!(target: "socketio_p2p::webrtc", connection, datagrams, "connection open");
}

/// The connection failed, or the remote closed it.
pub(crate) fn ended(connection: ConnectionId, error: &TransportError) {
    let connection = connection.as_u64();
    debug!(target: "socketio_p2p::webrtc", connection, %error, "connection ended");
}

/// The session closed the connection.
pub(crate) fn closed(connection: ConnectionId) {
    let connection = connection.as_u64();
    debug!(target: "socketio_p2p::webrtc", connection, "connection closed");
}
