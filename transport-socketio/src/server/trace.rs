//! The events of servers for `tracing` (feature `tracing`); the documentation of the core lists them.

use std::time::Duration;

use socketio_p2p_core::hub::Hub;
use socketio_p2p_core::{ClientId, RoomName};
use tracing::field::display;
use tracing::{info, warn};

/// A client was refused before it reached the hub. The text is between the application and the client.
pub(super) fn refused(room: Option<&RoomName>, code: &str) {
    let room = room.map(display);
    info!(target: "socketio_p2p::server", room, code, "admission refused");
}

/// A client loses its connection, because its queue is full. Not a flood: each has cost the server a full queue.
pub(super) fn evicted(hub: &Hub, client: ClientId, limit_bytes: usize) {
    let (room, peer) = (hub.room_of(client).map(display), hub.peer_id(client).map(display));
    let client = client.as_u64();
    warn!(target: "socketio_p2p::server", client, room, peer, limit_bytes, "evicted");
}

pub(super) fn draining(clients: usize, retry_after: Duration) {
    let retry_after_ms = retry_after.as_millis();
    info!(target: "socketio_p2p::server", clients, retry_after_ms, "draining");
}

pub(super) fn drained(complete: bool) {
    info!(target: "socketio_p2p::server", complete, "drained");
}
