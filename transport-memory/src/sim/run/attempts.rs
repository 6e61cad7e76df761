//! Attempts at direct paths: their number.

use socketio_p2p_core::{Config, Event};

use super::Run;
use crate::invariant::Breach;
use crate::mesh::{Fault, Line, Node, Seen};

impl Run<'_> {
    /// Sessions have made offers since the last look.
    pub(super) fn look_at_offers(&mut self) -> Result<(), Breach> {
        while let Some((node, other)) = self.mesh.take_offer() {
            let sessions = [node, other].map(|node| self.model.config(node.index()));
            let [Some(config), Some(_)] = sessions else { continue };
            let repeats = self.mesh.effects().changes(Fault::RosterRepeat);
            let max = config.max_attempts.saturating_add(repeats);
            self.attempts.offered((node.index(), other.index()), max)?;
        }
        Ok(())
    }

    /// A pong has come on a channel: it works.
    pub(super) fn note_proof(&mut self, Seen { talk, heard }: &Seen) {
        if heard.is_some() && talk.freight.control.pong && matches!(talk.line, Line::Direct(..)) {
            self.attempts.renew(talk.to.index(), Some(talk.from.index()));
        }
    }

    /// Notes the events of a session that are reasons for attempts.
    #[expect(clippy::wildcard_enum_match_arm, reason = "all others are none")]
    pub(super) fn note_reasons(&mut self, node: Node, event: &Event) {
        match event {
            Event::Connected { .. } => self.attempts.grant_all(node.index()),
            Event::PeerJoined { peer, .. } => {
                if let Some(other) = self.model.find(peer) {
                    self.attempts.renew(node.index(), Some(other));
                }
            }
            Event::PeerBack { peer } => {
                if let Some(other) = self.model.find(peer) {
                    self.attempts.grant(node.index(), other);
                }
            }
            Event::PeerError { peer, .. } => {
                let config = self.model.config(node.index());
                let few =
                    config.is_some_and(|one| one.max_attempts < Config::default().max_attempts);
                // It may have been the last one.
                if let Some(other) = self.model.find(peer).filter(|_| few) {
                    self.milestones.try_in_vain(node.index(), other);
                }
            }
            _ => {}
        }
    }
}
