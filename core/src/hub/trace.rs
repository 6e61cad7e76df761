//! The events of the hub for `tracing` (feature `tracing`).

use tracing::{debug, info};

use super::error::{ClientError, JoinError};
use super::output::Output;
use crate::id::{ClientId, Dialect, PeerId, RoomName};

/// A client joined a room of the hub.
pub(super) fn joined(room: &RoomName, peer: &PeerId, dialect: Dialect, resumed: bool) {
    info!(
        target: "socketio_p2p::hub", %room, %peer, dialect = dialect.number(), resumed, "joined"
    );
}

/// A client was not let in.
pub(super) fn refused_join(error: &JoinError) {
    info!(target: "socketio_p2p::hub", code = error.code(), %error, "join refused");
}

/// A member left a room.
pub(super) fn left(room: &RoomName, peer: &PeerId, kicked: bool) {
    info!(target: "socketio_p2p::hub", %room, %peer, kicked, "left");
}

/// A member's connection was lost, and its seat is kept.
pub(super) fn away(room: &RoomName, peer: &PeerId) {
    debug!(target: "socketio_p2p::hub", %room, %peer, "away");
}

/// A message of a client violated a rule and was dropped.
pub(super) fn refused_message(client: ClientId, error: &ClientError) {
    debug!(
        target: "socketio_p2p::hub", client = client.0, %error, "message refused"
    );
}

/// The hub closes a connection.
pub(super) fn output(output: &Output) {
    if let Output::Close { client, reason, .. } = output {
        info!(
            target: "socketio_p2p::hub", client = client.0, %reason, "connection closed"
        );
    }
}
