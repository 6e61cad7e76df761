//! The states of direct paths: as the events have them, as the getters have them, and as they can be.

use socketio_p2p_core::{
    DirectFailure, DirectState, NotWanted, Path, PeerId, PeerInfo, Policy, Session,
};

use super::MAX_PEERS;
use super::model::Model;

impl Model {
    pub(super) fn note_direct(
        &mut self,
        peer: &PeerId,
        state: DirectState,
        failure: Option<&DirectFailure>,
    ) {
        assert!(!self.closing, "{peer}: {state:?} of a session that closes");
        let before = self.links.get_mut(peer).expect("a member").direct.replace(state);
        assert_ne!(before, Some(state), "the direct path to {peer} has not changed");
        let has_failed = matches!(state, DirectState::Failed { .. } | DirectState::GaveUp);
        assert_eq!(has_failed, failure.is_some(), "{peer}: {state:?} because of {failure:?}");
    }

    pub(super) fn check_direct(&self, session: &Session, peers: &[PeerInfo], is_welcomed: bool) {
        let is_active = |state| {
            matches!(
                state,
                DirectState::Direct | DirectState::Validated | DirectState::Trying { .. }
            )
        };
        let active = peers.iter().filter(|peer| is_active(peer.direct)).count();
        assert_eq!(active, self.connections.len());
        for PeerInfo { id, direct, validated, path, .. } in peers {
            let works = matches!(direct, DirectState::Direct | DirectState::Validated);
            assert_eq!(works, *validated, "{id}: {direct:?}");
            let relay_only = *direct == DirectState::NotWanted(NotWanted::RelayOnly);
            if !self.closing {
                assert_eq!(*direct == DirectState::Direct, *path == Some(Path::Direct), "{id}");
                assert_eq!(relay_only, session.policy() == Policy::RelayOnly, "{id}: {direct:?}");
            }
            let is_full = *direct == DirectState::NotWanted(NotWanted::MaxPeers);
            assert!(!is_full || active == MAX_PEERS, "{id}: {direct:?} with {active} paths");
            if !self.closing && !is_welcomed {
                let told = self.links[id].direct;
                assert!(
                    told.is_some_and(|told| is_same(told, *direct)),
                    "{id}: {direct:?} after {told:?}"
                );
            }
        }
    }
}

/// Compares states without the times, which the clock's jumps move.
fn is_same(one: DirectState, other: DirectState) -> bool {
    let is_trying = matches!(one, DirectState::Trying { .. });
    std::mem::discriminant(&one) == std::mem::discriminant(&other) && (!is_trying || one == other)
}
