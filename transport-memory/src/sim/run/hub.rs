//! The reports of the witness of the hub, and answers to offers.

use socketio_p2p_core::wire::Decline;

use super::Run;
use crate::invariant::{Breach, Invariant};
use crate::mesh::HubNews;
use crate::witness::{Declined, Refused};

impl Run<'_> {
    /// Checks the reports of the witness.
    pub(super) fn judge_hub(&mut self) -> Result<(), Breach> {
        for (node, offerer) in self.mesh.take_taken_up() {
            self.note_reply(node.index(), offerer.index())?;
        }
        let Some(HubNews { verdict, refused, declined }) = self.mesh.judge_hub() else {
            return Ok(());
        };
        if let Some(breach) = verdict {
            return Err(breach);
        }
        for Refused { from, why } in refused {
            let honest = |node| !self.model.is_raw(node) && !self.model.is_original(node);
            if self.model.find(&from).is_some_and(honest) {
                let expected = format!("{from} to say what the hub takes");
                return Err(Breach::new(Invariant::HubBounds, expected, why.to_string()));
            }
        }
        declined.iter().try_for_each(|declined| self.note_declined(declined))
    }

    /// A session has answered or declined an offer.
    fn note_reply(&mut self, node: usize, offerer: usize) -> Result<(), Breach> {
        let Some(config) = self.model.config(node) else { return Ok(()) };
        if self.model.is_renewed(node, offerer) {
            return Ok(());
        }
        self.offers.note((node, offerer), config.retry.first, self.mesh.now())
    }

    fn note_declined(&mut self, Declined { by, of, why }: &Declined) -> Result<(), Breach> {
        let (Some(node), Some(offerer)) = (self.model.find(by), self.model.find(of)) else {
            return Ok(());
        };
        if self.model.is_raw(node) {
            return Ok(());
        }
        if *why == Decline::Full {
            // Who has no room now offers later.
            self.attempts.grant(node, offerer);
        }
        if *why == Decline::Glare && by > of {
            let expected = format!("the offer of {of} to stand, whose id is smaller");
            return Err(Breach::new(Invariant::Glare, expected, format!("{by} declines it")));
        }
        if self.model.is_raw(offerer) { self.note_reply(node, offerer) } else { Ok(()) }
    }
}
