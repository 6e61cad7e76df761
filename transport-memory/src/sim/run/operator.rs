//! What the server's application does, and what it and sessions say to each other.

use std::time::Duration;

use socketio_p2p_core::{AuthPayload, MemberData, Packet, PacketType, RoomName, Target};

use super::Run;
use super::knows::{ExpectedKick, UPDATE_BURST, number_in};
use crate::invariant::{Breach, Invariant};
use crate::mesh::{Fault, Node};
use crate::order::Order;
use crate::server::BANNED;
use crate::sim::scenario::Operation;

/// What hearing of a kick may take beside its way.
const UNHURRIED: Duration = Duration::from_millis(20);

impl Run<'_> {
    /// Gives a node the payload by which the server's application knows it.
    pub(super) fn give_ticket(&mut self, node: Node) {
        let ticket = AuthPayload::new(&serde_json::json!({"node": node.index()})).ok();
        self.mesh.with(node, |session, _| session.set_auth(ticket));
    }

    pub(super) fn change_metadata(&mut self, node: Node, count: u32, size: u32) {
        if count > UPDATE_BURST && self.mesh.session(node).is_joined() {
            self.mesh.effects_mut().strike(Fault::MetadataPaced);
        }
        self.knows.changed_at = self.mesh.now();
        for _ in 0..count {
            self.knows.changes += 1;
            let changes = self.knows.changes;
            let padding = "x".repeat(size as usize);
            let data = serde_json::json!({"node": node.index(), "at": changes, "x": padding});
            // Now and then there is none.
            let data = MemberData::new(&data).ok().filter(|_| !changes.is_multiple_of(11));
            self.mesh.with(node, |session, now| session.set_metadata(data, now));
        }
    }

    /// A node emits to the server's application.
    pub(super) fn emit_to_server(&mut self, node: Node, asks: bool) -> Result<(), Breach> {
        self.note_all(node)?;
        let Ok(event) = Packet::event("to-server", &(self.desk.next_up(),)) else { return Ok(()) };
        let emitted = self.mesh.with(node, |session, now| match asks {
            true => session.emit_with_ack(Target::Server, &event, None, now),
            false => session.emit(Target::Server, &event, now),
        });
        let joined = self.mesh.session(node).is_joined();
        match emitted {
            Ok(emitted) => {
                self.desk.emitted(node.index(), emitted.id.as_u64(), asks);
                if joined { Ok(()) } else { unexpected("to be turned away without a server") }
            }
            Err(_) => Ok(()),
        }
    }

    /// A node that was refused, or waits, connects again.
    pub(super) fn call_back(&mut self, node: Node) {
        self.knows.out.retain(|out| *out != node);
        self.expect_full(node);
        self.reconnects.excuse(node.index());
        self.mesh.with(node, |session, now| session.reconnect(now));
    }

    pub(super) fn call_all_back(&mut self) {
        self.mesh.forgive();
        for node in self.knows.out.clone() {
            if self.mesh.is_running(node) {
                self.call_back(node);
            }
        }
        self.knows.out.clear();
    }

    /// The server's application does something, if there is a server.
    pub(super) fn operate(&mut self, operation: Operation) -> Result<(), Breach> {
        if let Operation::LoseKey = operation {
            self.knows.loses_key = true;
            self.mesh.lose_token_key();
            return Ok(());
        }
        if !self.server_up {
            return Ok(());
        }
        let node_in = |place: usize| self.places.get(place).copied().flatten();
        match operation {
            Operation::Kick(place) => {
                if let Some(node) = node_in(place) {
                    self.kick(node, "kicked");
                }
            }
            Operation::CloseRoom => {
                let all: Vec<Node> = self.live().chain(self.closing.iter().copied()).collect();
                for node in all {
                    self.note_dismissed(node, "room-closed");
                }
                self.dismiss_others();
                self.mesh.order(Order::CloseRoom);
            }
            Operation::Close(millis) => {
                let known = |node: Node| self.mesh.session(node).id().is_some();
                if !self.scenario.settings.patient || self.live().all(known) {
                    (self.knows.pause, self.knows.is_closed) =
                        (Duration::from_millis(millis), true);
                    self.mesh.order(Order::Close(Duration::from_millis(millis)));
                }
            }
            Operation::Emit(place) => {
                let node = place.and_then(node_in);
                if place.is_some() && node.is_none() {
                    return Ok(());
                }
                let number = self.desk.sent_down(node.map(Node::index));
                let Ok(event) = Packet::event("of-server", &(number,)) else { return Ok(()) };
                match node.map(|node| self.model.id(node.index()).cloned()) {
                    None => self.mesh.order(Order::EmitToAll(event)),
                    Some(Some(id)) => self.mesh.order(Order::Emit(id, event)),
                    Some(None) => {}
                }
            }
            Operation::Ask(place) => {
                let Some(node) = node_in(place) else { return Ok(()) };
                let Some(id) = self.model.id(node.index()).cloned() else { return Ok(()) };
                let number = self.desk.sent_down(Some(node.index()));
                if let Ok(event) = Packet::event("of-server", &(number,)) {
                    self.mesh.order(Order::Emit(id, event.with_ack_id(number)));
                }
            }
            Operation::Refuse(place, millis) => {
                if let Some(node) = node_in(place).filter(|_| self.scenario.settings.admission) {
                    if millis.is_none() {
                        self.model.expect_refusal(node.index(), BANNED);
                    }
                    self.mesh.refuse_next(node, millis.map(Duration::from_millis));
                }
            }
            Operation::LoseKey => {}
        }
        self.collect()
    }

    fn kick(&mut self, node: Node, code: &'static str) {
        let Some(id) = self.model.id(node.index()).cloned() else { return };
        let lobby = RoomName::default();
        let is_member =
            self.mesh.hub().is_some_and(|hub| hub.members(&lobby).any(|member| member.id == id));
        if !is_member {
            return;
        }
        let (asked, stirs) = (self.mesh.now(), self.stirs);
        let due = asked + self.scenario.settings.relay_latency * 4 + UNHURRIED;
        let hears = |one: &Node| {
            let usual = self.mesh.is_prompt(*one) && self.mesh.drains_every(*one).is_none();
            usual && self.mesh.hears_hub(*one) && self.mesh.session(*one).is_joined()
        };
        let is_told = |one: &Node| {
            *one == node || self.model.known_as(one.index(), node.index()) == Some(&id)
        };
        let observers: Vec<Node> = self.live().filter(|one| hears(one) && is_told(one)).collect();
        let expected = |observer| {
            let seen = self.mesh.session(observer).peer(&id);
            let is_near = seen.is_some_and(|peer| !peer.away);
            ExpectedKick { observer, target: node, id: id.clone(), asked, due, stirs, is_near }
        };
        if self.is_strict() && self.narrow.is_empty() {
            self.knows.kicks.extend(observers.into_iter().map(expected));
        }
        self.note_dismissed(node, code);
        self.mesh.order(Order::Kick(id));
    }

    /// A node loses its seat by the server's application.
    fn note_dismissed(&mut self, node: Node, code: &'static str) {
        let index = node.index();
        self.model.dismiss(index);
        self.model.expect_refusal(index, code);
        self.expect_full(node);
        self.reasons += 1;
        for other in 0..self.model.nodes() {
            self.model.shake(index, other);
        }
    }

    /// A seat that is free can be taken by somebody malicious.
    fn expect_full(&mut self, node: Node) {
        if self.mallory.is_some() {
            self.model.expect_refusal(node.index(), "room-full");
        }
    }

    /// So do those without a session.
    fn dismiss_others(&mut self) {
        (0..self.model.nodes()).for_each(|index| self.model.dismiss(index));
    }

    /// A hub has started. With another key, only pairs with a channel that both use outlive that.
    pub(super) fn note_start(&mut self) {
        if !std::mem::take(&mut self.knows.loses_key) {
            return;
        }
        self.align();
        self.model.lose_key();
        let all = self.model.nodes();
        let usable = |a: usize, b: usize| {
            let (a, b) = (Node::from_index(a), Node::from_index(b));
            let here = |node| self.mesh.is_running(node) && self.mesh.is_prompt(node);
            let validated = |one: Node, other: Node| {
                let known_as = self.model.known_as(one.index(), other.index());
                let mut peers = self.mesh.session(one).peers();
                peers.any(|peer| Some(&peer.id) == known_as && peer.validated)
            };
            here(a) && here(b) && self.mesh.is_clear(a, b) && validated(a, b)
        };
        let pairs: Vec<(usize, usize)> =
            (0..all).flat_map(|a| (0..a).map(move |b| (a, b))).collect();
        let lost = pairs.into_iter().filter(|(a, b)| !(usable(*a, *b) && usable(*b, *a)));
        let lost: Vec<(usize, usize)> = lost.collect();
        lost.into_iter().for_each(|(a, b)| self.model.shake(a, b));
        self.knows.stirs = Some(self.stirs);
        let now = self.mesh.now();
        self.live().collect::<Vec<_>>().into_iter().for_each(|node| {
            self.talks.upset(node.index(), None, now);
        });
    }

    /// The server's application reads, and answers mostly; sessions answer it, mostly.
    pub(super) fn serve(&mut self) -> Result<(), Breach> {
        if self.is_healed && !self.knows.out.is_empty() {
            // It has heard of its end after all faults were over.
            self.call_all_back();
        }
        for (client, packet) in self.mesh.take_for_server() {
            let id = self.mesh.hub().and_then(|hub| hub.peer_id(client)).cloned();
            let Some(node) = id.and_then(|id| self.model.find(&id)) else { continue };
            if self.model.config(node).is_none() {
                continue;
            }
            let number = number_in(&packet);
            if matches!(packet.packet_type(), PacketType::Ack | PacketType::BinaryAck) {
                self.mesh.effects_mut().strike(Fault::ServerQuestion);
                self.desk.answered(node, packet.ack_id().unwrap_or(u64::MAX), number)?;
                continue;
            }
            let Some(number) = number else { continue };
            self.desk.came_up(node, number)?;
            match (packet.ack_id(), self.knows.dice.roll(8)) {
                (None, _) | (_, 0) => {}
                (Some(ack_id), 1 | 2) => self.knows.unanswered.push((client, ack_id, number)),
                (Some(ack_id), _) => self.mesh.order(Order::Answer(client, ack_id, number)),
            }
        }
        for (node, token, number) in std::mem::take(&mut self.knows.fresh) {
            if self.mesh.is_running(node) && self.knows.dice.happens(700) {
                // Maybe the connection is over already.
                let _answered =
                    self.mesh.with(node, |session, now| session.reply(&token, &(number,), now));
            } else {
                self.knows.kept.push((node, token, number));
            }
        }
        for (node, token, number) in std::mem::take(&mut self.knows.stale) {
            if !self.mesh.is_running(node) {
                continue;
            }
            let reply = self.mesh.with(node, |session, now| session.reply(&token, &(number,), now));
            if reply.is_ok() {
                return Err(Breach::new(
                    Invariant::ServerTalk,
                    format!("{node:?} not to answer a question of an earlier connection"),
                    format!("it answers {number}"),
                ));
            }
        }
        Ok(())
    }

    /// The server's application gives the answers that it has kept.
    pub(super) fn answer_unanswered(&mut self) {
        if self.server_up && self.knows.dice.happens(300) {
            for (client, ack_id, number) in std::mem::take(&mut self.knows.unanswered) {
                self.mesh.order(Order::Answer(client, ack_id, number));
            }
        }
    }

    /// Whether a hub is there that admits nobody any more.
    pub(super) const fn is_hub_closed(&self) -> bool {
        self.knows.is_closed
    }
}

fn unexpected(expected: &str) -> Result<(), Breach> {
    Err(Breach::new(Invariant::ServerTalk, expected, "it was not"))
}
