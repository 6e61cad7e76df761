//! A hub and sessions on a virtual clock.
//!
//! - here: the mesh, its nodes, commands, running
//! - `conditions`, `effects`: what paths do, and what came of it
//! - `faults`: what can be done to it
//! - `freight`: what sessions say to each other
//! - `kept`: how much sessions keep of what they were given
//! - `load`: how much of what sessions sent is on its way
//! - `peek`: what is read in the bytes under way
//! - `raw`: nodes without a session
//! - `sight`: the record of a run
//! - `queue`, `wire`, `deliver`: what is under way, and what becomes of it

mod conditions;
mod datagrams;
mod deliver;
mod delivery;
mod effects;
mod faults;
mod freight;
mod hop;
mod kept;
mod load;
mod peek;
mod queue;
mod raw;
mod sight;
mod wire;

use std::collections::VecDeque;
use std::time::Duration;

use socketio_p2p_core::hub::{Hub, HubConfig};
use socketio_p2p_core::{
    Config, ConnectionId, EmitError, Emitted, Event, Packet, Peer, PeerId, Session, Target, Time,
};

pub(crate) use self::conditions::millis;
pub use self::conditions::{Conditions, Latency, RosterFaults, SignalFaults};
use self::delivery::{Delivery, Scheduled};
pub use self::effects::{Effects, Fault};
pub(crate) use self::freight::{Freight, Hearing, Line, Neighbourly, Part, Sealed, Seen, Talk};
use self::hop::{Connection, Pair, Socket};
pub(crate) use self::load::Load;
pub(crate) use self::peek::Carried;
use self::queue::Queue;
pub use self::raw::RawInput;
pub use self::sight::{Place, Sight, What};
use crate::broker::{Broker, End};
use crate::dice::Dice;
use crate::server::{Server, SocketId};
use crate::sim::Breach;
use crate::witness::{Declined, Refused, Witness};

/// How long a half-open socket to the hub lasts until both ends notice.
const DEFAULT_PING_TIMEOUT: Duration = Duration::from_secs(5);

/// One session of a mesh, by its number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Node(pub(crate) usize);

impl Node {
    pub(crate) const fn from_index(index: usize) -> Self {
        Self(index)
    }

    /// Its number: nodes are numbered in the order in which they are added.
    #[must_use]
    pub const fn index(self) -> usize {
        self.0
    }
}

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
    dice: Dice,
    latency: Latency,
    hub_config: HubConfig,
    /// `None`: the server is down.
    server: Option<Server>,
    /// Who judged the hub that is down.
    witness: Option<Witness>,
    nodes: Vec<Slot>,
    /// What lies between any two nodes, by sender and receiver.
    pairs: Vec<Vec<Pair>>,
    broker: Broker,
    wire: Queue,
    next_delivery: u64,
    /// Whose each socket is or was.
    owners: Vec<usize>,
    signal_faults: SignalFaults,
    roster_faults: RosterFaults,
    ping_timeout: Duration,
    /// Bytes under way in one direction of a connection, at most.
    outstanding: usize,
    /// When the last of what the hub says late has arrived.
    late_until: Time,
    restarts: u64,
    /// Answers that came to the connection of another attempt.
    astray: u32,
    /// Offers of raw nodes that sessions have answered: who, and whose.
    taken_up: Vec<(Node, Node)>,
    uploads: u64,
    uploaded_bytes: usize,
    effects: Effects,
    sights: Option<Vec<Sight>>,
    /// The simulator's events that were seen on their way, where somebody looks.
    carried: Option<Vec<Carried>>,
    /// Who has tried to reach the hub, where somebody looks.
    tries: Vec<(Node, Time)>,
    /// What is on its way, where somebody looks.
    loads: load::Loads,
    /// Channels that have opened, where somebody looks.
    openings: Vec<End>,
    talks: Vec<Seen>,
    /// How much has been said and heard.
    talked: u64,
    /// When what the hub takes now was handed to its socket.
    uploaded: freight::Sending,
    /// Nodes that may have events, each once.
    noisy: VecDeque<Node>,
    /// Ids that the hub has given to nodes.
    named: Vec<(Node, PeerId)>,
    /// All ids that the hub has given, for the record.
    names: Vec<(PeerId, Node)>,
}

#[derive(Debug)]
struct Slot {
    /// `None`: crashed, or a raw node.
    session: Option<Session>,
    raw: Option<Vec<RawInput>>,
    socket: Option<Socket>,
    reachable: bool,
    /// Its socket is half-open: nothing gets through, nobody is told.
    mute: bool,
    /// What the half-open socket holds back.
    muted: Vec<Scheduled>,
    connections: Vec<Connection>,
    next_raw_connection: u64,
    events: Vec<Event>,
    noisy: bool,
    /// Its output is being taken, and has been taken once.
    stale: bool,
    /// How far its clock is ahead.
    skew: Duration,
    /// When its session is due, on the mesh's clock.
    due: Option<Time>,
    relay: Conditions,
    /// Its transports take its output only every so often.
    drain: Option<Duration>,
    draining: bool,
    /// When it last could not act at once.
    held: Time,
    /// Bytes under way in one direction of its connections, at most; of the mesh where it has none of its own.
    outstanding: Option<usize>,
    /// The longest message of its datagram channels, if it has any.
    datagrams: Option<usize>,
    /// Bytes that it has sent, to whomever.
    sent: u64,
    /// The header of an envelope is the last that it has sent to the hub.
    half: bool,
    /// A socket broke after that.
    cut: bool,
    /// Packets that it has passed on as a neighbour, where somebody looks.
    passed: u64,
    /// What its session keeps of what came, where somebody looks.
    kept: kept::Kept,
    pace: Pace,
    inbox: VecDeque<Delivery>,
    attempts: u32,
}

/// What a watched hub did wrong, and what sessions said to it.
#[derive(Debug)]
pub(crate) struct HubNews {
    pub(crate) verdict: Option<Breach>,
    pub(crate) refused: Vec<Refused>,
    pub(crate) declined: Vec<Declined>,
}

/// How fast a node takes its input.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Pace {
    AtOnce,
    /// One at a time.
    Every(Duration),
    /// Not at all: its process stands still.
    Frozen,
}

/// What a step of a mesh was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Step {
    /// Something arrived at a node.
    Arrival(Node),
    /// A timer of a node.
    Timer(Node),
    /// Something arrived at the hub, or a timer of its.
    Hub,
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
            dice: Dice::for_purpose(seed, 1),
            latency: Latency::default(),
            hub_config: config.with_token_key(spread(seed, u64::MAX)),
            server: None,
            witness: None,
            nodes: Vec::new(),
            pairs: Vec::new(),
            broker: Broker::default(),
            wire: Queue::default(),
            next_delivery: 0,
            owners: Vec::new(),
            signal_faults: SignalFaults::default(),
            roster_faults: RosterFaults::default(),
            ping_timeout: DEFAULT_PING_TIMEOUT,
            outstanding: wire::OUTSTANDING,
            late_until: Time::ZERO,
            restarts: 0,
            astray: 0,
            taken_up: Vec::new(),
            uploads: 0,
            uploaded_bytes: 0,
            effects: Effects::default(),
            sights: None,
            carried: None,
            tries: Vec::new(),
            loads: load::Loads::default(),
            openings: Vec::new(),
            talks: Vec::new(),
            talked: 0,
            uploaded: freight::Sending::default(),
            noisy: VecDeque::new(),
            named: Vec::new(),
            names: Vec::new(),
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
        let index = self.nodes.len();
        self.nodes.push(Slot {
            session: None,
            raw: None,
            socket: None,
            reachable: true,
            mute: false,
            muted: Vec::new(),
            connections: Vec::new(),
            next_raw_connection: 0,
            events: Vec::new(),
            noisy: false,
            stale: false,
            skew: Duration::ZERO,
            due: None,
            relay: Conditions::default(),
            drain: None,
            draining: false,
            held: Time::ZERO,
            outstanding: None,
            datagrams: None,
            sent: 0,
            half: false,
            cut: false,
            passed: 0,
            kept: kept::Kept::default(),
            pace: Pace::AtOnce,
            inbox: VecDeque::new(),
            attempts: 0,
        });
        for row in &mut self.pairs {
            row.push(Pair::default());
        }
        self.pairs.push(vec![Pair::default(); index + 1]);
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

    /// How many bytes a node has sent so far, to the hub and over direct connections.
    #[must_use]
    pub fn sent_bytes(&self, node: Node) -> u64 {
        self.nodes[node.0].sent
    }

    /// Whether a node has sent the header of an envelope to the hub and not the rest, which its session takes for sent.
    pub(crate) fn owes_body(&self, node: Node) -> bool {
        self.nodes[node.0].half || self.nodes[node.0].cut
    }

    /// How many packets a node has passed on as a neighbour. Counted for meshes that are watched.
    pub(crate) fn passed_by(&self, node: Node) -> u64 {
        self.nodes[node.0].passed
    }

    /// The bytes of messages that a node's session was given and of which it still holds some part, or somebody to whom
    /// it has passed them on. Counted for meshes that are watched.
    pub(crate) fn kept_bytes(&self, node: Node) -> usize {
        self.nodes[node.0].kept.bytes()
    }

    /// Looks from now on for the simulator's events in what is sent.
    pub(crate) fn watch(&mut self) {
        self.carried.get_or_insert_default();
        if let Some(server) = &mut self.server {
            server.weigh(None);
        }
    }

    /// What the hub, or a session towards it, did wrong since the last call.
    pub(crate) fn judge_hub(&mut self) -> Option<HubNews> {
        let witness = self.server.as_mut()?.witness.as_mut()?;
        let news = |witness: &mut Witness| HubNews {
            verdict: witness.take_verdict(),
            refused: witness.take_refused(),
            declined: witness.take_declined(),
        };
        witness.has_news().then(|| news(witness))
    }

    /// Moves what was seen since the last call to the end of `seen`.
    pub(crate) fn take_carried(&mut self, seen: &mut Vec<Carried>) {
        if let Some(carried) = &mut self.carried {
            seen.append(carried);
        }
    }

    /// Moves the attempts to reach the hub since the last call to the end of `seen`.
    pub(crate) fn take_tries(&mut self, seen: &mut Vec<(Node, Time)>) {
        seen.append(&mut self.tries);
    }

    /// Moves the greatest loads since the last call to the end of `seen`.
    pub(crate) fn take_loads(&mut self, seen: &mut Vec<Load>) {
        self.loads.take(seen);
    }

    pub(super) fn look_at(&mut self, frame: &socketio_p2p_core::Frame, from: Place, to: Place) {
        let (at, len) = (self.now, frame.len());
        if let Some(carried) = &mut self.carried {
            let numbers = peek::numbers(frame).into_iter();
            carried.extend(numbers.map(|number| Carried { at, from, to, number, len }));
        }
    }

    /// A channel that has opened since the last call.
    pub(crate) fn take_opening(&mut self) -> Option<(Node, ConnectionId)> {
        self.openings.pop().map(|(node, connection)| (Node(node), connection))
    }

    /// With whom a node has this connection, while it has it.
    pub(crate) fn remote_of(&self, node: Node, connection: ConnectionId) -> Option<Node> {
        let connection = self.nodes[node.0].connection(connection)?;
        connection.other.map(|other| Node(other.0))
    }

    /// Whether a pong has come on a connection of a node with another. Noted for meshes that are watched.
    pub(crate) fn has_pong(&self, node: Node, other: Node) -> bool {
        let mut connections = self.nodes[node.0].connections.iter();
        connections.any(|connection| connection.pong_of == Some(other.0))
    }

    /// How many direct connections a node has, open or not.
    pub(crate) fn connections_of(&self, node: Node) -> usize {
        self.nodes[node.0].connections.len()
    }

    /// Who has answered an offer of a raw node since the last call, and of which.
    pub(crate) fn take_taken_up(&mut self) -> Vec<(Node, Node)> {
        std::mem::take(&mut self.taken_up)
    }

    /// How many answers came to connections of sessions that had not made the offer.
    pub(crate) const fn astray(&self) -> u32 {
        self.astray
    }

    /// How many offers and answers for direct connections a node has made so far.
    #[must_use]
    pub fn attempts(&self, node: Node) -> u32 {
        self.nodes[node.0].attempts
    }

    /// Which faults were hit so far, and which changed something.
    #[must_use]
    pub const fn effects(&self) -> &Effects {
        &self.effects
    }

    pub(crate) const fn effects_mut(&mut self) -> &mut Effects {
        &mut self.effects
    }

    pub(crate) const fn late_until(&self) -> Time {
        self.late_until
    }

    /// Something is late, and arrives before then.
    fn note_late(&mut self, until: Time) {
        self.late_until = self.late_until.max(until);
    }

    /// How many nodes there are, those that have crashed counted.
    #[must_use]
    pub fn nodes(&self) -> usize {
        self.nodes.len()
    }

    /// How many messages are under way or held back.
    #[must_use]
    pub fn under_way(&self) -> usize {
        let held = self.pairs.iter().flatten().map(Pair::held).sum::<usize>();
        let waiting = self.nodes.iter().map(|slot| slot.inbox.len() + slot.muted.len());
        self.wire.len() + held + waiting.sum::<usize>()
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
        self.broker.counts()
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

    /// Moves the events of a node so far to the end of `events`.
    pub(crate) fn drain_events(&mut self, node: Node, events: &mut Vec<Event>) {
        events.append(&mut self.nodes[node.0].events);
    }

    /// The next node that may have events.
    pub(crate) fn take_noisy(&mut self) -> Option<Node> {
        let node = self.noisy.pop_front()?;
        self.nodes[node.0].noisy = false;
        Some(node)
    }

    /// The ids that the hub has given to nodes since the last call, whether they have heard of them or not.
    pub(crate) fn take_named(&mut self) -> Vec<(Node, PeerId)> {
        std::mem::take(&mut self.named)
    }

    pub(crate) fn has_noisy(&self) -> bool {
        !self.noisy.is_empty()
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

    // ----- running -----

    /// Jumps to the next wake-up and handles all that is due then. `false`: nothing will ever happen again.
    pub fn step(&mut self) -> bool {
        let Some(next) = self.next_wake_up() else { return false };
        self.now = self.now.max(next);
        while self.step_wire(self.now).is_some() {}
        self.step_hub(self.now);
        for node in 0..self.nodes.len() {
            self.step_timer(node);
        }
        true
    }

    /// Handles the one input that comes next, if it comes until then; the clock moves to its time.
    pub fn step_one(&mut self, until: Time) -> Option<Step> {
        let due = self.nodes.iter().enumerate().filter_map(|(node, slot)| Some((slot.due?, node)));
        let timer = due.min();
        let hub = self.hub().and_then(Hub::poll_timeout);
        let before = |at: Time, other: Option<Time>| other.is_none_or(|other| at <= other);
        let timer_at = timer.map(|(at, _)| at);
        if let Some(at) = self.wire.next_at()
            && before(at, hub)
            && before(at, timer_at)
        {
            return self.step_wire(until);
        }
        if let Some(at) = hub
            && before(at, timer_at)
        {
            return self.step_hub(until);
        }
        let (at, node) = timer.filter(|(at, _)| *at <= until)?;
        self.now = self.now.max(at);
        self.step_timer(node);
        Some(Step::Timer(Node(node)))
    }

    fn step_wire(&mut self, until: Time) -> Option<Step> {
        if self.wire.next_at()? > until {
            return None;
        }
        let next = self.wire.pop()?;
        self.now = self.now.max(next.at);
        Some(self.arrive(next))
    }

    fn step_hub(&mut self, until: Time) -> Option<Step> {
        let server = self.server.as_mut()?;
        let at = server.hub.poll_timeout().filter(|at| *at <= until)?;
        self.now = self.now.max(at);
        let outputs = server.handle_timeout(self.now);
        self.send_from_server(outputs);
        Some(Step::Hub)
    }

    fn step_timer(&mut self, node: usize) {
        let slot = &mut self.nodes[node];
        if slot.due.is_some_and(|at| at <= self.now)
            && let Some(session) = &mut slot.session
        {
            session.handle_timeout(self.now + slot.skew);
            self.pump(node);
        }
    }

    /// Steps for a span of virtual time.
    pub fn run_for(&mut self, span: Duration) {
        let end = self.now + span;
        while self.next_wake_up().is_some_and(|at| at <= end) {
            self.step();
        }
        self.now = end;
    }

    /// Moves the clock to a later time at which nothing is due before.
    pub(crate) fn wait_until(&mut self, time: Time) {
        self.now = self.now.max(time);
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

    /// When the next thing happens. `None`: never.
    #[must_use]
    pub fn next_wake_up(&self) -> Option<Time> {
        let timers = self.nodes.iter().filter_map(|slot| slot.due);
        let hub = self.hub().and_then(Hub::poll_timeout);
        timers.chain(hub).chain(self.wire.next_at()).min()
    }
}

impl Slot {
    fn connection(&self, id: ConnectionId) -> Option<&Connection> {
        self.connections.iter().find(|connection| connection.id == id)
    }

    fn connection_mut(&mut self, id: ConnectionId) -> Option<&mut Connection> {
        self.connections.iter_mut().find(|connection| connection.id == id)
    }

    fn socket_id(&self) -> Option<SocketId> {
        self.socket.as_ref().map(|socket| socket.id)
    }
}

/// A seed for each purpose from the one of the mesh.
fn spread(seed: u64, purpose: u64) -> [u8; 32] {
    let mut bytes = [0; 32];
    bytes[..8].copy_from_slice(&seed.to_le_bytes());
    bytes[8..16].copy_from_slice(&purpose.to_le_bytes());
    bytes
}
