//! Fuzzes the hub beside a model of it: received messages, refusals, and what the hub stores.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a fuzz target, and a test that uses its world, fail by panicking"
)]

mod drawn;
mod model;
mod orders;
pub mod world;

use std::time::Duration;

use socketio_p2p_core::codec::{Decoder, Limits};
use socketio_p2p_core::hub::{Admission, CloseReason, Departure, HubConfig, JoinError};
use socketio_p2p_core::wire::{
    ClientMessage, EPOCH_BLOCK, HubLimits, Join, Member, PairKey, ServerMessage,
};
use socketio_p2p_core::{ClientId, Dialect, Frame, Packet, PeerId, RoomName, Time};

use self::drawn::{limits, packet};
use self::model::{Entry, Model, Says};
use self::world::{World, resume, room_name, to_the_letter};
use crate::input::Input;
use crate::trail::Trail;

/// Maximum operations of one input; longer inputs repeat themselves.
const MAX_OPERATIONS: usize = 400;

const ROOMS: [&str; 3] = ["a", "b", "c"];
const CAPACITY: usize = 5;
const MAX_ROOMS: usize = 2;
const MAX_SIGNAL: usize = 120;
const MAX_OFFERS: usize = 4;
const LIMITS: HubLimits = HubLimits::new(200, 3);

/// Length in bytes of the peer ids that a hub draws.
const DRAWN_ID: usize = 22;

/// Maximum outputs of one operation: an offer, an envelope or a presence message to each member, and those about a
/// connection that ends.
const MAX_OUTPUTS: usize = 16;

/// Performs any operations. Each client receives what the model expects, refusals match the model, the memory of the
/// hub is bounded and empty when all clients have left, and the same operations give the same outputs.
pub fn operations(data: &[u8]) {
    let first = run(data);
    assert!(first == run(data), "the same operations gave different outputs");
}

fn run(data: &[u8]) -> Vec<String> {
    let mut input = Input(data);
    let mut run = Run::new(&mut input);
    for _ in 0..MAX_OPERATIONS {
        if !input.goes_on() {
            break;
        }
        run.step(&mut input);
        run.check();
    }
    run.clear_out();
    run.transcript
}

struct Run {
    world: World,
    model: Model,
    /// All tokens issued: room, id, token, epoch base.
    tokens: Vec<(RoomName, PeerId, String, u32)>,
    /// All connections ever made.
    clients: Vec<ClientId>,
    sockets: usize,
    keyed: bool,
    /// The pair keys: the pair in sorted order, the room, the key.
    keys: Vec<([PeerId; 2], RoomName, PairKey)>,
    /// All messages to clients, verbatim.
    transcript: Vec<String>,
    trail: Trail,
}

impl Run {
    fn new(input: &mut Input<'_>) -> Self {
        // A tight rate limit closes abusers; with the other one rooms fill.
        let (burst, per_second) = input.pick([(1_000_000, 1_000_000), (12, 10), (2, 1)]);
        let tight = input.below(8);
        let of = |bit: usize, rate| if tight & bit == 0 { (1_000_000, 1_000_000) } else { rate };
        let (deliveries, envelopes, joins) = (of(1, (400, 50)), of(2, (2, 1)), of(4, (2, 1)));
        let config = HubConfig::default()
            .with_delivery_rate(deliveries.0.into(), deliveries.1.into())
            .with_envelope_rate(envelopes.0, envelopes.1)
            .with_room_join_rate(joins.0, joins.1)
            .with_resume_rate(joins.0, joins.1)
            .with_room_capacity(CAPACITY)
            .with_max_rooms(MAX_ROOMS)
            .with_limits(LIMITS)
            .with_max_signal(MAX_SIGNAL)
            .with_max_offers(MAX_OFFERS)
            .with_signal_rate(burst, per_second)
            .with_pair_keys(input.below(4) != 3);
        Self {
            keyed: config.pair_keys,
            world: World::new(config.clone()),
            model: Model::new(config),
            tokens: Vec::new(),
            clients: Vec::new(),
            sockets: 0,
            keys: Vec::new(),
            transcript: Vec::new(),
            trail: Trail::new(),
        }
    }

    fn step(&mut self, input: &mut Input<'_>) {
        match input.below(16) {
            0 | 1 => self.join_v1(input),
            2 => self.join_v0(input),
            3 => self.resume(input),
            4 => self.part(input),
            5 => self.pass(input),
            6 | 7 => {
                let client = self.who(input);
                let offers = self.offers(input);
                self.say(client, ClientMessage::Offers(offers));
            }
            8 | 9 => {
                let client = self.who(input);
                let signal = self.signal(input);
                self.say(client, ClientMessage::Signal(signal));
            }
            10 | 11 => {
                let client = self.who(input);
                let upload = self.upload(input);
                self.say(client, ClientMessage::Relay(upload));
            }
            12 => {
                let client = self.who(input);
                if let Some(packet) = packet(input) {
                    self.say(client, ClientMessage::Event(packet));
                }
            }
            13 => {
                let client = self.who(input);
                let bytes = input.bytes();
                self.say_raw(client, bytes);
            }
            14 => {
                let client = self.who(input);
                for _ in 0..=input.below(8) {
                    self.garble(client);
                }
            }
            _ => match input.below(16) {
                8 => self.join_admitted(input),
                9 => {
                    let client = self.who(input);
                    let metadata = drawn::data(input);
                    self.say(client, ClientMessage::Metadata(metadata));
                }
                10 => self.kick(input),
                11 => self.close_room(input),
                12 => self.emit(input),
                13 => self.emit_to_room(input),
                14 => self.answer(input),
                15 if input.below(8) == 7 => self.close(input),
                _ => self.add_alias(input),
            },
        }
    }

    // ----- joining and leaving -----

    fn join_v1(&mut self, input: &mut Input<'_>) {
        let room = room_name(input.pick(ROOMS));
        let token = input.flag().then(|| input.text());
        let limits = limits(input);
        self.trail.note(format_args!("v1 joins {room}"));
        let mut join = Join::v1().with_room(room.clone());
        (join.token, join.limits) = (token, limits);
        self.enter_v1(join, Admission::default());
    }

    /// Lets a newcomer join, and compares that with the model.
    fn enter_v1(&mut self, join: Join, admission: Admission) {
        let room = admission.room.clone().or_else(|| join.room.clone()).unwrap_or_default();
        let capacity = admission.capacity;
        let says = Says {
            limits: join.limits,
            user: admission.user.clone(),
            metadata: join.metadata.clone(),
        };
        let joined = self.world.try_admitted(join, admission, None);
        let now = self.model.advance(self.world.now);
        let expected = self.model.admit(&room, None, capacity, now);
        self.settle_v1(joined, expected, room, says, None, now);
    }

    fn resume(&mut self, input: &mut Input<'_>) {
        let Some(index) = input.below(256).checked_rem(self.tokens.len()) else { return };
        let (room, id, token, base) = self.tokens[index].clone();
        let (home, room) = if input.below(8) == 7 {
            (room, room_name(input.pick(ROOMS)))
        } else {
            (room.clone(), room)
        };
        let limits = limits(input);
        // In another room the token is invalid, and after a kick.
        let now = self.model.advance(self.world.now);
        let identity = (room == home && !self.model.is_revoked(&room, &id, now)).then_some(id);
        self.trail.note(format_args!("{identity:?} resumes in {room} above {base}"));
        let mut join = resume(room.as_str(), &token);
        join.limits = limits;
        let joined = self.world.try_join(join, None);
        // The id of a connected v0 client is refused.
        let seat = identity.as_ref().and_then(|id| self.model.by_id(&room, id));
        let usurped = seat.is_some_and(|seat| self.model.people[seat].dialect == Dialect::V0);
        let seat = seat.filter(|_| !usurped);
        let base = base.max(seat.map_or(0, |seat| self.model.people[seat].epoch_base));
        let expected = self.model.admit(&room, seat, None, now);
        let identity = identity.filter(|_| !usurped).map(|id| (id, base));
        let says = Says { limits, ..Says::default() };
        self.settle_v1(joined, expected, room, says, identity, now);
    }

    /// Compares the join of a v1 client with the model; `identity`: the id that its token proves, and its epoch base.
    fn settle_v1(
        &mut self,
        joined: Result<ClientId, JoinError>,
        expected: Result<(), JoinError>,
        room: RoomName,
        says: Says,
        identity: Option<(PeerId, u32)>,
        now: Time,
    ) {
        assert_eq!(joined.as_ref().err(), expected.as_ref().err());
        self.model.joins_refused += u64::from(joined.is_err());
        let Ok(client) = joined else { return };
        self.clients.push(client);
        let welcome = self.world.welcome(client);
        self.transcript.push(format!("{:?} {}", welcome, welcome.token));
        assert_eq!((&welcome.room, welcome.limits), (&room, LIMITS));
        assert_eq!(welcome.user, says.user);
        for member in &welcome.roster {
            self.check_key(&room, &welcome.id, member);
        }
        let roster = welcome.roster.into_iter().map(entry);
        let mut others = self.model.roster(&room);
        others.retain(|(id, ..)| *id != welcome.id);
        assert_eq!(roster.collect::<Vec<_>>(), others);
        let base = identity.as_ref().map_or(0, |(_, base)| *base);
        assert_eq!(welcome.epoch_base, base);
        if let Some((identity, _)) = &identity {
            assert_eq!(welcome.id, *identity);
        }
        match identity.and_then(|(id, _)| self.model.by_id(&room, &id)) {
            Some(seat) => self.model.come_back(seat, client, says),
            None => {
                assert!(
                    self.model.by_id(&room, &welcome.id).is_none(),
                    "a peer id is assigned twice"
                );
                let (room, id) = (room.clone(), welcome.id.clone());
                self.model.enter(room, Dialect::V1, id, client, says, now);
            }
        }
        let seat = self.model.by_id(&room, &welcome.id).unwrap();
        self.model.people[seat].epoch_base = base + EPOCH_BLOCK;
        self.tokens.push((room, welcome.id, welcome.token, base + EPOCH_BLOCK));
    }

    fn join_v0(&mut self, input: &mut Input<'_>) {
        let room = room_name(input.pick(ROOMS));
        let name = match input.below(8) {
            0 => None,
            // The fuzzer can find out an id that the hub has not yet drawn from its seed; no client could.
            1 => Some(input.text()).filter(|name| name.len() != DRAWN_ID),
            2 => Some(self.name(input).as_str().to_owned()),
            _ => {
                self.sockets += 1;
                Some(format!("socket-{}", self.sockets))
            }
        };
        self.trail.note(format_args!("v0 {name:?} joins {room}"));
        let joined = self.world.try_join(Join::v0(room.clone()), name.as_deref());
        let now = self.model.advance(self.world.now);
        let expected = self.check_v0(&room, name.as_deref(), now);
        assert_eq!(joined.as_ref().err(), expected.as_ref().err());
        self.model.joins_refused += u64::from(joined.is_err());
        let Ok(client) = joined else { return };
        self.clients.push(client);
        let id = expected.unwrap().unwrap_or_else(|| self.world.id(client));
        assert_eq!(self.world.id(client), id);
        let others = self.model.roster(&room).iter().filter(|(_, _, away, ..)| !away).count();
        let others = u32::try_from(others).unwrap();
        self.model.expect(client, ServerMessage::NumClients { others, welcome: None });
        self.model.enter(room, Dialect::V0, id, client, Says::default(), now);
    }

    fn check_v0(
        &mut self,
        room: &RoomName,
        name: Option<&str>,
        now: Time,
    ) -> Result<Option<PeerId>, JoinError> {
        self.model.check_open()?;
        let name = name
            .map(|name| PeerId::new(name.to_owned()))
            .transpose()
            .map_err(JoinError::BadName)?;
        if let Some(name) = name.clone().filter(|name| self.model.by_id(room, name).is_some()) {
            return Err(JoinError::NameTaken { room: room.clone(), name });
        }
        self.model.admit(room, None, None, now)?;
        Ok(name)
    }

    fn part(&mut self, input: &mut Input<'_>) {
        let client = self.who(input);
        let departure = input.pick([Departure::Left, Departure::Lost]);
        self.trail.note(format_args!("{client:?} parts: {departure:?}"));
        self.world.part(client, departure);
        let now = self.model.advance(self.world.now);
        self.model.part(client, departure, now);
    }

    fn pass(&mut self, input: &mut Input<'_>) {
        let unit = input.pick([1, 10, 100, 1000, 3_600_000]);
        let span = Duration::from_millis(unit * u64::from(input.byte()));
        let jump = input.below(4) == 3;
        self.trail.note(format_args!("{span:?} pass{}", if jump { " at once" } else { "" }));
        if jump {
            self.world.now = self.world.now + span;
            // The next input of any kind notices the jump.
            if input.flag() {
                self.world.hub.handle_timeout(self.world.now);
                self.world.drain();
                let now = self.model.advance(self.world.now);
                self.model.pass(now);
            }
        } else {
            let end = self.world.now + span;
            while let Some(due) = self.model.next_timeout().filter(|due| *due <= end) {
                let due = due.max(self.world.now);
                self.world.pass(due - self.world.now);
                let now = self.model.advance(due);
                self.model.pass(now);
            }
            self.world.pass(end - self.world.now);
        }
    }

    fn add_alias(&mut self, input: &mut Input<'_>) {
        let client = self.who(input);
        let alias = match input.below(4) {
            0 => input.text(),
            1 => self.name(input).as_str().to_owned(),
            _ => format!("alias-{}", input.below(8)),
        };
        self.trail.note(format_args!("{client:?} is {alias:?} too"));
        let added = self.world.hub.add_alias(client, &alias);
        let name = PeerId::new(alias);
        assert_eq!(added.is_ok(), name.is_ok());
        if let Ok(name) = name {
            self.model.add_alias(client, name);
        }
    }

    // ----- messages -----

    fn say(&mut self, client: ClientId, message: ClientMessage) {
        self.trail.note(format_args!("{client:?} says {message:?}"));
        let now = self.model.advance(self.world.now);
        let expected = self.model.say(client, message.clone(), now);
        let said = self.world.hub.handle_message(client, message, self.world.now);
        self.world.drain();
        assert_eq!(said, expected);
    }

    fn garble(&mut self, client: ClientId) {
        self.trail.note(format_args!("{client:?} sends an invalid message"));
        let error = self.world.hub.handle_malformed(client, self.world.now);
        self.world.drain();
        let now = self.model.advance(self.world.now);
        assert_eq!(error, self.model.garble(client, now));
    }

    /// Passes a text frame with one attachment to the hub, decoded as a server does.
    fn say_raw(&mut self, client: ClientId, bytes: &[u8]) {
        let mut decoder = Decoder::new(Limits::default());
        let text = String::from_utf8_lossy(bytes).into_owned();
        let frames = [Frame::from(text), Frame::from(bytes.to_vec())];
        for packet in frames.into_iter().filter_map(|frame| decoder.push(frame).ok().flatten()) {
            match ClientMessage::from_packet(packet) {
                Ok(message) => self.say(client, message),
                Err(_) => self.garble(client),
            }
        }
    }

    // ----- comparing -----

    /// Compares the outputs of an operation and the state of the hub with the model.
    fn check(&mut self) {
        let mut inboxes = std::mem::take(&mut self.world.inboxes);
        for (client, inbox) in &mut inboxes {
            for message in inbox {
                if let ServerMessage::PeerJoin(member) = message {
                    let (room, id) = (self.room_of(*client), self.world.id(*client));
                    self.check_key(&room, &id, member);
                    member.key = None;
                }
            }
        }
        let got = inboxes.into_iter();
        let got: Vec<_> = got.filter(|(_, inbox)| !inbox.is_empty()).map(to_the_letter).collect();
        let expected = std::mem::take(&mut self.model.expected).into_iter();
        assert_eq!(got, expected.map(to_the_letter).collect::<Vec<_>>());
        self.transcript.extend(got.into_iter().map(|got| format!("{got:?}")));
        assert_eq!(self.world.closed, self.model.closed);
        let up = |up: &mut Vec<(ClientId, Packet)>| {
            let taken = std::mem::take(up).into_iter();
            taken.map(|(client, packet)| (client, head_of(&packet))).collect::<Vec<_>>()
        };
        assert_eq!(up(&mut self.world.application), up(&mut self.model.application));
        assert!(self.world.log.len() <= MAX_OUTPUTS, "{:?}", self.world.log);
        self.world.log.clear();

        let hub = &self.world.hub;
        for name in ROOMS {
            let room = room_name(name);
            assert_eq!(hub.members(&room).map(entry).collect::<Vec<_>>(), self.model.roster(&room));
        }
        assert_eq!(hub.poll_timeout(), self.model.next_timeout());
        let stats = hub.stats();
        assert_eq!(stats, self.model.stats());
        assert!(stats.rooms <= MAX_ROOMS && stats.clients + stats.away <= CAPACITY * MAX_ROOMS);
        let connected = self.model.here();
        for client in &self.clients {
            let here = connected.contains(client);
            assert_eq!(
                (hub.peer_id(*client).is_some(), hub.room_of(*client).is_some()),
                (here, here)
            );
        }
    }

    fn room_of(&self, client: ClientId) -> RoomName {
        self.world.hub.room_of(client).cloned().unwrap()
    }

    /// Checks that each pair of v1 members has a pair key of its own that never changes.
    fn check_key(&mut self, room: &RoomName, one: &PeerId, other: &Member) {
        assert_eq!(other.key.is_some(), self.keyed && other.dialect == Dialect::V1);
        let Some(key) = other.key.clone() else { return };
        let mut pair = [one.clone(), other.id.clone()];
        pair.sort();
        let known = self.keys.iter().any(|(of, at, known)| {
            let same = (of, at) == (&pair, room);
            assert_eq!(same, *known == key, "the pair key of {pair:?} changed");
            same
        });
        if !known {
            self.keys.push((pair, room.clone(), key));
        }
    }

    /// Ends all connections, after which the hub must be empty.
    fn clear_out(&mut self) {
        for client in self.model.here() {
            self.world.part(client, Departure::Lost);
        }
        self.world.pass(self.world.hub.config().resume_window);
        let stats = self.world.hub.stats();
        assert_eq!((stats.rooms, stats.clients, stats.away), (0, 0, 0));
        assert_eq!((self.world.hub.poll_timeout(), self.world.hub.rooms().count()), (None, 0));
        let abusive = self.world.closed.iter().filter(|(_, why)| *why == CloseReason::Abusive);
        assert!(abusive.count() <= self.clients.len());
    }
}

fn entry(member: Member) -> Entry {
    let Member { id, dialect, away, limits, user, metadata, .. } = member;
    (id, dialect, away, Says { limits, user, metadata })
}

/// A packet as it is on the wire, with the number of its attachments.
fn head_of(packet: &Packet) -> (String, usize) {
    (packet.head().to_string(), packet.attachments().len())
}
