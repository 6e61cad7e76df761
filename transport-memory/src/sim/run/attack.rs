//! Attacks of the malicious peer.

use super::Run;
use crate::sim::mallory::{self, Mallory, Twin};
use crate::sim::scenario::Attack;

impl Run<'_> {
    pub(super) fn attack(&mut self, victim: usize, attack: Attack, direct: bool) {
        let fault = mallory::fault(attack);
        self.hit(fault);
        if let Some(old) = self.mallory.take_if(|mallory| mallory.thrown_out) {
            // It comes back as somebody else.
            old.nodes().for_each(|node| self.mesh.crash(node));
        }
        if self.mallory.is_none() {
            self.align();
            let mallory = Mallory::new(&mut self.mesh, self.scenario.seed);
            if self.scenario.actions.iter().any(|timed| timed.action.is_about_datagrams()) {
                mallory.take_datagrams(&mut self.mesh);
            }
            self.mallory = Some(mallory);
            self.model.add(true);
            if attack == Attack::Excess {
                self.talks.note_excess();
            }
        }
        if attack == Attack::Hub {
            self.add_twin();
        }
        let configs = self.scenario.settings.configs();
        let bounds = configs.map(|config| (config.queue_bytes, config.transfer_window));
        let (rooms, windows): (Vec<_>, Vec<_>) = bounds.unzip();
        let most = |of: Vec<usize>| of.into_iter().max().unwrap_or(0);
        if let Some(mallory) = &mut self.mallory {
            mallory.victims_bounds = (most(rooms), most(windows));
        }
        let victim = self.places[victim].and_then(|node| self.model.id(node.index()));
        if let (Some(mallory), Some(victim)) = (&mut self.mallory, victim.cloned()) {
            mallory.attack(&mut self.mesh, &victim, attack, direct);
            self.last_attack = Some(fault);
            self.was_attacked = true;
        }
    }

    /// The malicious peer has a second client from now on.
    fn add_twin(&mut self) {
        if self.mallory.as_ref().is_some_and(|mallory| mallory.twin.is_none()) {
            self.align();
            let twin = Twin::new(&mut self.mesh);
            self.model.add(true);
            if let Some(mallory) = &mut self.mallory {
                mallory.twin = Some(twin);
            }
        }
    }
}
