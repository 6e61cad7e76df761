//! What the server's application asks of the hub.

use std::time::Duration;

use socketio_p2p_core::{ClientId, Packet, PeerId, RoomName, Time};

use super::{Server, ServerOutput};

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

impl Server {
    /// Carries out a call of the server's application.
    pub(crate) fn obey(&mut self, order: Order, now: Time) -> Vec<ServerOutput> {
        if let Some(witness) = &mut self.witness {
            witness.ordered(&order, now);
        }
        let room = RoomName::default();
        // A packet that is no event of an application is a mistake of the simulator's, and reaches nobody.
        match order {
            Order::Kick(peer) => drop(self.hub.kick(&room, &peer, now)),
            Order::CloseRoom => drop(self.hub.close_room(&room, now)),
            Order::Close(retry_after) => self.hub.close(retry_after, now),
            Order::Emit(peer, event) => drop(self.hub.emit_to(&room, &peer, &event)),
            Order::EmitToAll(event) => drop(self.hub.emit_to_room(&room, &event)),
            Order::Answer(client, ack_id, number) => {
                drop(self.hub.answer(client, ack_id, &(number,)));
            }
        }
        self.drain(now)
    }
}
