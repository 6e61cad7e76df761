//! After `Writable` an event that fits is taken.

use socketio_p2p_core::wire::Lane;
use socketio_p2p_core::{EmitError, PeerId};

use super::Run;
use crate::invariant::{Breach, Invariant};
use crate::mesh::Node;
use crate::sim::model::Made;
use crate::sim::shape::Shape;

impl Run<'_> {
    pub(super) fn check_all_writable(&mut self) -> Result<(), Breach> {
        while let Some((node, peer, lane)) = self.writable.pop() {
            self.check_writable(node, &peer, lane)?;
        }
        Ok(())
    }

    /// After `Writable` a small event is taken.
    fn check_writable(&mut self, node: Node, peer: &PeerId, lane: Lane) -> Result<(), Breach> {
        let other = self.model.find(peer);
        let known = other.is_some_and(|other| self.model.knows(node.index(), other));
        if !known || !self.mesh.is_running(node) || self.mesh.is_frozen(node) {
            return Ok(());
        }
        if self.model.is_closing(node.index()) {
            return Ok(());
        }
        let shape = Shape::default();
        let number = self.model.next_number();
        let Some(event) = shape.event(number) else { return Ok(()) };
        let emitted = self.mesh.with(node, |session, now| match lane {
            Lane::Bulk => session.emit_bulk(peer, &event, now),
            Lane::Events | Lane::Volatile => session.emit(peer, &event, now),
        });
        let extent = shape.extent(&event);
        match emitted {
            Ok(emitted) => {
                let made = Made { lane, shape, extent, asks: false, all: false };
                let (index, emit) = (node.index(), emitted.id.as_u64());
                self.model.emitted(index, emit, made, &emitted.accepted)?;
                self.note_emitted(node, number, made, &emitted.accepted);
                Ok(())
            }
            // An answer or a transfer may have taken the room.
            Err(EmitError::Blocked { queued, .. })
                if !self.model.shares_lane(node.index(), peer) && !self.transfers.has_any(node) =>
            {
                Err(Breach::new(
                    Invariant::Writable,
                    format!("an event of {} bytes for {peer} to be taken", extent.bytes),
                    format!("`Blocked` right after `Writable`, with {queued} bytes queued"),
                ))
            }
            Err(error) => self.turned_away(node, Some(peer), Some(extent), &error),
        }
    }
}
