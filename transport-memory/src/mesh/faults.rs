//! What can be done to a mesh.

use std::time::Duration;

use socketio_p2p_core::hub::Departure;
use socketio_p2p_core::{PeerId, Time};

use super::delivery::Delivery;
use super::nodes::Pace;
use super::{Fault, Mesh, Node, spread};
use crate::broker::End;
use crate::conditions::{Conditions, RosterFaults, SignalFaults};
use crate::dice::Dice;
use crate::server::Server;
use crate::witness::Witness;

/// The purpose of the keys of resume tokens after the first one, counted downwards.
const KEYS: u64 = u64::MAX / 2;

impl Mesh {
    // ----- the hub -----

    /// Stops the server as a crash does: every socket closes, what the hub knew is lost.
    pub fn stop_server(&mut self) {
        if let Some(server) = self.server.take() {
            self.witness = server.witness.map(Witness::of_next_hub);
            self.gate = server.gate;
        }
        for node in 0..self.nodes.len() {
            self.close_socket(node);
            self.pump(node);
        }
    }

    /// Starts the server, with a hub that knows nobody.
    pub fn start_server(&mut self) {
        self.restarts += 1;
        let seed = spread(self.seed, u64::MAX - self.restarts);
        let mut server = Server::new(self.hub_config.clone(), seed);
        let dice = Dice::for_purpose(self.seed, 2 + self.restarts);
        server.misname(self.roster_faults, dice);
        if self.record.is_watching() {
            server.weigh(self.witness.take());
        }
        server.gate = self.gate.take();
        self.server = Some(server);
    }

    /// Loses the key of the resume tokens: hubs started from now on accept none of before, and all members get new ids.
    pub fn lose_token_key(&mut self) {
        let key = spread(self.seed, KEYS - self.restarts);
        self.hub_config = self.hub_config.clone().with_token_key(key);
        if let Some(witness) = &mut self.witness {
            witness.forget_tokens();
        }
    }

    /// Sets how often the hub names members twice, or omits them at first.
    pub fn set_roster_faults(&mut self, faults: RosterFaults) {
        self.roster_faults = faults;
        let dice = Dice::new(self.network.dice.bits());
        if let Some(server) = &mut self.server {
            server.misname(faults, dice);
        }
    }

    /// Sets how often signals from the hub are lost, duplicated or delayed.
    pub fn set_signal_faults(&mut self, faults: SignalFaults) {
        self.network.signal_faults = faults;
    }

    // ----- sockets -----

    /// Cuts a node's socket to the server. The node may reconnect at once.
    pub fn cut_signaling(&mut self, node: Node) {
        self.schedule_end_of_socket(node.0);
        self.close_socket(node.0);
        self.pump(node.0);
    }

    /// Breaks a node's socket with frames in flight: some of them are delivered, the rest is lost.
    pub fn break_signaling(&mut self, node: Node) {
        let Some(socket) = self.nodes[node.0].socket_id() else { return };
        let on_it = |delivery: &Delivery| matches!(delivery, Delivery::ToServer { socket: on, .. } if *on == socket);
        let cut = self.network.queue.take(on_it);
        let sent = self.sending(node.0, self.now);
        let frames = cut.into_iter().flat_map(|next| {
            if let Delivery::ToServer { frames, .. } = next.delivery { frames } else { Vec::new() }
        });
        let mut frames: Vec<_> = frames.collect();
        let come = self.network.dice.roll(frames.len() as u64 + 1) as usize;
        if come < frames.len() {
            self.network.effects.change(Fault::BrokenSocket);
        }
        frames.truncate(come);
        self.schedule(Duration::ZERO, Delivery::ToServer { socket, frames, sent });
        let departure = Departure::Lost;
        self.schedule(Duration::ZERO, Delivery::ServerSeesClose { socket, departure });
        self.close_socket(node.0);
        self.pump(node.0);
    }

    /// Lets a node reach the server, or not; being cut off closes its socket.
    pub fn set_reachable(&mut self, node: Node, reachable: bool) {
        self.nodes[node.0].reachable = reachable;
        if !reachable {
            self.cut_signaling(node);
        }
    }

    /// Makes a node's socket half-open: nothing gets through in either direction and nobody is told, until the
    /// [ping timeout](Self::set_ping_timeout) ends it; or lets it through again.
    pub fn set_mute(&mut self, node: Node, mute: bool) {
        let slot = &mut self.nodes[node.0];
        if slot.mute == mute {
            return;
        }
        slot.mute = mute;
        let muted = std::mem::take(&mut slot.muted);
        let socket = slot.socket_id();
        self.network.release(muted, self.now);
        if mute && let Some(socket) = socket {
            self.schedule(
                self.network.ping_timeout,
                Delivery::PingTimeout { node: node.0, socket },
            );
        }
    }

    /// How long half-open sockets last from now on. 5 s at first.
    pub fn set_ping_timeout(&mut self, timeout: Duration) {
        self.network.ping_timeout = timeout;
    }

    /// Sets the conditions of the path between a node and the hub.
    pub fn set_relay_conditions(&mut self, node: Node, conditions: Conditions) {
        let before = std::mem::replace(&mut self.nodes[node.0].relay, conditions);
        if before.rate > 0 && conditions.rate == 0 {
            let soon = self.now + self.network.latency.relay;
            if let Some(socket) = &mut self.nodes[node.0].socket {
                socket.up.hasten(soon);
                socket.down.hasten(soon);
            }
            let owners = std::mem::take(&mut self.network.owners);
            self.network.hasten(soon, |delivery| match delivery {
                Delivery::ToNode { node: to, .. } => *to == node.0,
                Delivery::ToServer { socket, .. } => {
                    let owner = usize::try_from(*socket).ok().and_then(|socket| owners.get(socket));
                    owner == Some(&node.0)
                }
                Delivery::SignalingOpen { .. }
                | Delivery::SignalingFailed { .. }
                | Delivery::SignalingClosed { .. }
                | Delivery::ServerSeesClose { .. }
                | Delivery::DirectSignal { .. }
                | Delivery::DirectReport { .. }
                | Delivery::DirectOpen { .. }
                | Delivery::DirectFrame { .. }
                | Delivery::DatagramsOpen { .. }
                | Delivery::Datagram { .. }
                | Delivery::DirectClosed { .. }
                | Delivery::PingTimeout { .. }
                | Delivery::Flap { .. }
                | Delivery::TakeInput { .. }
                | Delivery::Drain { .. }
                | Delivery::TellMember { .. } => false,
            });
            self.network.owners = owners;
        }
    }

    // ----- direct paths -----

    /// Sets the conditions of the direct path from one node to another.
    pub fn set_direct_conditions(&mut self, from: Node, to: Node, conditions: Conditions) {
        let before =
            std::mem::replace(&mut self.network.pairs[from.0][to.0].conditions, conditions);
        if before.rate > 0 && conditions.rate == 0 {
            let soon = self.now + self.network.latency.direct;
            for connection in &mut self.nodes[from.0].connections {
                if connection.other.is_some_and(|(node, _)| node == to.0) {
                    connection.hop.hasten(soon);
                }
            }
            self.network.hasten(soon, |delivery| {
                if let Delivery::DirectFrame { from: (a, _), to: (b, _), .. }
                | Delivery::Datagram { from: (a, _), to: (b, _), .. } = delivery
                {
                    (*a, *b) == (from.0, to.0)
                } else {
                    false
                }
            });
        }
    }

    /// How many bytes are in flight in one direction of a direct connection, or from a node to the hub, until the
    /// transport pushes back. 256 KiB at first.
    pub fn set_outstanding(&mut self, bytes: usize) {
        self.network.outstanding = bytes;
    }

    /// As [`set_outstanding`](Self::set_outstanding), for what one node sends.
    pub fn set_outstanding_of(&mut self, node: Node, bytes: usize) {
        self.nodes[node.0].outstanding = Some(bytes);
    }

    /// Lets a node's transports drain its output with this pause; `None`: at once.
    pub fn set_drain(&mut self, node: Node, pause: Option<Duration>) {
        self.nodes[node.0].drain = pause;
        self.nodes[node.0].held = self.now;
        if pause.is_none() {
            self.pump(node.0);
        }
    }

    /// Lets nothing through that one node passes on to another as of a peer, without telling anyone; `None`: of none.
    pub fn set_swallowed(&mut self, from: Node, to: Node, peer: Option<PeerId>) {
        self.network.pairs[from.0][to.0].swallowed = peer;
    }

    /// Closes the direct connections between two nodes; both ends are told.
    pub fn close_direct(&mut self, a: Node, b: Node) {
        for (end, other) in self.connections_between(a, b) {
            self.break_connection(end, other);
        }
    }

    /// Lets nothing through directly between two nodes, without telling anyone: their connections are
    /// half-open; or lets it through again.
    pub fn set_silent(&mut self, a: Node, b: Node, silent: bool) {
        for (from, to) in [(a, b), (b, a)] {
            self.silence(from, to, silent.then_some(Fault::HalfOpen));
        }
    }

    /// As [`set_silent`](Self::set_silent), in one direction.
    pub fn set_cut(&mut self, from: Node, to: Node, cut: bool) {
        self.silence(from, to, cut.then_some(Fault::OneWayCut));
    }

    /// Splits the nodes: between those in `island` and all others nothing gets through directly, and the hub,
    /// which is not in it, is out of reach for them, with half-open sockets.
    pub fn partition(&mut self, island: &[Node]) {
        for from in 0..self.nodes.len() {
            let within = island.contains(&Node(from));
            self.set_mute(Node(from), within);
            for to in 0..self.nodes.len() {
                if within != island.contains(&Node(to)) {
                    self.silence(Node(from), Node(to), Some(Fault::Partition));
                }
            }
        }
    }

    /// Ends cuts, silences and partitions, all but those of nodes that have crashed.
    pub fn heal(&mut self) {
        for from in 0..self.nodes.len() {
            self.set_mute(Node(from), false);
            for to in 0..self.nodes.len() {
                if self.network.pairs[from][to].silent != Some(Fault::Crash) {
                    self.silence(Node(from), Node(to), None);
                }
            }
        }
    }

    fn silence(&mut self, from: Node, to: Node, silent: Option<Fault>) {
        let pair = &mut self.network.pairs[from.0][to.0];
        pair.silent = silent;
        if silent.is_none() {
            let held = std::mem::take(&mut pair.held);
            self.network.release(held, self.now);
        }
    }

    /// Whether no direct connection can be made between two nodes.
    #[must_use]
    pub fn is_blocked(&self, a: Node, b: Node) -> bool {
        self.network
            .pairs
            .get(a.0)
            .and_then(|pairs| pairs.get(b.0))
            .is_some_and(|pair| pair.blocked)
    }

    /// Lets attempts at direct connections between two nodes fail, or succeed again.
    pub fn set_blocked(&mut self, a: Node, b: Node, blocked: bool) {
        self.network.pairs[a.0][b.0].blocked = blocked;
        self.network.pairs[b.0][a.0].blocked = blocked;
    }

    /// Lets direct connections between two nodes break after a time; `None`: they last.
    pub fn set_flapping(&mut self, a: Node, b: Node, lasts: Option<Duration>) {
        self.network.pairs[a.0][b.0].flap = lasts;
        self.network.pairs[b.0][a.0].flap = lasts;
    }

    pub(crate) fn connections_between(&self, a: Node, b: Node) -> Vec<(End, End)> {
        let ends = self.nodes[a.0].connections.iter();
        let pairs = ends.filter_map(|end| Some(((a.0, end.id), end.other?)));
        pairs.filter(|(_, other)| other.0 == b.0).collect()
    }

    // ----- nodes -----

    /// Ends a node as `kill -9` does: its socket closes, its direct connections fall silent.
    pub fn crash(&mut self, node: Node) {
        self.cut_signaling(node);
        let slot = &mut self.nodes[node.0];
        slot.session = None;
        slot.due = None;
        slot.raw = None;
        slot.pace = Pace::AtOnce;
        slot.inbox.clear();
        for connection in std::mem::take(&mut slot.connections) {
            self.network.broker.close((node.0, connection.id));
        }
        for other in 0..self.nodes.len() {
            for (from, to) in [(node.0, other), (other, node.0)] {
                self.network.pairs[from][to].silent = Some(Fault::Crash);
                self.network.pairs[from][to].held.clear();
            }
        }
    }

    /// Lets a node take what comes for it one message at a time, with a pause before each; `None`: at once. Its
    /// transports push back on the senders.
    pub fn set_pace(&mut self, node: Node, pause: Option<Duration>) {
        let before = self.nodes[node.0].pace;
        self.nodes[node.0].pace = pause.map_or(Pace::AtOnce, Pace::Every);
        self.change_pace(node, before);
    }

    /// Stops a node's process, as SIGSTOP does, or lets it go on: it takes nothing, sends nothing, and has no
    /// timers.
    pub fn set_frozen(&mut self, node: Node, frozen: bool) {
        let before = self.nodes[node.0].pace;
        self.nodes[node.0].pace = if frozen { Pace::Frozen } else { Pace::AtOnce };
        self.change_pace(node, before);
    }

    /// Sets whether a node's application takes events.
    pub(crate) fn set_receiving(&mut self, node: Node, receiving: bool) {
        if self.is_running(node) {
            self.nodes[node.0].receiving = receiving;
            self.with(node, |session, now| session.set_receiving(receiving, now));
        }
    }

    /// Whether a node takes its input as it comes, and its application the events.
    pub(crate) fn is_prompt(&self, node: Node) -> bool {
        let slot = &self.nodes[node.0];
        slot.pace == Pace::AtOnce && slot.inbox.is_empty() && slot.receiving
    }

    /// Whether a node's application takes events.
    pub(crate) fn is_receiving(&self, node: Node) -> bool {
        self.nodes[node.0].receiving
    }

    /// How often a node's transports take its output, where that is not at once.
    pub(crate) fn drains_every(&self, node: Node) -> Option<Duration> {
        self.nodes[node.0].drain
    }

    /// Whether what one node sends to another directly gets through, as fast as usual.
    pub(crate) fn is_clear(&self, from: Node, to: Node) -> bool {
        let pair = &self.network.pairs[from.0][to.0];
        pair.silent.is_none() && pair.flap.is_none() && pair.conditions == Conditions::default()
    }

    /// Whether what a node and the hub say to each other gets through, as fast as usual.
    pub(crate) fn hears_hub(&self, node: Node) -> bool {
        let slot = &self.nodes[node.0];
        let usual = slot.relay == Conditions::default() && !slot.mute && slot.reachable;
        usual && slot.socket.is_some() && self.server.is_some()
    }

    /// Whether a node's process stands still.
    #[must_use]
    pub fn is_frozen(&self, node: Node) -> bool {
        self.nodes[node.0].pace == Pace::Frozen
    }

    fn change_pace(&mut self, node: Node, before: Pace) {
        self.nodes[node.0].held = self.now;
        match self.nodes[node.0].pace {
            Pace::AtOnce => {
                if before == Pace::Frozen {
                    // Its clock has gone on.
                    self.pump(node.0);
                }
                self.empty_inbox(node.0);
            }
            Pace::Every(pause) => {
                if before == Pace::Frozen {
                    self.pump(node.0);
                }
                let waiting = !self.nodes[node.0].inbox.is_empty();
                if waiting && !matches!(before, Pace::Every(_)) {
                    self.schedule(pause, Delivery::TakeInput { node: node.0 });
                }
            }
            Pace::Frozen => self.nodes[node.0].due = None,
        }
    }

    // ----- clocks -----

    /// Moves the clock without anyone having had the chance to act in between.
    pub fn jump_clock(&mut self, by: Duration) {
        if self.nodes.iter().any(|slot| slot.due.is_some_and(|at| at <= self.now + by)) {
            self.network.effects.change(Fault::ClockJump);
        }
        self.now = self.now + by;
        self.network.late_until = self.network.late_until + by;
        if let Some(witness) = self.server.as_mut().and_then(|server| server.witness.as_mut()) {
            witness.jumped(by, self.now);
        }
        self.network.queue.reschedule(|at, _| at + by);
        for slot in self.nodes.iter_mut() {
            slot.held = self.now;
            if let Some(socket) = &mut slot.socket {
                socket.up.jump(by);
                socket.down.jump(by);
            }
            for connection in &mut slot.connections {
                connection.hop.jump(by);
            }
        }
    }

    /// Moves one node's clock forward.
    pub fn jump_node_clock(&mut self, node: Node, by: Duration) {
        let slot = &mut self.nodes[node.0];
        slot.skew += by;
        slot.held = self.now;
        if let Some(due) = &mut slot.due {
            if *due <= self.now + by {
                self.network.effects.change(Fault::ClockJump);
            }
            let moved = (*due - Time::ZERO).saturating_sub(by);
            *due = self.now.max(Time::ZERO + moved);
        }
    }
}
