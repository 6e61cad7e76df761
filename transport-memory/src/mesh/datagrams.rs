//! The datagram channels of direct connections: unordered, and without retransmission.

use std::sync::Arc;
use std::time::Duration;

use socketio_p2p_core::{ConnectionId, Frame};

use super::delivery::Delivery;
use super::effects::Fault;
use super::hop::Connection;
use super::talk::{Line, Talk};
use super::{Mesh, Node, Place};
use crate::broker::End;
use crate::freight::Freight;

/// The maximum delay of a reordered datagram.
const DISORDER: Duration = Duration::from_millis(100);

impl Mesh {
    /// Gives a node datagram channels, of messages of `longest` bytes at most, or none. A connection has one when both its
    /// ends do. It is for connections that are made from now on.
    pub fn set_datagrams(&mut self, node: Node, longest: Option<usize>) {
        self.nodes[node.0].datagrams = longest;
    }

    /// A connection is open at one end: its datagram channel will be, if there is to be one.
    pub(super) fn begin_datagrams(&mut self, end: End) {
        let other = self.nodes[end.0].connection(end.1).and_then(|connection| connection.other);
        let both = |other: &End| self.network.broker.have_datagrams(end, *other);
        let Some(other) = other.filter(both) else { return };
        let longest = [end, other].map(|end| self.nodes[end.0].datagrams);
        if let [Some(ours), Some(theirs)] = longest {
            let longest = ours.min(theirs);
            self.schedule(self.network.latency.direct, Delivery::DatagramsOpen { end, longest });
        }
    }

    pub(super) fn open_datagrams(&mut self, end: End, longest: usize) {
        let connection = self.nodes[end.0].connection_mut(end.1);
        if let Some(connection) = connection.filter(|connection| connection.other.is_some()) {
            connection.has_datagrams = true;
            self.tell(end.0, |session, now| session.handle_datagrams_open(end.1, longest, now));
        }
    }

    /// Sends the datagrams of a node on a datagram channel.
    pub(super) fn pump_datagrams(&mut self, end: End, index: usize) {
        let has = |connection: &Connection| connection.has_datagrams && connection.other.is_some();
        while self.nodes[end.0].connections.get(index).is_some_and(has) {
            let slot = &mut self.nodes[end.0];
            let now = self.now + slot.skew;
            let Some(session) = &mut slot.session else { return };
            let Some(frame) = session.poll_datagram(end.1, now) else { return };
            self.send_datagram(end, frame);
        }
    }

    /// Sends a message on a datagram channel of a raw node. `false`: the other end has none.
    pub(crate) fn raw_send_datagram(
        &mut self,
        node: Node,
        connection: ConnectionId,
        frame: Frame,
    ) -> bool {
        let end = self.nodes[node.0].connection(connection).and_then(|end| end.other);
        let other = end.and_then(|end| self.nodes[end.0].connection(end.1));
        let open = other.is_some_and(|other| other.has_datagrams);
        if open {
            self.send_datagram((node.0, connection), frame);
        }
        open
    }

    fn send_datagram(&mut self, from: End, frame: Frame) {
        let Some(to) = self.nodes[from.0].connection(from.1).and_then(|end| end.other) else {
            return;
        };
        self.nodes[from.0].sent += frame.len() as u64;
        self.network.pairs[from.0][to.0].sent.count(frame.len());
        self.look_at(&frame, Place::Node(from.0), Place::Node(to.0));
        let conditions = self.network.pairs[from.0][to.0].conditions;
        let lost = self.network.dice.happens(conditions.loss);
        let Some(connection) = self.nodes[from.0].connection_mut(from.1) else { return };
        let (dice, effects) = (&mut self.network.dice, &mut self.network.effects);
        let delay = self.network.latency.direct;
        let sent =
            connection.hop.send_aside(self.now, delay, &conditions, frame.len(), dice, effects);
        let at = if self.network.dice.happens(conditions.reorder) {
            self.network.effects.change(Fault::Reordering);
            sent + self.network.dice.span(DISORDER)
        } else {
            sent
        };
        self.note_direct(from, to, &frame, (!lost).then_some(at));
        let freight = match &frame {
            Frame::Binary(bundle) if self.record.is_watching() => Freight::in_bundle(bundle),
            Frame::Binary(_) | Frame::Text(_) => None,
        };
        if lost {
            return self.network.effects.change(Fault::Loss);
        }
        let talk =
            freight.map(|freight| self.say_directly(from, to, Line::datagrams(from, to), freight));
        self.network.schedule_at(at, Delivery::Datagram { from, to, frame, talk });
    }

    pub(super) fn deliver_datagram(
        &mut self,
        from: End,
        to: End,
        frame: Frame,
        talk: Option<Arc<Talk>>,
    ) {
        let connection = self.nodes[to.0].connection(to.1);
        if connection.is_some_and(|end| end.other == Some(from)) {
            self.network.effects.change(Fault::Datagram);
            let frame = self.watched(to.0, frame);
            self.hear(talk);
            self.network.pairs[from.0][to.0].arrived.count(frame.len());
            self.tell(to.0, |session, now| session.handle_datagram(to.1, frame, now));
        }
    }
}
