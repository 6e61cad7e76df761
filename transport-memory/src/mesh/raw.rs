//! Nodes without a session: whoever says what it likes, to the hub and over direct connections.

use socketio_p2p_core::{ConnectionId, Frame};

use super::delivery::RawInput;
use super::hop::Connection;
use super::{Mesh, Node};

impl Mesh {
    /// Adds a node without a session: it does nothing but what the `raw_*` methods say.
    pub fn add_raw(&mut self) -> Node {
        let node = self.add_slot();
        self.nodes[node.0].raw = Some(Vec::new());
        node
    }

    /// Opens a socket from a raw node to the hub. [`RawInput::Open`] or [`RawInput::Closed`] follows.
    pub fn raw_connect(&mut self, node: Node) {
        self.connect_signaling(node.0);
    }

    /// Closes a raw node's socket.
    pub fn raw_disconnect(&mut self, node: Node) {
        self.close_signaling(node.0);
    }

    /// Sends frames to the hub, unchecked.
    pub fn raw_send(&mut self, node: Node, frames: Vec<Frame>) {
        self.upload(node.0, frames);
    }

    /// Describes a new direct connection, as for an offer.
    pub fn raw_offer(&mut self, node: Node) -> (ConnectionId, String) {
        let connection = self.raw_connection(node);
        (connection, self.network.broker.describe((node.0, connection)))
    }

    /// Describes a new direct connection as the answer to an offer; `None` when nobody made that offer.
    pub fn raw_answer(&mut self, node: Node, offer: &str) -> Option<(ConnectionId, String)> {
        let connection = self.raw_connection(node);
        let end = (node.0, connection);
        if self.nodes[node.0].datagrams.is_some() {
            self.network.broker.want_datagrams(end);
        }
        self.network
            .broker
            .answer(end, offer)
            .then(|| (connection, self.network.broker.describe(end)))
    }

    /// Handles an answer to an offer of the node.
    pub fn raw_complete(&mut self, node: Node, connection: ConnectionId, answer: &str) {
        self.complete((node.0, connection), answer);
    }

    /// Sends a frame on a direct connection. `false`: there is no room, or no such connection.
    pub fn raw_send_direct(&mut self, node: Node, connection: ConnectionId, frame: Frame) -> bool {
        self.has_room((node.0, connection)) && {
            self.send_direct((node.0, connection), frame);
            true
        }
    }

    /// As [`raw_send_direct`](Self::raw_send_direct), whether there is room or not.
    pub(crate) fn raw_force_direct(&mut self, node: Node, connection: ConnectionId, frame: Frame) {
        self.send_direct((node.0, connection), frame);
    }

    /// Takes the inputs of a raw node so far.
    pub fn take_raw(&mut self, node: Node) -> Vec<RawInput> {
        self.nodes[node.0].raw.as_mut().map(std::mem::take).unwrap_or_default()
    }

    pub(super) fn tell_raw(&mut self, node: usize, input: RawInput) {
        if let Some(inputs) = &mut self.nodes[node].raw {
            inputs.push(input);
        }
    }

    fn raw_connection(&mut self, node: Node) -> ConnectionId {
        let slot = &mut self.nodes[node.0];
        let id = ConnectionId::from_u64(slot.next_raw_connection);
        slot.next_raw_connection += 1;
        slot.connections.push(Connection::new(id));
        id
    }
}
