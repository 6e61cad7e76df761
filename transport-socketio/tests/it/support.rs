//! A minimal Socket.IO client: our codec over our channel.

use std::time::Duration;

use bytes::Bytes;
use futures::{SinkExt as _, StreamExt as _};
use serde::Serialize;
use socketio_p2p_core::codec::{Decoder, Limits};
use socketio_p2p_core::driver::Signaling as _;
use socketio_p2p_core::handle::Events;
use socketio_p2p_core::hub::HubConfig;
use socketio_p2p_core::wire::{
    ClientMessage, Epochs, Lane, Numbers, Piece, Recipient, ServerMessage, Upload, Welcome,
};
use socketio_p2p_core::{Event, Packet, PacketType, PeerId};
use socketio_p2p_transport_socketio::{
    Listener, SignalingServer, SocketIoChannel, SocketIoSignaling,
};

/// Time limit of each wait.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// Waits for `future`; panics after [`PATIENCE`].
pub(crate) async fn soon<T>(what: &str, future: impl Future<Output = T>) -> T {
    match tokio::time::timeout(PATIENCE, future).await {
        Ok(done) => done,
        Err(_) => panic!("did not happen within {PATIENCE:?}: {what}"),
    }
}

/// Reads events of a handle until one matches.
pub(crate) async fn next_event(events: &mut Events, is: impl Fn(&Event) -> bool) -> Event {
    let wait = async {
        loop {
            let event = events.next().await.expect("the session goes on");
            if is(&event) {
                return event;
            }
        }
    };
    soon("an event", wait).await
}

/// Polls a condition that no event reports, until it holds.
pub(crate) async fn until(what: &str, mut holds: impl FnMut() -> bool) {
    soon(what, async {
        while !holds() {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    })
    .await;
}

pub(crate) async fn serve(server: SignalingServer) -> Listener {
    server.listen("127.0.0.1:0").await.unwrap()
}

pub(crate) async fn serve_default() -> Listener {
    serve(SignalingServer::new(HubConfig::default())).await
}

pub(crate) struct Client {
    channel: SocketIoChannel,
    decoder: Decoder,
}

impl Client {
    /// Opens a connection, before `CONNECT`.
    pub(crate) async fn open(url: &str) -> Self {
        let mut signaling = SocketIoSignaling::new(url).unwrap();
        let channel = soon("a connection", signaling.connect()).await.unwrap();
        let limits =
            Limits::default().with_max_attachments(1000).with_max_packet_bytes(64 * 1024 * 1024);
        Self { channel, decoder: Decoder::new(limits) }
    }

    /// Sends `CONNECT` with this auth payload, and returns the answer.
    pub(crate) async fn connect_with(
        url: &str,
        auth: Option<&serde_json::Value>,
    ) -> (Self, Packet) {
        let mut client = Self::open(url).await;
        client.send(&Packet::connect(auth).unwrap()).await;
        let answer = client.packet().await;
        (client, answer)
    }

    /// A client of the v0 dialect: its `CONNECT` has no auth payload.
    pub(crate) async fn v0(url: &str) -> Self {
        let (client, answer) = Self::connect_with(url, None).await;
        assert_eq!(answer.packet_type(), PacketType::Connect, "{}", answer.payload());
        client
    }

    /// A v1 peer and its welcome.
    pub(crate) async fn v1(url: &str, room: &str, token: Option<&str>) -> (Self, Welcome) {
        let (mut client, answer) = Self::connect_with(url, Some(&auth(room, token))).await;
        assert_eq!(answer.packet_type(), PacketType::Connect, "{}", answer.payload());
        match client.message().await {
            ServerMessage::NumClients { welcome: Some(welcome), .. } => (client, *welcome),
            other => panic!("expected a welcome, got {other:?}"),
        }
    }

    pub(crate) async fn send(&mut self, packet: &Packet) {
        for frame in packet.frames() {
            soon("sending", self.channel.feed(frame)).await.unwrap();
        }
        soon("flushing", self.channel.flush()).await.unwrap();
    }

    pub(crate) async fn emit<T: Serialize + ?Sized>(&mut self, event: &str, args: &T) {
        self.send(&Packet::event(event, args).unwrap()).await;
    }

    pub(crate) async fn say(&mut self, message: ClientMessage) {
        self.send(&message.to_packet().unwrap()).await;
    }

    /// Sends a packet as one record in an envelope.
    pub(crate) async fn relay(&mut self, to: &[(&PeerId, u64)], parts: &[Bytes]) {
        let to = to.iter().map(|(id, seq)| recipient(id, *seq)).collect();
        let (piece, body) = (Some(Piece::WHOLE), flat(parts));
        self.say(ClientMessage::Relay(Upload { to, piece, body })).await;
    }

    pub(crate) async fn packet(&mut self) -> Packet {
        soon("a packet", self.try_packet()).await.expect("a packet, not the end")
    }

    /// The next packet; `None` at the end of the connection.
    pub(crate) async fn try_packet(&mut self) -> Option<Packet> {
        loop {
            let frame = self.channel.next().await?.ok()?;
            if let Some(packet) = self.decoder.push(frame).unwrap() {
                return Some(packet);
            }
        }
    }

    pub(crate) async fn message(&mut self) -> ServerMessage {
        ServerMessage::from_packet(self.packet().await).unwrap()
    }

    /// Waits for the end of the connection.
    pub(crate) async fn end(&mut self) {
        soon("the end of the connection", async { while self.try_packet().await.is_some() {} })
            .await;
    }
}

pub(crate) fn auth(room: &str, token: Option<&str>) -> serde_json::Value {
    match token {
        Some(token) => serde_json::json!({ "p2p": { "v": 1, "room": room, "token": token } }),
        None => serde_json::json!({ "p2p": { "v": 1, "room": room } }),
    }
}

pub(crate) fn recipient(id: &PeerId, seq: u64) -> Recipient {
    Recipient {
        id: id.clone(),
        numbers: Some(Numbers {
            epochs: Epochs { epoch: 3, peer_epoch: 4 },
            lane: Lane::Bulk,
            seq,
        }),
    }
}

/// Flattens head and attachments.
pub(crate) fn flat(parts: &[Bytes]) -> Bytes {
    let mut flat = Vec::new();
    for part in parts {
        flat.extend_from_slice(&(part.len() as u32).to_be_bytes());
        flat.extend_from_slice(part);
    }
    flat.into()
}
