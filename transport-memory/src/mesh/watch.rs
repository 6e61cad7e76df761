//! The part of a mesh that the simulator's judges read.

use std::sync::Arc;

use socketio_p2p_core::{CandidateCounts, ConnectionId, Event, Frame, PeerId, Time};

use super::direct::candidates;
use super::hop::Tally;
use super::talk::{Hearing, Line, Seen, Sending, Talk};
use super::{Carried, Effects, Load, Mesh, Node, Place, TraceEntry, TraceEvent};
use crate::invariant::Breach;
use crate::witness::{Declined, Refused, Witness};

/// The reports of the witness of a watched hub.
#[derive(Debug)]
pub(crate) struct HubNews {
    pub(crate) verdict: Option<Breach>,
    pub(crate) refused: Vec<Refused>,
    pub(crate) declined: Vec<Declined>,
}

impl Mesh {
    // ----- the trace -----

    /// Starts a trace of all messages, events of sessions, commands and faults.
    pub fn start_trace(&mut self) {
        self.record.trace.get_or_insert_default();
    }

    /// The trace so far; empty before [`start_trace`](Self::start_trace).
    #[must_use]
    pub fn trace(&self) -> &[TraceEntry] {
        self.record.trace.as_deref().unwrap_or_default()
    }

    /// Adds a fault to the trace that the caller has caused itself.
    pub fn remark(&mut self, place: Place, text: impl Into<String>) {
        self.note(place, || TraceEvent::Fault(text.into()));
    }

    pub(crate) const fn is_tracing(&self) -> bool {
        self.record.is_tracing()
    }

    pub(crate) fn note(&mut self, place: Place, what: impl FnOnce() -> TraceEvent) {
        self.record.note(self.now, place, self.nodes.ids(), what);
    }

    // ----- the judges -----

    /// Whether a node has sent the header of an envelope to the hub and not the rest, which its session takes for sent.
    pub(crate) fn owes_body(&self, node: Node) -> bool {
        self.nodes[node.0].half || self.nodes[node.0].cut
    }

    /// How many packets a node has passed on as a neighbour. Counted for meshes that are watched.
    pub(crate) fn passed_by(&self, node: Node) -> u64 {
        self.nodes[node.0].passed
    }

    /// The bytes of messages that a node's session was given and of which it still holds some part, or somebody to whom
    /// it has passed them on. Counted for meshes that are watched.
    pub(crate) fn kept_bytes(&self, node: Node) -> usize {
        self.nodes[node.0].kept.bytes()
    }

    /// Starts to watch: the simulator's events in frames, bundles, loads, and the hub.
    pub(crate) fn watch(&mut self) {
        self.record.carried.get_or_insert_default();
        if let Some(server) = &mut self.server {
            server.weigh(None);
        }
    }

    /// The reports of the witness of the hub since the last call.
    pub(crate) fn judge_hub(&mut self) -> Option<HubNews> {
        let witness = self.server.as_mut()?.witness.as_mut()?;
        let news = |witness: &mut Witness| HubNews {
            verdict: witness.take_verdict(),
            refused: witness.take_refused(),
            declined: witness.take_declined(),
        };
        witness.has_news().then(|| news(witness))
    }

    /// Moves the events that were sent since the last call to the end of `seen`.
    pub(crate) fn take_carried(&mut self, seen: &mut Vec<Carried>) {
        if let Some(carried) = &mut self.record.carried {
            seen.append(carried);
        }
    }

    /// Moves the attempts to reach the hub since the last call to the end of `seen`.
    pub(crate) fn take_tries(&mut self, seen: &mut Vec<(Node, Time)>) {
        seen.append(&mut self.record.tries);
    }

    /// Moves the greatest loads since the last call to the end of `seen`.
    pub(crate) fn take_loads(&mut self, seen: &mut Vec<Load>) {
        self.record.loads.take(seen);
    }

    /// A channel that has opened since the last call.
    pub(crate) fn take_opening(&mut self) -> Option<(Node, ConnectionId)> {
        self.record.openings.pop().map(|(node, connection)| (Node(node), connection))
    }

    /// The other node of a connection.
    pub(crate) fn remote_of(&self, node: Node, connection: ConnectionId) -> Option<Node> {
        let connection = self.nodes[node.0].connection(connection)?;
        connection.other.map(|other| Node(other.0))
    }

    /// Whether a pong has come on a connection of a node with another. The input that brings the pong can also end the
    /// connection, so one that ended at this moment counts. Noted for meshes that are watched.
    pub(crate) fn has_pong(&self, node: Node, other: Node) -> bool {
        self.nodes[node.0].has_pong_of(other.0, self.now)
    }

    /// What a node has sent to another over direct connections, and what has come from it.
    pub(crate) fn carried_between(&self, node: Node, other: Node) -> (Tally, Tally) {
        let pairs = &self.network.pairs;
        (pairs[node.0][other.0].sent, pairs[other.0][node.0].arrived)
    }

    /// The candidates that a node's transport reports as its own.
    pub(crate) fn candidates_of(&self, node: Node) -> CandidateCounts {
        candidates(node.0)
    }

    /// The time of a node's own clock.
    pub(crate) fn clock_of(&self, node: Node) -> Time {
        self.now + self.nodes[node.0].skew
    }

    /// Whether a node's end of a connection is open.
    pub(crate) fn is_open(&self, node: Node, connection: ConnectionId) -> bool {
        self.nodes[node.0].connection(connection).is_some_and(|connection| connection.open)
    }

    /// How many direct connections a node has, open or not.
    pub(crate) fn connections_of(&self, node: Node) -> usize {
        self.nodes[node.0].connections.len()
    }

    /// An offer that a session has made since the last call: offerer, receiver.
    pub(crate) fn take_offer(&mut self) -> Option<(Node, Node)> {
        self.record.offers.pop()
    }

    /// Answers to offers of raw nodes since the last call: answerer, offerer.
    pub(crate) fn take_taken_up(&mut self) -> Vec<(Node, Node)> {
        std::mem::take(&mut self.record.taken_up)
    }

    /// The number of answers that arrived at connections that had not made the offer.
    pub(crate) const fn astray(&self) -> u32 {
        self.record.astray
    }

    /// The next node that may have events.
    pub(crate) fn take_noisy(&mut self) -> Option<Node> {
        self.nodes.take_noisy()
    }

    /// The ids that the hub has given to nodes since the last call, whether they have heard of them or not.
    pub(crate) fn take_named(&mut self) -> Vec<(Node, PeerId)> {
        self.nodes.take_named()
    }

    pub(crate) fn has_noisy(&self) -> bool {
        self.nodes.has_noisy()
    }

    pub(crate) const fn effects_mut(&mut self) -> &mut Effects {
        &mut self.network.effects
    }

    pub(crate) const fn late_until(&self) -> Time {
        self.network.late_until
    }

    /// Moves the events of a node so far to the end of `events`.
    pub(crate) fn drain_events(&mut self, node: Node, events: &mut Vec<Event>) {
        events.append(&mut self.nodes[node.0].events);
    }

    // ----- bundles sent and received -----

    pub(super) fn look_at(&mut self, frame: &Frame, from: Place, to: Place) {
        self.record.look_at(frame, (from, to), self.now);
    }

    /// Moves the bundles sent and received since the last call to the end of `seen`.
    pub(crate) fn take_talks(&mut self, seen: &mut Vec<Seen>) {
        seen.append(&mut self.record.talks);
    }

    /// Notes a bundle that is sent, and the bundles in it that are to be forwarded.
    pub(super) fn say(&mut self, talk: Talk) -> Arc<Talk> {
        if let Line::Direct(..) = talk.line {
            for (to, freight) in &talk.freight.passes {
                let Some(to) = self.nodes.with_id(to) else { continue };
                let (from, line, sent) = (talk.from, Line::Via(talk.to.index()), talk.sent);
                let freight = Arc::clone(freight);
                let relay = self.relay_between(from, to);
                let inner = Talk { from, to, line, sent, relay, datagrams: None, freight };
                self.record.talks.push(Seen { talk: Arc::new(inner), heard: None });
            }
        }
        let talk = Arc::new(talk);
        self.record.talks.push(Seen { talk: Arc::clone(&talk), heard: None });
        talk
    }

    /// Notes a bundle that a session receives.
    pub(super) fn hear(&mut self, talk: Option<Arc<Talk>>) {
        if let Some(talk) = talk {
            let heard = Some(Hearing { at: self.now, order: self.record.next_place() });
            self.record.talks.push(Seen { talk, heard });
        }
    }

    pub(super) fn relay_between(&self, one: Node, other: Node) -> Option<Line> {
        let socket = |node: Node| self.nodes[node.index()].socket_id();
        Some(Line::relay(socket(one)?, socket(other)?))
    }

    /// The time and order of a bundle that a node hands to a path now.
    pub(super) fn sending(&mut self, node: usize, limited: Time) -> Sending {
        let slot = &self.nodes[node];
        let late = self.network.late_until > self.now || slot.drain.is_some();
        let held = if late || !self.is_prompt(Node(node)) { self.now } else { slot.held };
        Sending { at: self.now, held: held.max(limited), order: self.record.next_place() }
    }
}
