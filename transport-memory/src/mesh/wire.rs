//! What is under way in a mesh, and what becomes of it.

use std::time::Duration;

use socketio_p2p_core::hub::Departure;
use socketio_p2p_core::signal::Signal;
use socketio_p2p_core::{Command, DirectCommand, Frame, Session};

use super::{Mesh, Node};
use crate::broker::End;
use crate::server::{ServerOutput, SocketId};

/// The most bytes that are under way in one direction of a direct connection.
const DIRECT_OUTSTANDING: usize = 256 << 10;

/// The longest message of a direct connection, as with a browser.
const DIRECT_MAX_MESSAGE: usize = 256 << 10;

/// What keeps its order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Flow {
    Up(SocketId),
    Down(SocketId),
    Direct(End),
}

#[derive(Debug)]
pub(super) enum Delivery {
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
    pub(super) fn schedule(&mut self, after: Duration, delivery: Delivery) {
        self.wire.insert((self.now + after, self.next_delivery), delivery);
        self.next_delivery += 1;
    }

    pub(super) fn schedule_in_order(&mut self, flow: Flow, after: Duration, delivery: Delivery) {
        let last = self.flows.get(&flow).copied().unwrap_or_default();
        let at = last.max(self.now + after);
        self.flows.insert(flow, at);
        self.schedule(at - self.now, delivery);
    }

    /// Takes all output of all sessions.
    pub(super) fn pump(&mut self) {
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
                self.uploaded_bytes += frame.len();
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

    pub(super) fn execute(&mut self, node: usize, command: Command) {
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

    pub(super) fn deliver(&mut self, delivery: Delivery) {
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
    pub(super) fn close_socket(&mut self, node: usize) {
        let now = self.now;
        if self.nodes[node].socket.take().is_some() {
            let error = "the socket broke".to_owned();
            self.tell(node, |session| session.handle_signaling_closed(error, now));
        }
    }

    pub(super) fn send_from_server(&mut self, outputs: Vec<ServerOutput>) {
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

    pub(super) fn ends_between(&self, a: Node, b: Node) -> Vec<End> {
        let ends = self.broker.ends_of(a.0).into_iter();
        let pairs = ends.filter_map(|end| Some((end, self.broker.other_end(end)?)));
        pairs.filter(|(_, other)| other.0 == b.0).flat_map(|(end, other)| [end, other]).collect()
    }

    fn is_silent(&self, from: End, to: End) -> bool {
        self.silent.contains(&(from.0, to.0))
    }
}
