//! What can be done to a mesh.

use std::collections::BTreeSet;
use std::time::Duration;

use socketio_p2p_core::hub::Departure;

use super::wire::{Delivery, Flow};
use super::{Mesh, Node, spread};
use crate::server::Server;

impl Mesh {
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
