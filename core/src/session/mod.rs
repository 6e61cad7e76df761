//! One end of the mesh: the signalling dialect, all links, limits, events to the application.
//!
//! - `emit`: events of the application for peers
//! - `signaling`: the connection to the server and what comes over it
//! - `peers`: membership, attempts at direct paths, `Ready` and `Upgrade`
//! - `relay`: packets to and from the hub
//! - `neighbours`, `forwarder`: ways through neighbours, and what is passed on for them
//! - `transfer`: blobs that are written and read as streams

mod emit;
mod forwarder;
mod neighbours;
mod peers;
mod relay;
mod signaling;
mod transfer;

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use rand_chacha::ChaCha12Rng;
use rand_chacha::rand_core::SeedableRng as _;

pub use self::emit::{Emitted, Target};
pub use self::forwarder::Forwarding;
use self::neighbours::Neighbourhood;
use self::peers::StaleEpochs;
use self::signaling::Signaling;
use crate::command::Command;
use crate::config::{Config, Policy};
use crate::error::EmitError;
use crate::event::{Event, LeaveReason, Path};
use crate::frame::Frame;
use crate::id::{ConnectionId, PeerId, Version};
use crate::link::{Context, Link, Outbox, Verdict};
use crate::signal::{IceServer, Signal};
use crate::time::Time;

/// A timer that runs later than this after its deadline tells of a clock that jumped, not of a slow driver.
const CLOCK_JUMP: Duration = Duration::from_secs(2);

/// How long farewells may take to leave before the transports are closed.
const LINGER: Duration = Duration::from_millis(100);

/// What a session knows about a peer.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Peer {
    /// Its id.
    pub id: PeerId,
    /// Its dialect.
    pub version: Version,
    /// The path on which events are sent now; `None` while they wait.
    pub path: Option<Path>,
    /// Whether a direct path has proved itself, used or not.
    pub verified: bool,
    /// Whether it has no live path.
    pub away: bool,
    /// Bytes that wait for it or for its acknowledgement, without volatile ones.
    pub queued: usize,
    /// Bytes that came from it and wait for what has to come before they can be handed out.
    pub held: usize,
    /// Those of them that are pieces which came directly: none once the direct path is gone.
    pub held_direct: usize,
    /// Volatile events for it that were dropped before they left.
    pub dropped: u64,
}

/// My end of the mesh, as a state machine without I/O, clock or randomness of its own.
///
/// # Methods, by class
///
/// - **Input**: [`handle_signaling_open`](Self::handle_signaling_open),
///   [`handle_signaling_frame`](Self::handle_signaling_frame),
///   [`handle_signaling_closed`](Self::handle_signaling_closed),
///   [`handle_direct_signal`](Self::handle_direct_signal),
///   [`handle_direct_open`](Self::handle_direct_open),
///   [`handle_direct_frame`](Self::handle_direct_frame),
///   [`handle_direct_closed`](Self::handle_direct_closed),
///   [`handle_timeout`](Self::handle_timeout)
/// - **Commands**: [`emit`](Self::emit), [`emit_bulk`](Self::emit_bulk),
///   [`emit_volatile`](Self::emit_volatile), [`emit_with_ack`](Self::emit_with_ack), [`reply`](Self::reply),
///   [`open_transfer`](Self::open_transfer), [`write_transfer`](Self::write_transfer),
///   [`finish_transfer`](Self::finish_transfer), [`read_transfer`](Self::read_transfer),
///   [`cancel_transfer`](Self::cancel_transfer),
///   [`upgrade`](Self::upgrade), [`set_policy`](Self::set_policy), [`reconnect`](Self::reconnect),
///   [`close`](Self::close)
/// - **Output**: [`poll_event`](Self::poll_event), [`poll_command`](Self::poll_command),
///   [`poll_signaling_transmit`](Self::poll_signaling_transmit),
///   [`poll_direct_transmit`](Self::poll_direct_transmit), [`poll_timeout`](Self::poll_timeout)
/// - **Getters**: [`id`](Self::id), [`peers`](Self::peers), [`policy`](Self::policy),
///   [`is_joined`](Self::is_joined), [`forwarding`](Self::forwarding)
///
/// # The run loop
///
/// After every input or command, and before the next input: drain `poll_event` and `poll_command`, drain the
/// transmits of those transports that have room, then ask `poll_timeout`. A transmit that is not drained
/// because its transport is full holds up nothing else. Inputs about a [`ConnectionId`] that is over are
/// ignored. `now` must never go back.
#[derive(Debug)]
pub struct Session {
    signaling: Signaling,
    links: BTreeMap<PeerId, Link>,
    connections: BTreeMap<ConnectionId, PeerId>,
    stale_epochs: StaleEpochs,
    neighbourhood: Neighbourhood,
    shared: Shared,
    /// Frames of the packet that is being written to the signalling channel.
    frames: VecDeque<Frame>,
    /// Where the turn of the links to use the relay stands.
    relay_turn: Option<PeerId>,
    next_epoch: u32,
    next_emit: u64,
    ready: bool,
    upgraded: bool,
    closing: Closing,
    /// When the last input came.
    advanced_at: Time,
    /// A DISCONNECT is to be written after everything else.
    leave_room: bool,
}

/// What the links use too.
#[derive(Debug)]
struct Shared {
    config: Config,
    policy: Policy,
    ice_servers: Vec<IceServer>,
    rng: ChaCha12Rng,
    next_connection: u64,
    out: Outbox,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Closing {
    No,
    /// Delivers what was accepted.
    Flushing {
        until: Time,
    },
    /// Lets farewells leave.
    Lingering {
        until: Time,
    },
    Done,
}

impl Shared {
    fn context(&mut self, now: Time) -> Context<'_> {
        Context {
            now,
            config: &self.config,
            policy: self.policy,
            ice_servers: &self.ice_servers,
            rng: &mut self.rng,
            next_connection: &mut self.next_connection,
            out: &mut self.out,
        }
    }
}

impl Session {
    /// A session that asks at once for its signalling channel. Everything random in it comes from `seed`:
    /// the same seed and the same calls give the same output. Use a fresh random seed per session in
    /// production.
    #[must_use]
    pub fn new(config: Config, seed: [u8; 32], now: Time) -> Self {
        let policy = config.policy;
        let mut session = Self {
            signaling: Signaling::new(config.limits.clone(), now),
            links: BTreeMap::new(),
            connections: BTreeMap::new(),
            stale_epochs: StaleEpochs::default(),
            neighbourhood: Neighbourhood::default(),
            shared: Shared {
                config,
                policy,
                ice_servers: Vec::new(),
                rng: ChaCha12Rng::from_seed(seed),
                next_connection: 0,
                out: Outbox::default(),
            },
            frames: VecDeque::new(),
            relay_turn: None,
            next_epoch: 1,
            next_emit: 0,
            ready: false,
            upgraded: false,
            closing: Closing::No,
            advanced_at: now,
            leave_room: false,
        };
        session.handle_timeout(now);
        session
    }

    // ----- getters -----

    /// The own id, once the hub has given one.
    #[must_use]
    pub fn id(&self) -> Option<&PeerId> {
        self.signaling.id()
    }

    /// Whether the session is in its room right now.
    #[must_use]
    pub fn is_joined(&self) -> bool {
        self.signaling.is_joined()
    }

    /// The policy in force.
    #[must_use]
    pub fn policy(&self) -> Policy {
        self.shared.policy
    }

    /// The peers, in the order of their ids.
    pub fn peers(&self) -> impl Iterator<Item = Peer> + '_ {
        self.links.values().map(|link| Peer {
            id: link.peer().clone(),
            version: link.version(),
            path: link.sending().cloned(),
            verified: link.is_verified(),
            away: link.is_away(),
            queued: link.queued_bytes(),
            held: link.held_bytes(),
            held_direct: link.held_direct(),
            dropped: link.dropped(),
        })
    }

    /// The direct connection with a peer that is there or being made, for tests and diagnostics.
    #[must_use]
    pub fn connection_of(&self, peer: &PeerId) -> Option<ConnectionId> {
        self.links.get(peer)?.connection_id()
    }

    /// What the session has passed on between other peers.
    #[must_use]
    pub fn forwarding(&self) -> Forwarding {
        self.neighbourhood.forwarding()
    }

    /// Whether this connection is there or being made.
    #[cfg(feature = "driver")]
    pub(crate) fn is_live(&self, connection: ConnectionId) -> bool {
        self.connections.contains_key(&connection)
    }

    // ----- input -----

    /// A signal of the direct transport's for the remote end.
    pub fn handle_direct_signal(&mut self, connection: ConnectionId, signal: &Signal, now: Time) {
        self.with_connection(connection, now, |link, cx| {
            link.handle_local_signal(signal, cx);
            Verdict::Alive
        });
    }

    /// The data channel of a connection is open; `max_message` is the longest message that the remote end
    /// takes, in bytes.
    pub fn handle_direct_open(&mut self, connection: ConnectionId, max_message: usize, now: Time) {
        self.with_connection(connection, now, |link, cx| {
            link.handle_open(max_message, cx);
            Verdict::Alive
        });
    }

    /// A message came on a data channel.
    pub fn handle_direct_frame(&mut self, connection: ConnectionId, frame: Frame, now: Time) {
        self.with_connection(connection, now, |link, cx| link.handle_frame(frame, cx));
    }

    /// A connection could not be made or is over; `error` goes to the application.
    pub fn handle_direct_closed(&mut self, connection: ConnectionId, error: String, now: Time) {
        self.with_connection(connection, now, |link, cx| {
            link.handle_direct_closed(error, cx);
            Verdict::Alive
        });
    }

    /// A deadline that [`poll_timeout`](Self::poll_timeout) named has come.
    pub fn handle_timeout(&mut self, now: Time) {
        self.advance(now);
        self.run_signaling_timers(now);
        self.run_neighbour_timers(now);
        let mut departed = Vec::new();
        for link in self.links.values_mut() {
            if let Some(reason) = link.handle_timeout(&mut self.shared.context(now)) {
                departed.push((link.peer().clone(), reason));
            }
        }
        for (peer, reason) in departed {
            if reason == LeaveReason::Stalled {
                self.restart(&peer, reason, now);
            } else {
                self.remove(&peer, reason, now);
            }
        }
        self.settle(now);
    }

    // ----- commands -----

    /// Sends directly from now on, to one peer or to all: the original's "go private". Under
    /// [`Policy::Manual`] this is what switches paths; under the others it starts attempts anew.
    ///
    /// # Errors
    /// [`EmitError::UnknownPeer`].
    pub fn upgrade(&mut self, to: impl Into<Target>, now: Time) -> Result<(), EmitError> {
        self.advance(now);
        match to.into() {
            Target::Peer(peer) => {
                let link = self.links.get_mut(&peer).ok_or(EmitError::UnknownPeer(peer))?;
                link.upgrade(&mut self.shared.context(now));
            }
            Target::All => {
                for link in self.links.values_mut() {
                    link.upgrade(&mut self.shared.context(now));
                }
            }
        }
        self.settle(now);
        Ok(())
    }

    /// Changes the policy for all peers, with events under way.
    pub fn set_policy(&mut self, policy: Policy, now: Time) {
        self.advance(now);
        self.shared.policy = policy;
        for link in self.links.values_mut() {
            link.apply_policy(&mut self.shared.context(now));
        }
        self.settle(now);
    }

    /// Tries to reach the server now: after [`Event::Refused`], or instead of waiting for the next try.
    pub fn reconnect(&mut self, now: Time) {
        self.advance(now);
        if self.closing == Closing::No {
            self.signaling.retry_now(&mut self.shared.out);
        }
    }

    /// Closes the session: what was accepted is delivered or reported within [`Config::close_timeout`], peers
    /// are told, then comes [`Event::Closed`].
    pub fn close(&mut self, now: Time) {
        self.advance(now);
        if self.closing == Closing::No {
            self.closing = Closing::Flushing { until: now + self.shared.config.close_timeout };
            for link in self.links.values_mut() {
                link.abort_unfinished_transfers(&mut self.shared.context(now));
            }
            self.settle(now);
        }
    }

    // ----- output -----

    /// The next thing that happened.
    pub fn poll_event(&mut self) -> Option<Event> {
        self.shared.out.events.pop_front()
    }

    /// The next request to a transport.
    pub fn poll_command(&mut self) -> Option<Command> {
        self.shared.out.commands.pop_front()
    }

    /// The next message for the data channel of `connection`. Call it only when the channel has room: what it
    /// returns counts as sent.
    pub fn poll_direct_transmit(&mut self, connection: ConnectionId, now: Time) -> Option<Frame> {
        let peer = self.connections.get(&connection)?;
        let link = self.links.get_mut(peer)?;
        if link.connection_id() != Some(connection) {
            return None;
        }
        let frame = if self.neighbourhood.has_work_for(peer) {
            let peer = peer.clone();
            self.next_shared_frame(&peer, now)
        } else {
            link.poll_direct(&mut self.shared.context(now))
        };
        if frame.is_none() {
            self.note_flushed(now);
        }
        frame
    }

    /// When [`handle_timeout`](Self::handle_timeout) is to be called, unless something else happens before.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Time> {
        let closing = match self.closing {
            Closing::Flushing { until } | Closing::Lingering { until } => Some(until),
            Closing::No => None,
            Closing::Done => return None,
        };
        let links = self.links.values().filter_map(Link::next_timeout);
        let others =
            self.signaling.next_timeout().into_iter().chain(self.neighbourhood.next_timeout());
        links.chain(closing).chain(others).min()
    }

    // ----- inside -----

    /// Runs `act` on the link that a live connection belongs to.
    fn with_connection(
        &mut self,
        connection: ConnectionId,
        now: Time,
        act: impl FnOnce(&mut Link, &mut Context<'_>) -> Verdict,
    ) {
        self.advance(now);
        let Some(peer) = self.connections.get(&connection).cloned() else { return };
        let Some(link) = self.links.get_mut(&peer) else { return };
        if link.connection_id() != Some(connection) {
            return;
        }
        let verdict = act(link, &mut self.shared.context(now));
        self.conclude(&peer, verdict, now);
        self.settle(now);
    }

    /// Notices a clock that jumped, so that nobody is blamed for time that did not pass: everything that is due
    /// keeps what was left of its time at the last input.
    fn advance(&mut self, now: Time) {
        let advanced_at = std::mem::replace(&mut self.advanced_at, now);
        let late = self.poll_timeout().map_or(Duration::ZERO, |due| now - due);
        if late > CLOCK_JUMP {
            let jump = now - advanced_at;
            self.signaling.handle_clock_jump(jump);
            self.neighbourhood.handle_clock_jump(jump);
            self.links.values_mut().for_each(|link| link.handle_clock_jump(jump));
            if let Closing::Flushing { until } | Closing::Lingering { until } = &mut self.closing {
                *until = *until + jump;
            }
        }
    }

    /// Draws the consequences of whatever happened.
    fn settle(&mut self, now: Time) {
        self.settle_ways(now);
        self.start_attempts(now);
        self.announce_milestones();
        self.continue_closing(now);
        self.settle_connections();
    }

    /// Keeps the books on whose each connection is. Mostly they are right.
    fn settle_connections(&mut self) {
        let live = || self.links.values().filter_map(Link::connection_id);
        let known = |connection| self.connections.contains_key(&connection);
        if live().count() == self.connections.len() && live().all(known) {
            return;
        }
        self.connections.retain(|connection, peer| {
            self.links.get(peer).is_some_and(|link| link.connection_id() == Some(*connection))
        });
        for link in self.links.values() {
            if let Some(connection) = link.connection_id() {
                self.connections.entry(connection).or_insert_with(|| link.peer().clone());
            }
        }
    }

    /// Taking the last frame for a v0 peer can be what closing waits for: no input follows it.
    fn note_flushed(&mut self, now: Time) {
        if let Closing::Flushing { until } = &mut self.closing
            && self.links.values().all(Link::is_flushed)
        {
            *until = now;
        }
    }

    fn continue_closing(&mut self, now: Time) {
        match self.closing {
            Closing::Flushing { until } => {
                if now >= until || self.links.values().all(Link::is_flushed) {
                    self.say_goodbye_through_neighbours(now);
                    self.links.values_mut().for_each(Link::say_goodbye);
                    self.leave_room = self.is_joined();
                    self.closing = Closing::Lingering { until: now + LINGER };
                }
            }
            Closing::Lingering { until } if now >= until => {
                self.closing = Closing::Done;
                for peer in self.links.keys().cloned().collect::<Vec<_>>() {
                    self.remove(&peer, LeaveReason::Closed, now);
                }
                self.frames.clear();
                self.leave_room = false;
                self.signaling.close(&mut self.shared.out);
                self.shared.out.events.push_back(Event::Closed);
            }
            Closing::Lingering { .. } | Closing::No | Closing::Done => {}
        }
    }
}
