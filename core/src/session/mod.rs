//! One end of the mesh: the signalling dialect, all links, limits, events to the application.
//!
//! - `links`: all links, and the index by which no input walks all of them
//! - `emit`: events of the application to peers
//! - `closing`: delivery of what was accepted, and the good-byes
//! - `signaling`: the connection to the server, and the messages on it
//! - `introduction`: what the session says about itself: auth payload, resume token, metadata
//! - `server`: events to and from the server's application
//! - `peer_info`: the state of a peer, as the application sees it
//! - `peers`: membership, attempts at direct paths, `Ready` and `Upgrade`
//! - `renaming`: new peer ids for known peers
//! - `relay`: envelopes to and from the hub
//! - `direct`: connections, data channels, datagram channels
//! - `direct_states`: the state of each direct path, as the application sees it
//! - `numbers`: the numbers for monitoring
//! - `noted`: a queue of links to be looked at
//! - `neighbours`, `forwarder`: vias, and forwarding for other peers
//! - `transfer`: transfers, blobs that are written and read as streams

mod closing;
mod direct;
mod direct_states;
mod emit;
mod forwarder;
mod introduction;
mod links;
mod neighbours;
mod noted;
mod numbers;
mod peer_info;
mod peers;
mod relay;
mod renaming;
mod server;
mod signaling;
mod transfer;

use std::collections::VecDeque;
use std::time::Duration;

use rand_chacha::ChaCha12Rng;
use rand_chacha::rand_core::SeedableRng as _;

use self::closing::Closing;
#[cfg(feature = "driver")]
pub(crate) use self::direct::DirectOutput;
#[cfg(feature = "driver")]
pub(crate) use self::emit::Offered;
pub use self::emit::{Emitted, Target};
pub use self::forwarder::Forwarding;
use self::introduction::Introduction;
use self::links::{Key, Links};
use self::neighbours::Neighbourhood;
use self::numbers::Counters;
pub use self::peer_info::PeerInfo;
use self::peers::StaleEpochs;
use self::renaming::Renaming;
use self::server::ServerTalk;
use self::signaling::{RESUME_WINDOW, Signaling};
use crate::clock::Clock;
use crate::command::Command;
use crate::config::{Config, Policy};
use crate::config_error::ConfigError;
use crate::error::UpgradeError;
use crate::event::{Event, LeaveReason};
use crate::frame::Frame;
use crate::id::PeerId;
use crate::link::{Context, Link, Outbox};
use crate::time::{Time, earliest};
use crate::wire::IceServer;

/// One end of the mesh, as a state machine without I/O, clock or randomness of its own.
///
/// # Methods by class
///
/// - **Input**: [`handle_signaling_open`](Self::handle_signaling_open),
///   [`handle_signaling_frame`](Self::handle_signaling_frame),
///   [`handle_signaling_closed`](Self::handle_signaling_closed),
///   [`handle_direct_signal`](Self::handle_direct_signal),
///   [`handle_direct_report`](Self::handle_direct_report),
///   [`handle_direct_open`](Self::handle_direct_open),
///   [`handle_direct_frame`](Self::handle_direct_frame),
///   [`handle_direct_closed`](Self::handle_direct_closed),
///   [`handle_datagrams_open`](Self::handle_datagrams_open), [`handle_datagram`](Self::handle_datagram),
///   [`handle_datagrams_closed`](Self::handle_datagrams_closed),
///   [`handle_timeout`](Self::handle_timeout)
/// - **Calls of the application**: [`emit`](Self::emit), [`emit_bulk`](Self::emit_bulk),
///   [`emit_volatile`](Self::emit_volatile), [`emit_with_ack`](Self::emit_with_ack), [`reply`](Self::reply),
///   [`open_transfer`](Self::open_transfer), [`write_transfer`](Self::write_transfer),
///   [`finish_transfer`](Self::finish_transfer), [`read_transfer`](Self::read_transfer),
///   [`cancel_transfer`](Self::cancel_transfer),
///   [`upgrade`](Self::upgrade), [`set_policy`](Self::set_policy), [`set_receiving`](Self::set_receiving),
///   [`set_metadata`](Self::set_metadata), [`set_auth`](Self::set_auth),
///   [`reconnect`](Self::reconnect), [`close`](Self::close)
/// - **Output**: [`poll_event`](Self::poll_event), [`poll_command`](Self::poll_command),
///   [`poll_signaling_transmit`](Self::poll_signaling_transmit),
///   [`poll_direct_transmit`](Self::poll_direct_transmit), [`poll_datagram`](Self::poll_datagram),
///   [`poll_timeout`](Self::poll_timeout)
/// - **Getters**: [`id`](Self::id), [`peers`](Self::peers), [`peer`](Self::peer), [`policy`](Self::policy),
///   [`is_joined`](Self::is_joined), [`user`](Self::user), [`metadata`](Self::metadata),
///   [`resume_token`](Self::resume_token), [`numbers`](Self::numbers), [`peer_numbers`](Self::peer_numbers),
///   [`forwarding`](Self::forwarding),
///   [`transfer_progress`](Self::transfer_progress)
///
/// # The run loop
///
/// After every input or call of the application, and before the next input: drain `poll_event` and
/// `poll_command`, drain the transmits of those transports that have room, then ask `poll_timeout`. A
/// transmit that is not drained because its transport is full delays no other output. The session ignores
/// inputs about a closed [`ConnectionId`](crate::ConnectionId). `now` must never decrease.
#[derive(Debug)]
pub struct Session {
    clock: Clock,
    signaling: Signaling,
    introduction: Introduction,
    server: ServerTalk,
    /// Whether the server's application was asked last for output to the signalling channel.
    server_turn: bool,
    links: Links,
    stale_epochs: StaleEpochs,
    renaming: Renaming,
    neighbourhood: Neighbourhood,
    counters: Counters,
    shared: Shared,
    /// The remaining frames of the packet that is being written to the signalling channel.
    frames: VecDeque<Frame>,
    /// The link that used the relay last.
    relay_turn: Option<Key>,
    next_epoch: u32,
    next_emit: u64,
    ready: bool,
    upgraded: bool,
    closing: Closing,
    /// Whether a DISCONNECT is to be written after all other output.
    leave_room: bool,
}

/// The state that the session shares with its links.
#[derive(Debug)]
struct Shared {
    config: Config,
    policy: Policy,
    /// Whether the application takes events of the reliable lanes.
    receiving: bool,
    ice_servers: Vec<IceServer>,
    /// The time for which the hub keeps seats.
    hub_resume_window: Duration,
    rng: ChaCha12Rng,
    next_connection: u64,
    out: Outbox,
}

impl Shared {
    /// Creates the context for a link. `held` is the size of the undelivered data of all peers, in bytes.
    fn context(&mut self, held: usize, now: Time) -> Context<'_> {
        Context {
            now,
            config: &self.config,
            policy: self.policy,
            resume_window: self.config.resume_window.unwrap_or(self.hub_resume_window),
            ice_servers: &self.ice_servers,
            rng: &mut self.rng,
            next_connection: &mut self.next_connection,
            left: self.config.receive_bytes.saturating_sub(held),
            receiving: self.receiving,
            out: &mut self.out,
        }
    }
}

impl Session {
    /// Creates a session, which asks for its signalling channel at once. `seed` is the only source of
    /// randomness: the same seed and the same calls give the same output. In production, use a fresh random
    /// seed per session.
    ///
    /// # Errors
    /// [`ConfigError`] when a setting is invalid: see [`Config::validate`].
    pub fn new(config: Config, seed: [u8; 32], now: Time) -> Result<Self, ConfigError> {
        config.validate()?;
        let policy = config.policy;
        let mut session = Self {
            clock: Clock::new(now),
            signaling: Signaling::new(config.limits.clone(), now),
            introduction: Introduction::new(config.resume_token.clone(), config.metadata.clone()),
            server: ServerTalk::default(),
            server_turn: false,
            links: Links::default(),
            stale_epochs: StaleEpochs::default(),
            renaming: Renaming::default(),
            neighbourhood: Neighbourhood::default(),
            counters: Counters::default(),
            shared: Shared {
                config,
                policy,
                receiving: true,
                ice_servers: Vec::new(),
                hub_resume_window: RESUME_WINDOW,
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

    /// Returns the session's peer id, once the hub has assigned one.
    #[must_use]
    pub fn id(&self) -> Option<&PeerId> {
        self.introduction.id()
    }

    /// Returns whether the session is in its room now.
    #[must_use]
    pub fn is_joined(&self) -> bool {
        self.signaling.is_joined()
    }

    /// Returns the current policy.
    #[must_use]
    pub fn policy(&self) -> Policy {
        self.shared.policy
    }

    /// Returns the ids of the peers, in their order.
    #[cfg(feature = "driver")]
    pub(crate) fn peer_ids(&self) -> Vec<PeerId> {
        self.links.ids().cloned().collect()
    }

    /// Returns whether the session accepts nothing new for sending.
    #[cfg(feature = "driver")]
    pub(crate) fn is_closing(&self) -> bool {
        self.closing != Closing::No
    }

    /// Returns the time-out of a request that states none.
    #[cfg(feature = "driver")]
    pub(crate) const fn ack_timeout(&self) -> Duration {
        self.shared.config.ack_timeout
    }

    /// Returns the counters of forwarding between other peers.
    #[must_use]
    pub fn forwarding(&self) -> Forwarding {
        self.neighbourhood.forwarding()
    }

    // ----- time -----

    /// Handles the deadlines that have passed; to be called at the time of [`poll_timeout`](Self::poll_timeout).
    pub fn handle_timeout(&mut self, now: Time) {
        let now = self.advance(now);
        self.run_signaling_timers(now);
        self.run_server_timers(now);
        self.introduction.run_timer(now);
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

    /// Returns when [`handle_timeout`](Self::handle_timeout) is to be called, unless another input comes
    /// before.
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
            self.server.next_timeout(),
            self.introduction.next_timeout().filter(|_| self.is_joined()),
            self.renaming.next_timeout(),
            neighbourhood.next_timeout(),
            self.links.next_timeout(),
        ])
    }

    /// Advances the inner clock to the caller's time of an input, and returns the inner time.
    fn advance(&mut self, now: Time) -> Time {
        let due = self.next_timeout();
        self.clock.advance(now, due)
    }

    // ----- commands -----

    /// Switches to direct paths, for one peer or for all: the original's "go private". Under [`Policy::Manual`]
    /// this permits events on direct paths; under the other policies it restarts the attempts.
    ///
    /// # Errors
    /// [`UpgradeError::UnknownPeer`] when the room has no such peer.
    pub fn upgrade(&mut self, to: impl Into<Target>, now: Time) -> Result<(), UpgradeError> {
        let now = self.advance(now);
        let keys = match to.into() {
            Target::Peer(peer) => {
                vec![self.find(&peer).ok_or(UpgradeError::UnknownPeer(peer))?]
            }
            Target::All => self.links.keys(),
            Target::Server => Vec::new(),
        };
        for key in keys {
            self.with_key(key, now, |link, cx| link.upgrade(cx));
        }
        self.settle(now);
        Ok(())
    }

    /// Changes the policy for all peers. Queued events and those in flight are kept.
    pub fn set_policy(&mut self, policy: Policy, now: Time) {
        let now = self.advance(now);
        self.shared.policy = policy;
        for key in self.links.keys() {
            self.with_key(key, now, |link, cx| link.apply_policy(cx));
        }
        self.settle(now);
    }

    /// Sets whether the application takes events at present; at first it does. While it does not, the session
    /// reports no [`Event::Received`] of v1 peers on the lanes events and bulk, and no answers; peers are told
    /// to wait, keep their packets and do not give the link up. Nothing is lost. All else goes on: paths,
    /// probes, transfers, outcomes. Volatile events are dropped. Events of v0 peers, which cannot be told, are
    /// reported as ever.
    ///
    /// The packets that were on their way are held within [`Config::receive_bytes`], in each lane of a peer up
    /// to [`Config::queue_bytes`] and one packet; what does not fit is sent again afterwards.
    pub fn set_receiving(&mut self, receiving: bool, now: Time) {
        let now = self.advance(now);
        if std::mem::replace(&mut self.shared.receiving, receiving) == receiving {
            return;
        }
        for key in self.links.keys() {
            self.with_key(key, now, |link, cx| link.apply_receiving(cx));
        }
        self.settle(now);
    }

    /// Connects to the server now: after [`Event::Refused`], or before the pause has passed.
    pub fn reconnect(&mut self, now: Time) {
        self.advance(now);
        if self.closing == Closing::No {
            self.signaling.retry_now(&mut self.shared.out);
        }
    }

    /// Ends the pause before the next attempt to connect to the server, for a sign that the network is back. A pause
    /// that the server demands is kept, and after [`Event::Refused`] there is none: it takes
    /// [`reconnect`](Self::reconnect).
    pub fn skip_pause(&mut self, now: Time) {
        let now = self.advance(now);
        self.signaling.skip_pause(now);
        self.settle(now);
    }

    // ----- output -----

    /// Returns the next event.
    #[must_use = "an event is returned only once"]
    pub fn poll_event(&mut self) -> Option<Event> {
        let event = self.shared.out.events.pop_front()?;
        #[cfg(feature = "tracing")]
        {
            let is_path = matches!(event, Event::PathChanged { .. });
            let reason = if is_path { self.shared.out.path_reasons.pop_front() } else { None };
            crate::trace::session_event(self.id(), &event, reason);
        }
        Some(event)
    }

    /// Returns the next request to a transport.
    #[must_use = "a command is returned only once"]
    pub fn poll_command(&mut self) -> Option<Command> {
        self.shared.out.commands.pop_front()
    }

    // ----- inside -----

    /// Runs `act` on a link, and updates the index of links.
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

    /// Runs `act` on the link to a peer, whose id may be a former one, and updates the index of links.
    fn with_peer<T>(
        &mut self,
        peer: &PeerId,
        now: Time,
        act: impl FnOnce(&mut Link, &mut Context<'_>) -> T,
    ) -> Option<T> {
        self.with_key(self.find(peer)?, now, act)
    }

    /// Returns the link to a peer, whose id may be a former one.
    fn find(&self, peer: &PeerId) -> Option<Key> {
        let present = || self.links.key(self.renaming.present_id(peer)?);
        self.links.key(peer).or_else(present)
    }

    /// Handles the consequences of an input for more than one link.
    fn settle(&mut self, now: Time) {
        self.settle_vias(now);
        self.settle_renaming(now);
        self.make_room(now);
        self.start_attempts(now);
        self.tell_direct_states();
        self.announce_milestones();
        self.continue_closing(now);
    }

    /// Refuses the largest unfinished packet while the received data exceeds its bound.
    fn make_room(&mut self, now: Time) {
        let in_order = std::mem::take(&mut self.shared.out.starved_in_order);
        if !std::mem::take(&mut self.shared.out.starved) {
            return;
        }
        let keys = self.links.by_held();
        for key in &keys {
            if self.with_key(*key, now, |link, cx| link.refuse_largest(cx)) == Some(true) {
                return;
            }
        }
        if !in_order {
            return;
        }
        // Complete packets behind gaps fill the memory. They have been acknowledged, so they cannot be dropped,
        // and the records that would fill the gaps find no room either.
        for key in keys {
            if self.with_key(key, now, |link, cx| link.refuse_gap(cx)) == Some(true) {
                return;
            }
        }
    }
}
