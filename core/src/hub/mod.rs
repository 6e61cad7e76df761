//! The server's end of the mesh: rooms, rosters, routing of signals, relay of events.
//!
//! A [`Hub`] does no I/O. A Socket.IO server, or a simulation, tells it who connects and what they say, and
//! carries out what [`Hub::poll_output`] asks for. The messages are those of [`signal`](crate::signal).

mod config;
mod error;
mod rate;
mod room;
mod route;
mod token;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::fmt;
use std::time::Duration;

use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::{Rng as _, SeedableRng as _};

pub use self::config::HubConfig;
pub use self::error::{ClientError, JoinError};
use self::rate::{Allowance, Verdict};
use self::room::{Presence, Room, Seat};
use self::token::TokenKey;
use crate::id::{ClientId, PeerId, RoomName, Version};
use crate::signal::{ClientMessage, IceServer, Join, Member, PairKey, ServerMessage, Welcome};
use crate::time::Time;

/// The most other names of one v0 client.
const MAX_ALIASES: usize = 4;

/// A timer that runs later than this after its deadline tells of a clock that jumped, not of a slow driver.
const CLOCK_JUMP: Duration = Duration::from_secs(2);

/// What the hub asks for.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Output {
    /// Send this.
    Send {
        /// To whom.
        to: Address,
        /// What. Payloads are shared: a clone per receiver copies no byte of them.
        message: ServerMessage,
    },
    /// End this client's connection. The hub has forgotten the client already: no
    /// [`handle_disconnect`](Hub::handle_disconnect) is needed for it, and one that comes is ignored.
    Close {
        /// Whose.
        client: ClientId,
        /// Why.
        reason: CloseReason,
    },
}

/// The receivers of a message. [`Hub::receivers`] lists them.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Address {
    /// One client.
    Client(ClientId),
    /// Everyone in a room who speaks this dialect and is not away.
    Room {
        /// The room.
        room: RoomName,
        /// But not this client.
        except: Option<ClientId>,
        /// The dialect.
        version: Version,
    },
}

/// Why the hub ends a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum CloseReason {
    /// Its identity came back on another connection: this one was half-open.
    Replaced,
    /// It kept on breaking the rate limit.
    Abusive,
}

/// How a connection ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Departure {
    /// The client said goodbye, or it was sent away for good.
    Left,
    /// The connection broke. A v1 client may come back.
    Lost,
}

/// Numbers for monitoring.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct HubStats {
    /// Rooms with a member in them.
    pub rooms: usize,
    /// Connected clients.
    pub clients: usize,
    /// Members whose connection is lost and who may come back.
    pub away: usize,
    /// Packets passed on since the start, counted once per receiver of an envelope and once per event of a v0
    /// client.
    pub relayed: u64,
    /// Packets not passed on since the start because their receiver was away, had left, or is a v0 client
    /// that has no use for them. Those between v1 peers are made good end to end.
    pub undeliverable: u64,
    /// Messages refused since the start.
    pub refused: u64,
}

/// Rooms, rosters, routing of signals and relay of events, without I/O.
///
/// # Methods
///
/// - Getters: [`peer_id`](Self::peer_id), [`room_of`](Self::room_of), [`members`](Self::members),
///   [`rooms`](Self::rooms), [`receivers`](Self::receivers), [`stats`](Self::stats),
///   [`config`](Self::config).
/// - Input: [`handle_connect`](Self::handle_connect), [`handle_message`](Self::handle_message),
///   [`handle_malformed`](Self::handle_malformed), [`handle_disconnect`](Self::handle_disconnect),
///   [`handle_timeout`](Self::handle_timeout).
/// - Commands: [`add_alias`](Self::add_alias), [`set_ice_servers`](Self::set_ice_servers).
/// - Output: [`poll_output`](Self::poll_output), [`poll_timeout`](Self::poll_timeout).
///
/// Drain `poll_output` after every input, before the next one: what is queued is bounded by what one input can
/// cause, and [`Address::Room`] means those who are in the room at that moment.
///
/// # Rules
///
/// - Peers meet within a room and nowhere else. The hub writes the sender of everything itself.
/// - A v1 client that is [`Lost`](Departure::Lost) keeps its seat for
///   [`resume_window`](HubConfig::resume_window); with its resume token it comes back to it, even after the
///   window or a restart of the hub, then as a new member with its old id.
/// - A v0 client's offers go, one each, to those who were in the room before it, in the order in which they
///   came: offers that cross would connect two old clients twice.
/// - An envelope is passed on unread. For a v0 receiver it is opened: that client gets the packet within.
///
/// The same seed and the same inputs give the same outputs.
pub struct Hub {
    config: HubConfig,
    key: TokenKey,
    rng: ChaCha20Rng,
    clients: BTreeMap<ClientId, Client>,
    rooms: BTreeMap<RoomName, Room>,
    /// When the seats of those away are given up.
    timers: BTreeSet<(Time, RoomName, PeerId)>,
    /// When the last input came.
    heard_at: Time,
    output: VecDeque<Output>,
    next_client: u64,
    relayed: u64,
    undeliverable: u64,
    refused: u64,
}

/// One connection.
#[derive(Debug)]
struct Client {
    id: PeerId,
    room: RoomName,
    version: Version,
    /// Its place in the room's order of arrival.
    place: u64,
    allowance: Allowance,
    /// v0: the place of the member that got its last offer.
    offered: Option<u64>,
    /// v0: how many other names it has.
    aliases: usize,
}

impl Hub {
    /// An empty hub. `seed` must be unpredictable: peer ids and, without a
    /// [`token_key`](HubConfig::token_key), the key of the resume tokens come from it.
    #[must_use]
    pub fn new(config: HubConfig, seed: [u8; 32]) -> Self {
        let mut rng = ChaCha20Rng::from_seed(seed);
        // Drawn always, so that the ids do not depend on where the key comes from.
        let mut drawn = [0; 32];
        rng.fill_bytes(&mut drawn);
        Self {
            key: TokenKey::new(config.token_key.unwrap_or(drawn)),
            config,
            rng,
            clients: BTreeMap::new(),
            rooms: BTreeMap::new(),
            timers: BTreeSet::new(),
            heard_at: Time::ZERO,
            output: VecDeque::new(),
            next_client: 0,
            relayed: 0,
            undeliverable: 0,
            refused: 0,
        }
    }

    /// The id of a connected client's peer.
    #[must_use]
    pub fn peer_id(&self, client: ClientId) -> Option<&PeerId> {
        self.clients.get(&client).map(|client| &client.id)
    }

    /// The room of a connected client.
    #[must_use]
    pub fn room_of(&self, client: ClientId) -> Option<&RoomName> {
        self.clients.get(&client).map(|client| &client.room)
    }

    /// The members of a room in the order in which they came, those away included.
    pub fn members(&self, room: &RoomName) -> impl Iterator<Item = Member> {
        self.rooms.get(room).into_iter().flat_map(Room::roster)
    }

    /// The rooms that have a member.
    pub fn rooms(&self) -> impl Iterator<Item = &RoomName> {
        self.rooms.keys()
    }

    /// The clients that an address stands for, in the order in which they came.
    pub fn receivers(&self, address: &Address) -> impl Iterator<Item = ClientId> {
        let (one, room) = match address {
            Address::Client(client) => (Some(*client), None),
            Address::Room { room, except, version } => {
                let present = self.rooms.get(room).map(|room| room.present(*version).values());
                (None, present.map(|present| (present, *except)))
            }
        };
        let many = room.into_iter().flat_map(|(present, except)| {
            present.copied().filter(move |client| Some(*client) != except)
        });
        one.into_iter().chain(many)
    }

    /// Numbers for monitoring.
    #[must_use]
    pub fn stats(&self) -> HubStats {
        HubStats {
            rooms: self.rooms.len(),
            clients: self.clients.len(),
            away: self.timers.len(),
            relayed: self.relayed,
            undeliverable: self.undeliverable,
            refused: self.refused,
        }
    }

    /// The settings.
    #[must_use]
    pub const fn config(&self) -> &HubConfig {
        &self.config
    }

    /// A client connects and says who it is. Its welcome is the first thing that is sent to it.
    ///
    /// `client_name` is the Socket.IO socket id, by which a v0 client is known; without one the hub gives it an
    /// id of its own making. A v1 client's id never depends on it.
    ///
    /// # Errors
    /// [`JoinError`] when the client is turned away; nothing has changed then. A resume token that proves
    /// nothing is no error: the client is somebody new.
    pub fn handle_connect(
        &mut self,
        join: Join,
        client_name: Option<&str>,
        now: Time,
    ) -> Result<ClientId, JoinError> {
        self.advance(now);
        let room = join.room.unwrap_or_default();
        let known = match join.version {
            Version::V0 => match client_name {
                Some(name) => {
                    let name = PeerId::new(name.to_owned())?;
                    if self.seat(&room, &name).is_some() {
                        return Err(JoinError::NameTaken { room, name });
                    }
                    Some(name)
                }
                None => None,
            },
            // A v0 client may have taken the name of somebody who was gone: that seat is no way back.
            Version::V1 => join
                .token
                .and_then(|token| self.key.verify(&room, &token))
                .filter(|id| self.seat(&room, id).is_none_or(|seat| seat.version == Version::V1)),
        };
        let seated = known.as_ref().is_some_and(|id| self.seat(&room, id).is_some());
        if !seated {
            self.check_capacity(&room)?;
        }
        let id = match known {
            Some(id) => id,
            None => self.draw_peer_id(),
        };

        let client = ClientId(self.next_client);
        self.next_client += 1;
        let seats = self.rooms.entry(room.clone()).or_default();
        let place = match seats.reseat(&id, client) {
            Some((place, Presence::Here(old))) => {
                self.clients.remove(&old);
                self.output.push_back(Output::Close { client: old, reason: CloseReason::Replaced });
                place
            }
            Some((place, Presence::Away(until))) => {
                self.timers.remove(&(until, room.clone(), id.clone()));
                place
            }
            None => seats.enter(id.clone(), join.version, client),
        };
        self.clients.insert(
            client,
            Client {
                id: id.clone(),
                room: room.clone(),
                version: join.version,
                place,
                allowance: Allowance::default(),
                offered: None,
                aliases: 0,
            },
        );
        self.welcome(client, id.clone(), room.clone(), join.version);
        self.announce(client, Member { id, version: join.version, away: false, key: None }, &room);
        Ok(client)
    }

    /// A client says something.
    ///
    /// # Errors
    /// [`ClientError`] when it may not say that. The message is dropped, all others go on as before; offers
    /// before the faulty one in the same message have been passed on.
    pub fn handle_message(
        &mut self,
        client: ClientId,
        message: ClientMessage,
        now: Time,
    ) -> Result<(), ClientError> {
        self.advance(now);
        let outcome = match message {
            ClientMessage::Offers(offers) => self.route_offers(client, offers, now),
            ClientMessage::Signal(signal) => self.route_signal(client, signal, now),
            ClientMessage::Relay(upload) => self.relay(client, upload),
            ClientMessage::Broadcast(packet) => self.broadcast(client, packet),
        };
        self.refused += u64::from(outcome.is_err());
        outcome
    }

    /// A client sent a packet that is no message of the dialect. It counts as a signal, so that a client that
    /// keeps on is closed.
    pub fn handle_malformed(&mut self, client: ClientId, now: Time) -> ClientError {
        self.advance(now);
        self.refused += 1;
        match self.charge(client, 1, now) {
            Ok(()) => ClientError::Malformed,
            Err(error) => error,
        }
    }

    /// A client's connection ended.
    pub fn handle_disconnect(&mut self, client: ClientId, departure: Departure, now: Time) {
        self.advance(now);
        let Some(gone) = self.clients.remove(&client) else { return };
        match (departure, gone.version) {
            (Departure::Lost, Version::V1) => {
                let until = now + self.config.resume_window;
                if let Some(seats) = self.rooms.get_mut(&gone.room) {
                    seats.keep(&gone.id, until);
                }
                self.timers.insert((until, gone.room.clone(), gone.id.clone()));
                let message = ServerMessage::PeerAway(gone.id);
                self.tell_room(&gone.room, None, Version::V1, message);
            }
            (Departure::Left, _) | (Departure::Lost, Version::V0) => {
                self.vacate(&gone.room, gone.id);
            }
        }
    }

    /// Time has passed: to be called at [`poll_timeout`](Self::poll_timeout).
    pub fn handle_timeout(&mut self, now: Time) {
        self.advance(now);
        while self.timers.first().is_some_and(|(until, ..)| *until <= now) {
            if let Some((_, room, id)) = self.timers.pop_first() {
                self.vacate(&room, id);
            }
        }
    }

    /// Gives a v0 client another name under which members may send it signals. On Engine.IO 4 the original
    /// client gives its *engine* id for its own, which is not its socket id on every server. At most four, the
    /// client's room only, and a real member's id goes first.
    ///
    /// # Errors
    /// [`InvalidName`](crate::InvalidName) when the text cannot be a peer id.
    pub fn add_alias(&mut self, client: ClientId, alias: &str) -> Result<(), crate::InvalidName> {
        let alias = PeerId::new(alias.to_owned())?;
        if let Some(client) = self.clients.get_mut(&client)
            && client.version == Version::V0
            && client.aliases < MAX_ALIASES
            && let Some(seats) = self.rooms.get_mut(&client.room)
        {
            client.aliases += 1;
            seats.add_alias(alias, client.id.clone());
        }
        Ok(())
    }

    /// Replaces the ICE servers that clients are told from now on, as for TURN credentials that expire.
    pub fn set_ice_servers(&mut self, servers: Vec<IceServer>) {
        self.config.ice_servers = servers;
    }

    /// The next thing to do.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.output.pop_front()
    }

    /// When [`handle_timeout`](Self::handle_timeout) is due. `None` when nothing is.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Time> {
        self.timers.first().map(|(until, ..)| *until)
    }

    /// Notices a clock that jumped: those away have not been away in the time that did not pass, and keep what
    /// was left of their window when the hub last heard anything.
    fn advance(&mut self, now: Time) {
        let heard_at = std::mem::replace(&mut self.heard_at, now);
        let late = self.timers.first().map_or(Duration::ZERO, |(until, ..)| now - *until);
        if late <= CLOCK_JUMP {
            return;
        }
        let jump = now - heard_at;
        for (until, room, id) in std::mem::take(&mut self.timers) {
            let until = until + jump;
            if let Some(seats) = self.rooms.get_mut(&room) {
                seats.keep(&id, until);
            }
            self.timers.insert((until, room, id));
        }
    }

    fn check_capacity(&self, room: &RoomName) -> Result<(), JoinError> {
        match self.rooms.get(room) {
            Some(seats) if seats.len() >= self.config.room_capacity => {
                Err(JoinError::RoomFull { room: room.clone(), capacity: self.config.room_capacity })
            }
            None if self.rooms.len() >= self.config.max_rooms => {
                Err(JoinError::TooManyRooms { room: room.clone(), max: self.config.max_rooms })
            }
            Some(_) | None => Ok(()),
        }
    }

    fn seat(&self, room: &RoomName, id: &PeerId) -> Option<&Seat> {
        self.rooms.get(room)?.seat(id)
    }

    fn draw_peer_id(&mut self) -> PeerId {
        let mut random = [0; 16];
        self.rng.fill_bytes(&mut random);
        PeerId::from_random(random)
    }

    fn welcome(&mut self, client: ClientId, id: PeerId, room: RoomName, version: Version) {
        let Some(seats) = self.rooms.get(&room) else { return };
        let (others, welcome) = match version {
            Version::V0 => (seats.present_len().saturating_sub(1), None),
            Version::V1 => {
                let others = seats.roster().filter(|member| member.id != id);
                let roster: Vec<Member> = others
                    .map(|member| Member { key: self.pair_key(&room, &id, &member), ..member })
                    .collect();
                let welcome = Welcome {
                    version: Version::V1,
                    token: self.key.issue(&room, &id),
                    id,
                    room,
                    roster,
                    limits: self.config.limits,
                    ice_servers: self.config.ice_servers.clone(),
                };
                (welcome.roster.len(), Some(Box::new(welcome)))
            }
        };
        let others = u32::try_from(others).unwrap_or(u32::MAX);
        self.send(client, ServerMessage::NumClients { others, welcome });
    }

    /// Tells everyone else in the room who has come; each a secret of its own, if there are secrets.
    fn announce(&mut self, client: ClientId, member: Member, room: &RoomName) {
        if member.version == Version::V0 || !self.config.pair_keys {
            let message = ServerMessage::PeerJoin(member);
            return self.tell_room(room, Some(client), Version::V1, message);
        }
        let present = self.rooms.get(room).map(|seats| seats.present(Version::V1).values());
        let others: Vec<ClientId> =
            present.into_iter().flatten().copied().filter(|other| *other != client).collect();
        for other in others {
            let Some(Client { id, .. }) = self.clients.get(&other) else { continue };
            let key = self.pair_key(room, id, &member);
            self.send(other, ServerMessage::PeerJoin(Member { key, ..member.clone() }));
        }
    }

    /// The secret that a v1 member shares with `other`, if there is to be one.
    fn pair_key(&self, room: &RoomName, id: &PeerId, other: &Member) -> Option<PairKey> {
        let keyed = self.config.pair_keys && other.version == Version::V1;
        keyed.then(|| self.key.pair_key(room, id, &other.id))
    }

    /// Takes a member out of its room and tells everyone.
    fn vacate(&mut self, room: &RoomName, id: PeerId) {
        let Some(seats) = self.rooms.get_mut(room) else { return };
        seats.leave(&id);
        if seats.is_empty() {
            self.rooms.remove(room);
            return;
        }
        for version in [Version::V0, Version::V1] {
            self.tell_room(room, None, version, ServerMessage::PeerDisconnect(id.clone()));
        }
    }

    /// Takes the price of signals, and closes a client that does not slow down.
    fn charge(&mut self, client: ClientId, signals: usize, now: Time) -> Result<(), ClientError> {
        let (burst, per_second) = (self.config.signal_burst, self.config.signals_per_second);
        let Some(sender) = self.clients.get_mut(&client) else { return Err(ClientError::Gone) };
        let cost = u32::try_from(signals).unwrap_or(u32::MAX);
        match sender.allowance.charge(cost, now, burst, per_second) {
            Verdict::Pass => return Ok(()),
            Verdict::Refuse => {}
            Verdict::Abuse => {
                self.output.push_back(Output::Close { client, reason: CloseReason::Abusive });
                self.handle_disconnect(client, Departure::Left, now);
            }
        }
        Err(ClientError::TooManySignals { burst, per_second })
    }

    fn send(&mut self, client: ClientId, message: ServerMessage) {
        self.output.push_back(Output::Send { to: Address::Client(client), message });
    }

    /// Sends to a room, if anyone there would receive it.
    fn tell_room(
        &mut self,
        room: &RoomName,
        except: Option<ClientId>,
        version: Version,
        message: ServerMessage,
    ) {
        let to = Address::Room { room: room.clone(), except, version };
        if self.receivers(&to).next().is_some() {
            self.output.push_back(Output::Send { to, message });
        }
    }
}

/// Shows the numbers only.
impl fmt::Debug for Hub {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Hub").field("stats", &self.stats()).finish_non_exhaustive()
    }
}
