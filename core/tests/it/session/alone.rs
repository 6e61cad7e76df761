//! A session whose remotes are the test: its output byte for byte, and its behaviour with hostile or v0
//! remotes.

mod acks;
mod closing;
mod direct_states;
mod epochs;
mod letter;
mod losses;
mod memory;
mod numbers;
mod offers;
mod original;
mod refusals;
mod renaming;
mod server;
mod transfers;
mod via;

use std::collections::BTreeMap;
use std::time::Duration;

use bytes::Bytes;
use serde_json::{Value, json};
use socketio_p2p_core::codec::{Blob, Decoder, Limits};
use socketio_p2p_core::wire::{
    Bundle, ClientMessage, Download, Epochs, Item, Lane, LaneState, Numbers, PeerLimits, Piece,
    Place, Recipient, Record, ServerMessage, Signal, State, Stream, Upload, unflatten,
};
use socketio_p2p_core::{
    Command, Config, ConnectionId, DirectCommand, EmitError, Event, Frame, LeaveReason, MemberData,
    Outcome, Packet, Path, PeerError, PeerId, Policy, ReplyError, Session, SignalingError, Target,
    Time, TransferOutcome,
};

use super::{has, numbered, outcomes};

/// The epochs of bundles of a peer that does not know the session's epoch, and of one that does: the session's
/// first link has epoch 1, and so has the peer's unless a test uses another one.
const FRESH: Epochs = Epochs { epoch: 1, peer_epoch: 0 };
const KNOWN: Epochs = Epochs { epoch: 1, peer_epoch: 1 };

/// A session, its clock, and its output.
struct Alone {
    session: Session,
    now: Time,
    decoder: Decoder,
    /// The session's epoch towards the peer of each channel.
    channels: BTreeMap<ConnectionId, u32>,
}

/// One bundle of the session to a peer, or the record in an envelope that several peers may share.
#[derive(Clone, Debug, PartialEq)]
struct SentBundle {
    epochs: Epochs,
    items: Vec<Item>,
}

impl Alone {
    /// Creates a session that has joined a room with these members: id and dialect.
    fn with_members(config: Config, members: &[(&str, u8)]) -> Self {
        let now = Time::from_millis(1);
        let ours = serde_json::to_value(PeerLimits::from(&config.limits)).unwrap();
        let mut alone = Self {
            session: Session::new(config, [9; 32], now).unwrap(),
            now,
            decoder: Decoder::new(Limits::unbounded()),
            channels: BTreeMap::new(),
        };
        assert!(matches!(alone.session.poll_command(), Some(Command::ConnectSignaling)));
        alone.session.handle_signaling_open(now);
        let connect: Value = serde_json::from_str(&alone.sent()[0].head()[1..]).unwrap();
        assert_eq!(connect, json!({"p2p": {"v": 1, "room": "lobby", "limits": ours}}));
        alone.receive(r#"0{"sid":"s"}"#);
        let roster: Vec<Value> =
            members.iter().map(|(id, dialect)| json!({"id": id, "v": dialect})).collect();
        let welcome = json!({
            "v": 1, "id": "me", "token": "secret-token", "room": "lobby", "roster": roster,
            "limits": {"maxEnvelope": 65536, "maxAttachments": 16},
        });
        alone.receive(&format!("2{}", json!(["numClients", members.len(), welcome])));
        assert!(alone.session.is_joined());
        alone
    }

    /// Creates a session that has joined an empty room, and then these newcomers.
    fn with_newcomers(config: Config, newcomers: &[&str]) -> Self {
        let mut alone = Self::with_members(config, &[]);
        for id in newcomers {
            alone.receive(&format!("2{}", json!(["peer-join", {"id": id, "v": 1}])));
        }
        alone
    }

    // ----- input from the server -----

    /// Delivers a message of the server.
    fn receive(&mut self, text: &str) {
        self.session.handle_signaling_frame(text.to_owned().into(), self.now);
    }

    fn hear_download(&mut self, download: Download) {
        for frame in ServerMessage::Relay(download).to_packet().unwrap().frames() {
            self.session.handle_signaling_frame(frame, self.now);
        }
    }

    /// Delivers a bundle through the server, with any bytes.
    fn receive_body(&mut self, from: &str, body: Bytes) {
        self.hear_download(Download { from: id(from), numbers: None, piece: None, body });
    }

    /// Delivers a bundle through the server.
    fn receive_bundle(&mut self, from: &str, epochs: Epochs, items: &[Item]) {
        self.receive_body(from, Bundle::write(epochs, items));
    }

    /// Delivers a record through the server, of an envelope that several peers may share.
    fn receive_record(&mut self, from: &str, numbers: Numbers, piece: Piece, body: Bytes) {
        let (numbers, piece) = (Some(numbers), Some(piece));
        self.hear_download(Download { from: id(from), numbers, piece, body });
    }

    /// Delivers a whole packet through the server, as number `seq` of the lane for events.
    fn receive_packet(&mut self, from: &str, epochs: Epochs, seq: u64, head: &str) {
        let numbers = Numbers { epochs, lane: Lane::Events, seq };
        self.receive_record(from, numbers, Piece::WHOLE, flat(head, &[]));
    }

    // ----- output -----

    /// Returns the packets that the session has sent to the server.
    fn sent(&mut self) -> Vec<Packet> {
        let mut packets = Vec::new();
        while let Some(frame) = self.session.poll_signaling_transmit(self.now) {
            packets.extend(self.decoder.push(frame).unwrap());
        }
        packets
    }

    /// Returns the bundles that the session has sent to a peer through the server, and drops its other output.
    fn sent_to(&mut self, to: &str) -> Vec<SentBundle> {
        bundles_to(to, &self.sent())
    }

    fn events(&mut self) -> Vec<Event> {
        std::iter::from_fn(|| self.session.poll_event()).collect()
    }

    fn commands(&mut self) -> Vec<Command> {
        std::iter::from_fn(|| self.session.poll_command()).collect()
    }

    // ----- time -----

    /// Advances the time, and drops the session's output.
    fn wait(&mut self, span: Duration) {
        self.wait_and(span, |alone| drop(alone.sent()));
    }

    /// Advances the time, and calls `act` after each deadline of the session.
    fn wait_and(&mut self, span: Duration, mut act: impl FnMut(&mut Self)) {
        let end = self.now + span;
        while let Some(at) = self.session.poll_timeout().filter(|at| *at <= end) {
            self.now = at;
            self.session.handle_timeout(at);
            act(self);
            while self.session.poll_command().is_some() {}
        }
        self.now = end;
    }

    // ----- channels -----

    /// Answers an offer of `from`, and opens the channel.
    fn open_channel(&mut self, from: &str) -> ConnectionId {
        self.open_channel_of(from, 262_144)
    }

    fn open_channel_of(&mut self, from: &str, max_message: usize) -> ConnectionId {
        let offer = json!(["offer", {
            "fromPeerId": from, "offerId": "o1", "offer": {"type": "offer", "sdp": "theirs"},
        }]);
        self.receive(&format!("2{offer}"));
        let connection = self.commands().into_iter().find_map(|command| match command {
            Command::Direct(DirectCommand::Answer { connection, .. }) => Some(connection),
            _ => None,
        });
        let connection = connection.expect("the offer is answered");
        self.session.handle_direct_open(connection, max_message, self.now);
        connection
    }

    /// Opens a channel with `from` on which the session's first ping has been answered.
    fn validated_channel(&mut self, from: &str) -> ConnectionId {
        self.validated_channel_of(from, 262_144)
    }

    fn validated_channel_of(&mut self, from: &str, max_message: usize) -> ConnectionId {
        let channel = self.open_channel_of(from, max_message);
        self.answer_pings(channel);
        self.sent_directly(channel);
        self.sent();
        self.events();
        channel
    }

    /// Answers the session's pings on a channel, with a state that acknowledges nothing.
    fn answer_pings(&mut self, channel: ConnectionId) {
        let output = self.written(channel);
        for ping in pings(&items(&output)) {
            self.direct(channel, &[Item::State(State::default()), Item::Pong(ping)]);
        }
    }

    /// Delivers these items on the channel, in the peer's epoch 1.
    fn direct(&mut self, channel: ConnectionId, items: &[Item]) {
        let peer_epoch = self.channels.get(&channel).copied().unwrap_or(0);
        let bundle = Bundle::write(Epochs { epoch: 1, peer_epoch }, items);
        self.direct_frame(channel, bundle);
    }

    fn direct_frame(&mut self, channel: ConnectionId, frame: impl Into<Frame>) {
        self.session.handle_direct_frame(channel, frame.into(), self.now);
    }

    fn sent_directly(&mut self, channel: ConnectionId) -> Vec<Frame> {
        std::iter::from_fn(|| self.session.poll_direct_transmit(channel, self.now)).collect()
    }

    /// Returns the bundles that the session has written to a channel with a v1 peer.
    fn written(&mut self, channel: ConnectionId) -> Vec<SentBundle> {
        let frames = self.sent_directly(channel).into_iter();
        let output: Vec<SentBundle> = frames.map(|frame| read(&binary(frame))).collect();
        for one in &output {
            self.channels.insert(channel, one.epochs.epoch);
        }
        output
    }
}

// ----- bundles -----

/// Flattens a packet as `PROTOCOL.md` specifies.
fn flat(head: &str, attachments: &[&[u8]]) -> Bytes {
    let parts = std::iter::once(head.as_bytes()).chain(attachments.iter().copied());
    let part = |part: &[u8]| [&(part.len() as u32).to_be_bytes()[..], part].concat();
    parts.flat_map(part).collect()
}

/// Returns a piece of a packet.
fn piece(lane: Lane, number: u64, offset: u64, bytes: impl Into<Bytes>, end: bool) -> Item {
    let (stream, bytes) = (Stream::Lane(lane), bytes.into());
    Item::Record(Record { stream, number, offset, end, abort: false, bytes })
}

/// Returns a whole packet without attachments, in the lane for events.
fn packet(number: u64, head: &str) -> Item {
    piece(Lane::Events, number, 0, flat(head, &[]), true)
}

/// Returns the state of a peer that has received all events below `next` and nothing else.
fn has_events(next: u64) -> Item {
    let events = LaneState { next: Place { number: next, offset: 0 }, ..LaneState::default() };
    Item::State(State { lanes: [events, LaneState::default()], ..State::default() })
}

fn read(bytes: &Bytes) -> SentBundle {
    let bundle = Bundle::read(bytes.clone()).unwrap();
    SentBundle { epochs: bundle.epochs, items: bundle.map(Result::unwrap).collect() }
}

/// Returns the bundles to a peer among the packets to the server.
fn bundles_to(peer: &str, sent: &[Packet]) -> Vec<SentBundle> {
    downloads(peer, sent)
        .into_iter()
        .map(|Download { numbers, piece, body, .. }| match numbers.zip(piece) {
            None => read(&body),
            Some((Numbers { epochs, lane, seq }, Piece { at, end })) => {
                SentBundle { epochs, items: vec![self::piece(lane, seq, at, body, end)] }
            }
        })
        .collect()
}

/// Returns the envelopes that a hub would forward to this peer, as from `a`.
fn downloads(peer: &str, sent: &[Packet]) -> Vec<Download> {
    let relayed = sent.iter().filter_map(|packet| {
        let message = ClientMessage::from_packet(packet.clone()).ok()?;
        let ClientMessage::Relay(Upload { to, piece, body }) = message else { return None };
        let Recipient { numbers, .. } = to.into_iter().find(|to| to.id == id(peer))?;
        Some(Download { from: id("a"), numbers, piece, body })
    });
    relayed.collect()
}

/// Forwards the output of one session to the other. Each knows the other as `a`.
fn pass(sent: &[Packet], to: &mut Alone) {
    downloads("a", sent).into_iter().for_each(|download| to.hear_download(download));
}

/// Exchanges the output of both sessions for this time.
fn converse(one: &mut Alone, other: &mut Alone, span: Duration) {
    let end = one.now.max(other.now) + span;
    loop {
        loop {
            let (from_one, from_other) = (one.sent(), other.sent());
            if from_one.is_empty() && from_other.is_empty() {
                break;
            }
            pass(&from_one, other);
            pass(&from_other, one);
        }
        let due = [&*one, &*other].into_iter().filter_map(|alone| alone.session.poll_timeout());
        let Some(due) = due.min().filter(|due| *due <= end) else { break };
        for alone in [&mut *one, &mut *other] {
            alone.now = due;
            alone.session.handle_timeout(due);
        }
    }
}

fn items(output: &[SentBundle]) -> Vec<Item> {
    output.iter().flat_map(|output| output.items.clone()).collect()
}

fn records(items: &[Item]) -> Vec<Record> {
    let record = |item: &Item| match item {
        Item::Record(record) => Some(record.clone()),
        _ => None,
    };
    items.iter().filter_map(record).collect()
}

/// Returns the number and the head of each whole packet among the records.
fn packets(items: &[Item]) -> Vec<(u64, String)> {
    let whole = records(items).into_iter().filter(|record| record.offset == 0 && record.end);
    whole.map(|record| (record.number, unflatten(record.bytes).unwrap().0.to_string())).collect()
}

fn states(items: &[Item]) -> Vec<State> {
    let state = |item: &Item| match item {
        Item::State(state) => Some(state.clone()),
        _ => None,
    };
    items.iter().filter_map(state).collect()
}

fn pings(items: &[Item]) -> Vec<u64> {
    let ping = |item: &Item| match item {
        Item::Ping(number) => Some(*number),
        _ => None,
    };
    items.iter().filter_map(ping).collect()
}

// ----- helpers -----

fn id(name: &str) -> PeerId {
    name.parse().unwrap()
}

fn text(frame: &Frame) -> &str {
    match frame {
        Frame::Text(text) => text,
        Frame::Binary(_) => panic!("binary"),
    }
}

fn binary(frame: Frame) -> Bytes {
    match frame {
        Frame::Binary(bytes) => bytes,
        Frame::Text(text) => panic!("text: {text}"),
    }
}

fn relay_only() -> Config {
    Config::default().with_policy(Policy::RelayOnly)
}

fn has_close(commands: &[Command]) -> bool {
    commands.iter().any(|command| matches!(command, Command::CloseSignaling))
}

fn forbidden(events: &[Event]) -> bool {
    has(events, |event| {
        matches!(event, Event::PeerError { error: PeerError::ForbiddenPath(_), .. })
    })
}

fn violated(events: &[Event]) -> bool {
    has(events, |event| matches!(event, Event::PeerError { error: PeerError::Misbehaved(_), .. }))
}

/// Returns the names of the received events.
fn names(events: &[Event]) -> Vec<String> {
    let name = |event: &Event| match event {
        Event::Received { packet, .. } => packet.event_name().map(|name| name.to_string()),
        _ => None,
    };
    events.iter().filter_map(name).collect()
}
