//! A hub on a clock of its own, and what its clients have received.

use std::collections::BTreeMap;
use std::time::Duration;

use socketio_p2p_core::hub::{Address, CloseReason, Departure, Hub, HubConfig, JoinError, Output};
use socketio_p2p_core::wire::{ClientMessage, Join, Numbers, Piece, ServerMessage, Welcome};
use socketio_p2p_core::{ClientId, PeerId, RoomName, Time};

/// Every random choice of the hub comes from this.
const SEED: [u8; 32] = [42; 32];

/// A hub and what its clients have received.
#[derive(Debug)]
pub struct World {
    /// The hub.
    pub hub: Hub,
    /// The time.
    pub now: Time,
    /// What each client has received and nobody has looked at.
    pub inboxes: BTreeMap<ClientId, Vec<ServerMessage>>,
    /// The connections that the hub has ended.
    pub closed: Vec<(ClientId, CloseReason)>,
    /// Everything the hub has asked for, as text.
    pub log: Vec<String>,
}

impl World {
    /// A hub without clients.
    #[must_use]
    pub fn new(config: HubConfig) -> Self {
        Self {
            hub: Hub::new(config, SEED).unwrap(),
            now: Time::from_millis(1_000),
            inboxes: BTreeMap::new(),
            closed: Vec::new(),
            log: Vec::new(),
        }
    }

    /// Carries out what the hub asks for.
    pub fn drain(&mut self) {
        while let Some(output) = self.hub.poll_output() {
            self.log.push(format!("{output:?}"));
            match output {
                Output::Send { to, message } => {
                    let receivers: Vec<_> = self.hub.receivers(&to).collect();
                    assert!(!receivers.is_empty(), "{to:?} stands for nobody");
                    for client in receivers {
                        if let Address::Room { except, .. } = &to {
                            assert_ne!(Some(client), *except);
                        }
                        self.inboxes.entry(client).or_default().push(message.clone());
                    }
                }
                Output::Close { client, reason } => self.closed.push((client, reason)),
                other => panic!("an output that nobody here knows: {other:?}"),
            }
        }
    }

    /// A client connects.
    ///
    /// # Errors
    /// As [`Hub::handle_connect`].
    pub fn try_join(&mut self, join: Join, name: Option<&str>) -> Result<ClientId, JoinError> {
        let joined = self.hub.handle_connect(join, name, self.now);
        self.drain();
        joined
    }

    /// A v1 client that joins.
    pub fn v1(&mut self, room: &str) -> (ClientId, Welcome) {
        let client = self.try_join(v1(room), None).unwrap();
        let welcome = self.welcome(client);
        (client, welcome)
    }

    /// A v1 client that comes back.
    pub fn resume(&mut self, room: &str, token: &str) -> (ClientId, Welcome) {
        let client = self.try_join(resume(room, token), None).unwrap();
        let welcome = self.welcome(client);
        (client, welcome)
    }

    /// A v0 client that joins.
    pub fn v0(&mut self, room: &str, name: &str) -> ClientId {
        self.try_join(Join::v0(room_name(room)), Some(name)).unwrap()
    }

    /// The welcome, which must be the first thing the client got.
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

    /// A client says something.
    ///
    /// # Errors
    /// What the hub has against it, in its words.
    pub fn say(&mut self, client: ClientId, message: ClientMessage) -> Result<(), String> {
        let said = self.hub.handle_message(client, message, self.now);
        self.drain();
        said.map_err(|error| error.to_string())
    }

    /// A client's connection ends.
    pub fn part(&mut self, client: ClientId, departure: Departure) {
        self.hub.handle_disconnect(client, departure, self.now);
        self.drain();
    }

    /// Lets time pass as a driver does: the hub is called whenever it is due.
    pub fn pass(&mut self, duration: Duration) {
        let end = self.now + duration;
        while let Some(due) = self.hub.poll_timeout().filter(|due| *due <= end) {
            self.now = self.now.max(due);
            self.hub.handle_timeout(self.now);
            self.drain();
        }
        self.now = end;
    }

    /// What the client has received since the last time, in short.
    pub fn received(&mut self, client: ClientId) -> Vec<String> {
        let inbox = self.inboxes.remove(&client).unwrap_or_default();
        inbox.iter().map(short).collect()
    }

    /// The connection of a member that has mail.
    #[must_use]
    pub fn client_of(&self, id: &PeerId) -> ClientId {
        let clients = self.inboxes.keys().copied();
        clients.into_iter().find(|client| self.hub.peer_id(*client) == Some(id)).unwrap()
    }

    /// Nobody looks at what has come so far.
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

/// What a v1 client says that is new.
#[must_use]
pub fn v1(room: &str) -> Join {
    Join::v1().with_room(room_name(room))
}

/// What a v1 client says that comes back.
#[must_use]
pub fn resume(room: &str, token: &str) -> Join {
    v1(room).with_token(token)
}

/// A message in one line, without what is secret or long.
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
        ServerMessage::PeerDisconnect(id) => format!("disconnect {id}"),
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
        other => panic!("a message that nobody here knows: {other:?}"),
    }
}
