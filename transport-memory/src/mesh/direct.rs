//! Direct connections: made, used and closed.

use std::sync::Arc;
use std::time::Duration;

use socketio_p2p_core::wire::{IceCandidate, Signal};
use socketio_p2p_core::{
    CandidateCounts, CandidateKind, CandidatePair, ConnectionReport, DirectCommand, DirectStage,
    Frame, PeerId, Time,
};

use super::delivery::Delivery;
use super::effects::Fault;
use super::hop::Connection;
use super::talk::{Line, Talk};
use super::trace::describe;
use super::{Mesh, Node, Place, TraceEvent};
use crate::broker::End;
use crate::conditions::Conditions;
use crate::digest::digest;
use crate::freight::Freight;

/// The maximum length of a message of a direct connection, as with a browser.
pub(super) const DIRECT_MAX_MESSAGE: usize = 256 << 10;

/// How long the retransmission of a packet lost below a data channel takes, beside a round trip.
const REPAIR: Duration = Duration::from_millis(20);

impl Mesh {
    pub(super) fn execute_direct(&mut self, node: usize, command: DirectCommand) {
        match command {
            DirectCommand::Offer { connection, datagrams, .. } => {
                let end = (node, connection);
                self.begin(end, datagrams);
                self.note_offer(end);
                let signal = Signal::Offer(self.network.broker.describe(end));
                self.schedule(Duration::ZERO, Delivery::DirectSignal { end, signal });
            }
            DirectCommand::Answer { connection, sdp, datagrams, .. } => {
                let end = (node, connection);
                self.begin(end, datagrams);
                if let Some(offerer) = self.network.broker.offerer(&sdp)
                    && self.nodes[offerer].raw.is_some()
                    && self.record.is_watching()
                {
                    self.record.taken_up.push((Node(node), Node(offerer)));
                }
                self.note_answer(node);
                if self.network.broker.answer(end, &sdp) {
                    let signal = Signal::Answer(self.network.broker.describe(end));
                    self.schedule(Duration::ZERO, Delivery::DirectSignal { end, signal });
                } else {
                    self.schedule(Duration::ZERO, Delivery::DirectClosed { end });
                }
            }
            DirectCommand::Signal { connection, signal: Signal::Answer(sdp) } => {
                self.complete((node, connection), &sdp);
            }
            DirectCommand::Close { connection } => self.close_direct_end((node, connection)),
            DirectCommand::Signal { .. } | _ => {}
        }
    }

    fn note_offer(&mut self, (node, connection): End) {
        let Some(session) = self.nodes[node].session.as_ref().filter(|_| self.record.is_watching())
        else {
            return;
        };
        let is_for = |id: &PeerId| session.connection_of(id) == Some(connection);
        let other = session.peers().map(|peer| peer.id).find(is_for);
        let other = other.and_then(|id| self.nodes.with_id(&id));
        self.record.offers.extend(other.map(|other| (Node(node), other)));
    }

    fn begin(&mut self, end: End, wants_datagrams: bool) {
        if wants_datagrams {
            self.network.broker.want_datagrams(end);
        }
        let slot = &mut self.nodes[end.0];
        slot.connections.push(Connection::new(end.1));
        slot.attempts += 1;
        if self.network.dice.happens(self.network.signal_faults.stray_candidate) {
            self.network.effects.strike(Fault::CandidateEarly);
            self.schedule(Duration::ZERO, Delivery::DirectSignal { end, signal: candidate() });
        }
    }

    pub(super) fn complete(&mut self, end: End, answer: &str) {
        let Some(other) = self.network.broker.complete(end, answer) else {
            let honest = |node: usize| self.nodes[node].raw.is_none();
            let of_another = self.network.broker.answers_another(end, answer);
            self.record.astray += u32::from(honest(end.0) && of_another.is_some_and(honest));
            return;
        };
        for (end, other) in [(end, other), (other, end)] {
            if let Some(connection) = self.nodes[end.0].connection_mut(end.1) {
                connection.other = Some(other);
            }
        }
        self.report_both(end, other, DirectStage::Checking, Duration::ZERO);
        if self.network.pairs[end.0][other.0].blocked {
            self.network.effects.change(Fault::UpgradeFails);
            return;
        }
        let round_trip = self.network.latency.direct * 2;
        self.report_both(end, other, DirectStage::Dtls, round_trip / 2);
        self.report_both(end, other, DirectStage::Channel, round_trip);
        self.schedule(round_trip, Delivery::DirectOpen { end });
        self.schedule(round_trip, Delivery::DirectOpen { end: other });
        // A report may come late.
        self.report_both(end, other, DirectStage::Dtls, round_trip);
        if let Some(after) = self.network.pairs[end.0][other.0].flap {
            self.schedule(round_trip + after, Delivery::Flap { end });
        }
    }

    /// The transports at both ends report how far a connection has come.
    fn report_both(&mut self, end: End, other: End, stage: DirectStage, after: Duration) {
        for (end, other) in [(end, other), (other, end)] {
            let mut report = ConnectionReport::new(stage);
            (report.local, report.remote) = (candidates(end.0), candidates(other.0));
            if stage > DirectStage::Checking {
                let (local, remote) = (CandidateKind::Host, CandidateKind::Host);
                report.selected = Some(CandidatePair { local, remote });
            }
            self.schedule(after, Delivery::DirectReport { end, report });
        }
    }

    /// A node is done with a direct connection.
    fn close_direct_end(&mut self, end: End) {
        let Some(mut connection) = self.nodes[end.0].end_connection(end.1, self.now) else {
            return;
        };
        if connection.outstanding > 0 {
            self.network.effects.change(Fault::CloseQueued);
        }
        if self.network.dice.happens(self.network.signal_faults.stray_candidate) {
            self.network.effects.strike(Fault::CandidateLate);
            self.schedule(Duration::ZERO, Delivery::DirectSignal { end, signal: candidate() });
        }
        let Some(other) = self.network.broker.close(end) else { return };
        self.note_closed(end, other, connection.pong);
        if let Some(far) = self.nodes[other.0].connection_mut(other.1) {
            far.other = None;
        }
        if self.network.pairs[end.0][other.0].silent.is_none() {
            let at = connection.hop.send(
                self.now,
                self.network.latency.direct,
                &Conditions::default(),
                0,
                &mut self.network.dice,
                &mut self.network.effects,
            );
            self.network.schedule_at(at, Delivery::DirectClosed { end: other });
        }
    }

    pub(super) fn has_room(&self, (node, connection): End) -> bool {
        let most = self.nodes[node].outstanding.unwrap_or(self.network.outstanding);
        let connection = self.nodes[node].connection(connection);
        connection
            .is_some_and(|connection| connection.other.is_some() && connection.outstanding < most)
    }

    pub(super) fn send_direct(&mut self, from: End, frame: Frame) {
        let Some(connection) =
            self.nodes[from.0].connections.iter_mut().find(|connection| connection.id == from.1)
        else {
            return;
        };
        let Some(to) = connection.other else { return };
        connection.outstanding += frame.len();
        self.nodes[from.0].sent += frame.len() as u64;
        self.network.pairs[from.0][to.0].sent.count(frame.len());
        self.look_at(&frame, Place::Node(from.0), Place::Node(to.0));
        let Some(connection) = self.nodes[from.0].connection_mut(from.1) else { return };
        let conditions = &self.network.pairs[from.0][to.0].conditions;
        let mut delay = self.network.latency.direct;
        if self.network.dice.happens(conditions.loss) {
            self.network.effects.change(Fault::Loss);
            delay += (self.network.latency.direct + conditions.delay) * 2 + REPAIR;
        }
        let at = connection.hop.send(
            self.now,
            delay,
            conditions,
            frame.len(),
            &mut self.network.dice,
            &mut self.network.effects,
        );
        self.note_direct(from, to, &frame, Some(at));
        let freight = match &frame {
            Frame::Binary(bundle) if self.record.is_watching() => Freight::in_bundle(bundle),
            Frame::Binary(_) | Frame::Text(_) => None,
        };
        self.nodes[from.0].passed +=
            freight.as_ref().map_or(0, |freight| freight.passed_on.len() as u64);
        let cargo = freight.as_ref().and_then(|one| self.record.loads.send_direct(from, to, one));
        let talk =
            freight.map(|freight| self.say_directly(from, to, Line::direct(from, to), freight));
        self.network.schedule_at(at, Delivery::DirectFrame { from, to, frame, cargo, talk });
    }

    pub(super) fn say_directly(
        &mut self,
        from: End,
        to: End,
        line: Line,
        freight: Freight,
    ) -> Arc<Talk> {
        let connection = |end: End| self.nodes[end.0].connection(end.1);
        let limited = connection(from).map_or(Time::ZERO, |connection| connection.limited_at);
        let longest = |end: End| {
            let open = connection(end).is_some_and(|connection| connection.has_datagrams);
            self.nodes[end.0].datagrams.filter(|_| open)
        };
        let datagrams = longest(from).zip(longest(to)).map(|(ours, theirs)| ours.min(theirs));
        let sent = self.sending(from.0, limited);
        let (freight, from, to) = (Arc::new(freight), Node(from.0), Node(to.0));
        let relay = self.relay_between(from, to);
        self.say(Talk { from, to, line, sent, relay, datagrams, freight })
    }

    /// Adds a direct message to the trace.
    pub(super) fn note_direct(&mut self, from: End, to: End, frame: &Frame, arrives: Option<Time>) {
        if self.is_tracing() {
            let (text, digest, to) = (describe(frame), digest(frame), Place::Node(to.0));
            let what = TraceEvent::Sent { to, arrives, direct: true, text, digest };
            self.note(Place::Node(from.0), || what);
        }
    }

    /// Breaks a direct connection; both ends are told.
    pub(super) fn break_connection(&mut self, end: End, other: End) {
        self.network.broker.close(end);
        for end in [end, other] {
            if let Some(connection) = self.nodes[end.0].connection_mut(end.1) {
                connection.other = None;
                if connection.outstanding > 0 {
                    self.network.effects.change(Fault::CloseMidBlob);
                }
            }
            self.schedule(Duration::ZERO, Delivery::DirectClosed { end });
        }
    }
}

/// The candidates that a node has in each connection: other numbers than its neighbours.
pub(super) fn candidates(node: usize) -> CandidateCounts {
    let mut counts = CandidateCounts::default();
    (0..=node % 3).for_each(|_| counts.add(CandidateKind::Host));
    (0..node % 2).for_each(|_| counts.add(CandidateKind::ServerReflexive));
    counts
}

/// A candidate that belongs to nothing.
fn candidate() -> Signal {
    Signal::Candidate(IceCandidate::new("candidate:1 1 udp 1 192.0.2.1 9 typ host"))
}
