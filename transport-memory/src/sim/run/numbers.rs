//! The numbers of sessions.

use socketio_p2p_core::Event;

use super::Run;
use crate::invariant::Breach;
use crate::mesh::Node;

impl Run<'_> {
    pub(super) fn note_link(&mut self, node: Node, event: &Event) {
        if let Event::PeerJoined { peer, .. }
        | Event::PeerLeft { peer, .. }
        | Event::PeerRenamed { to: peer, .. } = event
        {
            // The mesh counts for both links where a node is known under two ids.
            let other = self.model.find(peer);
            self.numbers.forget(node.index(), |id| self.model.find(id) == other);
        }
    }

    pub(super) fn check_numbers(&mut self) -> Result<(), Breach> {
        for node in self.places.iter().flatten().copied() {
            // One that stands still has not told of the links that have begun.
            if self.mesh.is_frozen(node) || self.model.config(node.index()).is_none() {
                continue;
            }
            let session = self.mesh.session(node);
            self.numbers.check_session(node.index(), session.numbers())?;
            for peer in session.peers() {
                let Some(other) = self.model.find(&peer.id) else { continue };
                let Some(counted) = session.peer_numbers(&peer.id) else { continue };
                let links = session.peers().filter(|peer| self.model.find(&peer.id) == Some(other));
                if links.count() > 1 {
                    self.numbers.forget(node.index(), |id| self.model.find(id) == Some(other));
                    continue;
                }
                // One that is malicious sends where nothing is open.
                if !self.model.is_raw(other) {
                    let carried = self.mesh.carried_between(node, Node::from_index(other));
                    let link = (node.index(), &peer.id);
                    self.numbers.check_direct(link, counted.direct, carried)?;
                }
            }
        }
        Ok(())
    }
}
