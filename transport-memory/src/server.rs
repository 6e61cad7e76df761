//! A hub behind Socket.IO framing, as the server adapter has it behind real sockets: frames in, frames out.

use std::collections::BTreeMap;

use socketio_p2p_core::codec::{Decoder, Limits};
use socketio_p2p_core::hub::{Departure, Hub, HubConfig, Output};
use socketio_p2p_core::signal::{ClientMessage, Join};
use socketio_p2p_core::{ClientId, Frame, Packet, PacketType, RoomName, Time};

/// The number of a connection to the server, given by whoever carries its frames.
pub(crate) type SocketId = u64;

#[derive(Debug)]
pub(crate) struct Server {
    pub(crate) hub: Hub,
    sockets: BTreeMap<SocketId, Socket>,
    by_client: BTreeMap<ClientId, SocketId>,
}

#[derive(Debug)]
struct Socket {
    decoder: Decoder,
    client: Option<ClientId>,
}

/// What the server wants done with a connection.
#[derive(Debug)]
pub(crate) enum ServerOutput {
    Send(SocketId, Frame),
    Close(SocketId),
}

impl Server {
    pub(crate) fn new(config: HubConfig, seed: [u8; 32]) -> Self {
        Self { hub: Hub::new(config, seed), sockets: BTreeMap::new(), by_client: BTreeMap::new() }
    }

    pub(crate) fn open(&mut self, socket: SocketId) {
        let allowed = self.hub.config().limits;
        let limits = Limits::default()
            .with_max_attachments(allowed.max_attachments as usize)
            .with_max_packet_bytes(allowed.max_envelope as usize);
        self.sockets.insert(socket, Socket { decoder: Decoder::new(limits), client: None });
    }

    pub(crate) fn receive(&mut self, id: SocketId, frame: Frame, now: Time) -> Vec<ServerOutput> {
        let Some(socket) = self.sockets.get_mut(&id) else { return Vec::new() };
        let packet = match socket.decoder.push(frame) {
            Ok(Some(packet)) => packet,
            Ok(None) => return Vec::new(),
            Err(_) => {
                self.close(id, Departure::Lost, now);
                return self.drain_after(vec![ServerOutput::Close(id)]);
            }
        };
        match (packet.packet_type(), socket.client) {
            (PacketType::Connect, None) => {
                let replies = self.connect(id, &packet, now);
                self.drain_after(replies)
            }
            (PacketType::Disconnect, _) => {
                self.close(id, Departure::Left, now);
                self.drain_after(vec![ServerOutput::Close(id)])
            }
            (_, Some(client)) => {
                match ClientMessage::from_packet(packet) {
                    // What a client does wrong is its own business.
                    Ok(message) => drop(self.hub.handle_message(client, message, now)),
                    Err(_) => drop(self.hub.handle_malformed(client, now)),
                }
                self.drain_after(Vec::new())
            }
            (_, None) => Vec::new(),
        }
    }

    fn connect(&mut self, id: SocketId, packet: &Packet, now: Time) -> Vec<ServerOutput> {
        let name = format!("socket-{id}");
        let join = match Join::from_auth(packet.payload()) {
            Ok(join) => join.unwrap_or_else(|| Join::v0(RoomName::default())),
            Err(error) => return refuse(id, packet, &error.to_string(), "bad-auth"),
        };
        match self.hub.handle_connect(join, Some(&name), now) {
            Ok(client) => {
                if let Some(socket) = self.sockets.get_mut(&id) {
                    socket.client = Some(client);
                }
                self.by_client.insert(client, id);
                let reply = serde_json::json!({ "sid": name });
                send(id, Packet::connect(Some(&reply)), packet)
            }
            Err(error) => refuse(id, packet, &error.to_string(), error.code()),
        }
    }

    pub(crate) fn disconnect(
        &mut self,
        id: SocketId,
        departure: Departure,
        now: Time,
    ) -> Vec<ServerOutput> {
        self.close(id, departure, now);
        self.drain_after(Vec::new())
    }

    fn close(&mut self, id: SocketId, departure: Departure, now: Time) {
        let Some(Socket { client: Some(client), .. }) = self.sockets.remove(&id) else { return };
        self.by_client.remove(&client);
        self.hub.handle_disconnect(client, departure, now);
    }

    pub(crate) fn handle_timeout(&mut self, now: Time) -> Vec<ServerOutput> {
        self.hub.handle_timeout(now);
        self.drain_after(Vec::new())
    }

    fn drain_after(&mut self, mut outputs: Vec<ServerOutput>) -> Vec<ServerOutput> {
        while let Some(output) = self.hub.poll_output() {
            match output {
                Output::Send { to, message } => {
                    let Ok(packet) = message.to_packet() else { continue };
                    let receivers = self.hub.receivers(&to);
                    let sockets = receivers.filter_map(|client| self.by_client.get(&client));
                    for &socket in sockets {
                        let frames = packet.frames();
                        outputs.extend(frames.map(|frame| ServerOutput::Send(socket, frame)));
                    }
                }
                Output::Close { client, .. } => {
                    if let Some(socket) = self.by_client.remove(&client) {
                        self.sockets.remove(&socket);
                        outputs.push(ServerOutput::Close(socket));
                    }
                }
                _ => {}
            }
        }
        outputs
    }
}

fn refuse(id: SocketId, connect: &Packet, message: &str, code: &str) -> Vec<ServerOutput> {
    let reason = serde_json::json!({ "message": message, "data": { "code": code } });
    let mut outputs = send(id, Packet::connect_error(&reason), connect);
    outputs.push(ServerOutput::Close(id));
    outputs
}

fn send<E>(id: SocketId, packet: Result<Packet, E>, connect: &Packet) -> Vec<ServerOutput> {
    let Ok(packet) = packet else { return Vec::new() };
    let packet = packet.in_namespace(&connect.namespace());
    packet.frames().map(|frame| ServerOutput::Send(id, frame)).collect()
}
