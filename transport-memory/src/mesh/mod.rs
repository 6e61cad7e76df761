//! A hub and sessions on a virtual clock.
//!
//! - here: the mesh, its nodes, commands; `run`: steps
//! - `network`: paths and messages in flight (`delivery`, `queue`, `hop`), what faults came of them (`effects`)
//! - `nodes`: the nodes, by their names in `node`
//! - `record`: what is recorded (`trace`) and watched (`talk`, `load`, `peek`, `kept`); `watch`: for the
//!   simulator's judges
//! - `pump`, `relay`, `direct`, `datagrams`: sending; `arrive`, `deliver`: arriving
//! - `faults`: what can be done to a mesh
//! - `raw`: nodes without a session

mod arrive;
mod datagrams;
mod deliver;
mod delivery;
mod direct;
mod effects;
mod faults;
mod hop;
mod kept;
mod late_offers;
mod load;
mod network;
mod node;
mod nodes;
mod operator;
mod peek;
mod pump;
mod queue;
mod raw;
mod record;
mod relay;
mod run;
mod talk;
mod trace;
mod watch;

use socketio_p2p_core::hub::{Hub, HubConfig};
use socketio_p2p_core::{
    Config, ConnectionId, EmitError, Emitted, Event, Packet, PeerId, PeerInfo, Session, Target,
    Time,
};

pub use self::delivery::RawInput;
pub use self::effects::{Effects, Fault};
pub(crate) use self::hop::Tally;
pub(crate) use self::late_offers::LateOffer;
pub(crate) use self::load::Load;
use self::network::Network;
pub use self::node::{Node, Place};
use self::nodes::Nodes;
pub(crate) use self::peek::Carried;
use self::record::Record;
pub use self::run::Step;
pub(crate) use self::talk::{Hearing, Line, Seen, Talk};
pub use self::trace::{TraceEntry, TraceEvent};
pub(crate) use self::watch::HubNews;
use crate::conditions::{Latency, RosterFaults};
use crate::dice::Dice;
use crate::server::{Gate, Server};
use crate::witness::Witness;

/// A hub and any number of sessions on a virtual clock.
///
/// Nothing happens by itself: [`step`](Self::step) jumps to the next wake-up and handles all that is due then,
/// [`step_one`](Self::step_one) handles one input; the `run_*` methods step repeatedly. Commands
/// ([`emit`](Self::emit) …) take effect at the current time.
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
    hub_config: HubConfig,
    roster_faults: RosterFaults,
    restarts: u64,
    /// `None`: the server is down.
    server: Option<Server>,
    /// The judge of the hub that is down.
    witness: Option<Witness>,
    /// Who decides about the clients of the server that is down.
    gate: Option<Gate>,
    network: Network,
    nodes: Nodes,
    record: Record,
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
            hub_config: config.with_token_key(spread(seed, u64::MAX)),
            roster_faults: RosterFaults::default(),
            restarts: 0,
            server: None,
            witness: None,
            gate: None,
            network: Network::new(Dice::for_purpose(seed, 1)),
            nodes: Nodes::default(),
            record: Record::default(),
        };
        mesh.start_server();
        mesh
    }

    /// The virtual time.
    #[must_use]
    pub const fn now(&self) -> Time {
        self.now
    }

    /// When the clock of a node shows this time.
    pub(crate) fn time_at(&self, node: Node, shown: Time) -> Time {
        self.nodes[node.0].outer(shown)
    }

    /// Sets the delays of everything sent from now on.
    pub fn set_latency(&mut self, latency: Latency) {
        self.network.latency = latency;
    }

    /// Adds a session, which connects at once.
    ///
    /// # Panics
    /// When the configuration is not valid.
    #[expect(clippy::expect_used, reason = "a test with settings that cannot be is wrong")]
    pub fn add(&mut self, config: Config) -> Node {
        let node = self.add_slot();
        let seed = spread(self.seed, node.0 as u64);
        let session = Session::new(config, seed, self.now).expect("the configuration is valid");
        self.nodes[node.0].session = Some(session);
        self.pump(node.0);
        node
    }

    fn add_slot(&mut self) -> Node {
        self.network.add_node();
        self.nodes.add()
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

    /// Whether a node has a session: it has not crashed and is not a raw one.
    #[must_use]
    pub fn is_running(&self, node: Node) -> bool {
        self.nodes[node.0].session.is_some()
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
    pub fn peer(&self, node: Node, other: Node) -> Option<PeerInfo> {
        let id = self.nodes[other.0].session.as_ref()?.id()?.clone();
        self.session(node).peers().find(|peer| peer.id == id)
    }

    /// How many packets all sessions have sent to the server so far.
    #[must_use]
    pub const fn uploads(&self) -> u64 {
        self.record.uploads
    }

    /// How many bytes all sessions have sent to the server so far.
    #[must_use]
    pub const fn uploaded_bytes(&self) -> usize {
        self.record.uploaded_bytes
    }

    /// How many bytes a node has sent so far, to the hub and over direct connections.
    #[must_use]
    pub fn sent_bytes(&self, node: Node) -> u64 {
        self.nodes[node.0].sent
    }

    /// How many offers and answers for direct connections a node has made so far.
    #[must_use]
    pub fn attempts(&self, node: Node) -> u32 {
        self.nodes[node.0].attempts
    }

    /// Which faults were hit so far, and which changed something.
    #[must_use]
    pub const fn effects(&self) -> &Effects {
        &self.network.effects
    }

    /// How many nodes there are, those that have crashed counted.
    #[must_use]
    pub fn nodes(&self) -> usize {
        self.nodes.len()
    }

    /// The number of messages in flight or held back.
    #[must_use]
    pub fn in_flight(&self) -> usize {
        let waiting = self.nodes.iter().map(|slot| slot.inbox.len() + slot.muted.len());
        self.network.in_flight() + waiting.sum::<usize>()
    }

    /// The other end of a direct connection of a node's that is open.
    #[must_use]
    pub fn other_end(&self, node: Node, connection: ConnectionId) -> Option<(Node, ConnectionId)> {
        let (other, connection) = self.nodes[node.0].connection(connection)?.other?;
        Some((Node(other), connection))
    }

    /// How many direct connections the network holds open, and how many descriptions of such that came to
    /// nothing yet.
    #[must_use]
    pub fn direct_connections(&self) -> (usize, usize) {
        self.network.broker.counts()
    }

    /// Whether a node has events to take.
    #[must_use]
    pub fn has_events(&self, node: Node) -> bool {
        !self.nodes[node.0].events.is_empty()
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
        let slot = &mut self.nodes[node.0];
        let now = self.now + slot.skew;
        let result = act(slot.session.as_mut().expect("the node has not crashed"), now);
        self.pump(node.0);
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
}

/// A seed for each purpose from the one of the mesh.
fn spread(seed: u64, purpose: u64) -> [u8; 32] {
    let mut bytes = [0; 32];
    bytes[..8].copy_from_slice(&seed.to_le_bytes());
    bytes[8..16].copy_from_slice(&purpose.to_le_bytes());
    bytes
}
