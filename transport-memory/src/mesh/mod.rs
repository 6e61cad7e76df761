//! A hub and sessions on a virtual clock.
//!
//! - here: the mesh, its nodes, commands, running
//! - `faults`: what can be done to it
//! - `wire`: what is under way, and what becomes of it

mod faults;
mod wire;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

use socketio_p2p_core::hub::{Hub, HubConfig};
use socketio_p2p_core::{
    Config, ConnectionId, EmitError, Emitted, Event, Frame, Packet, Peer, PeerId, Session, Target,
    Time,
};

use self::wire::{Delivery, Flow};
use crate::broker::{Broker, End};
use crate::server::{Server, SocketId};

/// One-way delays.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Latency {
    /// Between a session and the hub.
    pub relay: Duration,
    /// Between two sessions.
    pub direct: Duration,
}

impl Default for Latency {
    /// 20 ms to the hub, 5 ms between peers.
    fn default() -> Self {
        Self { relay: Duration::from_millis(20), direct: Duration::from_millis(5) }
    }
}

/// One session of a mesh, by its number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Node(usize);

/// A hub and any number of sessions on a virtual clock.
///
/// Nothing happens by itself: [`step`](Self::step) jumps to the next wake-up and handles all that is due then;
/// the `run_*` methods step repeatedly. Commands ([`emit`](Self::emit) …) take effect at the current time.
///
/// ```
/// use socketio_p2p_core::{Config, Event, Packet, Target};
/// use socketio_p2p_transport_memory::Mesh;
///
/// let mut mesh = Mesh::new(7);
/// let (ann, bob) = (mesh.add(Config::default()), mesh.add(Config::default()));
/// mesh.run_until_direct(ann, bob);
/// let event = Packet::event("peer-msg", &("hello",)).unwrap();
/// mesh.emit(ann, Target::All, &event).unwrap();
/// mesh.run_until_quiet();
/// assert!(matches!(
///     &mesh.received(bob)[..],
///     [Event::Received { packet, .. }] if packet.args::<(&str,)>().unwrap() == ("hello",)
/// ));
/// ```
#[derive(Debug)]
pub struct Mesh {
    now: Time,
    seed: u64,
    latency: Latency,
    hub_config: HubConfig,
    /// `None`: the server is down.
    server: Option<Server>,
    nodes: Vec<Slot>,
    broker: Broker,
    wire: BTreeMap<(Time, u64), Delivery>,
    next_delivery: u64,
    next_socket: SocketId,
    outstanding: BTreeMap<End, usize>,
    /// Pairs between which nothing gets through directly, without anyone being told.
    silent: BTreeSet<(usize, usize)>,
    /// Frames on silent paths.
    held: VecDeque<(End, End, Frame)>,
    /// Pairs between which no direct connection can be made.
    blocked: BTreeSet<(usize, usize)>,
    restarts: u64,
    uploads: u64,
    uploaded_bytes: usize,
    /// When the last delivery of each flow is due: flows keep their order whatever the latency does.
    flows: BTreeMap<Flow, Time>,
}

#[derive(Debug)]
struct Slot {
    /// `None`: crashed.
    session: Option<Session>,
    socket: Option<SocketId>,
    reachable: bool,
    connections: BTreeSet<ConnectionId>,
    events: Vec<Event>,
}

impl Mesh {
    /// A mesh with a hub of default settings. Everything random in it comes from `seed`.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self::with_hub(seed, HubConfig::default())
    }

    /// A mesh with a hub of these settings. Its resume tokens survive [`start_server`](Self::start_server).
    #[must_use]
    pub fn with_hub(seed: u64, config: HubConfig) -> Self {
        let mut mesh = Self {
            now: Time::from_millis(1000),
            seed,
            latency: Latency::default(),
            hub_config: config.with_token_key(spread(seed, u64::MAX)),
            server: None,
            nodes: Vec::new(),
            broker: Broker::default(),
            wire: BTreeMap::new(),
            next_delivery: 0,
            next_socket: 0,
            outstanding: BTreeMap::new(),
            silent: BTreeSet::new(),
            held: VecDeque::new(),
            blocked: BTreeSet::new(),
            restarts: 0,
            uploads: 0,
            uploaded_bytes: 0,
            flows: BTreeMap::new(),
        };
        mesh.start_server();
        mesh
    }

    /// The virtual time.
    #[must_use]
    pub const fn now(&self) -> Time {
        self.now
    }

    /// Sets the delays of everything sent from now on.
    pub fn set_latency(&mut self, latency: Latency) {
        self.latency = latency;
    }

    /// Adds a session, which connects at once.
    pub fn add(&mut self, config: Config) -> Node {
        let index = self.nodes.len();
        let session = Session::new(config, spread(self.seed, index as u64), self.now);
        self.nodes.push(Slot {
            session: Some(session),
            socket: None,
            reachable: true,
            connections: BTreeSet::new(),
            events: Vec::new(),
        });
        self.pump();
        Node(index)
    }

    /// The session of a node.
    ///
    /// # Panics
    /// When the node has crashed.
    #[must_use]
    #[expect(clippy::expect_used, reason = "a test that looks at a crashed node is wrong")]
    pub fn session(&self, node: Node) -> &Session {
        self.nodes[node.0].session.as_ref().expect("the node has not crashed")
    }

    /// The hub, while its server is up.
    #[must_use]
    pub fn hub(&self) -> Option<&Hub> {
        self.server.as_ref().map(|server| &server.hub)
    }

    /// The id of a node.
    ///
    /// # Panics
    /// When it has crashed or never joined.
    #[must_use]
    #[expect(clippy::expect_used, reason = "a test that names a node that is not there is wrong")]
    pub fn id(&self, node: Node) -> PeerId {
        self.session(node).id().cloned().expect("the node has joined")
    }

    /// What `node` knows about `other`.
    #[must_use]
    pub fn peer(&self, node: Node, other: Node) -> Option<Peer> {
        let id = self.nodes[other.0].session.as_ref()?.id()?.clone();
        self.session(node).peers().find(|peer| peer.id == id)
    }

    /// How many packets all sessions have sent to the server so far.
    #[must_use]
    pub const fn uploads(&self) -> u64 {
        self.uploads
    }

    /// How many bytes all sessions have sent to the server so far.
    #[must_use]
    pub const fn uploaded_bytes(&self) -> usize {
        self.uploaded_bytes
    }

    /// Takes the events of a node so far.
    pub fn take_events(&mut self, node: Node) -> Vec<Event> {
        std::mem::take(&mut self.nodes[node.0].events)
    }

    /// Takes the `Received` events of a node so far and leaves the others.
    pub fn received(&mut self, node: Node) -> Vec<Event> {
        let events = self.take_events(node);
        let (received, others) =
            events.into_iter().partition(|event| matches!(event, Event::Received { .. }));
        self.nodes[node.0].events = others;
        received
    }

    // ----- commands -----

    /// Calls something on a node's session at the current time, then moves what came of it.
    ///
    /// # Panics
    /// When the node has crashed.
    #[expect(clippy::expect_used, reason = "a test that uses a crashed node is wrong")]
    pub fn with<T>(&mut self, node: Node, act: impl FnOnce(&mut Session, Time) -> T) -> T {
        let session = self.nodes[node.0].session.as_mut();
        let result = act(session.expect("the node has not crashed"), self.now);
        self.pump();
        result
    }

    /// As [`Session::emit`].
    ///
    /// # Errors
    /// As [`Session::emit`].
    pub fn emit(
        &mut self,
        node: Node,
        to: impl Into<Target>,
        event: &Packet,
    ) -> Result<Emitted, EmitError> {
        self.with(node, |session, now| session.emit(to, event, now))
    }

    // ----- running -----

    /// Jumps to the next wake-up and handles all that is due then. `false`: nothing will ever happen again.
    pub fn step(&mut self) -> bool {
        let sessions = self.nodes.iter().filter_map(|slot| slot.session.as_ref());
        let timers = sessions.filter_map(Session::poll_timeout);
        let hub = self.hub().and_then(Hub::poll_timeout);
        let wire = self.wire.first_key_value().map(|((at, _), _)| *at);
        let Some(next) = timers.chain(hub).chain(wire).min() else { return false };
        self.now = self.now.max(next);
        while let Some(entry) = self.wire.first_entry() {
            if entry.key().0 > self.now {
                break;
            }
            let delivery = entry.remove();
            self.deliver(delivery);
            self.pump();
        }
        if let Some(server) = &mut self.server
            && server.hub.poll_timeout().is_some_and(|at| at <= self.now)
        {
            let outputs = server.handle_timeout(self.now);
            self.send_from_server(outputs);
        }
        for slot in &mut self.nodes {
            if let Some(session) = &mut slot.session
                && session.poll_timeout().is_some_and(|at| at <= self.now)
            {
                session.handle_timeout(self.now);
            }
        }
        self.pump();
        true
    }

    /// Steps for a span of virtual time.
    pub fn run_for(&mut self, span: Duration) {
        let end = self.now + span;
        while self.next_wake_up().is_some_and(|at| at <= end) {
            self.step();
        }
        self.now = end;
    }

    /// Steps until `done`, at most for a span of virtual time. Tells whether it was done.
    #[must_use]
    pub fn run_until(&mut self, span: Duration, mut done: impl FnMut(&Self) -> bool) -> bool {
        let end = self.now + span;
        while !done(self) {
            if self.next_wake_up().is_none_or(|at| at > end) {
                return false;
            }
            self.step();
        }
        true
    }

    /// Steps until two nodes send to each other directly.
    ///
    /// # Panics
    /// When that takes longer than a minute of virtual time.
    pub fn run_until_direct(&mut self, a: Node, b: Node) {
        let direct = |mesh: &Self, a, b| {
            let peer = mesh.peer(a, b);
            peer.is_some_and(|peer| peer.path == Some(socketio_p2p_core::Path::Direct))
        };
        let done = |mesh: &Self| direct(mesh, a, b) && direct(mesh, b, a);
        assert!(self.run_until(Duration::from_secs(60), done), "{a:?} and {b:?} are not direct");
    }

    /// Steps until no session has anything queued for anyone: all that was emitted has arrived and been
    /// acknowledged. Probes, signals and attempts at direct paths may be under way.
    ///
    /// # Panics
    /// When that takes longer than ten minutes of virtual time.
    pub fn run_until_quiet(&mut self) {
        let quiet = |mesh: &Self| {
            let sessions = mesh.nodes.iter().filter_map(|slot| slot.session.as_ref());
            sessions.flat_map(Session::peers).all(|peer| peer.queued == 0)
        };
        assert!(self.run_until(Duration::from_secs(600), quiet), "the mesh does not come to rest");
    }

    fn next_wake_up(&self) -> Option<Time> {
        let sessions = self.nodes.iter().filter_map(|slot| slot.session.as_ref());
        let timers = sessions.filter_map(Session::poll_timeout);
        let hub = self.hub().and_then(Hub::poll_timeout);
        let wire = self.wire.first_key_value().map(|((at, _), _)| *at);
        timers.chain(hub).chain(wire).min()
    }
}

/// A seed for each purpose from the one of the mesh.
fn spread(seed: u64, purpose: u64) -> [u8; 32] {
    let mut bytes = [0; 32];
    bytes[..8].copy_from_slice(&seed.to_le_bytes());
    bytes[8..16].copy_from_slice(&purpose.to_le_bytes());
    bytes
}
