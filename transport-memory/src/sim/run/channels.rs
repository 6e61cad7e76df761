//! Direct channels: their path validation, and its deadline.

use socketio_p2p_core::PeerId;

use super::Run;
use crate::invariant::{Breach, Invariant};
use crate::mesh::Node;
use crate::sim::oracles::Opening;

impl Run<'_> {
    /// Channels have opened since the last look, and others had their time to prove themselves.
    pub(super) fn look_at_channels(&mut self) -> Result<(), Breach> {
        while let Some((node, connection)) = self.mesh.take_opening() {
            if let Some(config) = self.model.config(node.index()) {
                let within = config.validation_timeout;
                self.channels.opened(node, connection, self.mesh.now(), within);
            }
        }
        for opening in self.channels.take_due(self.mesh.now()) {
            self.check_opening(opening)?;
        }
        Ok(())
    }

    fn check_opening(&self, opening: Opening) -> Result<(), Breach> {
        let Opening { node, connection, since, .. } = opening;
        let Some(other) = self.mesh.remote_of(node, connection) else { return Ok(()) };
        let calm = self.mesh.is_running(node) && self.calm.holds(node, since, &self.mesh);
        if !calm || self.model.is_original(other.index()) {
            return Ok(());
        }
        let id = self.model.id(other.index());
        let mut peers = self.mesh.session(node).peers();
        let unproved = peers.find(|peer| Some(&peer.id) == id && !peer.validated);
        match unproved {
            None => Ok(()),
            Some(peer) => Err(Breach::new(
                Invariant::Proof,
                format!("{node:?} to close a channel with {other:?} that does not prove itself"),
                format!("{peer:?}, {:?} after it has opened", self.mesh.now() - since),
            )),
        }
    }

    /// A path has become direct: a pong has come on its channel.
    pub(super) fn check_proof(&self, node: Node, peer: &PeerId) -> Result<(), Breach> {
        let Some(other) = self.model.find(peer).map(Node::from_index) else { return Ok(()) };
        if self.model.is_original(other.index()) || self.mesh.has_pong(node, other) {
            return Ok(());
        }
        Err(Breach::new(
            Invariant::Proof,
            format!("{node:?} to use a channel with {other:?} once a pong has come on it"),
            "it uses it without".to_owned(),
        ))
    }
}
