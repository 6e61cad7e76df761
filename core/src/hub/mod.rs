//! The server's end of the mesh: rooms, rosters, routing of signals, relay of events.
//!
//! A [`Hub`] does no I/O. A Socket.IO server, or a simulation, tells it who connects and what they say, and
//! carries out what [`Hub::poll_output`] asks for. The messages are those of [`wire`](crate::wire).

mod client;
mod config;
mod error;
mod join;
mod output;
mod rate;
mod room;
mod route;
mod seats;
mod stats;
mod token;

use std::collections::{BTreeMap, VecDeque};
use std::fmt;

use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::{Rng as _, SeedableRng as _};

use self::client::Client;
pub use self::config::HubConfig;
pub use self::error::{ClientError, JoinError};
pub use self::output::{Address, CloseReason, Departure, Output};
use self::rate::{Charge, Rate};
use self::room::Room;
use self::seats::Seats;
pub use self::stats::HubStats;
use self::token::TokenKey;
use crate::clock::Clock;
use crate::config_error::ConfigError;
use crate::id::{ClientId, Dialect, PeerId, RoomName};
use crate::time::Time;
use crate::wire::{ClientMessage, IceServer, Member, ServerMessage};

/// The most other names of one v0 client.
const MAX_ALIASES: usize = 4;

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
/// - Nobody is locked out by members that are away: when a room is full, a newcomer takes the place of the one
///   that has been away for longest, and when there are too many rooms, a new one takes the place of one in which
///   everyone is away. Those of whom nothing was ever accepted go first: a seat that was taken for nothing costs
///   those who are in earnest nothing, and is kept all the same while nobody wants it, for a quiet member may
///   have packets under way that are to wait for it. Who was displaced is told to all; it comes back as a new
///   member with its old id, if there is room.
/// - What a join causes, a welcome and a word to everyone, is far more than the client has sent. Therefore joins
///   are bounded: those that come back to a seat per identity
///   ([`resumes_per_second`](HubConfig::resumes_per_second)), all others per room
///   ([`room_joins_per_second`](HubConfig::room_joins_per_second)). Of the first kind none is ever refused for
///   what strangers do. All else that the hub says of itself follows a join, at most twice (away, gone).
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
    seats: Seats,
    clock: Clock,
    output: VecDeque<Output>,
    next_client: u64,
    /// Those that grow; the others are counted when they are asked for.
    counters: HubStats,
}

impl Hub {
    /// An empty hub. `seed` must be unpredictable: peer ids and, without a
    /// [`token_key`](HubConfig::token_key), the key of the resume tokens come from it.
    ///
    /// # Errors
    /// [`ConfigError`] when a setting cannot be: see [`HubConfig::validate`].
    pub fn new(config: HubConfig, seed: [u8; 32]) -> Result<Self, ConfigError> {
        config.validate()?;
        let mut rng = ChaCha20Rng::from_seed(seed);
        // Drawn always, so that the ids do not depend on where the key comes from.
        let mut drawn = [0; 32];
        rng.fill_bytes(&mut drawn);
        Ok(Self {
            key: TokenKey::new(config.token_key.unwrap_or(drawn)),
            config,
            rng,
            clients: BTreeMap::new(),
            seats: Seats::default(),
            clock: Clock::new(Time::ZERO),
            output: VecDeque::new(),
            next_client: 0,
            counters: HubStats::default(),
        })
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
        self.seats.room(room).into_iter().flat_map(Room::roster)
    }

    /// The rooms that have a member.
    pub fn rooms(&self) -> impl Iterator<Item = &RoomName> {
        self.seats.rooms()
    }

    /// The clients that an address stands for, in the order in which they came.
    pub fn receivers(&self, address: &Address) -> impl Iterator<Item = ClientId> {
        let (one, room) = match address {
            Address::Client(client) => (Some(*client), None),
            Address::Room { room, except, dialect } => {
                let present = self.seats.room(room).map(|room| room.present(*dialect).values());
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
            rooms: self.seats.rooms().len(),
            clients: self.clients.len(),
            away: self.seats.away_len(),
            ..self.counters
        }
    }

    /// The settings.
    #[must_use]
    pub const fn config(&self) -> &HubConfig {
        &self.config
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
        let now = self.advance(now);
        let outcome = match message {
            ClientMessage::Offers(offers) => self.route_offers(client, offers, now),
            ClientMessage::Signal(signal) => self.route_signal(client, signal, now),
            ClientMessage::Relay(upload) => self.relay(client, upload, now),
            ClientMessage::Broadcast(packet) => self.broadcast(client, packet, now),
        };
        match outcome {
            Ok(()) => self.note_speech(client),
            Err(_) => self.counters.refused += 1,
        }
        outcome
    }

    /// A client sent a packet that is no message of the dialect. It counts as a signal, so that a client that
    /// keeps on is closed.
    pub fn handle_malformed(&mut self, client: ClientId, now: Time) -> ClientError {
        let now = self.advance(now);
        self.counters.refused += 1;
        match self.charge(client, 1, now) {
            Ok(()) => ClientError::Malformed,
            Err(error) => error,
        }
    }

    /// Time has passed: to be called at [`poll_timeout`](Self::poll_timeout).
    pub fn handle_timeout(&mut self, now: Time) {
        let now = self.advance(now);
        while let Some((room, id)) = self.seats.poll_expired(now) {
            self.vacate(&room, id, None);
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
            && client.dialect == Dialect::V0
            && client.aliases < MAX_ALIASES
            && let Some(room) = self.seats.room_mut(&client.room)
        {
            client.aliases += 1;
            room.add_alias(alias, client.id.clone());
        }
        Ok(())
    }

    /// Replaces the ICE servers that clients are told from now on, as for TURN credentials that expire.
    pub fn set_ice_servers(&mut self, servers: Vec<IceServer>) {
        self.config.ice_servers = servers;
    }

    /// The next thing to do.
    #[must_use = "what it returns is not returned again"]
    pub fn poll_output(&mut self) -> Option<Output> {
        self.output.pop_front()
    }

    /// When [`handle_timeout`](Self::handle_timeout) is due. `None` when nothing is.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Time> {
        self.seats.next_timeout().map(|until| self.clock.outer(until))
    }

    /// The inner time of an input. Those away have not been away in time that a clock jumped over.
    fn advance(&mut self, now: Time) -> Time {
        self.clock.advance(now, self.seats.next_timeout())
    }

    /// A member that was of use to somebody: see [`Room::longest_away`].
    fn note_speech(&mut self, client: ClientId) {
        let Some(speaker) = self.clients.get_mut(&client) else { return };
        if !std::mem::replace(&mut speaker.has_spoken, true)
            && let Some(seat) = self.seats.seat_mut(&speaker.room, &speaker.id)
        {
            seat.has_spoken = true;
        }
    }

    /// Takes the price of signals, and closes a client that does not slow down.
    fn charge(&mut self, client: ClientId, signals: usize, now: Time) -> Result<(), ClientError> {
        let (burst, per_second) = (self.config.signal_burst, self.config.signals_per_second);
        let Some(sender) = self.clients.get_mut(&client) else { return Err(ClientError::Gone) };
        let charge = sender.signals.charge(signals as u64, now, Rate::new(burst, per_second));
        self.enforce(client, charge, now, ClientError::TooManySignals { burst, per_second })
    }

    fn enforce(
        &mut self,
        client: ClientId,
        charge: Charge,
        now: Time,
        error: ClientError,
    ) -> Result<(), ClientError> {
        match charge {
            Charge::Pass => return Ok(()),
            Charge::Refuse => {}
            Charge::Abuse => {
                self.output.push_back(Output::Close { client, reason: CloseReason::Abusive });
                self.depart(client, Departure::Left, now);
            }
        }
        Err(error)
    }

    fn send(&mut self, client: ClientId, message: ServerMessage) {
        self.output.push_back(Output::Send { to: Address::Client(client), message });
    }

    /// Sends to a room, if anyone there would receive it.
    fn tell_room(
        &mut self,
        room: &RoomName,
        except: Option<ClientId>,
        dialect: Dialect,
        message: ServerMessage,
    ) {
        let to = Address::Room { room: room.clone(), except, dialect };
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
