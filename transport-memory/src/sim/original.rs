//! An original client: it joins without a version, sends offers to the members present, answers the offers of later
//! ones, and exchanges plain packets through the hub and over its channels.

use bytes::{Bytes, BytesMut};
use socketio_p2p_core::codec::{Decoder, Limits};
use socketio_p2p_core::wire::{
    AddressedOffer, ClientMessage, PeerSignal, RawSignal, ServerMessage, Signal,
};
use socketio_p2p_core::{ConnectionId, Frame, Packet, PeerId};

use crate::mesh::{Mesh, Node, RawInput};

/// The pieces in which an original client sends a blob over a channel.
const PIECE: usize = 5_000;

/// So many offers it makes: its own option `numClients`.
const OFFERS: u32 = 5;

#[derive(Debug)]
pub(super) struct Original {
    pub(super) node: Node,
    decoder: Decoder,
    joined: bool,
    serial: u64,
    offered: Vec<(ConnectionId, String)>,
    channels: Vec<Channel>,
}

#[derive(Debug)]
struct Channel {
    connection: ConnectionId,
    peer: PeerId,
    open: bool,
    /// A packet whose pieces are coming, and how many are to come.
    head: Option<(String, usize)>,
    blob: BytesMut,
}

/// An event that has come, and whether over a channel.
pub(super) type Come = (Packet, bool);

impl Original {
    pub(super) fn new(mesh: &mut Mesh) -> Self {
        let node = mesh.add_raw();
        mesh.raw_connect(node);
        let decoder = Decoder::new(Limits::unbounded());
        let (offered, channels) = (Vec::new(), Vec::new());
        Self { node, decoder, joined: false, serial: 0, offered, channels }
    }

    /// Takes what has come for it.
    pub(super) fn act(&mut self, mesh: &mut Mesh, come: &mut Vec<Come>) {
        for input in mesh.take_raw(self.node) {
            match input {
                RawInput::Open => mesh.raw_send(self.node, vec!["0".into()]),
                RawInput::Frame(frame) => self.read(mesh, frame, come),
                RawInput::Closed => self.joined = false,
                RawInput::DirectOpen(connection) => {
                    if let Some(channel) = self.channel(connection) {
                        channel.open = true;
                    }
                }
                RawInput::DirectFrame(connection, frame) => {
                    let packet = self.channel(connection).and_then(|channel| channel.read(frame));
                    come.extend(packet.map(|packet| (packet, true)));
                }
                RawInput::DirectClosed(connection) => {
                    self.channels.retain(|channel| channel.connection != connection);
                }
            }
        }
    }

    fn channel(&mut self, connection: ConnectionId) -> Option<&mut Channel> {
        self.channels.iter_mut().find(|channel| channel.connection == connection)
    }

    fn read(&mut self, mesh: &mut Mesh, frame: Frame, come: &mut Vec<Come>) {
        let Ok(Some(packet)) = self.decoder.push(frame) else { return };
        match ServerMessage::from_packet(packet) {
            Ok(ServerMessage::NumClients { others, .. }) => {
                self.joined = true;
                self.offer(mesh, others.min(OFFERS));
            }
            Ok(ServerMessage::Offer { from, offer_id, offer }) => {
                if let Ok(Signal::Offer(sdp)) = offer.parse()
                    && let Some((connection, sdp)) = mesh.raw_answer(self.node, &sdp)
                    && let Ok(signal) = RawSignal::try_from(&Signal::Answer(sdp))
                {
                    self.channels.push(Channel::new(connection, from.clone()));
                    let signal = PeerSignal::new(offer_id, signal, from);
                    self.say(mesh, &ClientMessage::Signal(signal));
                }
            }
            Ok(ServerMessage::Signal(signal)) => {
                let offered = self.offered.iter().position(|(_, id)| *id == signal.offer_id);
                if let Some(from) = signal.from_peer_id
                    && let Ok(Signal::Answer(sdp)) = signal.signal.parse()
                    && let Some(offered) = offered
                {
                    let (connection, _) = self.offered.swap_remove(offered);
                    self.channels.push(Channel::new(connection, from));
                    mesh.raw_complete(self.node, connection, &sdp);
                }
            }
            Ok(ServerMessage::Event(packet)) => come.push((packet, false)),
            Ok(_) | Err(_) => {}
        }
    }

    fn offer(&mut self, mesh: &mut Mesh, offers: u32) {
        let mut all = Vec::new();
        for _ in 0..offers {
            let (connection, sdp) = mesh.raw_offer(self.node);
            let Ok(offer) = RawSignal::try_from(&Signal::Offer(sdp)) else { continue };
            let offer_id = format!("{:032}{:08}", self.node.index(), self.serial);
            self.serial += 1;
            self.offered.push((connection, offer_id.clone()));
            all.push(AddressedOffer::new(offer_id, offer, None));
        }
        if !all.is_empty() {
            self.say(mesh, &ClientMessage::Offers(all));
        }
    }

    fn say(&self, mesh: &mut Mesh, message: &ClientMessage) {
        if let Ok(packet) = message.to_packet() {
            mesh.raw_send(self.node, packet.frames().collect());
        }
    }

    /// Whether it can emit: through the hub, or over its channel with a peer.
    pub(super) fn can_emit(&self, to: Option<&PeerId>) -> bool {
        match to {
            None => self.joined,
            Some(to) => self.channels.iter().any(|channel| channel.open && channel.peer == *to),
        }
    }

    /// Sends an event with at most one blob.
    pub(super) fn emit(&self, mesh: &mut Mesh, to: Option<&PeerId>, event: &Packet) {
        let Some(to) = to else {
            return mesh.raw_send(self.node, event.frames().collect());
        };
        let open = |channel: &&Channel| channel.open && channel.peer == *to;
        let Some(channel) = self.channels.iter().find(open) else { return };
        let pieces: Vec<Bytes> = event
            .attachments()
            .iter()
            .flat_map(|blob| blob.chunks(PIECE).map(Bytes::copy_from_slice))
            .collect();
        let head = match event.head().strip_prefix("51-") {
            Some(rest) => format!("5{}-{rest}", pieces.len()),
            None => event.head().to_string(),
        };
        let frames = std::iter::once(head.into()).chain(pieces.into_iter().map(Frame::Binary));
        for frame in frames {
            // Its buffer is as long as it likes.
            mesh.raw_force_direct(self.node, channel.connection, frame);
        }
    }

    /// Leaves as a client does that closes its socket properly.
    pub(super) fn leave(&mut self, mesh: &mut Mesh) {
        mesh.raw_send(self.node, vec!["1".into()]);
    }
}

impl Channel {
    fn new(connection: ConnectionId, peer: PeerId) -> Self {
        Self { connection, peer, open: false, head: None, blob: BytesMut::new() }
    }

    /// Puts a packet together: text, then as many pieces of one blob as it says.
    fn read(&mut self, frame: Frame) -> Option<Packet> {
        match frame {
            Frame::Text(text) => {
                let (pieces, rest) = match text.strip_prefix('5') {
                    Some(rest) => rest.split_once('-')?,
                    None => ("0", text.get(1..)?),
                };
                let pieces = pieces.parse().ok()?;
                if pieces == 0 {
                    return packet(text.to_string(), Vec::new());
                }
                self.head = Some((format!("51-{rest}"), pieces));
                self.blob.clear();
                None
            }
            Frame::Binary(bytes) => {
                let (head, left) = self.head.take()?;
                self.blob.extend_from_slice(&bytes);
                if left > 1 {
                    self.head = Some((head, left - 1));
                    return None;
                }
                packet(head, vec![self.blob.split().freeze()])
            }
        }
    }
}

fn packet(head: String, attachments: Vec<Bytes>) -> Option<Packet> {
    let limits = Limits::unbounded();
    Packet::from_head_and_attachments(head.into(), attachments, &limits).ok()
}
