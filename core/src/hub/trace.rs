//! The events of the hub for `tracing` (feature `tracing`).

use tracing::field::display;
use tracing::{debug, info};

use super::Hub;
use super::error::{ClientError, JoinError};
use super::output::Output;
use crate::id::{ClientId, Dialect, PeerId, RoomName};

/// A client joined a room of the hub.
pub(super) fn joined(
    client: ClientId,
    room: &RoomName,
    peer: &PeerId,
    dialect: Dialect,
    resumed: bool,
) {
    let (client, dialect) = (client.as_u64(), dialect.number());
    info!(target: "socketio_p2p::hub", client, %room, %peer, dialect, resumed, "joined");
}

/// A client was not let in. The text of the error is for the client only: that of a malformed payload quotes it.
pub(super) fn refused_join(error: &JoinError) {
    let code = error.code();
    let room = match error {
        JoinError::RoomFull { room, .. }
        | JoinError::TooManyRooms { room, .. }
        | JoinError::TooManyJoins { room, .. }
        | JoinError::NameTaken { room, .. } => Some(display(room)),
        JoinError::Closing { .. } | JoinError::BadAuth { .. } | JoinError::BadName(_) => None,
    };
    info!(target: "socketio_p2p::hub", code, room, "join refused");
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
pub(super) fn refused_message(hub: &Hub, client: ClientId, error: &ClientError) {
    let (room, peer) = (hub.room_of(client).map(display), hub.peer_id(client).map(display));
    let client = client.as_u64();
    debug!(target: "socketio_p2p::hub", client, room, peer, %error, "message refused");
}

/// The hub closes a connection.
pub(super) fn output(output: &Output) {
    if let Output::Close { client, reason, .. } = output {
        let client = client.as_u64();
        info!(target: "socketio_p2p::hub", client, %reason, "connection closed");
    }
}
