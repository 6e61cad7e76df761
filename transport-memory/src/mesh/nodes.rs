//! The nodes of a mesh.

use std::collections::VecDeque;
use std::ops::{Deref, DerefMut};
use std::time::Duration;

use socketio_p2p_core::{ConnectionId, Event, PeerId, Session, Time};

use super::delivery::{Delivery, RawInput, Scheduled};
use super::hop::{Connection, Socket};
use super::kept::Kept;
use super::node::Node;
use crate::conditions::Conditions;
use crate::server::SocketId;

/// All nodes, those that have crashed among them, and the ids of their sessions.
#[derive(Debug, Default)]
pub(super) struct Nodes {
    slots: Vec<Slot>,
    /// Nodes that may have events, each once.
    noisy: VecDeque<Node>,
    /// All ids that the hub has given.
    ids: Vec<(PeerId, Node)>,
    /// Ids given since the last [`take_named`](Self::take_named).
    named: Vec<(Node, PeerId)>,
}

impl Deref for Nodes {
    type Target = [Slot];

    fn deref(&self) -> &[Slot] {
        &self.slots
    }
}

impl DerefMut for Nodes {
    fn deref_mut(&mut self) -> &mut [Slot] {
        &mut self.slots
    }
}

impl Nodes {
    /// Adds a node without a session.
    pub(super) fn add(&mut self) -> Node {
        self.slots.push(Slot::new());
        Node(self.slots.len() - 1)
    }

    /// Queues a node that has new events for [`take_noisy`](Self::take_noisy).
    pub(super) fn note_noisy(&mut self, node: usize) {
        if !std::mem::replace(&mut self.slots[node].noisy, true) {
            self.noisy.push_back(Node(node));
        }
    }

    /// The next node that may have events.
    pub(super) fn take_noisy(&mut self) -> Option<Node> {
        let node = self.noisy.pop_front()?;
        self.slots[node.0].noisy = false;
        Some(node)
    }

    pub(super) fn has_noisy(&self) -> bool {
        !self.noisy.is_empty()
    }

    /// The hub has given a node this id: a new one, or that of before, when a hub has forgotten that it was revoked.
    pub(super) fn note_id(&mut self, node: Node, id: PeerId) {
        let present = self.ids.iter().rfind(|(_, named)| *named == node);
        if present.is_none_or(|(present, _)| *present != id) {
            self.ids.retain(|(known, _)| *known != id);
            self.ids.push((id.clone(), node));
            self.named.push((node, id));
        }
    }

    /// The ids that the hub has given since the last call.
    pub(super) fn take_named(&mut self) -> Vec<(Node, PeerId)> {
        std::mem::take(&mut self.named)
    }

    /// The node that has or had an id.
    pub(super) fn with_id(&self, id: &PeerId) -> Option<Node> {
        self.ids.iter().find(|(known, _)| known == id).map(|(_, node)| *node)
    }

    /// All ids that the hub has given so far.
    pub(super) fn ids(&self) -> &[(PeerId, Node)] {
        &self.ids
    }
}

/// One node: its session or its raw inputs, its socket and its direct connections.
#[derive(Debug)]
pub(super) struct Slot {
    /// `None`: crashed, or a raw node.
    pub(super) session: Option<Session>,
    pub(super) raw: Option<Vec<RawInput>>,
    pub(super) socket: Option<Socket>,
    pub(super) reachable: bool,
    /// Its socket is half-open: all messages on it are held back silently.
    pub(super) mute: bool,
    /// The messages held back by the half-open socket.
    pub(super) muted: Vec<Scheduled>,
    pub(super) connections: Vec<Connection>,
    /// The senders of pongs received on connections that have ended since, and when: of the last such moment.
    ended_pongs: Vec<(usize, Time)>,
    pub(super) next_raw_connection: u64,
    pub(super) events: Vec<Event>,
    pub(super) noisy: bool,
    /// Its output is being taken, and has been taken once.
    pub(super) stale: bool,
    /// How far its clock is ahead.
    pub(super) skew: Duration,
    /// When its session is due, on the mesh's clock.
    pub(super) due: Option<Time>,
    pub(super) relay: Conditions,
    /// Its transports take its output only every so often.
    pub(super) drain: Option<Duration>,
    pub(super) draining: bool,
    /// When it last could not act at once.
    pub(super) held: Time,
    /// The maximum of bytes in flight in one direction of its connections; `None`: that of the mesh.
    pub(super) outstanding: Option<usize>,
    /// The longest message of its datagram channels, if it has any.
    pub(super) datagrams: Option<usize>,
    /// Bytes sent.
    pub(super) sent: u64,
    /// The header of an envelope is the last that it has sent to the hub.
    pub(super) half: bool,
    /// A socket broke after that.
    pub(super) cut: bool,
    /// Bundles forwarded. Counted in watched meshes.
    pub(super) passed: u64,
    /// The memory that its session keeps of received messages. Counted in watched meshes.
    pub(super) kept: Kept,
    pub(super) pace: Pace,
    /// Its application takes events.
    pub(super) receiving: bool,
    pub(super) inbox: VecDeque<Delivery>,
    pub(super) attempts: u32,
}

/// How fast a node takes its input.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Pace {
    AtOnce,
    /// One at a time.
    Every(Duration),
    /// Not at all: its process stands still.
    Frozen,
}

impl Slot {
    fn new() -> Self {
        Self {
            session: None,
            raw: None,
            socket: None,
            reachable: true,
            mute: false,
            muted: Vec::new(),
            connections: Vec::new(),
            ended_pongs: Vec::new(),
            next_raw_connection: 0,
            events: Vec::new(),
            noisy: false,
            stale: false,
            skew: Duration::ZERO,
            due: None,
            relay: Conditions::default(),
            drain: None,
            draining: false,
            held: Time::ZERO,
            outstanding: None,
            datagrams: None,
            sent: 0,
            half: false,
            cut: false,
            passed: 0,
            kept: Kept::default(),
            pace: Pace::AtOnce,
            receiving: true,
            inbox: VecDeque::new(),
            attempts: 0,
        }
    }

    /// Converts a time of its clock to one of the mesh's.
    pub(super) fn outer(&self, at: Time) -> Time {
        Time::ZERO + (at - Time::ZERO).saturating_sub(self.skew)
    }

    pub(super) fn connection(&self, id: ConnectionId) -> Option<&Connection> {
        self.connections.iter().find(|connection| connection.id == id)
    }

    pub(super) fn connection_mut(&mut self, id: ConnectionId) -> Option<&mut Connection> {
        self.connections.iter_mut().find(|connection| connection.id == id)
    }

    /// Removes a connection.
    pub(super) fn end_connection(&mut self, id: ConnectionId, now: Time) -> Option<Connection> {
        let index = self.connections.iter().position(|connection| connection.id == id)?;
        let connection = self.connections.remove(index);
        self.ended_pongs.retain(|(_, at)| *at == now);
        self.ended_pongs.extend(connection.pong.map(|(other, _)| (other, now)));
        Some(connection)
    }

    /// Whether a pong of that node has come on a connection that is there, or was until now.
    pub(super) fn has_pong_of(&self, other: usize, now: Time) -> bool {
        self.connections.iter().any(|one| one.pong.is_some_and(|(of, _)| of == other))
            || self.ended_pongs.contains(&(other, now))
    }

    pub(super) fn socket_id(&self) -> Option<SocketId> {
        self.socket.as_ref().map(|socket| socket.id)
    }
}

#[cfg(test)]
mod tests {
    use socketio_p2p_core::{ConnectionId, Time};

    use super::Slot;
    use crate::mesh::hop::Connection;

    #[test]
    fn a_pong_counts_until_the_moment_at_which_its_connection_ends() {
        let (mut slot, at) = (Slot::new(), Time::from_millis);
        let id = ConnectionId::from_u64;
        slot.connections.push(Connection { pong: Some((4, at(5))), ..Connection::new(id(1)) });
        slot.connections.push(Connection::new(id(2)));
        assert!(slot.has_pong_of(4, at(10)) && !slot.has_pong_of(5, at(10)));
        assert!(slot.end_connection(id(1), at(20)).is_some());
        assert!(slot.end_connection(id(2), at(20)).is_some());
        assert!(slot.end_connection(id(1), at(20)).is_none());
        assert!(slot.has_pong_of(4, at(20)) && !slot.has_pong_of(5, at(20)));
        assert!(!slot.has_pong_of(4, at(21)));
    }
}
