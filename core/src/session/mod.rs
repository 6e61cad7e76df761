//! One end of the mesh: the signalling dialect, all links, limits, events to the application.
//!
//! - `links`: all links, and the books by which one input need not walk them all
//! - `emit`: events of the application for peers
//! - `signaling`: the connection to the server and what comes over it
//! - `peers`: membership, attempts at direct paths, `Ready` and `Upgrade`
//! - `relay`: envelopes to and from the hub
//! - `direct`: connections, data channels, datagram channels
//! - `noted`: links that are to be looked at
//! - `neighbours`, `forwarder`: ways through neighbours, and what is passed on for them
//! - `transfer`: blobs that are written and read as streams

mod direct;
mod emit;
mod forwarder;
mod links;
mod neighbours;
mod noted;
mod peers;
mod relay;
mod signaling;
mod transfer;

use std::collections::VecDeque;
use std::time::Duration;

use rand_chacha::ChaCha12Rng;
use rand_chacha::rand_core::SeedableRng as _;

#[cfg(feature = "driver")]
pub(crate) use self::direct::DirectOutput;
pub use self::emit::{Emitted, Target};
pub use self::forwarder::Forwarding;
use self::links::{Key, Links};
use self::neighbours::Neighbourhood;
use self::peers::StaleEpochs;
use self::signaling::Signaling;
use crate::clock::Clock;
use crate::command::Command;
use crate::config::{Config, Policy};
use crate::config_error::ConfigError;
use crate::error::UpgradeError;
use crate::event::{Event, LeaveReason};
use crate::frame::Frame;
use crate::id::{Dialect, PeerId};
use crate::link::{Context, Link, Outbox};
use crate::path::Path;
use crate::time::{Time, earliest};
use crate::wire::IceServer;

/// How long farewells may take to leave before the transports are closed.
const LINGER: Duration = Duration::from_millis(100);

/// What a session knows about a peer.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Peer {
    /// Its id.
    pub id: PeerId,
    /// Its dialect.
    pub dialect: Dialect,
    /// The path on which events are sent now; `None` while they wait.
    pub path: Option<Path>,
    /// Whether a direct path has proved itself, used or not.
    pub validated: bool,
    /// Whether it has no live path.
    pub away: bool,
    /// Bytes that wait for it or for its acknowledgement, without volatile ones.
    pub queued: usize,
    /// The memory that is held by what has come from it and cannot be handed out yet.
    pub held: usize,
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
/// because its transport is full holds up nothing else. Inputs about a [`ConnectionId`](crate::ConnectionId) that is over are
/// ignored. `now` must never go back.
#[derive(Debug)]
pub struct Session {
    clock: Clock,
    signaling: Signaling,
    links: Links,
    stale_epochs: StaleEpochs,
    neighbourhood: Neighbourhood,
    shared: Shared,
    /// Frames of the packet that is being written to the signalling channel.
    frames: VecDeque<Frame>,
    /// Where the turn of the links to use the relay stands.
    relay_turn: Option<Key>,
    next_epoch: u32,
    next_emit: u64,
    ready: bool,
    upgraded: bool,
    closing: Closing,
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
    /// `held`: bytes of what has come and cannot be handed out yet, of all peers.
    fn context(&mut self, held: usize, now: Time) -> Context<'_> {
        Context {
            now,
            config: &self.config,
            policy: self.policy,
            ice_servers: &self.ice_servers,
            rng: &mut self.rng,
            next_connection: &mut self.next_connection,
            left: self.config.receive_bytes.saturating_sub(held),
            out: &mut self.out,
        }
    }
}

impl Session {
    /// A session that asks at once for its signalling channel. Everything random in it comes from `seed`:
    /// the same seed and the same calls give the same output. Use a fresh random seed per session in
    /// production.
    ///
    /// # Errors
    /// [`ConfigError`] when a setting cannot be: see [`Config::validate`].
    pub fn new(config: Config, seed: [u8; 32], now: Time) -> Result<Self, ConfigError> {
        config.validate()?;
        let policy = config.policy;
        let mut session = Self {
            clock: Clock::new(now),
            signaling: Signaling::new(config.limits.clone(), now),
            links: Links::default(),
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
            leave_room: false,
        };
        session.handle_timeout(now);
        Ok(session)
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
        self.links.iter().map(|link| Peer {
            id: link.peer().clone(),
            dialect: link.dialect(),
            path: link.sending().cloned(),
            validated: link.is_validated(),
            away: link.is_away(),
            queued: link.queued_bytes(),
            held: link.held_bytes(),
            dropped: link.dropped(),
        })
    }

    /// What the session has passed on between other peers.
    #[must_use]
    pub fn forwarding(&self) -> Forwarding {
        self.neighbourhood.forwarding()
    }

    // ----- time -----

    /// A deadline that [`poll_timeout`](Self::poll_timeout) named has come.
    pub fn handle_timeout(&mut self, now: Time) {
        let now = self.advance(now);
        self.run_signaling_timers(now);
        self.run_neighbour_timers(now);
        for key in self.links.due(now) {
            let Some(reason) =
                self.with_key(key, now, |link, cx| link.handle_timeout(cx)).flatten()
            else {
                continue;
            };
            let Some(peer) = self.links.at(key).map(|link| link.peer().clone()) else { continue };
            if reason == LeaveReason::Stalled {
                self.restart(&peer, reason, now);
            } else {
                self.remove(&peer, reason, now);
            }
        }
        self.settle(now);
    }

    /// When [`handle_timeout`](Self::handle_timeout) is to be called, unless something else happens before.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Time> {
        self.next_timeout().map(|at| self.clock.outer(at))
    }

    fn next_timeout(&self) -> Option<Time> {
        let closing = match self.closing {
            Closing::Flushing { until } | Closing::Lingering { until } => Some(until),
            Closing::No => None,
            Closing::Done => return None,
        };
        let (signaling, neighbourhood) = (&self.signaling, &self.neighbourhood);
        earliest([
            closing,
            signaling.next_timeout(),
            neighbourhood.next_timeout(),
            self.links.next_timeout(),
        ])
    }

    /// Takes the caller's time of an input; the time by which everything inside goes.
    fn advance(&mut self, now: Time) -> Time {
        let due = self.next_timeout();
        self.clock.advance(now, due)
    }

    // ----- commands -----

    /// Sends directly from now on, to one peer or to all: the original's "go private". Under
    /// [`Policy::Manual`] this is what switches paths; under the others it starts attempts anew.
    ///
    /// # Errors
    /// [`UpgradeError::UnknownPeer`].
    pub fn upgrade(&mut self, to: impl Into<Target>, now: Time) -> Result<(), UpgradeError> {
        let now = self.advance(now);
        let keys = match to.into() {
            Target::Peer(peer) => {
                vec![self.links.key(&peer).ok_or(UpgradeError::UnknownPeer(peer))?]
            }
            Target::All => self.links.keys(),
        };
        for key in keys {
            self.with_key(key, now, |link, cx| link.upgrade(cx));
        }
        self.settle(now);
        Ok(())
    }

    /// Changes the policy for all peers, with events under way.
    pub fn set_policy(&mut self, policy: Policy, now: Time) {
        let now = self.advance(now);
        self.shared.policy = policy;
        for key in self.links.keys() {
            self.with_key(key, now, |link, cx| link.apply_policy(cx));
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
        let now = self.advance(now);
        if self.closing == Closing::No {
            self.closing = Closing::Flushing { until: now + self.shared.config.close_timeout };
            for key in self.links.keys() {
                self.with_key(key, now, |link, cx| link.abort_unfinished_transfers(cx));
            }
            self.settle(now);
        }
    }

    // ----- output -----

    /// The next thing that happened.
    #[must_use = "what it returns is not returned again"]
    pub fn poll_event(&mut self) -> Option<Event> {
        self.shared.out.events.pop_front()
    }

    /// The next request to a transport.
    #[must_use = "what it returns is not returned again"]
    pub fn poll_command(&mut self) -> Option<Command> {
        self.shared.out.commands.pop_front()
    }

    // ----- inside -----

    /// Runs `act` on a link and enters into the books what has become of it.
    fn with_key<T>(
        &mut self,
        key: Key,
        now: Time,
        act: impl FnOnce(&mut Link, &mut Context<'_>) -> T,
    ) -> Option<T> {
        let cx = &mut self.shared.context(self.links.totals().held, now);
        let done = act(self.links.at_mut(key)?, cx);
        self.links.review(key, cx);
        Some(done)
    }

    /// The same for the link to a peer.
    fn with_peer<T>(
        &mut self,
        peer: &PeerId,
        now: Time,
        act: impl FnOnce(&mut Link, &mut Context<'_>) -> T,
    ) -> Option<T> {
        let key = self.links.key(peer)?;
        self.with_key(key, now, act)
    }

    /// Draws the consequences of whatever happened.
    fn settle(&mut self, now: Time) {
        self.settle_vias(now);
        self.make_room(now);
        self.start_attempts(now);
        self.announce_milestones();
        self.continue_closing(now);
    }

    /// Where what has come does not fit any more, the largest unfinished packet goes.
    fn make_room(&mut self, now: Time) {
        if !std::mem::take(&mut self.shared.out.starved) {
            return;
        }
        for key in self.links.by_held() {
            if self.with_key(key, now, |link, cx| link.refuse_largest(cx)) == Some(true) {
                return;
            }
        }
    }

    /// Taking the last frame for a v0 peer can be what closing waits for: no input follows it.
    fn note_flushed(&mut self, now: Time) {
        if let Closing::Flushing { until } = &mut self.closing
            && self.links.totals().unflushed == 0
        {
            *until = now;
        }
    }

    fn continue_closing(&mut self, now: Time) {
        match self.closing {
            Closing::Flushing { until } => {
                if now >= until || self.links.totals().unflushed == 0 {
                    self.say_goodbye_through_neighbours(now);
                    for key in self.links.keys() {
                        self.with_key(key, now, |link, _| link.say_goodbye());
                    }
                    self.leave_room = self.is_joined();
                    self.closing = Closing::Lingering { until: now + LINGER };
                }
            }
            Closing::Lingering { until } if now >= until => {
                self.closing = Closing::Done;
                for peer in self.links.ids().cloned().collect::<Vec<_>>() {
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
