//! A hub on a virtual clock, and the messages that its clients have received.

use std::collections::BTreeMap;
use std::time::Duration;

use socketio_p2p_core::hub::{
    Address, Admission, CloseReason, Departure, Hub, HubConfig, JoinError, Output,
};
use socketio_p2p_core::wire::{
    ClientMessage, Join, MemberData, Numbers, Piece, ServerMessage, Welcome,
};
use socketio_p2p_core::{ClientId, Packet, PeerId, RoomName, Time};

/// The seed of the hub.
const SEED: [u8; 32] = [42; 32];

/// A hub and the messages that its clients have received.
#[derive(Debug)]
pub struct World {
    /// The hub.
    pub hub: Hub,
    /// The time.
    pub now: Time,
    /// The received messages of each client that were not yet looked at.
    pub inboxes: BTreeMap<ClientId, Vec<ServerMessage>>,
    /// The connections that the hub has closed.
    pub closed: Vec<(ClientId, CloseReason)>,
    /// The events and answers for the server's application.
    pub application: Vec<(ClientId, Packet)>,
    /// All outputs of the hub, as text.
    pub log: Vec<String>,
}

impl World {
    /// Creates a hub without clients.
    #[must_use]
    pub fn new(config: HubConfig) -> Self {
        Self {
            hub: Hub::new(config, SEED).unwrap(),
            now: Time::from_millis(1_000),
            inboxes: BTreeMap::new(),
            closed: Vec::new(),
            application: Vec::new(),
            log: Vec::new(),
        }
    }

    /// Carries out the outputs of the hub.
    pub fn drain(&mut self) {
        while let Some(output) = self.hub.poll_output() {
            self.log.push(format!("{output:?}"));
            match output {
                Output::Send { to, message } => {
                    let receivers: Vec<_> = self.hub.receivers(&to).collect();
                    assert!(!receivers.is_empty(), "{to:?} has no receiver");
                    for client in receivers {
                        if let Address::Room { except, .. } = &to {
                            assert_ne!(Some(client), *except);
                        }
                        self.inboxes.entry(client).or_default().push(message.clone());
                    }
                }
                Output::Close { client, reason, farewell } => {
                    self.inboxes.entry(client).or_default().extend(farewell);
                    self.closed.push((client, reason));
                }
                Output::Application { client, packet } => self.application.push((client, packet)),
                other => panic!("expected an output known to the model, got {other:?}"),
            }
        }
    }

    /// Connects a client.
    ///
    /// # Errors
    /// As [`Hub::handle_connect`].
    pub fn try_join(&mut self, join: Join, name: Option<&str>) -> Result<ClientId, JoinError> {
        self.try_admitted(join, Admission::default(), name)
    }

    /// Connects a client that the server's application has admitted.
    ///
    /// # Errors
    /// As [`Hub::handle_admitted`].
    pub fn try_admitted(
        &mut self,
        join: Join,
        admission: Admission,
        name: Option<&str>,
    ) -> Result<ClientId, JoinError> {
        let joined = self.hub.handle_admitted(join, admission, name, self.now);
        self.drain();
        joined
    }

    /// Connects a v1 client.
    pub fn v1(&mut self, room: &str) -> (ClientId, Welcome) {
        let client = self.try_join(v1(room), None).unwrap();
        let welcome = self.welcome(client);
        (client, welcome)
    }

    /// Connects a v1 client that resumes.
    pub fn resume(&mut self, room: &str, token: &str) -> (ClientId, Welcome) {
        let client = self.try_join(resume(room, token), None).unwrap();
        let welcome = self.welcome(client);
        (client, welcome)
    }

    /// Connects a v0 client.
    pub fn v0(&mut self, room: &str, name: &str) -> ClientId {
        self.try_join(Join::v0(room_name(room)), Some(name)).unwrap()
    }

    /// Takes the welcome, which must be the client's first message.
    pub fn welcome(&mut self, client: ClientId) -> Welcome {
        let first = self.inboxes.get_mut(&client).map(|inbox| inbox.remove(0));
        match first {
            Some(ServerMessage::NumClients { others, welcome: Some(welcome) }) => {
                assert_eq!(others as usize, welcome.roster.len());
                *welcome
            }
            other => panic!("expected a welcome, got {other:?}"),
        }
    }

    /// Passes a client's message to the hub.
    ///
    /// # Errors
    /// The text of the hub's refusal.
    pub fn say(&mut self, client: ClientId, message: ClientMessage) -> Result<(), String> {
        let said = self.hub.handle_message(client, message, self.now);
        self.drain();
        said.map_err(|error| error.to_string())
    }

    /// Ends a client's connection.
    pub fn part(&mut self, client: ClientId, departure: Departure) {
        self.hub.handle_disconnect(client, departure, self.now);
        self.drain();
    }

    /// Lets time pass, and calls the hub at each of its deadlines, as a driver does.
    pub fn pass(&mut self, duration: Duration) {
        let end = self.now + duration;
        while let Some(due) = self.hub.poll_timeout().filter(|due| *due <= end) {
            self.now = self.now.max(due);
            self.hub.handle_timeout(self.now);
            self.drain();
        }
        self.now = end;
    }

    /// Takes the client's messages since the last call, in short.
    pub fn received(&mut self, client: ClientId) -> Vec<String> {
        let inbox = self.inboxes.remove(&client).unwrap_or_default();
        inbox.iter().map(short).collect()
    }

    /// The connection of the member with this id, which must have received a message.
    #[must_use]
    pub fn client_of(&self, id: &PeerId) -> ClientId {
        let clients = self.inboxes.keys().copied();
        clients.into_iter().find(|client| self.hub.peer_id(*client) == Some(id)).unwrap()
    }

    /// Discards all messages received so far.
    pub fn forget_all(&mut self) {
        self.inboxes.clear();
    }

    /// The id of a connected client.
    #[must_use]
    pub fn id(&self, client: ClientId) -> PeerId {
        self.hub.peer_id(client).cloned().unwrap()
    }
}

/// A room.
#[must_use]
pub fn room_name(name: &str) -> RoomName {
    RoomName::new(name.to_owned()).unwrap()
}

/// The join of a v1 client without a token.
#[must_use]
pub fn v1(room: &str) -> Join {
    Join::v1().with_room(room_name(room))
}

/// The join of a v1 client with a token.
#[must_use]
pub fn resume(room: &str, token: &str) -> Join {
    v1(room).with_token(token)
}

/// A message in one line, without secrets and long values.
#[must_use]
pub fn short(message: &ServerMessage) -> String {
    match message {
        ServerMessage::NumClients { others, welcome } => {
            format!("numClients {others}{}", if welcome.is_some() { " welcome" } else { "" })
        }
        ServerMessage::Offer { from, offer_id, offer } => {
            format!("offer {offer_id} from {from}: {}", offer.as_json())
        }
        ServerMessage::Signal(signal) => {
            let from = signal.from_peer_id.as_ref().unwrap();
            format!("signal {} from {from}: {}", signal.offer_id, signal.signal.as_json())
        }
        ServerMessage::PeerJoin(member) => {
            assert!(!member.away);
            format!("join {} v{}", member.id, member.dialect.number())
        }
        ServerMessage::PeerAway(id) => format!("away {id}"),
        ServerMessage::PeerDisconnect { peer, kicked } => {
            format!("disconnect {peer}{}", if *kicked { " kicked" } else { "" })
        }
        ServerMessage::PeerUpdate { peer, metadata } => {
            let metadata = metadata.as_ref().map_or("none", MemberData::as_json);
            format!("update {peer}: {metadata}")
        }
        ServerMessage::Close(dismissal) => format!("close {}", dismissal.code),
        ServerMessage::Relay(download) => {
            let place =
                |numbers: Numbers| format!(" epoch {} #{}", numbers.epochs.epoch, numbers.seq);
            let place = download.numbers.map(place).unwrap_or_default();
            let end = |piece: Piece| if piece.end { " end" } else { "" };
            let piece = download.piece.map(|piece| format!(" at {}{}", piece.at, end(piece)));
            let (piece, body) = (piece.unwrap_or_default(), download.body.escape_ascii());
            format!("relay from {}{place}{piece}: {body}", download.from)
        }
        ServerMessage::Event(packet) => {
            let parts: Vec<_> =
                packet.attachments().iter().map(|part| part.escape_ascii()).collect();
            let parts: Vec<_> = parts.into_iter().map(|part| format!(" + {part}")).collect();
            format!("event {}{}", packet.head(), parts.concat())
        }
        other => panic!("expected a message known to the model, got {other:?}"),
    }
}

/// The messages of a client, to the letter.
pub(super) fn to_the_letter(
    (client, inbox): (ClientId, Vec<ServerMessage>),
) -> (ClientId, Vec<String>) {
    let letters = inbox.iter().map(|message| {
        let packet = message.to_packet().unwrap();
        let attachments = packet.attachments().iter().map(|part| part.escape_ascii().to_string());
        std::iter::once(packet.head().to_string())
            .chain(attachments)
            .collect::<Vec<_>>()
            .join(" + ")
    });
    (client, letters.collect())
}
