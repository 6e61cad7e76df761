//! The server's application: whom it admits, its calls of the hub, and what members send to it.

use std::time::Duration;

use socketio_p2p_core::hub::Hub;
use socketio_p2p_core::{ClientId, Packet, Time};

use super::{Mesh, Node};
use crate::order::Order;
use crate::server::Gate;

impl Mesh {
    /// Calls something on the hub at the current time, as the server's application does, then moves what came of it.
    ///
    /// # Panics
    /// When the server is down.
    #[expect(clippy::expect_used, reason = "a test that uses a stopped server is wrong")]
    pub fn with_server<T>(&mut self, act: impl FnOnce(&mut Hub, Time) -> T) -> T {
        let now = self.now;
        let server = self.server.as_mut().expect("the server is up");
        let result = act(&mut server.hub, now);
        let outputs = server.drain(now);
        self.send_from_server(outputs);
        result
    }

    /// Lets the server's application decide about clients from now on, by the node that they name in their auth payload.
    pub(crate) fn admit_by_node(&mut self) {
        if let Some(server) = &mut self.server {
            server.gate = Some(Gate::default());
        }
    }

    /// Lets the server's application refuse the next connection of a node, with a pause or for good.
    pub(crate) fn refuse_next(&mut self, node: Node, pause: Option<Duration>) {
        let server = self.server.as_mut().and_then(|server| server.gate.as_mut());
        if let Some(gate) = server.or(self.gate.as_mut()) {
            gate.refuse_next(node.index() as u64, pause);
        }
    }

    /// Lets the server's application refuse nobody from now on.
    pub(crate) fn forgive(&mut self) {
        let server = self.server.as_mut().and_then(|server| server.gate.as_mut());
        if let Some(gate) = server.or(self.gate.as_mut()) {
            gate.forgive();
        }
    }

    /// Calls the hub as the server's application does, unless the server is down.
    pub(crate) fn order(&mut self, order: Order) {
        let now = self.now;
        if let Some(server) = &mut self.server {
            let outputs = server.obey(order, now);
            self.send_from_server(outputs);
        }
    }

    /// Takes the events and answers of members for the server's application.
    pub fn take_for_server(&mut self) -> Vec<(ClientId, Packet)> {
        self.server
            .as_mut()
            .map(|server| std::mem::take(&mut server.application))
            .unwrap_or_default()
    }
}
