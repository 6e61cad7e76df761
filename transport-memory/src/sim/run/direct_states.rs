//! The states of direct paths: reported when they change, true, and explaining each path that is not direct.

use socketio_p2p_core::wire::Decline;
use socketio_p2p_core::{
    Dialect, DirectFailure, DirectStage, DirectState, Event, NotWanted, Path, PeerId, PeerInfo,
    Policy, Side, Time,
};

use super::Run;
use crate::invariant::{Breach, Invariant};
use crate::mesh::Node;

impl Run<'_> {
    #[expect(clippy::wildcard_enum_match_arm, reason = "all others are about no direct path")]
    pub(super) fn note_direct_state(&mut self, node: Node, event: &Event) -> Result<(), Breach> {
        match event {
            Event::PeerJoined { peer, .. } | Event::PeerLeft { peer, .. } => {
                self.direct_states.forget(node.index(), peer);
                Ok(())
            }
            Event::DirectChanged { peer, state, failure } => {
                let failure = failure.as_deref();
                if let Some(failure) = failure {
                    self.check_failure(node, peer, failure)?;
                }
                self.direct_states.changed(node.index(), peer, *state, failure)?;
                // A node that stood still says several things at one moment.
                let most = self.model.max_peers(node.index());
                if self.direct_states.count_told(node.index(), is_active) >= most {
                    self.direct_states.note_full(node.index());
                }
                Ok(())
            }
            _ => Ok(()),
        }
    }

    /// What a failure says was tried is what the transports have reported.
    fn check_failure(
        &self,
        node: Node,
        peer: &PeerId,
        failure: &DirectFailure,
    ) -> Result<(), Breach> {
        let Some(other) = self.model.find(peer).map(Node::from_index) else { return Ok(()) };
        let (local, remote) = (failure.local, failure.remote);
        let expected = (self.mesh.candidates_of(node), self.mesh.candidates_of(other));
        let is_reported = local.total() + remote.total() > 0;
        if (is_reported && (local, remote) != expected)
            || (!is_reported && failure.stage > DirectStage::Checking && self.mesh.is_prompt(node))
        {
            return Err(Breach::new(
                Invariant::DirectState,
                format!("a failure of {node:?} with the candidates {expected:?}"),
                format!("{failure:?}"),
            ));
        }
        Ok(())
    }

    /// Notes the nodes that have no room for another direct path.
    pub(super) fn note_full(&mut self) {
        for node in self.places.iter().flatten().chain(&self.closing).copied() {
            if self.mesh.connections_of(node) >= self.model.max_peers(node.index()) {
                self.direct_states.note_full(node.index());
            }
        }
    }

    pub(super) fn check_direct_states(&self, node: Node) -> Result<(), Breach> {
        if self.model.is_closing(node.index()) || self.model.config(node.index()).is_none() {
            return Ok(());
        }
        let session = self.mesh.session(node);
        let active = session.peers().filter(|peer| is_active(peer.direct)).count();
        for peer in session.peers() {
            let told = self.direct_states.told(node.index(), &peer.id);
            // A node that stands still tells nothing.
            let is_late = self.mesh.is_frozen(node) || !session.is_joined();
            let is_told = is_late || told.is_some_and(|told| is_same(told, peer.direct));
            if !is_told || !self.is_true(node, &peer, active) {
                return Err(Breach::new(
                    Invariant::DirectState,
                    format!("a true state of the direct path of {node:?}, told was {told:?}"),
                    format!("{peer:?}, policy {:?}, {active} paths", session.policy()),
                ));
            }
        }
        Ok(())
    }

    /// Whether the state of a direct path is what can be seen of it.
    #[expect(clippy::wildcard_enum_match_arm, reason = "all others can be true at any time")]
    fn is_true(&self, node: Node, peer: &PeerInfo, active: usize) -> bool {
        let PeerInfo { id, direct, path, validated, .. } = peer;
        let policy = self.mesh.session(node).policy();
        let index = node.index();
        let is_direct = *path == Some(Path::Direct);
        let relay_only = *direct == DirectState::NotWanted(NotWanted::RelayOnly);
        if (*direct == DirectState::Direct) != is_direct
            || is_direct_or_validated(*direct) != *validated
            || relay_only != (policy == Policy::RelayOnly)
        {
            return false;
        }
        // One that is on its way may be over at this moment, and is not yet later.
        let is_due = |at: Time| {
            let now = self.mesh.now();
            at < self.mesh.clock_of(node) && self.calm.holds(node, now, &self.mesh)
        };
        let other = self.model.find(id);
        let is_honest = other.is_some_and(|other| !self.model.is_raw(other));
        let was_full = |node: usize| self.direct_states.was_full(node);
        match *direct {
            DirectState::Validated => policy == Policy::Manual,
            DirectState::Trying { attempt, stage } => {
                let connection = self.mesh.session(node).connection_of(id);
                let is_open = connection.is_some_and(|one| self.mesh.is_open(node, one));
                attempt > 0 && (stage == DirectStage::Validating) == is_open
            }
            DirectState::AwaitingOffer { until: None } => peer.dialect == Dialect::V0,
            DirectState::AwaitingOffer { until: Some(at) }
            | DirectState::Failed { retry_at: at } => !is_due(at),
            DirectState::GaveUp => {
                let most = self.model.config(index).map_or(0, |config| config.max_attempts);
                let made = peer.direct_failure.as_ref().map_or(0, |failure| failure.attempt);
                peer.dialect == Dialect::V0 || made >= most
            }
            DirectState::Declined { by: Side::Local, reason, retry_at } => {
                reason == Decline::Full && was_full(index) && retry_at.is_some_and(|at| !is_due(at))
            }
            DirectState::Declined { by: Side::Remote, reason, .. } => match other {
                Some(other) if is_honest => match reason {
                    Decline::Full => was_full(other),
                    Decline::RelayOnly => self.model.is_choosy(other),
                    _ => false,
                },
                _ => true,
            },
            DirectState::NotWanted(NotWanted::MaxPeers) => active >= self.model.max_peers(index),
            DirectState::NotWanted(NotWanted::Closing) => false,
            _ => true,
        }
    }

    /// Once everything has settled, each path that is not direct is explained by want of room at one end.
    #[expect(clippy::wildcard_enum_match_arm, reason = "all others explain nothing")]
    pub(super) fn check_explained(&self) -> Result<(), Breach> {
        if !self.is_strict() {
            return Ok(());
        }
        for node in self.live() {
            self.check_direct_states(node)?;
            let session = self.mesh.session(node);
            for peer in session.peers() {
                let other = self.model.find(&peer.id).map(Node::from_index);
                if other.is_some_and(|other| self.is_kept_ghost(other, &peer)) {
                    continue;
                }
                let has_room = |node: Node| {
                    let direct = self.mesh.session(node).peers();
                    let direct = direct.filter(|peer| is_active(peer.direct)).count();
                    direct < self.model.max_peers(node.index())
                };
                let is_explained = match peer.direct {
                    DirectState::Direct => true,
                    DirectState::NotWanted(NotWanted::MaxPeers) => !has_room(node),
                    // The peer, which has room or the policy again, is to offer.
                    DirectState::Declined { by: Side::Remote, .. } => {
                        let own_id = session.id();
                        let back = other.and_then(|other| {
                            let mut peers = self.mesh.session(other).peers();
                            peers.find(|peer| Some(&peer.id) == own_id)
                        });
                        back.is_some_and(|back| explains_waiting(back.direct))
                    }
                    // Where not everybody may talk directly, some try now and then.
                    DirectState::Declined { by: Side::Local, .. }
                    | DirectState::Trying { .. }
                    | DirectState::Failed { .. }
                    | DirectState::AwaitingOffer { until: Some(_) } => {
                        let crowded = |node: Node| self.direct_states.was_full(node.index());
                        crowded(node) || other.is_some_and(crowded)
                    }
                    _ => false,
                };
                if !is_explained {
                    return Err(Breach::new(
                        Invariant::DirectState,
                        format!("{node:?} to explain why it has no direct path"),
                        format!("{peer:?}"),
                    ));
                }
            }
        }
        Ok(())
    }
}

/// Whether a path in this state counts for `max_peers`.
const fn is_active(state: DirectState) -> bool {
    matches!(state, DirectState::Trying { .. }) || is_direct_or_validated(state)
}

const fn is_direct_or_validated(state: DirectState) -> bool {
    matches!(state, DirectState::Direct | DirectState::Validated)
}

/// Whether a peer that declined for want of room is to offer.
const fn explains_waiting(state: DirectState) -> bool {
    matches!(
        state,
        DirectState::NotWanted(NotWanted::MaxPeers)
            | DirectState::Declined { .. }
            | DirectState::Trying { .. }
            | DirectState::AwaitingOffer { until: Some(_) }
            | DirectState::Failed { .. }
    )
}

/// Compares states without their times, which a jump of the clock moves.
fn is_same(one: DirectState, other: DirectState) -> bool {
    let is_trying = matches!(one, DirectState::Trying { .. });
    std::mem::discriminant(&one) == std::mem::discriminant(&other) && (!is_trying || one == other)
}
