//! What the server's application asks of the hub.

use socketio_p2p_core::{RoomName, Time};

use super::{Server, ServerOutput};
use crate::order::Order;

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
