//! Sessions and a hub that carry markers, and are printed completely after each input.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::error::Error;
use std::fmt::Debug;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD};
use socketio_p2p_core::codec::{Decoder, Limits};
use socketio_p2p_core::hub::{Departure, Hub, HubConfig, Output};
use socketio_p2p_core::wire::{
    ClientMessage, IceCandidate, IceServer, Join, ServerMessage, Signal,
};
use socketio_p2p_core::{
    ClientId, Command, Config, ConnectionId, DirectCommand, Event, Frame, Packet, PacketType, Path,
    PeerId, ReplyToken, Session, Target, Time, TransferRead,
};

use super::{
    ATTACHMENT, CANDIDATE, DESCRIPTION, PAYLOAD, TOKEN_KEY, TRANSFER, TURN_CREDENTIAL, TURN_USER,
    USER_FRAGMENT, event, transfer_data,
};

/// Each session has a seed of one byte, this one plus its number, 32 times.
const SEED: u8 = 0xa1;

/// The markers that must not be printed, in every form in which they could be.
#[derive(Default)]
pub(super) struct Markers {
    forms: BTreeSet<String>,
    errors: usize,
}

impl Markers {
    pub(super) fn new() -> Self {
        let mut markers = Self::default();
        let texts = [PAYLOAD, DESCRIPTION, CANDIDATE, USER_FRAGMENT, TURN_USER, TURN_CREDENTIAL];
        for marker in texts.map(str::as_bytes).into_iter().chain([ATTACHMENT, TRANSFER, &TOKEN_KEY])
        {
            markers.add(marker);
        }
        for end in 0..3 {
            markers.add(&[SEED + end; 32]);
        }
        markers
    }

    /// Adds a marker: as text, escaped, in base64 at any alignment, in hex, and as a list of numbers.
    pub(super) fn add(&mut self, marker: &[u8]) {
        let start = &marker[..marker.len().min(12)];
        let list: Vec<String> = start.iter().map(u8::to_string).collect();
        let hex: String = start.iter().map(|byte| format!("{byte:02x}")).collect();
        let text = start.escape_ascii().to_string();
        self.forms.extend([list.join(","), hex.to_uppercase(), hex, text]);
        for shift in 0..3 {
            let shifted = [&vec![0; shift][..], start].concat();
            for encoded in [STANDARD_NO_PAD.encode(&shifted), URL_SAFE_NO_PAD.encode(&shifted)] {
                self.forms.insert(encoded[4..encoded.len() - 2].to_owned());
            }
        }
    }

    /// Prints a value in both forms of `Debug`, and checks the output.
    pub(super) fn show(&self, what: &impl Debug) {
        self.check(&format!("{what:?}"));
        self.check(&format!("{what:#?}"));
    }

    /// Prints an error and all its sources, and checks the output.
    pub(super) fn show_error(&mut self, error: &impl Error) {
        self.errors += 1;
        self.show(error);
        let mut next: Option<&dyn Error> = Some(error);
        while let Some(error) = next {
            self.check(&error.to_string());
            self.check(&format!("{error:?}"));
            next = error.source();
        }
    }

    /// Compares without white space, so that a list is found in any layout.
    fn check(&self, shown: &str) {
        let shown: String = shown.chars().filter(|char| !char.is_whitespace()).collect();
        let found = self.forms.iter().find_map(|form| Some((form, shown.find(&**form)?)));
        if let Some((form, at)) = found {
            let before: String = shown[..at].chars().rev().take(300).collect();
            let before: String = before.chars().rev().collect();
            panic!("{form} is shown behind {before}");
        }
    }
}

struct End {
    session: Session,
    decoder: Decoder,
    client: Option<ClientId>,
    /// The remote side of each direct connection.
    channels: BTreeMap<ConnectionId, (usize, ConnectionId)>,
    replies: Vec<ReplyToken>,
    crashed: bool,
    /// Whether its socket is broken for good.
    cut: bool,
}

pub(super) struct World {
    now: Time,
    hub: Hub,
    ends: Vec<End>,
    markers: Markers,
    seen: Vec<Event>,
    blocked: BTreeSet<(usize, usize)>,
    /// Answers that the transports have not made yet: session, connection, description of the offer.
    answers: Option<VecDeque<(usize, ConnectionId, String)>>,
    /// The number of messages on data channels to lose.
    losses: usize,
}

impl World {
    /// Creates sessions that have joined a room.
    pub(super) fn new(ends: usize, config: &Config) -> Self {
        let mut world = Self::apart(ends, config);
        world.join();
        world
    }

    /// Creates sessions that have not reached the hub yet.
    pub(super) fn apart(ends: usize, config: &Config) -> Self {
        let now = Time::from_millis(1);
        let server =
            IceServer::new(["turn:turn.example.org"]).with_credential(TURN_USER, TURN_CREDENTIAL);
        let hub = HubConfig::default().with_ice_servers(vec![server]).with_token_key(TOKEN_KEY);
        let end = |number: usize| End {
            session: Session::new(config.clone(), [SEED + number as u8; 32], now).unwrap(),
            decoder: Decoder::new(Limits::unbounded()),
            client: None,
            channels: BTreeMap::new(),
            replies: Vec::new(),
            crashed: false,
            cut: false,
        };
        Self {
            now,
            hub: Hub::new(hub, [SEED; 32]).unwrap(),
            ends: (0..ends).map(end).collect(),
            markers: Markers::new(),
            seen: Vec::new(),
            blocked: BTreeSet::new(),
            answers: None,
            losses: 0,
        }
    }

    pub(super) fn join(&mut self) {
        self.run();
        let others = self.ends.len() - 1;
        assert!(self.ends.iter().all(|end| end.session.peers().count() == others));
    }

    // ----- results -----

    pub(super) fn has_seen(&self, is: impl Fn(&Event) -> bool) -> bool {
        self.seen.iter().any(is)
    }

    pub(super) const fn errors(&self) -> usize {
        self.markers.errors
    }

    pub(super) fn path(&self, from: usize, to: usize) -> Option<Path> {
        let to = self.id(to);
        self.ends[from].session.peers().find(|peer| peer.id == to)?.path
    }

    fn id(&self, end: usize) -> PeerId {
        self.ends[end].session.id().expect("it has joined").clone()
    }

    // ----- commands of the applications -----

    pub(super) fn emit(&mut self, from: usize, event: &Packet) -> bool {
        self.emit_to(from, Target::All, event)
    }

    /// Emits an event. Returns whether all receivers accepted it.
    pub(super) fn emit_to(&mut self, from: usize, to: Target, event: &Packet) -> bool {
        let emitted = self.ends[from].session.emit(to, event, self.now);
        self.show();
        match emitted {
            Ok(emitted) => {
                self.markers.show(&emitted);
                emitted.rejected.iter().for_each(|(_, error)| self.markers.show_error(error));
                emitted.rejected.is_empty()
            }
            Err(error) => {
                self.markers.show_error(&error);
                false
            }
        }
    }

    pub(super) fn emit_in_all_lanes(&mut self, from: usize) {
        let (now, session) = (self.now, &mut self.ends[from].session);
        drop(session.emit(Target::All, &event(), now).unwrap());
        drop(session.emit_bulk(Target::All, &super::large_event(), now).unwrap());
        drop(session.emit_volatile(Target::All, &event(), now).unwrap());
        self.show();
        self.run();
    }

    pub(super) fn ask_and_answer(&mut self, from: usize, to: usize) {
        let now = self.now;
        drop(self.ends[from].session.emit_with_ack(Target::All, &event(), None, now).unwrap());
        self.run_for(Duration::from_secs(1));
        let token = self.ends[to].replies.pop().expect("a question has come");
        self.markers.show(&token);
        let now = self.now;
        self.ends[to].session.reply(&token, &(PAYLOAD,), now).unwrap();
        self.show();
        self.run_for(Duration::from_secs(1));
        assert!(self.has_seen(|event| matches!(event, Event::Ack { .. })));
    }

    /// Runs a transfer that is announced, stalled, read and ended.
    pub(super) fn transfer(&mut self, from: usize, to: usize) {
        let (peer, now) = (self.id(to), self.now);
        let id = self.ends[from].session.open_transfer(&peer, &event(), None, now).unwrap();
        let mut data = transfer_data();
        self.ends[from].session.write_transfer(&id, &mut data, now).unwrap();
        self.show();
        self.run();
        self.ends[from].session.finish_transfer(&id, now).unwrap();
        self.run();
        let incoming = self.seen.iter().rev().find_map(|event| match event {
            Event::TransferOpened { transfer, .. } => Some(transfer.clone()),
            _ => None,
        });
        let incoming = incoming.expect("it is announced");
        for _ in 0..1_000 {
            let now = self.now;
            let read = self.ends[to].session.read_transfer(&incoming, now).unwrap();
            self.markers.show(&read);
            match read {
                TransferRead::End => break,
                TransferRead::Pending => self.run_for(Duration::from_millis(50)),
                TransferRead::Data(_) => self.run(),
            }
        }
        let now = self.now;
        let late = self.ends[from].session.write_transfer(&id, &mut transfer_data(), now);
        self.markers.show_error(&late.unwrap_err());
    }

    pub(super) fn close(&mut self, end: usize) {
        let now = self.now;
        self.ends[end].session.close(now);
        self.run();
    }

    // ----- faults -----

    pub(super) fn hold_answers(&mut self, held: bool) {
        let answers = self.answers.take().unwrap_or_default();
        self.answers = held.then(VecDeque::new);
        for (end, connection, offer) in answers {
            self.make_answer(end, connection, &offer);
        }
        self.run();
    }

    pub(super) fn held_answers(&self) -> usize {
        self.answers.as_ref().map_or(0, VecDeque::len)
    }

    pub(super) fn lose_direct(&mut self, messages: usize) {
        self.losses = messages;
    }

    /// Prevents direct connections between these two.
    pub(super) fn block(&mut self, one: usize, other: usize) {
        self.blocked.extend([(one, other), (other, one)]);
    }

    pub(super) fn break_signaling(&mut self, end: usize) {
        if let Some(client) = self.ends[end].client.take() {
            self.hub.handle_disconnect(client, Departure::Lost, self.now);
        }
        self.ends[end].session.handle_signaling_closed("the socket broke".into(), self.now);
        self.run();
    }

    pub(super) fn cut_signaling(&mut self, end: usize) {
        self.ends[end].cut = true;
        self.break_signaling(end);
    }

    pub(super) fn crash(&mut self, end: usize) {
        self.ends[end].crashed = true;
        if let Some(client) = self.ends[end].client.take() {
            self.hub.handle_disconnect(client, Departure::Lost, self.now);
        }
        self.run();
    }

    /// Returns an offer of a session, as the server forwards it.
    pub(super) fn offer_of(&self, from: usize, offer_id: &str) -> Frame {
        let offer = serde_json::json!(["offer", {
            "fromPeerId": self.id(from), "offerId": offer_id,
            "offer": {"type": "offer", "sdp": DESCRIPTION},
        }]);
        format!("2{offer}").into()
    }

    /// Delivers a frame of the server.
    pub(super) fn hear(&mut self, end: usize, frame: Frame) {
        self.markers.show(&frame);
        self.ends[end].session.handle_signaling_frame(frame, self.now);
        self.show();
    }

    /// Delivers a frame of the remote side of the only direct connection.
    pub(super) fn hear_directly(&mut self, end: usize, frame: Frame) {
        let Some(&connection) = self.ends[end].channels.keys().next_back() else { return };
        self.ends[end].session.handle_direct_frame(connection, frame, self.now);
        self.show();
    }

    /// Sends a text from the client of a session to the hub.
    pub(super) fn say(&mut self, end: usize, text: &str) {
        let client = self.ends[end].client.expect("it is connected");
        let head = text.to_owned().into();
        match Packet::from_head_and_attachments(head, Vec::new(), &Limits::unbounded()) {
            Ok(packet) => self.take_message(client, packet),
            Err(error) => self.markers.show_error(&error),
        }
    }

    // ----- running -----

    pub(super) fn show(&self) {
        self.ends.iter().for_each(|end| self.markers.show(&end.session));
        self.markers.show(&self.hub);
    }

    pub(super) fn run_for(&mut self, span: Duration) {
        let end = self.now + span;
        self.run();
        loop {
            let sessions = self.ends.iter().filter(|end| !end.crashed);
            let due = sessions.filter_map(|end| end.session.poll_timeout());
            let due = due.chain(self.hub.poll_timeout()).min().filter(|due| *due <= end);
            let Some(due) = due else { break };
            self.now = self.now.max(due);
            let now = self.now;
            self.hub.handle_timeout(now);
            for end in self.ends.iter_mut().filter(|end| !end.crashed) {
                end.session.handle_timeout(now);
            }
            self.run();
        }
        self.now = end;
    }

    /// Delivers all output, until there is none.
    pub(super) fn run(&mut self) {
        loop {
            let mut moved = false;
            for end in 0..self.ends.len() {
                if !self.ends[end].crashed {
                    moved |= self.run_end(end);
                }
            }
            moved |= self.run_hub();
            self.show();
            if !moved {
                break;
            }
        }
    }

    fn run_end(&mut self, end: usize) -> bool {
        let (now, mut moved) = (self.now, false);
        while let Some(event) = self.ends[end].session.poll_event() {
            moved = true;
            self.note_event(end, event);
        }
        while let Some(command) = self.ends[end].session.poll_command() {
            moved = true;
            self.markers.show(&command);
            self.execute(end, command);
        }
        while let Some(frame) = self.ends[end].session.poll_signaling_transmit(now) {
            moved = true;
            self.markers.show(&frame);
            self.markers.show(&self.ends[end].decoder);
            if let Some(packet) = self.ends[end].decoder.push(frame).unwrap() {
                self.markers.show(&packet);
                self.take_packet(end, packet);
            }
        }
        for connection in self.ends[end].channels.keys().copied().collect::<Vec<_>>() {
            while let Some(frame) = self.ends[end].session.poll_direct_transmit(connection, now) {
                moved = true;
                self.markers.show(&frame);
                let (other, theirs) = self.ends[end].channels[&connection];
                if self.losses > 0 {
                    self.losses -= 1;
                } else {
                    self.ends[other].session.handle_direct_frame(theirs, frame, now);
                }
            }
        }
        moved
    }

    fn note_event(&mut self, end: usize, event: Event) {
        self.markers.show(&event);
        match &event {
            Event::PeerError { error, .. } => self.markers.show_error(error),
            Event::Refused(refusal) => self.markers.show_error(refusal),
            Event::Received { reply: Some(token), .. } => {
                self.ends[end].replies.push(token.clone());
            }
            _ => {}
        }
        self.seen.push(event);
    }

    fn execute(&mut self, end: usize, command: Command) {
        let now = self.now;
        match command {
            Command::ConnectSignaling if self.ends[end].cut => {
                self.ends[end].session.handle_signaling_closed("no way".into(), now);
            }
            Command::ConnectSignaling => {
                self.ends[end].decoder.reset();
                self.ends[end].session.handle_signaling_open(now);
            }
            Command::CloseSignaling => {
                if let Some(client) = self.ends[end].client.take() {
                    self.hub.handle_disconnect(client, Departure::Left, now);
                }
            }
            Command::Direct(DirectCommand::Offer { connection, .. }) => {
                let offer = Signal::Offer(describe(end, connection));
                self.signal(end, connection, &offer);
            }
            Command::Direct(DirectCommand::Answer { connection, sdp, .. }) => {
                match &mut self.answers {
                    Some(answers) => answers.push_back((end, connection, sdp)),
                    None => self.make_answer(end, connection, &sdp),
                }
            }
            Command::Direct(DirectCommand::Signal { connection, signal: Signal::Answer(sdp) }) => {
                if let Some((other, theirs)) = described(&sdp) {
                    self.ends[end].channels.insert(connection, (other, theirs));
                    self.ends[other].channels.insert(theirs, (end, connection));
                    self.ends[end].session.handle_direct_open(connection, 262_144, now);
                    self.ends[other].session.handle_direct_open(theirs, 262_144, now);
                }
            }
            Command::Direct(DirectCommand::Close { connection }) => {
                if let Some((other, theirs)) = self.ends[end].channels.remove(&connection) {
                    self.ends[other].channels.remove(&theirs);
                    let error = "the remote closed it".to_owned();
                    self.ends[other].session.handle_direct_closed(theirs, error, now);
                }
            }
            _ => {}
        }
    }

    fn make_answer(&mut self, end: usize, connection: ConnectionId, offer: &str) {
        match described(offer).filter(|(other, _)| !self.blocked.contains(&(end, *other))) {
            Some(_) => self.signal(end, connection, &Signal::Answer(describe(end, connection))),
            None => {
                let error = "it cannot be made".to_owned();
                self.ends[end].session.handle_direct_closed(connection, error, self.now);
            }
        }
    }

    /// Delivers a description or a candidate of a session's own transport.
    fn signal(&mut self, end: usize, connection: ConnectionId, signal: &Signal) {
        let mut candidate = IceCandidate::new(CANDIDATE);
        candidate.username_fragment = Some(USER_FRAGMENT.into());
        let candidate = Signal::Candidate(candidate);
        for signal in [signal, &candidate] {
            self.markers.show(signal);
            self.ends[end].session.handle_direct_signal(connection, signal, self.now);
        }
    }

    // ----- the server -----

    fn take_packet(&mut self, end: usize, packet: Packet) {
        let now = self.now;
        if packet.packet_type() == PacketType::Connect {
            let join = Join::from_auth(packet.payload()).unwrap().expect("a v1 session says so");
            self.markers.show(&join);
            match self.hub.handle_connect(join, None, now) {
                Ok(client) => {
                    self.ends[end].client = Some(client);
                    self.ends[end].session.handle_signaling_frame(r#"0{"sid":"s"}"#.into(), now);
                }
                Err(error) => self.markers.show_error(&error),
            }
        } else if let Some(client) = self.ends[end].client {
            match packet.packet_type() {
                PacketType::Disconnect => {
                    self.hub.handle_disconnect(client, Departure::Left, now);
                    self.ends[end].client = None;
                }
                _ => self.take_message(client, packet),
            }
        }
    }

    fn take_message(&mut self, client: ClientId, packet: Packet) {
        match ClientMessage::from_packet(packet) {
            Ok(message) => {
                self.markers.show(&message);
                if let Err(error) = self.hub.handle_message(client, message, self.now) {
                    self.markers.show_error(&error);
                }
            }
            Err(error) => self.markers.show_error(&error),
        }
    }

    fn run_hub(&mut self) -> bool {
        let mut moved = false;
        while let Some(output) = self.hub.poll_output() {
            moved = true;
            self.learn_secrets(&output);
            self.markers.show(&output);
            let Output::Send { to, message } = output else { continue };
            for client in self.hub.receivers(&to).collect::<Vec<_>>() {
                let end = self.ends.iter_mut().find(|end| end.client == Some(client));
                let Some(end) = end.filter(|end| !end.crashed) else { continue };
                for frame in message.to_packet().unwrap().frames() {
                    end.session.handle_signaling_frame(frame, self.now);
                }
            }
        }
        moved
    }

    /// Registers the resume tokens and the pair keys, which the hub creates.
    fn learn_secrets(&mut self, output: &Output) {
        let Output::Send { message, .. } = output else { return };
        let members = match message {
            ServerMessage::NumClients { welcome: Some(welcome), .. } => {
                // It begins with the peer id, which is no secret, and ends with the MAC.
                let token = welcome.token.as_bytes();
                self.markers.add(&token[token.len() - 24..]);
                &welcome.roster[..]
            }
            ServerMessage::PeerJoin(member) => std::slice::from_ref(member),
            _ => &[],
        };
        for key in members.iter().filter_map(|member| member.key.as_ref()) {
            let text = serde_json::to_value(key).unwrap();
            let text = text.as_str().unwrap();
            self.markers.add(text.as_bytes());
            self.markers.add(&URL_SAFE_NO_PAD.decode(text).unwrap());
        }
    }
}

/// Returns a session description that names its session.
fn describe(end: usize, connection: ConnectionId) -> String {
    format!("{DESCRIPTION} a=ice-ufrag:{USER_FRAGMENT} {end} {connection}")
}

fn described(sdp: &str) -> Option<(usize, ConnectionId)> {
    let mut words = sdp.rsplit(' ');
    let connection = ConnectionId::from_u64(words.next()?.parse().ok()?);
    Some((words.nth(1)?.parse().ok()?, connection))
}
