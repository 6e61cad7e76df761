//! Events of sessions: passed to the model, and to the books of strict runs.

use socketio_p2p_core::{EmitError, Event, PeerId, TransferId};

use super::{Run, UNANSWERED};
use crate::invariant::{Breach, Invariant};
use crate::mesh::{Fault, Node};
use crate::sim::model::Note;
use crate::sim::shape::Extent;

impl Run<'_> {
    /// Takes all events, and answers those that ask for it, mostly.
    pub(super) fn collect(&mut self) -> Result<(), Breach> {
        for (node, id) in self.mesh.take_named() {
            self.model.set_id(node.index(), id);
        }
        while let Some(node) = self.mesh.take_noisy() {
            self.note_all(node)?;
            while let Some(answer) = self.questions.pop_front() {
                self.answer(&answer)?;
                self.note_all(answer.node)?;
            }
        }
        self.serve()?;
        if self.mesh.has_noisy() {
            return self.collect();
        }
        self.look()?;
        if let Some(mallory) = &mut self.mallory {
            mallory.act(&mut self.mesh);
            if self.mesh.has_noisy() {
                return self.collect();
            }
        }
        Ok(())
    }

    fn note(&mut self, node: Node, event: Event) -> Result<(), Breach> {
        // A volatile event can be the last thing that was in flight.
        // Applications may go on talking.
        let is_expected =
            matches!(event, Event::Received { .. }) || self.host.is_some() && is_content(&event);
        if let Some(told) = self.quiet.as_mut().filter(|_| !is_expected) {
            told.push(format!("node {}: {event:?}", node.index()));
        }
        if let Some(host) = &mut self.host {
            if self.mesh.is_running(node) {
                host.event(node, event.clone(), &mut self.mesh)?;
            }
            // What applications say to each other is their own business.
            if is_content(&event) {
                return Ok(());
            }
        }
        self.note_knowledge(node, &event)?;
        self.note_transfer(node, &event)?;
        self.note_strictly(node, &event)?;
        match self.model.note(node.index(), event)? {
            Note::Nothing => {}
            Note::Joined { resumed } => {
                if resumed && self.hub_restarted {
                    self.mesh.effects_mut().strike(Fault::HubRestart);
                } else if resumed {
                    self.mesh.effects_mut().strike(Fault::Resume);
                }
                if let Some(index) = self.restarted.iter().position(|new| *new == node) {
                    self.restarted.swap_remove(index);
                    self.mesh.effects_mut().change(Fault::Restart);
                }
                self.reasons += 1;
            }
            Note::Writable(peer, lane) => self.writable.push((node, peer, lane)),
            Note::Received(number, path) => {
                self.check_receiving(node, number)?;
                self.note_received(node, number, &path)?;
            }
            Note::Refused(fit) => self.note_refused(fit),
            Note::Question(token, number) => {
                if self.dice.roll(UNANSWERED) > 0 && !self.mesh.is_frozen(node) {
                    self.put_question(node, token, number);
                }
            }
            Note::PathChanged { mid_stream, detour } => {
                self.reasons += 1;
                if detour {
                    self.mesh.effects_mut().strike(Fault::Detour);
                }
                if mid_stream {
                    self.mesh.effects_mut().strike(Fault::UpgradeMidStream);
                }
            }
            Note::Malice => self.note_malice(),
            Note::TurnedAway => self.note_turned_away(node),
            Note::Renamed(peer) => self.note_renamed(node, peer),
        }
        Ok(())
    }

    /// What sessions sent is not delivered to an application that takes no events.
    fn check_receiving(&self, node: Node, number: u64) -> Result<(), Breach> {
        let sender = self.model.sender_of(number);
        let of_session = sender.is_some_and(|sender| self.model.config(sender).is_some());
        if self.mesh.is_receiving(node) || !of_session {
            return Ok(());
        }
        Err(Breach::new(
            Invariant::Waiting,
            format!("nothing to be delivered to {node:?}, which takes no events"),
            format!("event {number}"),
        ))
    }

    /// Takes all events of a node, before its application acts.
    pub(super) fn note_all(&mut self, node: Node) -> Result<(), Breach> {
        let mut events = std::mem::take(&mut self.events);
        self.mesh.drain_events(node, &mut events);
        for event in events.drain(..) {
            self.note(node, event)?;
        }
        self.events = events;
        self.questions_of.check_reasons()
    }

    #[expect(clippy::wildcard_enum_match_arm, reason = "all others are not about transfers")]
    fn note_transfer(&mut self, node: Node, event: &Event) -> Result<(), Breach> {
        let id = match event {
            Event::PeerLeft { peer, .. } => return self.transfers.check_left(node, peer),
            Event::TransferOpened { transfer, .. } | Event::TransferReadable { transfer } => {
                &TransferId::from(transfer)
            }
            Event::TransferWritable { transfer } => &TransferId::from(transfer),
            Event::TransferEnded { transfer, .. } => transfer,
            _ => return Ok(()),
        };
        let peer = self.model.find(id.peer());
        // What a malicious peer opens is nobody's; what is opened to somebody who never was is.
        let foreign = !id.is_outgoing() && peer.is_none_or(|peer| self.model.is_raw(peer));
        if foreign || !self.mesh.is_running(node) {
            return Ok(());
        }
        let closing = |node: usize| self.model.is_closing(node);
        let ends = closing(node.index()) || peer.is_some_and(closing);
        let settings = &self.scenario.settings;
        let lost_is_possible = ends || !(settings.patient || settings.honest);
        self.transfers.note(&mut self.mesh, node, event, lost_is_possible)
    }

    fn note_malice(&mut self) {
        if let Some(fault) = self.last_attack.take() {
            self.mesh.effects_mut().change(fault);
        }
    }

    #[expect(clippy::wildcard_enum_match_arm, reason = "all others are no matter of limits")]
    pub(super) fn turned_away(
        &mut self,
        node: Node,
        to: Option<&PeerId>,
        extent: Option<Extent>,
        error: &EmitError,
    ) -> Result<(), Breach> {
        let shares_bulk = self.transfers.has_any(node);
        if self.model.turned_away(node.index(), to, extent, error, shares_bulk)? {
            self.mesh.effects_mut().strike(Fault::QueueFull);
        }
        // A sender that knows the receiver's limits refuses in its place.
        if let (EmitError::BeyondPeerLimits(peer), Some(extent)) = (error, extent) {
            let receiver = self.model.find(peer).and_then(|index| self.model.config(index));
            if let Some(fit) = receiver.map(|config| extent.fit(&config.limits)) {
                self.note_refused(fit);
            }
            return Ok(());
        }
        if let EmitError::Dropped(peer) = error {
            self.check_dropped(node, peer)?;
        }
        let fault = match error {
            EmitError::Dropped(_) => Fault::DroppedVolatile,
            EmitError::Limits(_) => Fault::RefusedOwn,
            EmitError::TooManyPendingAcks(_) => Fault::RefusedAsk,
            _ => return Ok(()),
        };
        self.mesh.effects_mut().strike(fault);
        Ok(())
    }
}

/// Whether an event is about packets and transfers, not about membership and paths.
const fn is_content(event: &Event) -> bool {
    matches!(
        event,
        Event::Received { .. }
            | Event::Outcome { .. }
            | Event::Ack { .. }
            | Event::NoAck { .. }
            | Event::AcksComplete { .. }
            | Event::Writable { .. }
            | Event::TransferOpened { .. }
            | Event::TransferReadable { .. }
            | Event::TransferWritable { .. }
            | Event::TransferEnded { .. }
    )
}
