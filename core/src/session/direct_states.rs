//! The state of each direct path, as the application sees it.

use super::{Closing, Session};
use crate::direct_state::{DirectState, NotWanted};
use crate::event::Event;
use crate::link::Link;

impl Session {
    pub(super) fn direct_state(&self, link: &Link) -> DirectState {
        if self.closing != Closing::No && !link.is_active() {
            return DirectState::NotWanted(NotWanted::Closing);
        }
        let state = link.direct_state(self.shared.policy);
        if state == DirectState::NotWanted(NotWanted::MaxPeers) && self.signaling.is_welcomed() {
            return DirectState::NoSignaling;
        }
        state.map_times(|at| self.clock.outer(at))
    }

    /// Reports the direct paths whose state changed, after the attempts that were due have been started: what
    /// still waits for an attempt then waits for room. A session that closes reports no more of them.
    pub(super) fn tell_direct_states(&mut self) {
        if self.signaling.is_welcomed() {
            return;
        }
        while let Some((link, state)) = self.links.take_direct_news() {
            if self.closing != Closing::No {
                continue;
            }
            let has_failed = matches!(state, DirectState::Failed { .. } | DirectState::GaveUp);
            let failure = link.direct_failure().filter(|_| has_failed);
            self.shared.out.events.push_back(Event::DirectChanged {
                peer: link.peer().clone(),
                state: state.map_times(|at| self.clock.outer(at)),
                failure: failure.cloned().map(Box::new),
            });
        }
    }
}
