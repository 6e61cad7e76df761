//! The states of direct paths, as sessions have reported them.

use std::collections::{BTreeMap, BTreeSet};

use socketio_p2p_core::{DirectFailure, DirectStage, DirectState, PeerId};

use crate::invariant::{Breach, Invariant};

/// By session and peer.
#[derive(Debug, Default)]
pub(in crate::sim) struct DirectStates {
    told: BTreeMap<(usize, PeerId), DirectState>,
    /// Nodes that had no room for another direct path at some time.
    full: BTreeSet<usize>,
}

impl DirectStates {
    pub(in crate::sim) fn forget(&mut self, node: usize, peer: &PeerId) {
        self.told.remove(&(node, peer.clone()));
    }

    pub(in crate::sim) fn told(&self, node: usize, peer: &PeerId) -> Option<DirectState> {
        self.told.get(&(node, peer.clone())).copied()
    }

    /// How many of a node's direct paths are in such a state, as it has reported.
    pub(in crate::sim) fn count_told(
        &self,
        node: usize,
        is: impl Fn(DirectState) -> bool,
    ) -> usize {
        self.told.iter().filter(|((of, _), state)| *of == node && is(**state)).count()
    }

    pub(in crate::sim) fn note_full(&mut self, node: usize) {
        self.full.insert(node);
    }

    pub(in crate::sim) fn was_full(&self, node: usize) -> bool {
        self.full.contains(&node)
    }

    /// A session reports a state: it is another one, with a failure that fits.
    pub(in crate::sim) fn changed(
        &mut self,
        node: usize,
        peer: &PeerId,
        state: DirectState,
        failure: Option<&DirectFailure>,
    ) -> Result<(), Breach> {
        let before = self.told.insert((node, peer.clone()), state);
        let breach = |expected: &str| {
            let got = format!("{state:?} after {before:?}, failure {failure:?}");
            Err(Breach::new(Invariant::DirectState, format!("{expected}, of {node}"), got))
        };
        if before == Some(state) {
            return breach("a state other than before");
        }
        let has_failed = matches!(state, DirectState::Failed { .. } | DirectState::GaveUp);
        if has_failed != failure.is_some() {
            return breach("a failure with a path that has failed, and with no other");
        }
        let reached = if let Some(DirectState::Direct | DirectState::Validated) = before {
            DirectStage::Validated
        } else if let Some(DirectState::Trying { stage, .. }) = before {
            stage
        } else {
            DirectStage::Gathering
        };
        if failure.is_some_and(|failure| failure.stage < reached) {
            return breach("a failure at the stage that was reported, at least");
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use socketio_p2p_core::{DirectStage, DirectState, PeerId};

    use super::DirectStates;

    #[test]
    fn a_state_that_has_not_changed_and_one_without_its_failure_are_breaches() {
        let (mut states, peer) = (DirectStates::default(), "a".parse::<PeerId>().unwrap());
        let trying = DirectState::Trying { attempt: 1, stage: DirectStage::Checking };
        assert!(states.changed(1, &peer, trying, None).is_ok());
        assert!(states.changed(1, &peer, trying, None).is_err());
        assert!(states.changed(1, &peer, DirectState::GaveUp, None).is_err());
        states.forget(1, &peer);
        assert!(states.changed(1, &peer, trying, None).is_ok());
    }
}
