//! Messages that arrive: they are delivered, held back, or wait in an inbox.

use std::time::Duration;

use socketio_p2p_core::Frame;

use super::delivery::{Delivery, Scheduled};
use super::effects::Fault;
use super::nodes::Pace;
use super::peek::passed_on;
use super::{Mesh, Node, Step};

/// Messages that wait for a node that does not take them; one more and the server closes its socket.
const CLIENT_QUEUE: usize = 1024;

impl Mesh {
    /// Handles a message that has arrived.
    pub(super) fn arrive(&mut self, next: Scheduled) -> Step {
        let Scheduled { number, delivery, .. } = next;
        if let Delivery::DirectFrame { from, to, frame, .. } = &delivery
            && self.is_swallowed(from.0, to.0, frame)
        {
            let (from, to, len) = (*from, *to, frame.len());
            self.network.effects.change(Fault::OneWayNeighbour);
            if self.credit(from, len) {
                self.pump(from.0);
            }
            return Step::Arrival(Node(to.0));
        }
        if let Delivery::Datagram { from, to, .. } = &delivery
            && self.network.pairs[from.0][to.0].silent.is_some()
        {
            return Step::Arrival(Node(to.0));
        }
        if let Delivery::DirectFrame { from, to, .. } = &delivery {
            let pair = &mut self.network.pairs[from.0][to.0];
            if let Some(fault) = pair.silent {
                // It stays in the sender's buffer, and is sent again should the path heal.
                let node = Node(to.0);
                self.network.effects.change(fault);
                if fault == Fault::Crash {
                    return Step::Arrival(node);
                }
                pair.held.push(Scheduled { at: self.now, number, delivery });
                return Step::Arrival(node);
            }
        }
        let step = delivery.receiver().map_or(Step::Hub, |node| Step::Arrival(Node(node)));
        let on_socket = if let Delivery::ToServer { socket, .. } = &delivery {
            let owner = self.network.owner(*socket);
            owner.filter(|node| self.nodes[*node].socket_id() == Some(*socket))
        } else if let Delivery::ToNode { node, .. } = &delivery {
            Some(*node)
        } else {
            None
        };
        if let Some(node) = on_socket.filter(|node| self.nodes[*node].mute) {
            self.network.effects.change(Fault::HalfOpen);
            self.nodes[node].muted.push(Scheduled { at: self.now, number, delivery });
            return step;
        }
        if let Some(node) = delivery.receiver()
            && (self.nodes[node].pace != Pace::AtOnce || !self.nodes[node].inbox.is_empty())
        {
            self.wait_in_inbox(node, delivery);
            return step;
        }
        self.deliver(delivery);
        step
    }

    fn is_swallowed(&self, from: usize, to: usize, frame: &Frame) -> bool {
        self.network.pairs[from][to].swallowed.as_ref().is_some_and(|peer| passed_on(frame, peer))
    }

    fn wait_in_inbox(&mut self, node: usize, delivery: Delivery) {
        self.network.effects.change(Fault::SlowConsumer);
        let slot = &mut self.nodes[node];
        if slot.inbox.is_empty()
            && let Pace::Every(pause) = slot.pace
        {
            self.schedule(pause, Delivery::TakeInput { node });
        }
        let slot = &mut self.nodes[node];
        slot.inbox.push_back(delivery);
        if let Some(socket) = slot.socket_id()
            && slot.inbox.len() > CLIENT_QUEUE
            && let Some(server) = &mut self.server
        {
            let outputs = server.evict(socket, self.now);
            self.send_from_server(outputs);
        }
    }

    pub(super) fn take_input(&mut self, node: usize) {
        let Some(delivery) = self.nodes[node].inbox.pop_front() else { return };
        self.deliver(delivery);
        let slot = &self.nodes[node];
        if slot.inbox.is_empty() {
            return;
        }
        match slot.pace {
            Pace::AtOnce => self.schedule(Duration::ZERO, Delivery::TakeInput { node }),
            Pace::Every(pause) => self.schedule(pause, Delivery::TakeInput { node }),
            Pace::Frozen => {}
        }
    }

    /// Lets everything in an inbox in.
    pub(super) fn empty_inbox(&mut self, node: usize) {
        while let Some(delivery) = self.nodes[node].inbox.pop_front() {
            self.deliver(delivery);
        }
    }
}
