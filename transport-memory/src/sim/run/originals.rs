//! Original clients in a run.

use super::Run;
use crate::invariant::Breach;
use crate::mesh::{Fault, Node};
use crate::sim::original::Original;
use crate::sim::shape::Shape;

impl Run<'_> {
    pub(super) fn set_original(&mut self, client: usize, on: bool) -> Result<(), Breach> {
        let Some(place) = self.originals.get_mut(client) else { return Ok(()) };
        match (on, place.take()) {
            (true, None) => {
                self.align();
                self.hit(Fault::Original);
                let original = Original::new(&mut self.mesh);
                self.model.add_original();
                self.milestones.reserve(original.node.index());
                self.originals[client] = Some(original);
            }
            (false, Some(mut original)) => {
                original.leave(&mut self.mesh);
                self.model.forget(original.node.index());
                let soon = self.mesh.now() + self.scenario.settings.relay_latency * 2;
                self.run_until(soon)?;
                self.mesh.crash(original.node);
                self.collect()?;
            }
            (_, before) => self.originals[client] = before,
        }
        Ok(())
    }

    pub(super) fn dismiss_originals(&mut self) -> Result<(), Breach> {
        for client in 0..self.originals.len() {
            self.set_original(client, false)?;
        }
        Ok(())
    }

    pub(super) fn emit_original(&mut self, client: usize, to: Option<usize>, size: usize) {
        let Some(Some(original)) = self.originals.get(client) else { return };
        let shape = Shape::of_size(size);
        let Some(event) = shape.event(self.model.next_number()) else { return };
        let receiver = match to {
            None => None,
            Some(place) => match self.places.get(place).copied().flatten() {
                Some(node) => Some(node),
                None => return,
            },
        };
        let id = receiver.and_then(|node| self.model.id(node.index()).cloned());
        if (to.is_some() && id.is_none()) || !original.can_emit(id.as_ref()) {
            return;
        }
        let to = receiver.map(Node::index);
        self.model.original_emitted(original.node.index(), to, shape, &event);
        original.emit(&mut self.mesh, id.as_ref(), &event);
    }

    pub(super) fn take_originals(&mut self) -> Result<(), Breach> {
        let mut come = Vec::new();
        for client in 0..self.originals.len() {
            let Some(original) = &mut self.originals[client] else { continue };
            original.act(&mut self.mesh, &mut come);
            let node = original.node.index();
            for (packet, direct) in come.drain(..) {
                // Answers and offers are no events of applications.
                if packet.event_name().is_some_and(|name| name == "n" || name == "w") {
                    self.model.original_received(node, direct, &packet)?;
                    self.note_original(direct);
                }
            }
        }
        Ok(())
    }

    pub(super) fn note_original(&mut self, direct: bool) {
        let fault = if direct { Fault::OriginalDirect } else { Fault::Original };
        self.mesh.effects_mut().strike(fault);
    }
}
