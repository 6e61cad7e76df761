//! The server's end of the mesh: rooms, rosters, routing of signals, relay of events.
//!
//! A [`Hub`] does no I/O. A Socket.IO server, or a simulation, passes it connections and messages, and carries
//! out the outputs of [`Hub::poll_output`]. The messages are those of [`wire`](crate::wire).

mod admission;
mod application;
mod client;
mod config;
mod dismissal;
mod error;
mod join;
mod output;
mod packet;
mod rate;
mod room;
mod route;
mod seats;
mod stats;
mod token;
#[cfg(feature = "tracing")]
mod trace;

use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::time::Duration;

use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::{Rng as _, SeedableRng as _};

pub use self::admission::Admission;
pub use self::application::check_event;
use self::client::Client;
pub use self::config::HubConfig;
use self::dismissal::Revoked;
pub use self::error::{ClientError, JoinError};
pub use self::output::{Address, CloseReason, Departure, Output};
pub use self::packet::Handled;
use self::rate::{Charge, Rate};
use self::room::Room;
use self::seats::Seats;
pub use self::stats::HubStats;
use self::token::TokenKey;
use crate::clock::Clock;
use crate::config_error::ConfigError;
use crate::id::{ClientId, Dialect, PeerId, RoomName};
use crate::time::Time;
use crate::wire::{ClientMessage, IceServer, Member, MemberData, ServerMessage};

/// The maximum number of aliases of a v0 client.
const MAX_ALIASES: usize = 4;

/// Rooms, rosters, routing of signals and relay of events, without I/O.
///
/// # Methods
///
/// - Getters: [`peer_id`](Self::peer_id), [`room_of`](Self::room_of), [`user_of`](Self::user_of), [`members`](Self::members),
///   [`rooms`](Self::rooms), [`client_of`](Self::client_of), [`receivers`](Self::receivers),
///   [`stats`](Self::stats), [`is_closing`](Self::is_closing), [`config`](Self::config).
/// - Input: [`handle_connect`](Self::handle_connect), [`handle_admitted`](Self::handle_admitted),
///   [`handle_message`](Self::handle_message), [`handle_packet`](Self::handle_packet),
///   [`handle_malformed`](Self::handle_malformed), [`handle_disconnect`](Self::handle_disconnect),
///   [`handle_timeout`](Self::handle_timeout).
/// - Commands: [`add_alias`](Self::add_alias), [`set_ice_servers`](Self::set_ice_servers), [`kick`](Self::kick),
///   [`close_room`](Self::close_room), [`emit_to`](Self::emit_to), [`emit_to_room`](Self::emit_to_room),
///   [`answer`](Self::answer), [`close`](Self::close).
/// - Output: [`poll_output`](Self::poll_output), [`poll_timeout`](Self::poll_timeout).
///
/// Drain `poll_output` after every input, before the next one: the queue is bounded by the output of one input,
/// and [`Address::Room`] stands for the members present at that time.
///
/// # Rules
///
/// - A peer can exchange messages only with peers of its room. The hub sets the sender of every message.
/// - A v1 client whose connection is [`Lost`](Departure::Lost) keeps its seat for
///   [`resume_window`](HubConfig::resume_window). With its resume token it returns to the seat, or, after the
///   window or a restart of the hub, joins as a new member with its old id.
/// - Members that are away block no newcomer. In a full room a newcomer replaces the member that has been away
///   for longest, and at the maximum number of rooms a new room replaces one in which all members are away.
///   Members whose messages were never accepted are replaced first; until then they keep their seats, because
///   packets in flight may wait for them. The hub reports a replaced member to all as left; the member can join
///   again as a new member with its old id while there is capacity.
/// - A join causes more traffic (a welcome, and a message to every member) than the client sent. Therefore
///   joins are rate-limited: returns to a seat per peer id
///   ([`resumes_per_second`](HubConfig::resumes_per_second)), all others per room
///   ([`room_joins_per_second`](HubConfig::room_joins_per_second)). Other clients' joins do not count towards
///   the first limit. All other messages of the hub's own follow a join, at most two per join (away, left).
/// - The offers of a v0 client go, one each, to the members that joined before it, in the order of arrival:
///   crossing offers would connect two v0 clients twice.
/// - The hub forwards an envelope unread. For a v0 receiver the hub unwraps the packet.
///
/// The same seed and the same inputs give the same outputs.
pub struct Hub {
    config: HubConfig,
    key: TokenKey,
    rng: ChaCha20Rng,
    clients: BTreeMap<ClientId, Client>,
    seats: Seats,
    revoked: Revoked,
    /// The pause that clients are told, once the hub is closing.
    closing: Option<Duration>,
    clock: Clock,
    output: VecDeque<Output>,
    next_client: u64,
    /// The counters that only grow; `stats` computes the others.
    counters: HubStats,
}

impl Hub {
    /// Creates an empty hub. `seed` must be unpredictable: peer ids and, without a
    /// [`token_key`](HubConfig::token_key), the key of resume tokens and pair keys come from it.
    ///
    /// # Errors
    /// [`ConfigError`] when a setting is invalid: see [`HubConfig::validate`].
    pub fn new(config: HubConfig, seed: [u8; 32]) -> Result<Self, ConfigError> {
        config.validate()?;
        let mut rng = ChaCha20Rng::from_seed(seed);
        // Drawn in any case, so that the ids do not depend on the source of the key.
        let mut drawn = [0; 32];
        rng.fill_bytes(&mut drawn);
        Ok(Self {
            key: TokenKey::new(config.token_key.unwrap_or(drawn)),
            config,
            rng,
            clients: BTreeMap::new(),
            seats: Seats::default(),
            revoked: Revoked::default(),
            closing: None,
            clock: Clock::new(Time::ZERO),
            output: VecDeque::new(),
            next_client: 0,
            counters: HubStats::default(),
        })
    }

    /// Returns the peer id of a connected client.
    #[must_use]
    pub fn peer_id(&self, client: ClientId) -> Option<&PeerId> {
        self.clients.get(&client).map(|client| &client.id)
    }

    /// Returns the room of a connected client.
    #[must_use]
    pub fn room_of(&self, client: ClientId) -> Option<&RoomName> {
        self.clients.get(&client).map(|client| &client.room)
    }

    /// Returns what the server's application has verified about a connected client.
    #[must_use]
    pub fn user_of(&self, client: ClientId) -> Option<&MemberData> {
        let client = self.clients.get(&client)?;
        self.seats.seat(&client.room, &client.id)?.says.user.as_ref()
    }

    /// Iterates over the members of a room in the order of arrival, including members that are away.
    pub fn members(&self, room: &RoomName) -> impl Iterator<Item = Member> {
        self.seats.room(room).into_iter().flat_map(Room::roster)
    }

    /// Iterates over the rooms that have a member.
    pub fn rooms(&self) -> impl Iterator<Item = &RoomName> {
        self.seats.rooms()
    }

    /// Iterates over the clients that an address stands for, in the order of arrival.
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

    /// Returns numbers for monitoring.
    #[must_use]
    pub fn stats(&self) -> HubStats {
        HubStats {
            rooms: self.seats.rooms().len(),
            clients: self.clients.len(),
            away: self.seats.away_len(),
            ..self.counters
        }
    }

    /// Returns whether the hub is closing: it takes no clients any more.
    #[must_use]
    pub const fn is_closing(&self) -> bool {
        self.closing.is_some()
    }

    /// Returns the settings.
    #[must_use]
    pub const fn config(&self) -> &HubConfig {
        &self.config
    }

    /// Handles a client's message.
    ///
    /// # Errors
    /// [`ClientError`] when the message violates a rule. The hub drops the message, but has forwarded the
    /// offers before the faulty one in it. Other clients are not affected.
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
            ClientMessage::Metadata(metadata) => self.update(client, metadata, now),
            ClientMessage::Event(packet) => self.route_event(client, packet, now),
        };
        match outcome {
            Ok(()) => self.note_speech(client),
            Err(_) => self.counters.refused += 1,
        }
        #[cfg(feature = "tracing")]
        if let Err(error) = &outcome {
            trace::refused_message(self, client, error);
        }
        outcome
    }

    /// Handles a packet of a client that is not a message of the dialect. The packet counts as a signal, so
    /// that the hub closes a client that sends many of them.
    pub fn handle_malformed(&mut self, client: ClientId, now: Time) -> ClientError {
        let now = self.advance(now);
        self.counters.refused += 1;
        let error = match self.charge(client, 1, now) {
            Ok(()) => ClientError::Malformed,
            Err(error) => error,
        };
        #[cfg(feature = "tracing")]
        trace::refused_message(self, client, &error);
        error
    }

    /// Handles the passing of time; to be called at the time of [`poll_timeout`](Self::poll_timeout).
    pub fn handle_timeout(&mut self, now: Time) {
        let now = self.advance(now);
        while let Some((room, id)) = self.seats.poll_expired(now) {
            self.vacate(&room, id, None, false);
        }
    }

    /// Adds an alias of a v0 client, which members may use as the receiver of signals. On Engine.IO 4 the
    /// original client takes its *engine* id for its own, which is not its socket id on every server. A client
    /// has at most four aliases, valid in its own room, and a member's id takes precedence over an alias.
    ///
    /// # Errors
    /// [`InvalidName`](crate::InvalidName) when the text is not a valid peer id.
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

    /// Replaces the ICE servers in later welcomes, for example before TURN credentials expire.
    pub fn set_ice_servers(&mut self, servers: Vec<IceServer>) {
        self.config.ice_servers = servers;
    }

    /// Returns the next output.
    #[must_use = "an output is returned only once"]
    pub fn poll_output(&mut self) -> Option<Output> {
        let output = self.output.pop_front();
        #[cfg(feature = "tracing")]
        if let Some(output) = &output {
            trace::output(output);
        }
        output
    }

    /// Returns when [`handle_timeout`](Self::handle_timeout) is due; `None` when nothing is.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Time> {
        self.seats.next_timeout().map(|until| self.clock.outer(until))
    }

    /// Advances the inner clock to the caller's time of an input. A clock jump does not count towards resume
    /// windows.
    fn advance(&mut self, now: Time) -> Time {
        self.clock.advance(now, self.seats.next_timeout())
    }

    /// Notes that a message of the member was accepted: see [`Room::longest_away`].
    fn note_speech(&mut self, client: ClientId) {
        let Some(speaker) = self.clients.get_mut(&client) else { return };
        if !std::mem::replace(&mut speaker.has_spoken, true)
            && let Some(seat) = self.seats.seat_mut(&speaker.room, &speaker.id)
        {
            seat.has_spoken = true;
        }
    }

    /// Charges signals to a client, and closes a client that keeps exceeding the rate.
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
                let reason = CloseReason::Abusive;
                self.output.push_back(Output::Close { client, reason, farewell: None });
                self.depart(client, Departure::Left, now);
            }
        }
        Err(error)
    }

    fn send(&mut self, client: ClientId, message: ServerMessage) {
        self.output.push_back(Output::Send { to: Address::Client(client), message });
    }

    /// Sends a message to a room, if it has a receiver there.
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

/// Prints numbers only.
impl fmt::Debug for Hub {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Hub").field("stats", &self.stats()).finish_non_exhaustive()
    }
}
