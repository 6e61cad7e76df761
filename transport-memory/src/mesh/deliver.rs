//! Delivering in a mesh: to the hub, to sessions, to raw nodes.

use socketio_p2p_core::{Frame, Session, Time};

use super::delivery::Delivery;
use super::direct::DIRECT_MAX_MESSAGE;
use super::effects::Fault;
use super::talk::Talk;
use super::{Mesh, Node};
use crate::broker::End;

impl Mesh {
    pub(super) fn watched(&self, node: usize, frame: Frame) -> Frame {
        match &self.record.carried {
            Some(_) => self.nodes[node].kept.watch(frame),
            None => frame,
        }
    }

    pub(super) fn deliver(&mut self, delivery: Delivery) {
        if let Some(node) = delivery.receiver() {
            if self.nodes[node].raw.is_some() {
                return self.deliver_raw(node, delivery);
            }
            self.deliver_to_node(node, delivery);
            return self.pump(node);
        }
        let now = self.now;
        match delivery {
            Delivery::ToServer { socket: id, frames, sent } => {
                self.record.uploaded = sent;
                let len: usize = frames.iter().map(Frame::len).sum();
                let owner = self.network.owner(id);
                for frame in frames {
                    if let Some(server) = &mut self.server {
                        let outputs = server.receive(id, frame, now);
                        if server.take_glare() {
                            self.network.effects.change(Fault::Glare);
                        }
                        if let (Some(node), Some(id)) = (owner, server.take_joined()) {
                            self.nodes.note_id(Node(node), id);
                        }
                        self.send_from_server(outputs);
                    }
                }
                if let Some(node) = owner
                    && let Some(socket) = &mut self.nodes[node].socket
                    && socket.id == id
                {
                    socket.outstanding = socket.outstanding.saturating_sub(len);
                    if std::mem::take(&mut socket.limited) {
                        socket.limited_at = now;
                        self.pump(node);
                    }
                }
            }
            Delivery::ServerSeesClose { socket, departure } => {
                if let Some(server) = &mut self.server {
                    let outputs = server.disconnect(socket, departure, now);
                    self.send_from_server(outputs);
                }
            }
            Delivery::PingTimeout { node, socket } => {
                let slot = &mut self.nodes[node];
                if slot.mute && slot.socket_id() == Some(socket) {
                    slot.muted.clear();
                    self.cut_signaling(Node(node));
                }
            }
            Delivery::Flap { end } => {
                if let Some(other) = self.network.broker.other_end(end)
                    && self.network.pairs[end.0][other.0].flap.is_some()
                {
                    self.network.effects.change(Fault::UpgradeFlaps);
                    self.break_connection(end, other);
                }
            }
            Delivery::TakeInput { node } => self.take_input(node),
            Delivery::Drain { node } => self.drain(node),
            Delivery::TellMember { socket, member } => {
                if let Some(server) = &mut self.server {
                    let outputs = server.tell_member(socket, &member);
                    self.send_from_server(outputs);
                }
            }
            Delivery::ToNode { .. }
            | Delivery::SignalingOpen { .. }
            | Delivery::SignalingFailed { .. }
            | Delivery::SignalingClosed { .. }
            | Delivery::DirectSignal { .. }
            | Delivery::DirectReport { .. }
            | Delivery::DirectOpen { .. }
            | Delivery::DirectFrame { .. }
            | Delivery::DatagramsOpen { .. }
            | Delivery::Datagram { .. }
            | Delivery::DirectClosed { .. } => {}
        }
    }

    fn deliver_to_node(&mut self, node: usize, delivery: Delivery) {
        match delivery {
            Delivery::ToNode { socket, packet, cargo, talk, .. } => {
                drop(cargo);
                if self.nodes[node].socket_id() == Some(socket) {
                    self.look_for_offer(node, &packet);
                    self.hear(talk);
                }
                for frame in packet.frames() {
                    if self.nodes[node].socket_id() == Some(socket) {
                        let frame = self.watched(node, frame);
                        self.tell(node, |session, now| session.handle_signaling_frame(frame, now));
                    }
                }
            }
            Delivery::SignalingOpen { .. } => self.open_socket(node),
            Delivery::SignalingFailed { .. } => {
                let error = "the server is not there".to_owned();
                self.tell(node, |session, now| session.handle_signaling_closed(error, now));
            }
            Delivery::SignalingClosed { socket, .. } => {
                if self.nodes[node].socket_id() == Some(socket) {
                    self.nodes[node].socket = None;
                    let error = "the server closed the socket".to_owned();
                    self.tell(node, |session, now| session.handle_signaling_closed(error, now));
                }
            }
            Delivery::DirectSignal { end: (_, connection), signal } => {
                self.tell(node, |session, now| {
                    session.handle_direct_signal(connection, &signal, now);
                });
            }
            Delivery::DirectReport { end: (_, connection), report } => {
                self.tell(node, |session, now| {
                    session.handle_direct_report(connection, report, now);
                });
            }
            Delivery::DirectOpen { end } => {
                if self.mark_open(end) {
                    self.tell(node, |session, now| {
                        session.handle_direct_open(end.1, DIRECT_MAX_MESSAGE, now);
                    });
                    self.begin_datagrams(end);
                }
            }
            Delivery::DatagramsOpen { end, longest } => self.open_datagrams(end, longest),
            Delivery::Datagram { from, to, frame, talk } => {
                self.deliver_datagram(from, to, frame, talk);
            }
            Delivery::DirectFrame { from, to, frame, cargo, talk } => {
                drop(cargo);
                let sender = self.credit(from, frame.len());
                if self.nodes[node].connection(to.1).is_some_and(|end| end.other == Some(from)) {
                    let frame = self.watched(node, frame);
                    self.network.pairs[from.0][to.0].arrived.count(frame.len());
                    self.note_pong(to, talk.as_deref());
                    self.hear(talk);
                    self.tell(node, |session, now| {
                        session.handle_direct_frame(to.1, frame, now);
                    });
                }
                if sender {
                    self.pump(from.0);
                }
            }
            Delivery::DirectClosed { end } => {
                self.forget(end);
                let error = "the connection was closed".to_owned();
                self.tell(node, |session, now| session.handle_direct_closed(end.1, error, now));
            }
            Delivery::ToServer { .. }
            | Delivery::ServerSeesClose { .. }
            | Delivery::PingTimeout { .. }
            | Delivery::Flap { .. }
            | Delivery::TakeInput { .. }
            | Delivery::Drain { .. }
            | Delivery::TellMember { .. } => {}
        }
    }

    fn deliver_raw(&mut self, node: usize, delivery: Delivery) {
        match &delivery {
            Delivery::ToNode { socket, .. } => {
                if self.nodes[node].socket_id() != Some(*socket) {
                    return;
                }
            }
            Delivery::SignalingOpen { .. } => self.open_socket(node),
            Delivery::SignalingClosed { socket, .. } => {
                if self.nodes[node].socket_id() != Some(*socket) {
                    return;
                }
                self.nodes[node].socket = None;
            }
            Delivery::DirectOpen { end } => {
                self.mark_open(*end);
            }
            Delivery::DirectFrame { from, frame, .. } => {
                if self.credit(*from, frame.len()) {
                    self.pump(from.0);
                }
            }
            Delivery::DirectClosed { end } => self.forget(*end),
            Delivery::SignalingFailed { .. }
            | Delivery::DirectSignal { .. }
            | Delivery::DirectReport { .. }
            | Delivery::DatagramsOpen { .. }
            | Delivery::Datagram { .. }
            | Delivery::ToServer { .. }
            | Delivery::ServerSeesClose { .. }
            | Delivery::PingTimeout { .. }
            | Delivery::Flap { .. }
            | Delivery::TakeInput { .. }
            | Delivery::Drain { .. }
            | Delivery::TellMember { .. } => {}
        }
        for input in delivery.into_raw() {
            self.tell_raw(node, input);
        }
    }

    fn mark_open(&mut self, end: End) -> bool {
        let connection = self.nodes[end.0].connection_mut(end.1);
        let connection = connection.filter(|connection| connection.other.is_some());
        let opens = connection.map(|connection| connection.open = true).is_some();
        if opens && self.record.is_watching() {
            self.record.openings.push(end);
        }
        opens
    }

    fn note_pong(&mut self, end: End, talk: Option<&Talk>) {
        if let Some(talk) = talk.filter(|talk| talk.freight.control.pong)
            && let Some(connection) = self.nodes[end.0].connection_mut(end.1)
        {
            connection.pong = Some((talk.from.0, self.now));
        }
    }

    /// The bytes are not in flight any more. `true`: the sender waited for that.
    pub(super) fn credit(&mut self, from: End, len: usize) -> bool {
        let now = self.now;
        let Some(connection) = self.nodes[from.0].connection_mut(from.1) else { return false };
        connection.outstanding = connection.outstanding.saturating_sub(len);
        let limited = std::mem::take(&mut connection.limited);
        if limited {
            connection.limited_at = now;
        }
        limited
    }

    fn forget(&mut self, end: End) {
        let _ = self.nodes[end.0].end_connection(end.1, self.now);
        self.network.broker.forget(end);
    }

    pub(super) fn tell(&mut self, node: usize, act: impl FnOnce(&mut Session, Time)) {
        let slot = &mut self.nodes[node];
        let now = self.now + slot.skew;
        if let Some(session) = &mut slot.session {
            act(session, now);
        }
    }
}
