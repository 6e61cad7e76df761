use std::time::Duration;

use bytes::Bytes;
use socketio_p2p_core::hub::{Admission, Departure, Hub, HubConfig, Output};
use socketio_p2p_core::wire::{ClientMessage, Join, Recipient, ServerMessage, Upload};
use socketio_p2p_core::{ClientId, Time};

use super::{Claim, Witness};
use crate::invariant::Invariant;

/// A hub, and what is done to its words before the witness hears them.
struct Scene {
    hub: Hub,
    witness: Witness,
    now: Time,
    tokens: Vec<String>,
}

type Change = fn(ServerMessage) -> Vec<ServerMessage>;

const AS_IT_IS: Change = |message| vec![message];

impl Scene {
    fn new(config: HubConfig) -> Self {
        let witness = Witness::new(config.clone());
        let (hub, now) = (Hub::new(config, [1; 32]).unwrap(), Time::from_millis(1));
        Self { hub, witness, now, tokens: Vec::new() }
    }

    fn answer(&mut self, change: Change) -> Option<Invariant> {
        while let Some(output) = self.hub.poll_output() {
            match output {
                Output::Send { to, message } => {
                    if let ServerMessage::NumClients { welcome: Some(welcome), .. } = &message {
                        self.tokens.push(welcome.token.clone());
                    }
                    for to in self.hub.receivers(&to) {
                        let messages = change(message.clone());
                        messages.iter().for_each(|message| self.witness.sent(to, message));
                    }
                }
                Output::Close { client, reason, farewell } => {
                    self.witness.closed(client, reason, farewell.as_ref());
                }
                Output::Application { .. } | _ => {}
            }
        }
        self.witness.done(self.now);
        self.witness.take_verdict().map(|breach| breach.invariant)
    }

    fn join(
        &mut self,
        room: &str,
        token: Option<String>,
        change: Change,
    ) -> (ClientId, Option<Invariant>) {
        let room = room.parse().unwrap();
        let mut join = Join::v1().with_room(room);
        join.token = token;
        let claim = Claim::of(&join, Admission::default());
        let client = self.hub.handle_connect(join, None, self.now).unwrap();
        self.witness.connected(&self.hub, client, claim, self.now);
        (client, self.answer(change))
    }

    fn send(&mut self, from: ClientId, to: &[ClientId], change: Change) -> Option<Invariant> {
        let id = |client: &ClientId| self.hub.peer_id(*client).cloned().unwrap();
        let to = to.iter().map(|client| Recipient { id: id(client), numbers: None }).collect();
        let upload = Upload { to, piece: None, body: Bytes::from_static(b"bundle") };
        let message = ClientMessage::Relay(upload);
        let outcome = self.hub.handle_message(from, message.clone(), self.now);
        self.witness.said(from, message, outcome.err(), self.now);
        self.answer(change)
    }

    fn lose(&mut self, client: ClientId, change: Change) -> Option<Invariant> {
        self.hub.handle_disconnect(client, Departure::Lost, self.now);
        self.witness.left(client, Departure::Lost, self.now);
        self.answer(change)
    }

    fn pass(&mut self, span: Duration) -> Option<Invariant> {
        self.now = self.now + span;
        self.hub.handle_timeout(self.now);
        self.witness.timed_out(&self.hub, self.now);
        self.answer(AS_IT_IS)
    }
}

fn three() -> (Scene, [ClientId; 3]) {
    let mut scene = Scene::new(HubConfig::default());
    let clients = [(); 3].map(|()| {
        let (client, verdict) = scene.join("lobby", None, AS_IT_IS);
        assert_eq!(verdict, None);
        client
    });
    (scene, clients)
}

#[test]
fn a_hub_that_does_as_it_should_is_not_blamed() {
    let (mut scene, [ann, bob, eve]) = three();
    assert_eq!(scene.send(ann, &[bob, eve, ann], AS_IT_IS), None);
    assert_eq!(scene.send(ann, &[bob, bob], AS_IT_IS), None, "it is refused");
    assert_eq!(scene.lose(bob, AS_IT_IS), None);
    let token = scene.tokens.get(1).cloned();
    let (elsewhere, verdict) = scene.join("elsewhere", token.clone(), AS_IT_IS);
    assert_eq!(verdict, None);
    assert_eq!(scene.lose(elsewhere, AS_IT_IS), None);
    assert_eq!(scene.join("lobby", token, AS_IT_IS).1, None);
    assert_eq!(scene.lose(eve, AS_IT_IS), None);
    assert_eq!(scene.pass(Duration::from_secs(8)), None);
    assert_eq!(scene.hub.rooms().count(), 1);
}

#[test]
fn what_is_left_out_doubled_or_changed_is_noticed() {
    let (nothing, twice): (Change, Change) =
        (|_| Vec::new(), |message| vec![message.clone(), message]);
    for change in [nothing, twice] {
        let (mut scene, [ann, bob, eve]) = three();
        assert_eq!(scene.send(ann, &[bob], change), Some(Invariant::HubRelay));
        assert_eq!(scene.lose(eve, change), Some(Invariant::HubPresence));
        assert_eq!(scene.join("lobby", None, change).1, Some(Invariant::HubPresence));
    }
    let (mut scene, [ann, bob, _]) = three();
    let other = |mut message| {
        if let ServerMessage::Relay(download) = &mut message {
            download.body = Bytes::from_static(b"BUNDLE");
        }
        vec![message]
    };
    assert_eq!(scene.send(ann, &[bob], other), Some(Invariant::HubRelay));
    assert_eq!(scene.lose(bob, AS_IT_IS), None);
    let empty = |mut message| {
        if let ServerMessage::NumClients { welcome: Some(welcome), .. } = &mut message {
            welcome.roster.retain(|member| !member.away);
        }
        vec![message]
    };
    assert_eq!(scene.join("lobby", None, empty).1, Some(Invariant::HubPresence));
}

#[test]
fn who_is_kept_for_too_long_is_noticed_unless_a_clock_jumped() {
    for (jump, verdict) in [(0, Some(Invariant::HubPresence)), (5, None)] {
        let (mut scene, [ann, ..]) = three();
        assert_eq!(scene.lose(ann, AS_IT_IS), None);
        scene.witness.jumped(Duration::from_secs(jump), scene.now);
        if jump == 0 {
            scene.witness.jumps.clear();
        }
        scene.now = scene.now + Duration::from_millis(8_001);
        assert_eq!(scene.answer(AS_IT_IS), verdict);
    }
}
