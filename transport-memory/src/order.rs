//! What the server's application asks of the hub.

use std::time::Duration;

use socketio_p2p_core::{ClientId, Packet, PeerId};

/// A call of the server's application.
#[derive(Clone, Debug)]
pub(crate) enum Order {
    /// Removes a member from the default room.
    Kick(PeerId),
    /// Removes all members of the default room.
    CloseRoom,
    /// Ends the hub; clients are told to come back after this pause.
    Close(Duration),
    /// Emits an event to a member of the default room.
    Emit(PeerId, Packet),
    /// Emits an event to all members of the default room.
    EmitToAll(Packet),
    /// Answers the question of a client.
    Answer(ClientId, u64, u64),
}
