//! The hub against its rules, on virtual time.

mod hostile;
mod model;
mod presence;
mod relay;
mod signals;

use std::collections::BTreeMap;
use std::time::Duration;

use socketio_p2p_core::hub::{Address, CloseReason, Departure, Hub, HubConfig, JoinError, Output};
use socketio_p2p_core::signal::{
    AddressedOffer, ClientMessage, Epochs, Join, Lane, PairKey, PeerSignal, RawSignal, Recipient,
    Sequence, ServerMessage, Welcome,
};
use socketio_p2p_core::{ClientId, PeerId, RoomName, Time, Version};

const SEED: [u8; 32] = [42; 32];

/// A hub and what its clients have received.
struct World {
    hub: Hub,
    now: Time,
    inboxes: BTreeMap<ClientId, Vec<ServerMessage>>,
    closed: Vec<(ClientId, CloseReason)>,
    /// Everything the hub has asked for, as text.
    log: Vec<String>,
}

impl World {
    fn new(config: HubConfig) -> Self {
        Self {
            hub: Hub::new(config, SEED),
            now: Time::from_millis(1_000),
            inboxes: BTreeMap::new(),
            closed: Vec::new(),
            log: Vec::new(),
        }
    }

    fn drain(&mut self) {
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
                other => panic!("an output that the tests do not know: {other:?}"),
            }
        }
    }

    fn try_join(&mut self, join: Join, name: Option<&str>) -> Result<ClientId, JoinError> {
        let joined = self.hub.handle_connect(join, name, self.now);
        self.drain();
        joined
    }

    fn v1(&mut self, room: &str) -> (ClientId, Welcome) {
        let client = self.try_join(v1(room), None).unwrap();
        let welcome = self.welcome(client);
        (client, welcome)
    }

    fn resume(&mut self, room: &str, token: &str) -> (ClientId, Welcome) {
        let client = self.try_join(resume(room, token), None).unwrap();
        let welcome = self.welcome(client);
        (client, welcome)
    }

    fn v0(&mut self, room: &str, name: &str) -> ClientId {
        self.try_join(Join::v0(room_name(room)), Some(name)).unwrap()
    }

    /// The welcome, which must be the first thing the client got.
    fn welcome(&mut self, client: ClientId) -> Welcome {
        let first = self.inboxes.get_mut(&client).map(|inbox| inbox.remove(0));
        match first {
            Some(ServerMessage::NumClients { others, welcome: Some(welcome) }) => {
                assert_eq!(others as usize, welcome.roster.len());
                *welcome
            }
            other => panic!("expected a welcome, got {other:?}"),
        }
    }

    fn say(&mut self, client: ClientId, message: ClientMessage) -> Result<(), String> {
        let said = self.hub.handle_message(client, message, self.now);
        self.drain();
        said.map_err(|error| error.to_string())
    }

    fn part(&mut self, client: ClientId, departure: Departure) {
        self.hub.handle_disconnect(client, departure, self.now);
        self.drain();
    }

    /// Lets time pass as a driver does: the hub is called whenever it is due.
    fn pass(&mut self, duration: Duration) {
        let end = self.now + duration;
        while let Some(due) = self.hub.poll_timeout().filter(|due| *due <= end) {
            self.now = self.now.max(due);
            self.hub.handle_timeout(self.now);
            self.drain();
        }
        self.now = end;
    }

    /// What the client has received since the last time, in short.
    fn received(&mut self, client: ClientId) -> Vec<String> {
        let inbox = self.inboxes.remove(&client).unwrap_or_default();
        inbox.iter().map(short).collect()
    }

    fn forget_all(&mut self) {
        self.inboxes.clear();
    }

    fn id(&self, client: ClientId) -> PeerId {
        self.hub.peer_id(client).cloned().unwrap()
    }
}

fn room_name(name: &str) -> RoomName {
    RoomName::new(name.to_owned()).unwrap()
}

fn v1(room: &str) -> Join {
    Join { version: Version::V1, room: Some(room_name(room)), token: None }
}

fn resume(room: &str, token: &str) -> Join {
    Join { token: Some(token.to_owned()), ..v1(room) }
}

/// A message in one line, without what is secret or long.
fn short(message: &ServerMessage) -> String {
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
            format!("join {} v{}", member.id, member.version.number())
        }
        ServerMessage::PeerAway(id) => format!("away {id}"),
        ServerMessage::PeerDisconnect(id) => format!("disconnect {id}"),
        ServerMessage::Relay(download) => {
            let place = download.sequence.map(|sequence| format!(" #{}", sequence.seq));
            let epochs = download.epochs.map(|epochs| format!(" epoch {}", epochs.epoch));
            let parts: Vec<_> = download.parts.iter().map(|part| part.escape_ascii()).collect();
            let parts: Vec<_> = parts.into_iter().map(|part| part.to_string()).collect();
            let (place, epochs) = (place.unwrap_or_default(), epochs.unwrap_or_default());
            format!("relay from {}{epochs}{place}: {}", download.from, parts.join(" + "))
        }
        ServerMessage::Event(packet) => {
            let parts: Vec<_> =
                packet.attachments().iter().map(|part| part.escape_ascii()).collect();
            let parts: Vec<_> = parts.into_iter().map(|part| format!(" + {part}")).collect();
            format!("event {}{}", packet.head(), parts.concat())
        }
        other => panic!("a message that the tests do not know: {other:?}"),
    }
}

fn raw(json: &str) -> RawSignal {
    RawSignal::from_json(json.to_owned()).unwrap()
}

fn offer(offer_id: &str, to: Option<&PeerId>) -> AddressedOffer {
    AddressedOffer {
        offer_id: offer_id.to_owned(),
        offer: raw(r#"{"type":"offer","sdp":"x"}"#),
        to_peer_id: to.cloned(),
    }
}

fn answer(offer_id: &str, claimed: Option<&str>, to: &PeerId) -> ClientMessage {
    ClientMessage::Signal(PeerSignal {
        signal: raw(r#"{"type":"answer","sdp":"y"}"#),
        offer_id: offer_id.to_owned(),
        from_peer_id: claimed.map(|claimed| PeerId::new(claimed.to_owned()).unwrap()),
        to_peer_id: to.clone(),
    })
}

fn recipient(id: &PeerId, seq: Option<u64>) -> Recipient {
    Recipient {
        id: id.clone(),
        epochs: Epochs { epoch: 1, peer_epoch: 0 },
        sequence: seq.map(|seq| Sequence { lane: Lane::Events, seq }),
    }
}
