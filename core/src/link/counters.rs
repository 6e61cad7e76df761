//! The counters of a link, and its numbers for monitoring.

use super::Link;
use super::flight::{PathKind, PerPath};
use crate::numbers::{PeerNumbers, Traffic};

/// What a link counts itself; its parts count the rest.
#[derive(Debug, Default)]
pub(super) struct Counters {
    traffic: PerPath<Traffic>,
    retransmitted_records: u64,
    retransmitted_bytes: u64,
}

impl Counters {
    pub(super) const fn count_out(&mut self, path: PathKind, bytes: usize) {
        self.traffic[path.index()].count_out(bytes);
    }

    pub(super) const fn count_in(&mut self, path: PathKind, bytes: usize) {
        self.traffic[path.index()].count_in(bytes);
    }

    pub(super) const fn count_again(&mut self, bytes: usize) {
        self.retransmitted_records = self.retransmitted_records.saturating_add(1);
        self.retransmitted_bytes = self.retransmitted_bytes.saturating_add(bytes as u64);
    }
}

impl Link {
    pub(crate) fn numbers(&self) -> PeerNumbers {
        let traffic = |path: PathKind| self.counters.traffic[path.index()];
        let round_trip = |path| self.route.recovery(path).round_trip();
        let tally = self.attempt.tally();
        PeerNumbers {
            relay: traffic(PathKind::Relay),
            direct: traffic(PathKind::Direct),
            via: traffic(PathKind::Via),
            relay_round_trip: round_trip(PathKind::Relay),
            direct_round_trip: round_trip(PathKind::Direct),
            via_round_trip: round_trip(PathKind::Via),
            retransmitted_records: self.counters.retransmitted_records,
            retransmitted_bytes: self.counters.retransmitted_bytes,
            dropped: self.dropped(),
            queued_packets: self.sender.packets(),
            queued_bytes: self.queued_bytes(),
            held_bytes: self.held_bytes(),
            attempts: tally.attempts,
            failures: tally.failures,
            candidates: self.attempt.candidates(),
        }
    }

    /// Counts a message of a v0 peer that came through the hub.
    pub(crate) const fn count_relayed(&mut self, bytes: usize) {
        self.counters.count_in(PathKind::Relay, bytes);
    }
}
