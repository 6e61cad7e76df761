//! Attempts at direct paths: their number, and offers while a channel works.

use socketio_p2p_core::{Config, Event, Time};

use super::Run;
use crate::invariant::{Breach, Invariant};
use crate::mesh::{Fault, LateOffer, Line, Node, Seen};
use crate::sim::oracles::{DOUBT, Doubted};

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

    /// Offers have come to sessions since the last look whose channel works, or seems to.
    pub(super) fn look_at_late_offers(&mut self) -> Result<(), Breach> {
        let now = self.mesh.now();
        for news in self.mesh.take_late_offers() {
            match news {
                LateOffer::Came { node, offerer, connection, offer_id } => {
                    if self.are_sessions([node, offerer]) {
                        self.late_offers.came((node, offerer), connection, offer_id, now);
                    }
                }
                LateOffer::Answered { node, offerer, pong_at } => {
                    self.check_answered(node, offerer, pong_at)?;
                }
            }
        }
        for doubted in self.late_offers.take_due(now) {
            self.check_doubted(doubted)?;
        }
        Ok(())
    }

    fn are_sessions(&self, nodes: [Node; 2]) -> bool {
        nodes.iter().all(|node| self.model.config(node.index()).is_some())
    }

    /// A channel closes for an offer only when it does not prove itself.
    fn check_answered(&self, node: Node, offerer: Node, pong_at: Time) -> Result<(), Breach> {
        let now = self.mesh.now();
        let proved = now - pong_at < DOUBT && self.calm.holds(node, pong_at, &self.mesh);
        let troubled = self.late_offers.is_troubled(node.index(), offerer.index(), now);
        if !proved || troubled || !self.are_sessions([node, offerer]) {
            return Ok(());
        }
        Err(Breach::new(
            Invariant::LateOffer,
            format!("{node:?} to keep its channel with {offerer:?}, which works"),
            format!("an answer {:?} after a pong", now - pong_at),
        ))
    }

    /// An offer is answered when the channel does not prove itself.
    fn check_doubted(&self, doubted: Doubted) -> Result<(), Breach> {
        let Doubted { node, offerer, connection, since } = doubted;
        let Some(pong_at) = self.mesh.last_pong(node, connection) else { return Ok(()) };
        let calm = self.mesh.is_running(node)
            && self.calm.holds(node, since, &self.mesh)
            && self.mesh.drains_every(node).is_none();
        let renewed = self.model.is_renewed(node.index(), offerer.index());
        if pong_at >= since || !calm || renewed || self.model.is_closing(node.index()) {
            return Ok(());
        }
        Err(Breach::new(
            Invariant::LateOffer,
            format!("{node:?} to answer an offer of {offerer:?}: no pong has come for {DOUBT:?}"),
            format!("neither, {:?} after it", self.mesh.now() - since),
        ))
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
        if let Event::PeerJoined { peer, .. }
        | Event::PeerLeft { peer, .. }
        | Event::PeerError { peer, .. } = event
            && let Some(other) = self.model.find(peer)
        {
            self.late_offers.trouble(node.index(), other, self.mesh.now());
        }
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
