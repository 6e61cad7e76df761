//! The numbers of a session and of its peers, for monitoring.

use super::Session;
use crate::id::PeerId;
use crate::link::Link;
use crate::numbers::{PeerNumbers, SessionNumbers};

/// The counters of what is over, and of the connections to the server.
#[derive(Debug, Default)]
pub(super) struct Counters {
    /// The sum of the links that ended.
    ended: SessionNumbers,
}

impl Counters {
    pub(super) const fn note_joined(&mut self) {
        self.ended.joined = self.ended.joined.saturating_add(1);
    }

    /// Notes the end of a link, after its successor took what it goes on with.
    pub(super) fn note_left(&mut self, link: &Link) {
        self.ended.left = self.ended.left.saturating_add(1);
        self.ended.add(&link.numbers());
    }

    pub(super) const fn note_connected(&mut self, resumed: bool) {
        self.ended.connects = self.ended.connects.saturating_add(1);
        self.ended.resumes = self.ended.resumes.saturating_add(resumed as u64);
    }

    pub(super) const fn note_disconnected(&mut self) {
        self.ended.disconnects = self.ended.disconnects.saturating_add(1);
    }
}

impl Session {
    /// Returns the numbers of the session, for monitoring. The cost is proportional to the number of peers.
    #[must_use]
    pub fn numbers(&self) -> SessionNumbers {
        let mut numbers = self.counters.ended;
        numbers.members = self.links.len();
        numbers.direct_peers = self.links.totals().direct;
        self.links.iter().for_each(|link| numbers.add(&link.numbers()));
        numbers
    }

    /// Returns the numbers of the link to a peer, for monitoring; `None` when the room has no such peer.
    #[must_use]
    pub fn peer_numbers(&self, peer: &PeerId) -> Option<PeerNumbers> {
        self.links.get(peer).map(Link::numbers)
    }
}
