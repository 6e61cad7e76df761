//! The state of a peer, as the application sees it.

use super::Session;
use crate::direct_state::{DirectFailure, DirectState};
use crate::id::{Dialect, PeerId};
use crate::link::Link;
use crate::path::Path;
use crate::wire::MemberData;

/// The state of a peer, as a session sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct PeerInfo {
    /// The peer's id.
    pub id: PeerId,
    /// The peer's dialect.
    pub dialect: Dialect,
    /// What the server's application has verified about the peer.
    pub user: Option<MemberData>,
    /// The peer's metadata.
    pub metadata: Option<MemberData>,
    /// The path of events to the peer; `None` while events wait.
    pub path: Option<Path>,
    /// The state of the direct path: why events do not use it, if they do not.
    pub direct: DirectState,
    /// The latest failure of the direct path since it last worked.
    pub direct_failure: Option<DirectFailure>,
    /// Whether a direct path is validated, in use or not.
    pub validated: bool,
    /// Whether the peer has no live path.
    pub away: bool,
    /// The bytes of events, other than volatile ones, that are queued for the peer or not acknowledged.
    pub queued: usize,
    /// The bytes of memory for data received from the peer that cannot be delivered yet.
    pub held: usize,
    /// The number of volatile events for the peer that were dropped before they were sent.
    pub dropped: u64,
}

impl Session {
    /// Iterates over the peers, in the order of their ids.
    pub fn peers(&self) -> impl Iterator<Item = PeerInfo> + '_ {
        self.links.iter().map(|link| self.describe(link))
    }

    /// Returns a peer, also by a former id ([`Event::PeerRenamed`](crate::Event::PeerRenamed)).
    #[must_use]
    pub fn peer(&self, id: &PeerId) -> Option<PeerInfo> {
        self.links.at(self.find(id)?).map(|link| self.describe(link))
    }

    fn describe(&self, link: &Link) -> PeerInfo {
        PeerInfo {
            id: link.peer().clone(),
            dialect: link.dialect(),
            user: link.profile().user.clone(),
            metadata: link.profile().metadata.clone(),
            path: link.sending().cloned(),
            direct: self.direct_state(link),
            direct_failure: link.direct_failure().cloned(),
            validated: link.is_validated(),
            away: link.is_away(),
            queued: link.queued_bytes(),
            held: link.held_bytes(),
            dropped: link.dropped(),
        }
    }
}
