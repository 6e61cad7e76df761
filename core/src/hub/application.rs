//! Events between the server's application and clients.

use serde::Serialize;

use super::room::Presence;
use super::{ClientError, Hub, Output};
use crate::codec::{EncodeError, Packet, PacketType};
use crate::error::EmitError;
use crate::id::{ClientId, Dialect, PeerId, RoomName};
use crate::time::Time;
use crate::wire::{ServerMessage, check_reserved};

impl Hub {
    /// Sends an event of the server's application to one member, at most once. Returns whether the member is
    /// present. An ack id of the packet asks the member for an answer, which comes as
    /// [`Output::Application`] from a v1 client.
    ///
    /// # Errors
    /// [`EmitError`] when the packet is not an event that an application can send.
    pub fn emit_to(
        &mut self,
        room: &RoomName,
        peer: &PeerId,
        event: &Packet,
    ) -> Result<bool, EmitError> {
        check_event(event)?;
        let client = self.client_of(room, peer);
        if let Some(client) = client {
            self.send(client, ServerMessage::Event(event.clone()));
        }
        Ok(client.is_some())
    }

    /// Sends an event of the server's application to all members of a room that are present, at most once.
    ///
    /// # Errors
    /// As [`emit_to`](Self::emit_to).
    pub fn emit_to_room(&mut self, room: &RoomName, event: &Packet) -> Result<(), EmitError> {
        check_event(event)?;
        for dialect in [Dialect::V0, Dialect::V1] {
            self.tell_room(room, None, dialect, ServerMessage::Event(event.clone()));
        }
        Ok(())
    }

    /// Answers an event of a client that asked for it: the `ack_id` of [`Output::Application`]'s packet. `args` is a
    /// tuple or a sequence. Nothing happens when the client is gone.
    ///
    /// # Errors
    /// [`EncodeError`] when `args` cannot be encoded.
    pub fn answer<T: Serialize + ?Sized>(
        &mut self,
        client: ClientId,
        ack_id: u64,
        args: &T,
    ) -> Result<(), EncodeError> {
        let answer = Packet::ack(ack_id, args)?;
        if self.clients.contains_key(&client) {
            self.send(client, ServerMessage::Event(answer));
        }
        Ok(())
    }

    /// Returns the connection of a member that is present.
    #[must_use]
    pub fn client_of(&self, room: &RoomName, peer: &PeerId) -> Option<ClientId> {
        match self.seats.seat(room, peer)?.presence {
            Presence::Here(client) => Some(client),
            Presence::Away(_) => None,
        }
    }

    /// Passes an event or an answer of a v1 peer to the server's application, within the sender's rate limits.
    pub(super) fn pass_up(
        &mut self,
        client: ClientId,
        packet: Packet,
        now: Time,
    ) -> Result<(), ClientError> {
        self.charge_envelope(client, now)?;
        let bytes = packet.wire_len();
        self.check_parts(1 + packet.attachments().len(), bytes)?;
        self.charge_deliveries(client, 1, bytes, now)?;
        let is_answer = matches!(packet.packet_type(), PacketType::Ack | PacketType::BinaryAck);
        if !is_answer && check_event(&packet).is_err() {
            return Err(ClientError::Malformed);
        }
        self.output.push_back(Output::Application { client, packet });
        Ok(())
    }
}

/// Checks that a packet is an event that a server's application can send, as [`Hub::emit_to`] does.
///
/// # Errors
/// [`EmitError`] when it is no event, or has a reserved name.
pub fn check_event(event: &Packet) -> Result<(), EmitError> {
    match event.packet_type() {
        PacketType::Event | PacketType::BinaryEvent => check_reserved(event).map_err(Into::into),
        other @ (PacketType::Connect
        | PacketType::Disconnect
        | PacketType::Ack
        | PacketType::ConnectError
        | PacketType::BinaryAck) => Err(EmitError::NotAnEvent(other)),
    }
}
