//! Whole Socket.IO packets as inputs, for a server that has no Socket.IO layer of its own.

use serde::Serialize;

use super::{Admission, ClientError, Departure, Hub, JoinError};
use crate::codec::{EncodeError, Packet, PacketType};
use crate::id::{ClientId, RoomName};
use crate::time::Time;
use crate::wire::{ClientMessage, Join};

/// What became of a client's packet: see [`Hub::handle_packet`].
#[derive(Debug)]
#[non_exhaustive]
#[must_use = "a reply is to be sent"]
pub enum Handled {
    /// The client has joined.
    Joined {
        /// The client, to be given with its further packets.
        client: ClientId,
        /// The CONNECT to be sent to it, before the hub's outputs.
        reply: Packet,
    },
    /// The client is refused.
    Refused {
        /// The CONNECT_ERROR to be sent to it, before its connection is closed.
        reply: Packet,
        /// The reason.
        error: JoinError,
    },
    /// The client has left. Its connection is to be closed.
    Left,
    /// A message was handled, or was refused with an error and dropped.
    Message(Result<(), ClientError>),
    /// The packet is not one that a client sends at this time, such as an EVENT before CONNECT; it was dropped.
    Unexpected(PacketType),
}

impl Hub {
    /// Handles a packet of a client, as the codec's `Decoder` returns it: CONNECT, DISCONNECT, EVENT or ACK. `client`
    /// is what [`Handled::Joined`] returned for this connection, `name` the connection's Socket.IO socket id. Replies
    /// are in the namespace of the packet; the hub's outputs are packets in the default namespace
    /// ([`ServerMessage::to_packet`](crate::wire::ServerMessage::to_packet),
    /// [`Packet::in_namespace`]).
    ///
    /// A CONNECT without the entry `p2p` is one of a v0 client, which joins the default room. To admit clients by the
    /// application's own rules, handle CONNECT with [`Join::from_auth`] and
    /// [`handle_admitted`](Self::handle_admitted) instead.
    ///
    /// # Errors
    /// [`EncodeError`] when `name` cannot be written into the reply, which does not happen with a valid one.
    pub fn handle_packet(
        &mut self,
        client: Option<ClientId>,
        packet: Packet,
        name: &str,
        now: Time,
    ) -> Result<Handled, EncodeError> {
        let kind = packet.packet_type();
        Ok(match (kind, client) {
            (PacketType::Connect, None) => return self.handle_connect_packet(&packet, name, now),
            (PacketType::Disconnect, client) => {
                if let Some(client) = client {
                    self.handle_disconnect(client, Departure::Left, now);
                }
                Handled::Left
            }
            (
                PacketType::Event
                | PacketType::BinaryEvent
                | PacketType::Ack
                | PacketType::BinaryAck,
                Some(client),
            ) => Handled::Message(match ClientMessage::from_packet(packet) {
                Ok(message) => self.handle_message(client, message, now),
                Err(_) => Err(self.handle_malformed(client, now)),
            }),
            (_, None) | (PacketType::Connect | PacketType::ConnectError, Some(_)) => {
                Handled::Unexpected(kind)
            }
        })
    }

    fn handle_connect_packet(
        &mut self,
        connect: &Packet,
        name: &str,
        now: Time,
    ) -> Result<Handled, EncodeError> {
        #[derive(Serialize)]
        struct Connected<'a> {
            sid: &'a str,
        }
        let namespace = connect.namespace();
        let joined = Join::from_auth(connect.payload())
            .map_err(|error| {
                let error = JoinError::BadAuth { reason: error.to_string() };
                #[cfg(feature = "tracing")]
                super::trace::refused_join(&error);
                error
            })
            .and_then(|join| {
                let join = join.unwrap_or_else(|| Join::v0(RoomName::default()));
                self.handle_admitted(join, Admission::default(), Some(name), now)
            });
        Ok(match joined {
            Ok(client) => {
                let reply = Packet::connect(Some(&Connected { sid: name }))?;
                Handled::Joined { client, reply: reply.in_namespace(&namespace) }
            }
            Err(error) => {
                Handled::Refused { reply: error.to_packet()?.in_namespace(&namespace), error }
            }
        })
    }
}

impl JoinError {
    /// Writes the CONNECT_ERROR that refuses the client, in the default namespace (`PROTOCOL.md` section 1).
    ///
    /// # Errors
    /// [`EncodeError`], which does not happen with an error of a hub.
    pub fn to_packet(&self) -> Result<Packet, EncodeError> {
        #[derive(Serialize)]
        struct Refusal {
            message: String,
            data: Data,
        }
        #[derive(Serialize)]
        struct Data {
            code: &'static str,
        }
        let data = Data { code: self.code() };
        Packet::connect_error(&Refusal { message: self.to_string(), data })
    }
}
