//! The handle.

use std::sync::{Arc, Weak};

use super::shared::Shared;
use crate::auth::ResumeToken;
use crate::config::Policy;
use crate::error::UpgradeError;
use crate::id::PeerId;
use crate::numbers::{PeerNumbers, SessionNumbers};
use crate::session::{Forwarding, PeerInfo, Session, Target};
use crate::time::Time;
use crate::wire::MemberData;

/// A handle of a session: cheap to clone, for any number of tasks and threads.
///
/// Calls take effect at once, on the calling thread, and wake [`Run`](super::Run). When the last `Peer`, the
/// last transfer and [`Events`](super::Events) have been dropped, the session closes in an orderly way, for
/// which `Run` continues.
#[derive(Clone, Debug)]
pub struct Peer {
    owner: Arc<Owner>,
}

/// A handle that does not keep the session open: [`Peer::downgrade`].
#[derive(Clone, Debug)]
pub struct WeakPeer {
    owner: Weak<Owner>,
}

impl WeakPeer {
    /// Returns the handle, unless the last one that keeps the session open has been dropped.
    #[must_use]
    pub fn upgrade(&self) -> Option<Peer> {
        self.owner.upgrade().map(|owner| Peer { owner })
    }
}

/// The common owner of a session: when the last one is dropped, the session closes.
#[derive(Debug)]
pub(super) struct Owner(Arc<Shared>);

impl Owner {
    pub(super) const fn new(shared: Arc<Shared>) -> Self {
        Self(shared)
    }

    pub(super) fn shared(&self) -> &Shared {
        &self.0
    }
}

impl Drop for Owner {
    fn drop(&mut self) {
        self.0.call(|state, now| state.session.close(now));
    }
}

impl Peer {
    pub(super) const fn new(owner: Arc<Owner>) -> Self {
        Self { owner }
    }

    pub(super) fn shared(&self) -> &Shared {
        self.owner.shared()
    }

    /// Returns a handle that does not keep the session open, for example for a callback that may never end.
    #[must_use]
    pub fn downgrade(&self) -> WeakPeer {
        WeakPeer { owner: Arc::downgrade(&self.owner) }
    }

    /// Returns the state for those that do not keep the session open.
    pub(super) fn share(&self) -> Arc<Shared> {
        Arc::clone(&self.owner.0)
    }

    // ----- getters -----

    /// Returns the session's peer id, once the hub has assigned one.
    #[must_use]
    pub fn id(&self) -> Option<PeerId> {
        self.shared().read(|state| state.session.id().cloned())
    }

    /// Returns the peers, in the order of their ids.
    #[must_use]
    pub fn peers(&self) -> Vec<PeerInfo> {
        self.shared().read(|state| state.session.peers().collect())
    }

    /// Returns a peer, also by a former id.
    #[must_use]
    pub fn peer(&self, id: &PeerId) -> Option<PeerInfo> {
        self.shared().read(|state| state.session.peer(id))
    }

    /// Returns whether the session is in its room now.
    #[must_use]
    pub fn is_joined(&self) -> bool {
        self.shared().read(|state| state.session.is_joined())
    }

    /// Returns the current policy.
    #[must_use]
    pub fn policy(&self) -> Policy {
        self.shared().read(|state| state.session.policy())
    }

    /// Returns the resume token of the last welcome, to be saved for the next run of the program.
    #[must_use]
    pub fn resume_token(&self) -> Option<ResumeToken> {
        self.shared().read(|state| state.session.resume_token().cloned())
    }

    /// Returns what the server's application has verified about this session.
    #[must_use]
    pub fn user(&self) -> Option<MemberData> {
        self.shared().read(|state| state.session.user().cloned())
    }

    /// Returns the session's metadata.
    #[must_use]
    pub fn metadata(&self) -> Option<MemberData> {
        self.shared().read(|state| state.session.metadata().cloned())
    }

    /// Returns the counters of forwarding between other peers.
    #[must_use]
    pub fn forwarding(&self) -> Forwarding {
        self.shared().read(|state| state.session.forwarding())
    }

    /// Returns the numbers of the session, for monitoring.
    #[must_use]
    pub fn numbers(&self) -> SessionNumbers {
        self.shared().read(|state| state.session.numbers())
    }

    /// Returns the numbers of the link to a peer, for monitoring; `None` when the room has no such peer.
    #[must_use]
    pub fn peer_numbers(&self, peer: &PeerId) -> Option<PeerNumbers> {
        self.shared().read(|state| state.session.peer_numbers(peer))
    }

    // ----- calls -----

    /// Changes the policy for all peers, as [`Session::set_policy`] does. After the end it has no effect.
    pub fn set_policy(&self, policy: Policy) {
        self.shared().call(|state, now| state.session.set_policy(policy, now));
    }

    /// Changes the session's metadata, as [`Session::set_metadata`] does. After the end it has no effect.
    pub fn set_metadata(&self, metadata: Option<MemberData>) {
        self.shared().call(|state, now| state.session.set_metadata(metadata, now));
    }

    /// Switches to direct paths, for one peer or for all, as [`Session::upgrade`] does.
    ///
    /// # Errors
    /// [`UpgradeError::UnknownPeer`] when the room has no such peer, also after the end.
    pub fn upgrade(&self, to: impl Into<Target>) -> Result<(), UpgradeError> {
        let to = to.into();
        self.shared().call(|state, now| state.session.upgrade(to, now))
    }

    /// Connects to the server now, as [`Session::reconnect`] does. After the end it has no effect.
    pub fn reconnect(&self) {
        self.shared().call(|state, now| state.session.reconnect(now));
    }

    /// Ends the pause before the next attempt to connect, as [`Session::skip_pause`] does. After the end it has no
    /// effect.
    pub fn skip_pause(&self) {
        self.shared().call(|state, now| state.session.skip_pause(now));
    }

    /// Calls the session, for what the handle has no method for.
    ///
    /// Use it for calls of the application and getters only, not for inputs (`handle_*`) and outputs
    /// (`poll_*`). The session is locked meanwhile: the closure must not wait, and must not use this handle or
    /// another one of the same session, which would wait for the lock without end. An emit from here overtakes
    /// those that wait for room.
    pub fn with<T>(&self, act: impl FnOnce(&mut Session, Time) -> T) -> T {
        self.shared().call(|state, now| act(&mut state.session, now))
    }
}
