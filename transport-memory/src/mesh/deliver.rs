//! What is under way in a mesh: arriving.

use std::time::Duration;

use socketio_p2p_core::{Frame, PeerId, Session, Time};

use super::delivery::{Delivery, Scheduled};
use super::effects::Fault;
use super::freight::Talk;
use super::hop::Socket;
use super::peek::passed_on;
use super::raw::RawInput;
use super::wire::DIRECT_MAX_MESSAGE;
use super::{Mesh, Node, Pace, Step};
use crate::broker::End;
use crate::server::SocketId;

/// Messages that wait for a node that does not take them; one more and the server closes its socket.
const CLIENT_QUEUE: usize = 1024;

impl Mesh {
    /// Takes what has arrived: lets its receiver have it, or holds it back.
    pub(super) fn arrive(&mut self, next: Scheduled) -> Step {
        let Scheduled { number, delivery, .. } = next;
        if let Delivery::DirectFrame { from, to, frame, .. } = &delivery
            && self.is_swallowed(from.0, to.0, frame)
        {
            let (from, to, len) = (*from, *to, frame.len());
            self.effects.change(Fault::OneWayNeighbour);
            if self.credit(from, len) {
                self.pump(from.0);
            }
            return Step::Arrival(Node(to.0));
        }
        if let Delivery::Datagram { from, to, .. } = &delivery
            && self.pairs[from.0][to.0].silent.is_some()
        {
            return Step::Arrival(Node(to.0));
        }
        if let Delivery::DirectFrame { from, to, .. } = &delivery {
            let pair = &mut self.pairs[from.0][to.0];
            if let Some(fault) = pair.silent {
                // It stays in the sender's buffer, and is sent again should the path heal.
                let node = Node(to.0);
                self.effects.change(fault);
                if fault == Fault::Crash {
                    return Step::Arrival(node);
                }
                pair.held.push(Scheduled { at: self.now, number, delivery });
                return Step::Arrival(node);
            }
        }
        let step = delivery.receiver().map_or(Step::Hub, |node| Step::Arrival(Node(node)));
        let on_socket = if let Delivery::ToServer { socket, .. } = &delivery {
            let owner = self.owner(*socket);
            owner.filter(|node| self.nodes[*node].socket_id() == Some(*socket))
        } else if let Delivery::ToNode { node, .. } = &delivery {
            Some(*node)
        } else {
            None
        };
        if let Some(node) = on_socket.filter(|node| self.nodes[*node].mute) {
            self.effects.change(Fault::HalfOpen);
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

    pub(super) fn watched(&self, node: usize, frame: Frame) -> Frame {
        match &self.carried {
            Some(_) => self.nodes[node].kept.watch(frame),
            None => frame,
        }
    }

    fn is_swallowed(&self, from: usize, to: usize, frame: &Frame) -> bool {
        self.pairs[from][to].swallowed.as_ref().is_some_and(|peer| passed_on(frame, peer))
    }

    fn wait_in_inbox(&mut self, node: usize, delivery: Delivery) {
        self.effects.change(Fault::SlowConsumer);
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

    fn take_input(&mut self, node: usize) {
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
                self.uploaded = sent;
                let len: usize = frames.iter().map(Frame::len).sum();
                let owner = self.owner(id);
                for frame in frames {
                    if let Some(server) = &mut self.server {
                        let outputs = server.receive(id, frame, now);
                        if server.take_glare() {
                            self.effects.change(Fault::Glare);
                        }
                        if let (Some(node), Some(id)) = (owner, server.take_joined()) {
                            self.note_name(Node(node), id);
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
                if let Some(other) = self.broker.other_end(end)
                    && self.pairs[end.0][other.0].flap.is_some()
                {
                    self.effects.change(Fault::UpgradeFlaps);
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

    fn note_name(&mut self, node: Node, id: PeerId) {
        if !self.names.iter().any(|(known, _)| *known == id) {
            self.names.push((id.clone(), node));
            self.named.push((node, id));
        }
    }

    /// Whose a socket is or was.
    pub(super) fn owner(&self, socket: SocketId) -> Option<usize> {
        self.owners.get(usize::try_from(socket).ok()?).copied()
    }

    fn mark_open(&mut self, end: End) -> bool {
        let connection = self.nodes[end.0].connection_mut(end.1);
        let connection = connection.filter(|connection| connection.other.is_some());
        let opens = connection.map(|connection| connection.open = true).is_some();
        if opens && self.carried.is_some() {
            self.openings.push(end);
        }
        opens
    }

    fn note_pong(&mut self, end: End, talk: Option<&Talk>) {
        if let Some(talk) = talk.filter(|talk| talk.freight.control.pong)
            && let Some(connection) = self.nodes[end.0].connection_mut(end.1)
        {
            connection.pong_of = Some(talk.from.0);
        }
    }

    /// The bytes are not under way any more. `true`: the sender waited for that.
    fn credit(&mut self, from: End, len: usize) -> bool {
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
        self.nodes[end.0].connections.retain(|connection| connection.id != end.1);
        self.broker.forget(end);
    }

    pub(super) fn tell(&mut self, node: usize, act: impl FnOnce(&mut Session, Time)) {
        let slot = &mut self.nodes[node];
        let now = self.now + slot.skew;
        if let Some(session) = &mut slot.session {
            act(session, now);
        }
    }

    fn open_socket(&mut self, node: usize) {
        let slot = &self.nodes[node];
        let there = slot.reachable && !slot.mute;
        let Some(server) = self.server.as_mut().filter(|_| there) else {
            return self.deliver(Delivery::SignalingFailed { node });
        };
        let id = self.owners.len() as SocketId;
        self.owners.push(node);
        server.open(id);
        self.nodes[node].socket = Some(Socket::new(id));
        self.tell(node, Session::handle_signaling_open);
    }

    /// The node's end of a socket breaks.
    pub(super) fn close_socket(&mut self, node: usize) {
        if self.nodes[node].socket.take().is_some() {
            let error = "the socket broke".to_owned();
            self.tell(node, |session, now| session.handle_signaling_closed(error, now));
            self.tell_raw(node, RawInput::Closed);
        }
    }

    /// Breaks a direct connection; both ends are told.
    pub(super) fn break_connection(&mut self, end: End, other: End) {
        self.broker.close(end);
        for end in [end, other] {
            if let Some(connection) = self.nodes[end.0].connection_mut(end.1) {
                connection.other = None;
                if connection.outstanding > 0 {
                    self.effects.change(Fault::CloseMidBlob);
                }
            }
            self.schedule(Duration::ZERO, Delivery::DirectClosed { end });
        }
    }

    /// Lets what was held back go on, before everything that was sent after it.
    pub(super) fn release(&mut self, held: Vec<Scheduled>) {
        for Scheduled { number, delivery, .. } in held {
            self.effects.change(Fault::Heal);
            self.wire.push(Scheduled { at: self.now, number, delivery });
        }
    }
}
