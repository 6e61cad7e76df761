//! The server's application, what members know about each other, and questions who they are.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use socketio_p2p_core::wire::{Dismissal, PeerSignal, RawSignal, ServerMessage};
use socketio_p2p_core::{
    EmitError, Event, MemberData, Packet, PeerId, ReplyError, ReplyToken, Session, Target,
};

use super::{NAMES, OWN_NAMES, Run};
use crate::input::Input;

/// What the session and the server's application say to each other, and what is known of members.
#[derive(Debug, Default)]
pub(super) struct Desk {
    /// The session's questions without an end: their ack ids.
    asked: BTreeSet<u64>,
    /// What waits for the server: the head of each packet, in order.
    queue: VecDeque<String>,
    /// The events of the server that the session has to report.
    due: VecDeque<String>,
    /// The server's questions, and on which connection each came.
    tokens: Vec<(ReplyToken, u64, u64)>,
    connection: u64,
    /// The metadata of each member, as the server said it last.
    said: BTreeMap<PeerId, Option<MemberData>>,
    /// The session's own metadata.
    own: Option<MemberData>,
    /// The nonces that the session may return: on whose channel, of whom, and which.
    nonces: BTreeSet<(PeerId, PeerId, u64)>,
    /// The peers with a validated channel when the last message came.
    pub(super) validated: BTreeSet<PeerId>,
}

impl Desk {
    /// Notes what a message of the server says about members.
    pub(super) fn hear(&mut self, message: &ServerMessage) {
        let members = match message {
            ServerMessage::NumClients { welcome: Some(welcome), .. } => &welcome.roster[..],
            ServerMessage::PeerJoin(member) => std::slice::from_ref(member),
            ServerMessage::PeerUpdate { peer, metadata } => {
                self.said.insert(peer.clone(), metadata.clone());
                return;
            }
            _ => return,
        };
        for member in members {
            self.said.insert(member.id.clone(), member.metadata.clone());
        }
    }

    pub(super) fn note_event(&mut self, event: &Event) {
        match event {
            Event::PeerUpdated { peer, metadata, .. } => {
                assert_eq!(self.said.get(peer), Some(metadata), "what the server said of {peer}");
            }
            Event::ServerEvent { packet, reply } => {
                assert_eq!(self.due.pop_front(), Some(packet.head().to_string()));
                if let Some(token) = reply {
                    assert_eq!(token.peer(), None);
                    let ack_id = packet.ack_id().unwrap();
                    self.tokens.push((token.clone(), ack_id, self.connection));
                }
            }
            Event::ServerAck { emit, .. } | Event::NoServerAck { emit, .. } => {
                assert!(self.asked.remove(&emit.as_u64()), "an end of a question to the server");
            }
            Event::Disconnected { .. } | Event::Refused(_) => {
                assert!(self.asked.is_empty(), "a question outlives its connection");
                self.connection += 1;
                self.queue.clear();
            }
            _ => {}
        }
    }

    /// Takes a packet of the session for the server's application.
    pub(super) fn take(&mut self, packet: &Packet) {
        assert_eq!(self.queue.pop_front(), Some(packet.head().to_string()));
    }

    pub(super) fn take_metadata(&self, metadata: Option<&MemberData>) {
        assert_eq!(metadata, self.own.as_ref(), "the latest metadata");
    }

    pub(super) fn check_proof(&self, peer: &PeerId, asker: &PeerId, nonce: u64) {
        let proof = (peer.clone(), asker.clone(), nonce);
        assert!(self.nonces.contains(&proof), "nobody asked {proof:?}");
    }

    pub(super) fn check(&self, session: &Session) {
        assert_eq!(session.metadata(), self.own.as_ref());
        assert!(self.due.is_empty(), "{:?} was not reported", self.due);
        for peer in session.peers() {
            let said = self.said.get(&peer.id).cloned().flatten();
            assert_eq!(peer.metadata, said, "{}", peer.id);
        }
    }
}

impl Run {
    pub(super) fn at_desk(&mut self, input: &mut Input<'_>, which: usize) {
        match which {
            0 => {
                let (peer, metadata) = (self.remote(input).id.clone(), data(input));
                self.hear(&ServerMessage::PeerUpdate { peer, metadata });
            }
            1 => {
                let peer = self.remote(input).id.clone();
                let listens = self.model.is_listening();
                self.hear(&ServerMessage::PeerDisconnect { peer: peer.clone(), kicked: true });
                let stays = self.session.peers().any(|one| one.id == peer);
                assert!(!(stays && listens), "{peer} was kicked and has a link");
            }
            2 => self.serve(input),
            3 => self.ask_who(input),
            4 => self.talk(input),
            _ => self.dismiss(input),
        }
    }

    /// The server's application emits an event, or answers.
    fn serve(&mut self, input: &mut Input<'_>) {
        let number = input.byte();
        let packet = match input.below(4) {
            0 => Packet::event("theirs", &(number,)).unwrap(),
            1 => Packet::event("theirs", &(number,)).unwrap().with_ack_id(u64::from(number)),
            _ => {
                let asked = self.model.desk.asked.iter().nth(usize::from(number) % 4).copied();
                Packet::ack(asked.unwrap_or(u64::from(number)), &(number,)).unwrap()
            }
        };
        if self.model.is_listening() && packet.event_name().is_some() {
            self.model.desk.due.push_back(packet.head().to_string());
        }
        self.hear_packet(&packet);
    }

    /// A member asks whether the session knows it under other names.
    fn ask_who(&mut self, input: &mut Input<'_>) {
        let from = self.remote(input).id.clone();
        let was: Vec<PeerId> =
            (0..input.below(6)).map(|_| NAMES[input.below(NAMES.len())].parse().unwrap()).collect();
        let nonce = u64::from(input.byte());
        let offer_id = if input.below(8) == 7 { "no".to_owned() } else { format!("{nonce:x}") };
        if offer_id != "no" {
            let named = was.iter().chain([&from]);
            let nonces = named.map(|peer| (peer.clone(), from.clone(), nonce));
            self.model.desk.nonces.extend(nonces);
        }
        let signal = serde_json::json!({ "was": was }).to_string();
        let signal = RawSignal::from_json(signal).unwrap();
        let mut signal = PeerSignal::new(offer_id, signal, OWN_NAMES[0].parse().unwrap());
        signal.from_peer_id = Some(from);
        self.hear(&ServerMessage::Signal(signal));
    }

    /// The application talks to the server, or changes its metadata.
    fn talk(&mut self, input: &mut Input<'_>) {
        match input.below(4) {
            0 => {
                let metadata = data(input);
                self.trail.note(format_args!("the metadata is {metadata:?}"));
                self.model.desk.own.clone_from(&metadata);
                self.session.set_metadata(metadata, self.now);
            }
            1 => {
                let event = self.event(input);
                let emitted = self.session.emit(Target::Server, &event, self.now);
                self.check_for_server(emitted.map(|_| event.head().to_string()));
            }
            2 => {
                let event = self.event(input);
                let emitted = self.session.emit_with_ack(Target::Server, &event, None, self.now);
                let emitted = emitted.map(|emitted| {
                    self.model.desk.asked.insert(emitted.id.as_u64());
                    event.with_ack_id(emitted.id.as_u64()).head().to_string()
                });
                self.check_for_server(emitted);
            }
            _ => {
                let tokens = &self.model.desk.tokens;
                let Some(index) = input.below(256).checked_rem(tokens.len()) else { return };
                let (token, ack_id, connection) = tokens[index].clone();
                let is_open = self.session.is_joined() && connection == self.model.desk.connection;
                match self.session.reply(&token, &("reply",), self.now) {
                    Ok(()) => {
                        assert!(is_open, "an answer on a later connection");
                        let answer = Packet::ack(ack_id, &("reply",)).unwrap();
                        self.model.desk.queue.push_back(answer.head().to_string());
                    }
                    Err(ReplyError::Disconnected) => assert!(!is_open),
                    Err(ReplyError::ServerBlocked { queued }) => assert!(queued > 0),
                    Err(other) => panic!("expected a known error, got {other}"),
                }
            }
        }
        self.settle();
    }

    fn check_for_server(&mut self, emitted: Result<String, EmitError>) {
        match emitted {
            Ok(head) => {
                assert!(self.session.is_joined(), "an emit without a server");
                self.model.desk.queue.push_back(head);
            }
            Err(EmitError::NotJoined) => assert!(!self.session.is_joined()),
            Err(EmitError::Closed) => assert!(self.model.closing),
            Err(EmitError::ServerBlocked { queued }) => assert!(queued > 0),
            Err(
                EmitError::ReservedEvent(_)
                | EmitError::Limits(_)
                | EmitError::BeyondServerLimits { .. }
                | EmitError::TooManyPendingAcks(_),
            ) => {}
            Err(other) => panic!("expected a known error, got {other}"),
        }
    }

    /// The hub says good-bye.
    fn dismiss(&mut self, input: &mut Input<'_>) {
        let retry_after = input.flag().then(|| u64::from(input.byte()));
        let dismissal = Dismissal::new("code", "a reason");
        let dismissal = match retry_after {
            Some(millis) => dismissal.with_retry_after(millis),
            None => dismissal,
        };
        let listens = self.model.is_listening();
        self.hear(&ServerMessage::Close(dismissal));
        if listens && retry_after.is_none() {
            assert!(self.session.resume_token().is_none() && self.session.peers().count() == 0);
        }
        assert!(!(listens && self.session.is_joined()));
    }
}

fn data(input: &mut Input<'_>) -> Option<MemberData> {
    let number = input.byte();
    (number % 4 != 3).then(|| MemberData::new(&number).unwrap())
}
