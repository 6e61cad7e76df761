//! Emitting, and asking for direct paths.

use socketio_p2p_core::wire::Lane;
use socketio_p2p_core::{Path, PeerId, PeerInfo, Target};

use super::Run;
use crate::invariant::{Breach, Invariant};
use crate::mesh::Node;
use crate::sim::model::Made;
use crate::sim::scenario::Manner;
use crate::sim::shape::Shape;

/// Longer events may be cut in other ways for each receiver.
const SMALL: usize = 200;

impl Run<'_> {
    pub(super) fn emit(
        &mut self,
        node: Node,
        to: Option<usize>,
        shape: Shape,
        how: Manner,
    ) -> Result<(), Breach> {
        self.note_all(node)?;
        self.check_all_writable()?;
        let index = node.index();
        let Some(event) = shape.event(self.model.next_number()) else { return Ok(()) };
        let extent = shape.extent(&event);
        let target = match to {
            Some(place) => {
                let receiver = self.places[place].filter(|other| *other != node);
                let id = receiver.and_then(|other| self.model.known_as(index, other.index()));
                let Some(id) = id else { return Ok(()) };
                Target::Peer(id.clone())
            }
            None => Target::All,
        };
        let all = target == Target::All;
        let reliable = how != Manner::Volatile && extent.bytes <= SMALL;
        let idle = all && reliable && self.is_strict() && self.has_idle_relay(node);
        let one = if let Target::Peer(peer) = &target { Some(peer.clone()) } else { None };
        let result = self.mesh.with(node, |session, now| match how {
            Manner::Event => session.emit(target, &event, now),
            Manner::Bulk => session.emit_bulk(target, &event, now),
            Manner::Volatile => session.emit_volatile(target, &event, now),
            Manner::Question => session.emit_with_ack(target, &event, None, now),
        });
        let emitted = match result {
            Ok(emitted) => emitted,
            Err(error) => return self.turned_away(node, one.as_ref(), Some(extent), &error),
        };
        let lane = match how {
            Manner::Event | Manner::Question => Lane::Events,
            Manner::Bulk => Lane::Bulk,
            Manner::Volatile => Lane::Volatile,
        };
        let made = Made { lane, shape, extent, asks: how == Manner::Question, all };
        let number = self.model.next_number();
        self.model.emitted(index, emitted.id.as_u64(), made, &emitted.accepted)?;
        if lane == Lane::Volatile {
            let now = self.mesh.now();
            self.last_volatile = now;
            self.model.check_volatile(index, extent.bytes, &emitted.accepted, now)?;
        }
        for (peer, error) in &emitted.rejected {
            self.turned_away(node, Some(peer), Some(extent), error)?;
        }
        if made.asks
            && let Some(config) = self.model.config(index)
        {
            let (now, within) = (self.mesh.now(), config.ack_timeout);
            self.questions_of.asked(index, emitted.id.as_u64(), now, within);
        }
        self.note_emitted(node, number, made, &emitted.accepted);
        if idle && emitted.rejected.is_empty() && emitted.accepted.len() > 1 {
            self.sharing.emitted(number, index, emitted.accepted.len())?;
        }
        Ok(())
    }

    /// Whether a node sends to all others by the hub, and has nothing in flight.
    fn has_idle_relay(&self, node: Node) -> bool {
        let idle =
            |peer: &PeerInfo| peer.path == Some(Path::Relay) && !peer.away && peer.queued == 0;
        self.mesh.session(node).peers().all(|peer| idle(&peer))
    }

    /// Nothing that waits for one peer is above the bound, one packet above it where nothing else waits; and pieces
    /// of packets go with their path.
    pub(super) fn check_queues(&self, node: Node) -> Result<(), Breach> {
        const OVERSIZED: usize = 1 << 10;
        let Some(config) = self.model.config(node.index()) else { return Ok(()) };
        let cap = config.queue_bytes;
        let session = self.mesh.session(node);
        for peer in session.peers() {
            let largest = self.model.largest();
            // A lane each for events and for big things, and each transfer with its announcement.
            let transfers = self.transfers.open_of(node) * (cap + OVERSIZED);
            if peer.queued > 2 * cap.max(largest + OVERSIZED) + transfers {
                return Err(Breach::new(
                    Invariant::QueueCap,
                    format!("at most {cap} bytes queued, or one packet"),
                    format!("{} for {}", peer.queued, peer.id),
                ));
            }
        }
        Ok(())
    }

    pub(super) fn upgrade(&mut self, node: Node, to: Option<usize>) -> Result<(), Breach> {
        let id = match to {
            Some(place) => {
                let other = self.places[place].filter(|other| *other != node);
                let id = other.and_then(|other| self.model.known_as(node.index(), other.index()));
                let Some(id) = id else {
                    return Ok(());
                };
                Some(id.clone())
            }
            None => None,
        };
        self.upgrade_with(node, id)
    }

    pub(super) fn upgrade_with(&mut self, node: Node, id: Option<PeerId>) -> Result<(), Breach> {
        self.reasons += 1;
        let other = id.as_ref().and_then(|id| self.model.find(id));
        self.attempts.renew(node.index(), other);
        let target = id.clone().map_or(Target::All, Target::Peer);
        // The peer is known: the model says so, and is checked against the session all the time.
        let _unknown = self.mesh.with(node, |session, now| session.upgrade(target, now));
        self.check_upgraded(node, id)
    }
}
