//! Sockets between nodes and the hub, and the frames on them.

use std::sync::Arc;
use std::time::Duration;

use socketio_p2p_core::hub::Departure;
use socketio_p2p_core::{Frame, Packet, Session};

use super::delivery::{Delivery, RawInput};
use super::effects::Fault;
use super::hop::Socket;
use super::talk::{Line, Talk};
use super::trace::describe;
use super::{Mesh, Node, Place, TraceEvent};
use crate::conditions::Conditions;
use crate::digest::digest;
use crate::freight::Freight;
use crate::server::{Kind, ServerOutput, SocketId};

/// How the header of an envelope begins.
const ENVELOPE: &str = "51-";

/// The maximum delay of an envelope that is overtaken or doubled.
const DISORDER: Duration = Duration::from_millis(300);

/// The maximum delay of a signal that is late or doubled.
const SIGNAL_LATENESS: Duration = Duration::from_millis(1500);

/// The maximum delay with which a hub names a member that it has omitted.
const ROSTER_LAG: Duration = Duration::from_millis(800);

impl Mesh {
    pub(super) fn connect_signaling(&mut self, node: usize) {
        let slot = &self.nodes[node];
        let up = self.server.is_some() && slot.reachable && !slot.mute;
        let delivery =
            if up { Delivery::SignalingOpen { node } } else { Delivery::SignalingFailed { node } };
        self.schedule(self.network.latency.relay * 2, delivery);
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
            self.network.latency.relay,
            &Conditions::default(),
            0,
            &mut self.network.dice,
            &mut self.network.effects,
        );
        let (socket, departure) = (socket.id, Departure::Lost);
        self.network.schedule_at(at, Delivery::ServerSeesClose { socket, departure });
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
        // A new socket starts without the half-sent envelope of the old one.
        slot.cut |= slot.half && matches!(frames.first(), Some(Frame::Text(_)));
        slot.half = matches!(frames.last(), Some(Frame::Text(text)) if text.starts_with(ENVELOPE));
        let texts = frames.iter().filter(|frame| matches!(frame, Frame::Text(_)));
        self.record.uploads += texts.count() as u64;
        let len = frames.iter().map(Frame::len).sum();
        self.record.uploaded_bytes += len;
        slot.sent += len as u64;
        socket.outstanding += len;
        let delay = self.network.latency.relay;
        let (id, limited) = (socket.id, socket.limited_at);
        let at = socket.up.send(
            self.now,
            delay,
            &slot.relay,
            len,
            &mut self.network.dice,
            &mut self.network.effects,
        );
        if self.is_tracing() {
            for frame in &frames {
                let (text, digest, arrives) = (describe(frame), digest(frame), Some(at));
                let what =
                    TraceEvent::Sent { to: Place::Hub, arrives, direct: false, text, digest };
                self.note(Place::Node(node), || what);
            }
        }
        let sent = self.sending(node, limited);
        self.network.schedule_at(at, Delivery::ToServer { socket: id, frames, sent });
    }

    pub(super) fn send_from_server(&mut self, outputs: Vec<ServerOutput>) {
        for output in outputs {
            let (ServerOutput::Send { socket, .. } | ServerOutput::Close(socket)) = &output;
            let socket = *socket;
            let owner = self.network.owner(socket);
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
                        self.network.latency.relay,
                        &slot.relay,
                        0,
                        &mut self.network.dice,
                        &mut self.network.effects,
                    );
                    self.network.schedule_at(at, Delivery::SignalingClosed { node, socket });
                }
            }
        }
        let omitted = self.server.as_mut().map(|server| std::mem::take(&mut server.omitted));
        for (socket, member) in omitted.unwrap_or_default() {
            let lag = self.network.dice.span(ROSTER_LAG);
            self.network.effects.change(Fault::RosterOmission);
            self.network.note_late(self.now + lag + self.network.latency.relay * 2);
            self.schedule(lag, Delivery::TellMember { socket, member });
        }
        let repeated = self.server.as_mut().map(|server| std::mem::take(&mut server.repeated));
        for _ in 0..repeated.unwrap_or_default() {
            self.network.effects.change(Fault::RosterRepeat);
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
        let (conditions, signals) = (slot.relay, self.network.signal_faults);
        let dice = &mut self.network.dice;
        let mut extra = None;
        let mut again = None;
        let mut lost = false;
        match kind {
            Kind::Envelope => {
                if dice.happens(conditions.loss) {
                    self.network.effects.change(Fault::Loss);
                    lost = true;
                } else if dice.happens(conditions.duplicate) {
                    self.network.effects.change(Fault::Duplication);
                    again = Some(dice.span(DISORDER));
                } else if dice.happens(conditions.reorder) {
                    self.network.effects.change(Fault::Reordering);
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
                    self.network.effects.change(fault);
                    lost = true;
                } else if dice.happens(signals.duplicate) {
                    self.network.effects.change(Fault::SignalTwice);
                    again = Some(dice.span(SIGNAL_LATENESS));
                } else if dice.happens(signals.late) {
                    self.network.effects.change(Fault::SignalLate);
                    extra = Some(dice.span(SIGNAL_LATENESS));
                }
            }
            Kind::Other => {}
        }
        let arrives = (!lost).then(|| {
            let len = packet.wire_len();
            let delay = self.network.latency.relay;
            match extra {
                // Beside the queue: later messages overtake it.
                Some(extra) => {
                    let mut aside = end.down;
                    aside.send(self.now, delay, &conditions, len, dice, &mut self.network.effects)
                        + extra
                }
                None => end.down.send(
                    self.now,
                    delay,
                    &conditions,
                    len,
                    dice,
                    &mut self.network.effects,
                ),
            }
        });
        if self.record.is_watching() && kind == Kind::Envelope {
            for frame in packet.frames() {
                self.look_at(&frame, Place::Hub, Place::Node(node));
            }
        }
        if self.is_tracing() {
            for frame in packet.frames() {
                let (text, digest) = (describe(&frame), digest(&frame));
                let to = Place::Node(node);
                let what = TraceEvent::Sent { to, arrives, direct: false, text, digest };
                self.note(Place::Hub, || what);
            }
        }
        let from = freight.as_deref().and_then(|freight| self.sender_of(freight));
        let orphan = freight.as_ref().filter(|_| from.is_none());
        let orphan = orphan.and_then(|freight| self.orphan(freight, node));
        let freight = from.zip(freight);
        let talk = freight.as_ref().map(|(from, freight)| {
            let (line, sent) = (Line::relay(from.1, socket), self.record.uploaded);
            let (from, to, freight) = (Node(from.0), Node(node), Arc::clone(freight));
            self.say(Talk { from, to, line, sent, relay: Some(line), datagrams: None, freight })
        });
        let talk = talk.or(orphan);
        let Some(at) = arrives else { return };
        if kind != Kind::Envelope && (extra.is_some() || again.is_some()) {
            let repeated = at + again.unwrap_or_default();
            self.network.note_late(repeated + self.network.latency.relay * 2);
        }
        if let Some(after) = again {
            let (packet, talk) = (packet.clone(), talk.clone());
            let again = Delivery::ToNode { node, socket, packet, cargo: None, talk };
            self.network.schedule_at(at + after, again);
        }
        let freight = freight.filter(|_| extra.is_none());
        let cargo = freight.and_then(|(from, freight)| {
            self.record.loads.send_by_hub(from, (node, socket), &freight)
        });
        self.network.schedule_at(at, Delivery::ToNode { node, socket, packet, cargo, talk });
    }

    /// A bundle of a sender whose socket has closed: it is received all the same.
    fn orphan(&self, freight: &Arc<Freight>, node: usize) -> Option<Arc<Talk>> {
        let (from, to) = (self.nodes.with_id(freight.from.as_ref()?)?, Node(node));
        let (line, sent, freight) = (Line::Orphan, self.record.uploaded, Arc::clone(freight));
        Some(Arc::new(Talk { from, to, line, sent, relay: None, datagrams: None, freight }))
    }

    /// The sender of a bundle that the hub carries, and its socket.
    fn sender_of(&self, freight: &Freight) -> Option<(usize, SocketId)> {
        let sender = self.nodes.with_id(freight.from.as_ref()?)?;
        Some((sender.0, self.nodes[sender.0].socket_id()?))
    }

    pub(super) fn open_socket(&mut self, node: usize) {
        let slot = &self.nodes[node];
        let there = slot.reachable && !slot.mute;
        let Some(server) = self.server.as_mut().filter(|_| there) else {
            return self.deliver(Delivery::SignalingFailed { node });
        };
        let id = self.network.owners.len() as SocketId;
        self.network.owners.push(node);
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
}
