//! A hub and sessions on a virtual clock.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

use socketio_p2p_core::hub::{Departure, Hub, HubConfig};
use socketio_p2p_core::signal::Signal;
use socketio_p2p_core::{
    Command, Config, ConnectionId, DirectCommand, EmitError, Emitted, Event, Frame, Packet, Peer,
    PeerId, Session, Target, Time,
};

use crate::broker::{Broker, End};
use crate::server::{Server, ServerOutput, SocketId};

/// The most bytes that are under way in one direction of a direct connection.
const DIRECT_OUTSTANDING: usize = 256 << 10;

/// The longest message of a direct connection, as with a browser.
const DIRECT_MAX_MESSAGE: usize = 256 << 10;

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
    /// When the last delivery of each flow is due: flows keep their order whatever the latency does.
    flows: BTreeMap<Flow, Time>,
}

/// What keeps its order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Flow {
    Up(SocketId),
    Down(SocketId),
    Direct(End),
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

#[derive(Debug)]
enum Delivery {
    ToServer { socket: SocketId, frame: Frame },
    ToNode { node: usize, socket: SocketId, frame: Frame },
    SignalingOpen { node: usize },
    SignalingFailed { node: usize },
    SignalingClosed { node: usize, socket: SocketId },
    ServerSeesClose { socket: SocketId, departure: Departure },
    DirectSignal { end: End, signal: Signal },
    DirectOpen { end: End },
    DirectFrame { from: End, to: End, frame: Frame },
    DirectClosed { end: End },
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

    // ----- faults -----

    /// Stops the server as a crash does: every socket closes, what the hub knew is lost.
    pub fn stop_server(&mut self) {
        self.server = None;
        for node in 0..self.nodes.len() {
            self.close_socket(node);
        }
        self.pump();
    }

    /// Starts the server, with a hub that knows nobody.
    pub fn start_server(&mut self) {
        self.restarts += 1;
        let seed = spread(self.seed, u64::MAX - self.restarts);
        self.server = Some(Server::new(self.hub_config.clone(), seed));
    }

    /// Cuts a node's socket to the server. The node may reconnect at once.
    pub fn cut_signaling(&mut self, node: Node) {
        if let Some(socket) = self.nodes[node.0].socket {
            let departure = Departure::Lost;
            let delivery = Delivery::ServerSeesClose { socket, departure };
            self.schedule_in_order(Flow::Up(socket), self.latency.relay, delivery);
        }
        self.close_socket(node.0);
        self.pump();
    }

    /// Lets a node reach the server, or not; being cut off closes its socket.
    pub fn set_reachable(&mut self, node: Node, reachable: bool) {
        self.nodes[node.0].reachable = reachable;
        if !reachable {
            self.cut_signaling(node);
        }
    }

    /// Closes the direct connections between two nodes; both ends are told.
    pub fn close_direct(&mut self, a: Node, b: Node) {
        for end in self.ends_between(a, b) {
            self.broker.close(end);
            self.schedule(Duration::ZERO, Delivery::DirectClosed { end });
        }
        self.pump();
    }

    /// Lets nothing through directly between two nodes, without telling anyone; or lets it through again.
    pub fn set_silent(&mut self, a: Node, b: Node, silent: bool) {
        change(&mut self.silent, a, b, silent);
        for (from, to, frame) in std::mem::take(&mut self.held) {
            // Before everything that is still under way behind them.
            self.schedule(Duration::ZERO, Delivery::DirectFrame { from, to, frame });
        }
    }

    /// Lets no new direct connection between two nodes come about; or lets them.
    pub fn set_blocked(&mut self, a: Node, b: Node, blocked: bool) {
        change(&mut self.blocked, a, b, blocked);
    }

    /// Ends a node as `kill -9` does: its socket closes, its direct connections fall silent.
    pub fn crash(&mut self, node: Node) {
        self.cut_signaling(node);
        let slot = &mut self.nodes[node.0];
        slot.session = None;
        slot.connections.clear();
        for other in 0..self.nodes.len() {
            change(&mut self.silent, node, Node(other), true);
        }
    }

    /// Moves the clock without anyone having had the chance to act in between.
    pub fn jump_clock(&mut self, by: Duration) {
        self.now = self.now + by;
        self.wire = std::mem::take(&mut self.wire)
            .into_iter()
            .map(|((at, number), delivery)| ((at + by, number), delivery))
            .collect();
        for last in self.flows.values_mut() {
            *last = *last + by;
        }
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

    // ----- the wire -----

    fn schedule(&mut self, after: Duration, delivery: Delivery) {
        self.wire.insert((self.now + after, self.next_delivery), delivery);
        self.next_delivery += 1;
    }

    fn schedule_in_order(&mut self, flow: Flow, after: Duration, delivery: Delivery) {
        let last = self.flows.get(&flow).copied().unwrap_or_default();
        let at = last.max(self.now + after);
        self.flows.insert(flow, at);
        self.schedule(at - self.now, delivery);
    }

    /// Takes all output of all sessions.
    fn pump(&mut self) {
        for node in 0..self.nodes.len() {
            self.pump_node(node);
        }
    }

    fn pump_node(&mut self, node: usize) {
        let now = self.now;
        loop {
            let slot = &mut self.nodes[node];
            let Some(session) = &mut slot.session else { return };
            slot.events.extend(std::iter::from_fn(|| session.poll_event()));
            if let Some(command) = session.poll_command() {
                self.execute(node, command);
                continue;
            }
            if let Some(socket) = slot.socket
                && let Some(frame) = session.poll_signaling_transmit(now)
            {
                self.uploads += u64::from(matches!(frame, Frame::Text(_)));
                let delivery = Delivery::ToServer { socket, frame };
                self.schedule_in_order(Flow::Up(socket), self.latency.relay, delivery);
                continue;
            }
            if !self.pump_direct(node) {
                let session = self.nodes[node].session.as_mut();
                let more = session.and_then(|session| session.poll_event());
                match more {
                    Some(event) => self.nodes[node].events.push(event),
                    None => return,
                }
            }
        }
    }

    fn pump_direct(&mut self, node: usize) -> bool {
        let mut moved = false;
        for connection in self.nodes[node].connections.clone() {
            let from = (node, connection);
            let Some(to) = self.broker.other_end(from) else { continue };
            while self.outstanding.get(&from).is_none_or(|bytes| *bytes < DIRECT_OUTSTANDING) {
                let Some(session) = &mut self.nodes[node].session else { break };
                let Some(frame) = session.poll_direct_transmit(connection, self.now) else { break };
                moved = true;
                *self.outstanding.entry(from).or_default() += frame.len();
                let delivery = Delivery::DirectFrame { from, to, frame };
                self.schedule_in_order(Flow::Direct(from), self.latency.direct, delivery);
            }
        }
        moved
    }

    fn execute(&mut self, node: usize, command: Command) {
        match command {
            Command::ConnectSignaling => {
                let up = self.server.is_some() && self.nodes[node].reachable;
                let delivery = if up {
                    Delivery::SignalingOpen { node }
                } else {
                    Delivery::SignalingFailed { node }
                };
                self.schedule(self.latency.relay * 2, delivery);
            }
            Command::CloseSignaling => {
                if let Some(socket) = self.nodes[node].socket.take() {
                    let departure = Departure::Lost;
                    let seen = Delivery::ServerSeesClose { socket, departure };
                    self.schedule_in_order(Flow::Up(socket), self.latency.relay, seen);
                }
            }
            Command::Direct(command) => self.execute_direct(node, command),
            _ => {}
        }
    }

    fn execute_direct(&mut self, node: usize, command: DirectCommand) {
        match command {
            DirectCommand::Offer { connection, .. } => {
                let end = (node, connection);
                self.nodes[node].connections.insert(connection);
                let signal = Signal::Offer(self.broker.describe(end));
                self.schedule(Duration::ZERO, Delivery::DirectSignal { end, signal });
            }
            DirectCommand::Answer { connection, sdp, .. } => {
                let end = (node, connection);
                self.nodes[node].connections.insert(connection);
                if self.broker.answer(end, &sdp) {
                    let signal = Signal::Answer(self.broker.describe(end));
                    self.schedule(Duration::ZERO, Delivery::DirectSignal { end, signal });
                } else {
                    self.schedule(Duration::ZERO, Delivery::DirectClosed { end });
                }
            }
            DirectCommand::Signal { connection, signal: Signal::Answer(sdp) } => {
                let end = (node, connection);
                let Some(other) = self.broker.complete(end, &sdp) else { return };
                if !self.blocked.contains(&(end.0, other.0)) {
                    let round_trip = self.latency.direct * 2;
                    self.schedule(round_trip, Delivery::DirectOpen { end });
                    self.schedule(round_trip, Delivery::DirectOpen { end: other });
                }
            }
            DirectCommand::Close { connection } => {
                let end = (node, connection);
                self.nodes[node].connections.remove(&connection);
                self.outstanding.remove(&end);
                if let Some(other) = self.broker.close(end)
                    && !self.is_silent(end, other)
                {
                    let delivery = Delivery::DirectClosed { end: other };
                    self.schedule_in_order(Flow::Direct(end), self.latency.direct, delivery);
                }
            }
            DirectCommand::Signal { .. } | _ => {}
        }
    }

    fn deliver(&mut self, delivery: Delivery) {
        let now = self.now;
        match delivery {
            Delivery::ToServer { socket, frame } => {
                if let Some(server) = &mut self.server {
                    let outputs = server.receive(socket, frame, now);
                    self.send_from_server(outputs);
                }
            }
            Delivery::ToNode { node, socket, frame } => {
                if self.nodes[node].socket == Some(socket) {
                    self.tell(node, |session| session.handle_signaling_frame(frame, now));
                }
            }
            Delivery::SignalingOpen { node } => self.open_socket(node),
            Delivery::SignalingFailed { node } => {
                let error = "the server is not there".to_owned();
                self.tell(node, |session| session.handle_signaling_closed(error, now));
            }
            Delivery::SignalingClosed { node, socket } => {
                if self.nodes[node].socket == Some(socket) {
                    self.nodes[node].socket = None;
                    let error = "the server closed the socket".to_owned();
                    self.tell(node, |session| session.handle_signaling_closed(error, now));
                }
            }
            Delivery::ServerSeesClose { socket, departure } => {
                if let Some(server) = &mut self.server {
                    let outputs = server.disconnect(socket, departure, now);
                    self.send_from_server(outputs);
                }
            }
            Delivery::DirectSignal { end: (node, connection), signal } => {
                self.tell(node, |session| session.handle_direct_signal(connection, &signal, now));
            }
            Delivery::DirectOpen { end: (node, connection) } => {
                if self.broker.other_end((node, connection)).is_some() {
                    self.tell(node, |session| {
                        session.handle_direct_open(connection, DIRECT_MAX_MESSAGE, now);
                    });
                }
            }
            Delivery::DirectFrame { from, to, frame } => {
                if self.is_silent(from, to) {
                    // It stays in the sender's buffer, and is sent again should the path heal.
                    self.held.push_back((from, to, frame));
                    return;
                }
                if let Some(bytes) = self.outstanding.get_mut(&from) {
                    *bytes = bytes.saturating_sub(frame.len());
                }
                if self.broker.other_end(from) == Some(to) {
                    let (node, connection) = to;
                    self.tell(node, |session| session.handle_direct_frame(connection, frame, now));
                }
            }
            Delivery::DirectClosed { end: (node, connection) } => {
                self.nodes[node].connections.remove(&connection);
                self.outstanding.remove(&(node, connection));
                let error = "the connection was closed".to_owned();
                self.tell(node, |session| session.handle_direct_closed(connection, error, now));
            }
        }
    }

    fn tell(&mut self, node: usize, act: impl FnOnce(&mut Session)) {
        if let Some(session) = &mut self.nodes[node].session {
            act(session);
        }
    }

    fn open_socket(&mut self, node: usize) {
        let now = self.now;
        let Some(server) = self.server.as_mut().filter(|_| self.nodes[node].reachable) else {
            return self.deliver(Delivery::SignalingFailed { node });
        };
        let socket = self.next_socket;
        self.next_socket += 1;
        server.open(socket);
        self.nodes[node].socket = Some(socket);
        self.tell(node, |session| session.handle_signaling_open(now));
    }

    /// The node's end of a socket breaks.
    fn close_socket(&mut self, node: usize) {
        let now = self.now;
        if self.nodes[node].socket.take().is_some() {
            let error = "the socket broke".to_owned();
            self.tell(node, |session| session.handle_signaling_closed(error, now));
        }
    }

    fn send_from_server(&mut self, outputs: Vec<ServerOutput>) {
        for output in outputs {
            let (ServerOutput::Send(socket, _) | ServerOutput::Close(socket)) = &output;
            let socket = *socket;
            let owner = self.nodes.iter().position(|slot| slot.socket == Some(socket));
            let Some(node) = owner else { continue };
            let delivery = match output {
                ServerOutput::Send(_, frame) => Delivery::ToNode { node, socket, frame },
                ServerOutput::Close(_) => Delivery::SignalingClosed { node, socket },
            };
            self.schedule_in_order(Flow::Down(socket), self.latency.relay, delivery);
        }
    }

    fn ends_between(&self, a: Node, b: Node) -> Vec<End> {
        let ends = self.broker.ends_of(a.0).into_iter();
        let pairs = ends.filter_map(|end| Some((end, self.broker.other_end(end)?)));
        pairs.filter(|(_, other)| other.0 == b.0).flat_map(|(end, other)| [end, other]).collect()
    }

    fn is_silent(&self, from: End, to: End) -> bool {
        self.silent.contains(&(from.0, to.0))
    }
}

fn change(pairs: &mut BTreeSet<(usize, usize)>, a: Node, b: Node, member: bool) {
    for pair in [(a.0, b.0), (b.0, a.0)] {
        if member {
            pairs.insert(pair);
        } else {
            pairs.remove(&pair);
        }
    }
}

/// A seed for each purpose from the one of the mesh.
fn spread(seed: u64, purpose: u64) -> [u8; 32] {
    let mut bytes = [0; 32];
    bytes[..8].copy_from_slice(&seed.to_le_bytes());
    bytes[8..16].copy_from_slice(&purpose.to_le_bytes());
    bytes
}
