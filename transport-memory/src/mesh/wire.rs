//! Sending in a mesh: what nodes and hub put on the way.

use std::sync::Arc;
use std::time::Duration;

use socketio_p2p_core::hub::Departure;
use socketio_p2p_core::wire::{IceCandidate, Signal};
use socketio_p2p_core::{Command, DirectCommand, Frame, Packet, Time};

use super::delivery::{Delivery, Scheduled};
use super::effects::Fault;
use super::freight::{Freight, Line, Talk};
use super::hop::Connection;
use super::peek::digest;
use super::sight::describe;
use super::{Conditions, Mesh, Node, Pace, Place, What};
use crate::broker::End;
use crate::server::{Kind, ServerOutput, SocketId};

/// The most bytes that are under way in one direction of a direct connection.
pub(super) const OUTSTANDING: usize = 256 << 10;

/// The longest message of a direct connection, as with a browser.
pub(super) const DIRECT_MAX_MESSAGE: usize = 256 << 10;

/// How the header of an envelope begins.
const ENVELOPE: &str = "51-";

/// How long what was lost below a data channel takes to be sent again, beside the way there and back.
const REPAIR: Duration = Duration::from_millis(20);

/// By how much an envelope is overtaken or late, at most.
const DISORDER: Duration = Duration::from_millis(300);

/// By how much signals are late, at most.
const SIGNAL_LATENESS: Duration = Duration::from_millis(1500);

/// How long a hub takes at most to tell of a member that it has not named.
const ROSTER_LAG: Duration = Duration::from_millis(800);

impl Mesh {
    pub(super) fn schedule(&mut self, after: Duration, delivery: Delivery) {
        self.schedule_at(self.now + after, delivery);
    }

    pub(super) fn schedule_at(&mut self, at: Time, delivery: Delivery) {
        let number = self.next_delivery;
        self.next_delivery += 1;
        self.wire.push(Scheduled { at, number, delivery });
    }

    /// Takes all output of a node.
    pub(super) fn pump(&mut self, node: usize) {
        let told = self.nodes[node].events.len();
        while self.take_news(node) {
            if self.nodes[node].drain.is_none() {
                self.pump_signaling(node);
                self.pump_direct(node);
            }
        }
        let slot = &mut self.nodes[node];
        if let Some(pause) = slot.drain
            && !std::mem::replace(&mut slot.draining, true)
        {
            self.schedule(pause, Delivery::Drain { node });
        }
        let slot = &mut self.nodes[node];
        let due = match (&slot.session, slot.pace) {
            (Some(session), Pace::AtOnce | Pace::Every(_)) => session.poll_timeout(),
            (None, _) | (Some(_), Pace::Frozen) => None,
        };
        slot.due = due.map(|at| Time::ZERO + (at - Time::ZERO).saturating_sub(slot.skew));
        if slot.events.len() > told {
            if !std::mem::replace(&mut slot.noisy, true) {
                self.noisy.push_back(Node(node));
            }
            self.note_events(node, told);
        }
        self.nodes[node].stale = false;
    }

    /// The transports of a node that drains late take its output.
    pub(super) fn drain(&mut self, node: usize) {
        let slot = &mut self.nodes[node];
        slot.draining = false;
        slot.held = self.now;
        if let Some(pause) = slot.drain.take() {
            self.effects.change(Fault::LateDriver);
            self.pump(node);
            // What comes of taking it is no reason to take more.
            self.nodes[node].drain = Some(pause);
        }
    }

    /// Takes events and commands. `true`: there may be something to transmit.
    fn take_news(&mut self, node: usize) -> bool {
        let slot = &mut self.nodes[node];
        if slot.pace == Pace::Frozen {
            return false;
        }
        // After an input there can be transmits; after transmits there can be news, and then transmits again.
        let mut news = !std::mem::replace(&mut slot.stale, true);
        loop {
            let slot = &mut self.nodes[node];
            let Some(session) = &mut slot.session else { return false };
            while let Some(event) = session.poll_event() {
                slot.events.push(event);
            }
            let Some(command) = session.poll_command() else { return news };
            self.execute(node, command);
            news = true;
        }
    }

    fn pump_signaling(&mut self, node: usize) {
        let slot = &mut self.nodes[node];
        let now = self.now + slot.skew;
        let (Some(socket), Some(session)) = (&mut slot.socket, &mut slot.session) else { return };
        let mut frames = Vec::new();
        let most = slot.outstanding.unwrap_or(self.outstanding);
        let mut room = most.saturating_sub(socket.outstanding);
        loop {
            if room == 0 {
                socket.limited = true;
                socket.limited_at = self.now;
                break;
            }
            let Some(frame) = session.poll_signaling_transmit(now) else { break };
            room = room.saturating_sub(frame.len());
            frames.push(frame);
        }
        if !frames.is_empty() {
            self.upload(node, frames);
        }
    }

    fn pump_direct(&mut self, node: usize) {
        let mut index = 0;
        while let Some(connection) = self.nodes[node].connections.get(index) {
            let end = (node, connection.id);
            index += 1;
            if connection.other.is_some() {
                self.pump_connection(end, index - 1);
                self.pump_datagrams(end, index - 1);
            }
        }
    }

    fn pump_connection(&mut self, end: End, index: usize) {
        loop {
            let slot = &mut self.nodes[end.0];
            let now = self.now + slot.skew;
            let (Some(session), Some(connection)) =
                (&mut slot.session, slot.connections.get_mut(index))
            else {
                return;
            };
            if connection.outstanding >= slot.outstanding.unwrap_or(self.outstanding) {
                connection.limited = true;
                connection.limited_at = self.now;
                return;
            }
            let Some(frame) = session.poll_direct_transmit(end.1, now) else { return };
            self.send_direct(end, frame);
        }
    }

    pub(super) fn has_room(&self, (node, connection): End) -> bool {
        let most = self.nodes[node].outstanding.unwrap_or(self.outstanding);
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
        self.look_at(&frame, Place::Node(from.0), Place::Node(to.0));
        let Some(connection) = self.nodes[from.0].connection_mut(from.1) else { return };
        let conditions = &self.pairs[from.0][to.0].conditions;
        let mut delay = self.latency.direct;
        if self.dice.happens(conditions.loss) {
            self.effects.change(Fault::Loss);
            delay += (self.latency.direct + conditions.delay) * 2 + REPAIR;
        }
        let at = connection.hop.send(
            self.now,
            delay,
            conditions,
            frame.len(),
            &mut self.dice,
            &mut self.effects,
        );
        self.note_direct(from, to, &frame, Some(at));
        let freight = match &frame {
            Frame::Binary(bundle) if self.carried.is_some() => Freight::in_bundle(bundle),
            Frame::Binary(_) | Frame::Text(_) => None,
        };
        self.nodes[from.0].passed +=
            freight.as_ref().map_or(0, |freight| freight.passed_on.len() as u64);
        let cargo = freight.as_ref().and_then(|one| self.loads.send_direct(from, to, one));
        let talk =
            freight.map(|freight| self.say_directly(from, to, Line::direct(from, to), freight));
        self.schedule_at(at, Delivery::DirectFrame { from, to, frame, cargo, talk });
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

    /// Records what is sent directly, and when it arrives if it does.
    pub(super) fn note_direct(&mut self, from: End, to: End, frame: &Frame, arrives: Option<Time>) {
        if self.is_recording() {
            let (text, digest, to) = (describe(frame), digest(frame), Place::Node(to.0));
            let what = What::Sent { to, arrives, direct: true, text, digest };
            self.note(Place::Node(from.0), || what);
        }
    }

    /// Sends frames from a node to the hub.
    pub(super) fn upload(&mut self, node: usize, frames: Vec<Frame>) {
        if self.nodes[node].relay.rate == 0 {
            return self.upload_at_once(node, frames);
        }
        // Each arrives when its last byte does.
        for frame in frames {
            self.upload_at_once(node, vec![frame]);
        }
    }

    fn upload_at_once(&mut self, node: usize, frames: Vec<Frame>) {
        if self.nodes[node].socket.is_none() {
            return;
        }
        for frame in &frames {
            self.look_at(frame, Place::Node(node), Place::Hub);
        }
        let slot = &mut self.nodes[node];
        let Some(socket) = &mut slot.socket else { return };
        // On a new socket nothing is left of what was begun on the old one.
        slot.cut |= slot.half && matches!(frames.first(), Some(Frame::Text(_)));
        slot.half = matches!(frames.last(), Some(Frame::Text(text)) if text.starts_with(ENVELOPE));
        let texts = frames.iter().filter(|frame| matches!(frame, Frame::Text(_)));
        self.uploads += texts.count() as u64;
        let len = frames.iter().map(Frame::len).sum();
        self.uploaded_bytes += len;
        slot.sent += len as u64;
        socket.outstanding += len;
        let delay = self.latency.relay;
        let (id, limited) = (socket.id, socket.limited_at);
        let at =
            socket.up.send(self.now, delay, &slot.relay, len, &mut self.dice, &mut self.effects);
        if self.is_recording() {
            for frame in &frames {
                let (text, digest, arrives) = (describe(frame), digest(frame), Some(at));
                let what = What::Sent { to: Place::Hub, arrives, direct: false, text, digest };
                self.note(Place::Node(node), || what);
            }
        }
        let sent = self.sending(node, limited);
        self.schedule_at(at, Delivery::ToServer { socket: id, frames, sent });
    }

    pub(super) fn send_from_server(&mut self, outputs: Vec<ServerOutput>) {
        for output in outputs {
            let (ServerOutput::Send { socket, .. } | ServerOutput::Close(socket)) = &output;
            let socket = *socket;
            let owner = self.owner(socket);
            let live = owner.filter(|node| self.nodes[*node].socket_id() == Some(socket));
            let Some(node) = live else { continue };
            match output {
                ServerOutput::Send { kind, packet, freight, .. } => {
                    self.download((node, socket), kind, packet, freight);
                }
                ServerOutput::Close(_) => {
                    let slot = &mut self.nodes[node];
                    let Some(end) = &mut slot.socket else { continue };
                    let at = end.down.send(
                        self.now,
                        self.latency.relay,
                        &slot.relay,
                        0,
                        &mut self.dice,
                        &mut self.effects,
                    );
                    self.schedule_at(at, Delivery::SignalingClosed { node, socket });
                }
            }
        }
        let omitted = self.server.as_mut().map(|server| std::mem::take(&mut server.omitted));
        for (socket, member) in omitted.unwrap_or_default() {
            let lag = self.dice.span(ROSTER_LAG);
            self.effects.change(Fault::RosterOmission);
            self.note_late(self.now + lag + self.latency.relay * 2);
            self.schedule(lag, Delivery::TellMember { socket, member });
        }
        let repeated = self.server.as_mut().map(|server| std::mem::take(&mut server.repeated));
        for _ in 0..repeated.unwrap_or_default() {
            self.effects.change(Fault::RosterRepeat);
        }
    }

    /// Sends a packet from the hub to a node, or loses, doubles or delays it, as its kind allows.
    fn download(
        &mut self,
        (node, socket): (usize, SocketId),
        kind: Kind,
        packet: Packet,
        freight: Option<Arc<Freight>>,
    ) {
        let slot = &mut self.nodes[node];
        let Some(end) = &mut slot.socket else { return };
        let (conditions, signals) = (slot.relay, self.signal_faults);
        let dice = &mut self.dice;
        let mut extra = None;
        let mut again = None;
        let mut lost = false;
        match kind {
            Kind::Envelope => {
                if dice.happens(conditions.loss) {
                    self.effects.change(Fault::Loss);
                    lost = true;
                } else if dice.happens(conditions.duplicate) {
                    self.effects.change(Fault::Duplication);
                    again = Some(dice.span(DISORDER));
                } else if dice.happens(conditions.reorder) {
                    self.effects.change(Fault::Reordering);
                    extra = Some(dice.span(DISORDER));
                }
            }
            Kind::Offer | Kind::Signal => {
                let (chance, fault) = if kind == Kind::Offer {
                    (signals.lose_offer, Fault::OfferLost)
                } else {
                    (signals.lose_answer, Fault::AnswerLost)
                };
                if dice.happens(chance) {
                    self.effects.change(fault);
                    lost = true;
                } else if dice.happens(signals.duplicate) {
                    self.effects.change(Fault::SignalTwice);
                    again = Some(dice.span(SIGNAL_LATENESS));
                } else if dice.happens(signals.late) {
                    self.effects.change(Fault::SignalLate);
                    extra = Some(dice.span(SIGNAL_LATENESS));
                }
            }
            Kind::Other => {}
        }
        let arrives = (!lost).then(|| {
            let len = packet.wire_len();
            let delay = self.latency.relay;
            match extra {
                // Beside the queue: what comes later overtakes it.
                Some(extra) => {
                    let mut aside = end.down;
                    aside.send(self.now, delay, &conditions, len, dice, &mut self.effects) + extra
                }
                None => end.down.send(self.now, delay, &conditions, len, dice, &mut self.effects),
            }
        });
        if self.carried.is_some() && kind == Kind::Envelope {
            for frame in packet.frames() {
                self.look_at(&frame, Place::Hub, Place::Node(node));
            }
        }
        if self.is_recording() {
            for frame in packet.frames() {
                let (text, digest) = (describe(&frame), digest(&frame));
                let to = Place::Node(node);
                let what = What::Sent { to, arrives, direct: false, text, digest };
                self.note(Place::Hub, || what);
            }
        }
        let from = freight.as_deref().and_then(|freight| self.sender_of(freight));
        let orphan = freight.as_ref().filter(|_| from.is_none());
        let orphan = orphan.and_then(|freight| self.orphan(freight, node));
        let freight = from.zip(freight);
        let talk = freight.as_ref().map(|(from, freight)| {
            let (line, sent) = (Line::relay(from.1, socket), self.uploaded);
            let (from, to, freight) = (Node(from.0), Node(node), Arc::clone(freight));
            self.say(Talk { from, to, line, sent, relay: Some(line), datagrams: None, freight })
        });
        let talk = talk.or(orphan);
        let Some(at) = arrives else { return };
        if kind != Kind::Envelope && (extra.is_some() || again.is_some()) {
            let repeated = at + again.unwrap_or_default();
            self.note_late(repeated + self.latency.relay * 2);
        }
        if let Some(after) = again {
            let (packet, talk) = (packet.clone(), talk.clone());
            let again = Delivery::ToNode { node, socket, packet, cargo: None, talk };
            self.schedule_at(at + after, again);
        }
        let freight = freight.filter(|_| extra.is_none());
        let cargo = freight
            .and_then(|(from, freight)| self.loads.send_by_hub(from, (node, socket), &freight));
        self.schedule_at(at, Delivery::ToNode { node, socket, packet, cargo, talk });
    }

    /// What somebody says whose socket is gone: it is heard all the same.
    fn orphan(&self, freight: &Arc<Freight>, node: usize) -> Option<Arc<Talk>> {
        let (from, to) = (self.node_named(freight.from.as_ref()?)?, Node(node));
        let (line, sent, freight) = (Line::Orphan, self.uploaded, Arc::clone(freight));
        Some(Arc::new(Talk { from, to, line, sent, relay: None, datagrams: None, freight }))
    }

    /// Whose it is, and on which socket, where the hub carries it.
    fn sender_of(&self, freight: &Freight) -> Option<(usize, SocketId)> {
        let sender = self.node_named(freight.from.as_ref()?)?;
        Some((sender.0, self.nodes[sender.0].socket_id()?))
    }

    fn execute(&mut self, node: usize, command: Command) {
        match command {
            Command::ConnectSignaling => {
                if self.carried.is_some() {
                    self.tries.push((Node(node), self.now));
                }
                self.connect_signaling(node);
            }
            Command::CloseSignaling => self.close_signaling(node),
            Command::Direct(command) => self.execute_direct(node, command),
            _ => {}
        }
    }

    pub(super) fn connect_signaling(&mut self, node: usize) {
        let slot = &self.nodes[node];
        let up = self.server.is_some() && slot.reachable && !slot.mute;
        let delivery =
            if up { Delivery::SignalingOpen { node } } else { Delivery::SignalingFailed { node } };
        self.schedule(self.latency.relay * 2, delivery);
    }

    pub(super) fn close_signaling(&mut self, node: usize) {
        self.schedule_end_of_socket(node);
        self.nodes[node].socket = None;
    }

    /// The server sees the end of a node's socket after all that was sent on it.
    pub(super) fn schedule_end_of_socket(&mut self, node: usize) {
        let Some(socket) = &mut self.nodes[node].socket else { return };
        let at = socket.up.send(
            self.now,
            self.latency.relay,
            &Conditions::default(),
            0,
            &mut self.dice,
            &mut self.effects,
        );
        let (socket, departure) = (socket.id, Departure::Lost);
        self.schedule_at(at, Delivery::ServerSeesClose { socket, departure });
    }

    fn execute_direct(&mut self, node: usize, command: DirectCommand) {
        match command {
            DirectCommand::Offer { connection, datagrams, .. } => {
                let end = (node, connection);
                self.begin(end, datagrams);
                let signal = Signal::Offer(self.broker.describe(end));
                self.schedule(Duration::ZERO, Delivery::DirectSignal { end, signal });
            }
            DirectCommand::Answer { connection, sdp, datagrams, .. } => {
                let end = (node, connection);
                self.begin(end, datagrams);
                if let Some(offerer) = self.broker.offerer(&sdp)
                    && self.nodes[offerer].raw.is_some()
                    && self.carried.is_some()
                {
                    self.taken_up.push((Node(node), Node(offerer)));
                }
                if self.broker.answer(end, &sdp) {
                    let signal = Signal::Answer(self.broker.describe(end));
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

    fn begin(&mut self, end: End, wants_datagrams: bool) {
        if wants_datagrams {
            self.broker.want_datagrams(end);
        }
        let slot = &mut self.nodes[end.0];
        slot.connections.push(Connection::new(end.1));
        slot.attempts += 1;
        if self.dice.happens(self.signal_faults.stray_candidate) {
            self.effects.strike(Fault::CandidateEarly);
            self.schedule(Duration::ZERO, Delivery::DirectSignal { end, signal: candidate() });
        }
    }

    pub(super) fn complete(&mut self, end: End, answer: &str) {
        let Some(other) = self.broker.complete(end, answer) else {
            let honest = |node: usize| self.nodes[node].raw.is_none();
            let of_another = self.broker.answers_another(end, answer);
            self.astray += u32::from(honest(end.0) && of_another.is_some_and(honest));
            return;
        };
        for (end, other) in [(end, other), (other, end)] {
            if let Some(connection) = self.nodes[end.0].connection_mut(end.1) {
                connection.other = Some(other);
            }
        }
        if self.pairs[end.0][other.0].blocked {
            self.effects.change(Fault::UpgradeFails);
            return;
        }
        let round_trip = self.latency.direct * 2;
        self.schedule(round_trip, Delivery::DirectOpen { end });
        self.schedule(round_trip, Delivery::DirectOpen { end: other });
        if let Some(after) = self.pairs[end.0][other.0].flap {
            self.schedule(round_trip + after, Delivery::Flap { end });
        }
    }

    /// A node is done with a direct connection.
    fn close_direct_end(&mut self, end: End) {
        let slot = &mut self.nodes[end.0];
        let Some(index) = slot.connections.iter().position(|connection| connection.id == end.1)
        else {
            return;
        };
        let mut connection = slot.connections.remove(index);
        if connection.outstanding > 0 {
            self.effects.change(Fault::CloseQueued);
        }
        if self.dice.happens(self.signal_faults.stray_candidate) {
            self.effects.strike(Fault::CandidateLate);
            self.schedule(Duration::ZERO, Delivery::DirectSignal { end, signal: candidate() });
        }
        let Some(other) = self.broker.close(end) else { return };
        if let Some(far) = self.nodes[other.0].connection_mut(other.1) {
            far.other = None;
        }
        if self.pairs[end.0][other.0].silent.is_none() {
            let at = connection.hop.send(
                self.now,
                self.latency.direct,
                &Conditions::default(),
                0,
                &mut self.dice,
                &mut self.effects,
            );
            self.schedule_at(at, Delivery::DirectClosed { end: other });
        }
    }
}

/// A candidate that belongs to nothing.
fn candidate() -> Signal {
    Signal::Candidate(IceCandidate::new("candidate:1 1 udp 1 192.0.2.1 9 typ host"))
}
