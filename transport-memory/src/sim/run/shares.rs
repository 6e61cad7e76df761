//! The turns of bulk and transfers on direct paths.

use socketio_p2p_core::wire::Lane;
use socketio_p2p_core::{Event, Outcome};

use super::Run;
use crate::invariant::Breach;
use crate::mesh::{Node, Seen};
use crate::sim::model::Model;
use crate::sim::oracles::Given;
use crate::sim::transfers::Transfers;

impl Run<'_> {
    pub(super) fn note_share(&mut self, Seen { talk, heard }: &Seen) -> Result<(), Breach> {
        let sessions = [talk.from, talk.to].map(|node| self.model.config(node.index()));
        // What a fault holds back on its way to the hub is seen too late there: it does not wait any more.
        let prompt = !self.scenario.profile.delays_relay();
        if heard.is_some() || sessions.iter().any(Option::is_none) || !prompt {
            return Ok(());
        }
        let (from, to) = (talk.from.index(), talk.to.index());
        if self.talks.waits(from, to) || !self.mesh.is_receiving(talk.to) {
            // Bulk is not to be sent.
            self.shares.forget(from, to);
            return Ok(());
        }
        let (model, transfers) = (&self.model, &self.transfers);
        self.shares.note(talk, |pair| given(pair, model, transfers))
    }

    pub(super) fn review_shares(&mut self) {
        let (model, transfers) = (&self.model, &self.transfers);
        self.shares.review(|pair| given(pair, model, transfers));
    }

    /// What has waited for another path is sent by it, and seen there.
    pub(super) fn note_change(&mut self, node: Node, event: &Event) {
        if let Event::PathChanged { peer, .. }
        | Event::PeerJoined { peer, .. }
        | Event::PeerLeft { peer, .. } = event
            && let Some(other) = self.model.find(peer)
        {
            self.shares.forget(node.index(), other);
        }
        if let Event::Outcome { peer, outcome: Outcome::Refused, .. } = event
            && let Some(other) = self.model.find(peer)
        {
            self.shares.refused(node.index(), other);
        }
    }
}

fn given((from, to): (usize, usize), model: &Model, transfers: &Transfers) -> Given {
    Given {
        bulk: model.accepted(from, to, Lane::Bulk),
        transfers: transfers.written(from, to).collect(),
    }
}
