//! Offers that come while the channel with their sender works: answered when the channel does not prove itself in time, and
//! only then.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use socketio_p2p_core::{ConnectionId, Time};

use crate::mesh::Node;

/// The time in which a channel proves that an offer is late.
pub(in crate::sim) const DOUBT: Duration = Duration::from_secs(1);

/// What answering may take beside.
const UNHURRIED: Duration = Duration::from_millis(20);

/// A session may ignore further offers of one peer.
const BURST: u32 = 16;

/// An offer that is late, or whose sender has lost the channel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::sim) struct Doubted {
    pub(in crate::sim) node: Node,
    pub(in crate::sim) offerer: Node,
    pub(in crate::sim) connection: ConnectionId,
    pub(in crate::sim) since: Time,
}

#[derive(Debug, Default)]
pub(in crate::sim) struct LateOffers {
    doubted: Vec<Doubted>,
    /// Offers taken so far, by receiver: repeated ones are ignored.
    seen: BTreeSet<(usize, String)>,
    counts: BTreeMap<(usize, usize), u32>,
    /// Errors of links and their ends, at the last moment at which there were some.
    troubles: Vec<(usize, usize)>,
    troubled_at: Time,
}

impl LateOffers {
    /// An offer has come. `connection`: the channel with its sender, if it seems to work.
    pub(in crate::sim) fn came(
        &mut self,
        (node, offerer): (Node, Node),
        connection: Option<ConnectionId>,
        offer_id: String,
        since: Time,
    ) {
        let count = self.counts.entry((node.index(), offerer.index())).or_default();
        *count += 1;
        if self.seen.insert((node.index(), offer_id)) && *count <= BURST {
            let doubted = |connection| Doubted { node, offerer, connection, since };
            self.doubted.extend(connection.map(doubted));
        }
    }

    /// Those that must have been answered by now, or dismissed.
    pub(in crate::sim) fn take_due(&mut self, now: Time) -> Vec<Doubted> {
        if self.doubted.is_empty() {
            return Vec::new();
        }
        let is_due = |doubted: &Doubted| doubted.since + DOUBT + UNHURRIED <= now;
        let (due, later) = self.doubted.drain(..).partition(is_due);
        self.doubted = later;
        due
    }

    /// A link of a session with a peer fails, begins or ends: its channel closes for that.
    pub(in crate::sim) fn trouble(&mut self, node: usize, other: usize, now: Time) {
        if self.troubled_at != now {
            self.troubles.clear();
            self.troubled_at = now;
        }
        self.troubles.push((node, other));
    }

    pub(in crate::sim) fn is_troubled(&self, node: usize, other: usize, now: Time) -> bool {
        self.troubled_at == now && self.troubles.contains(&(node, other))
    }
}

#[cfg(test)]
mod tests {
    use socketio_p2p_core::{ConnectionId, Time};

    use super::{BURST, LateOffers};
    use crate::mesh::Node;

    #[test]
    fn each_offer_of_a_burst_is_due_once_when_its_time_is_over() {
        let (mut offers, at) = (LateOffers::default(), Time::from_millis);
        let (node, offerer) = (Node::from_index(1), Node::from_index(2));
        let connection = Some(ConnectionId::from_u64(3));
        let came = |offers: &mut LateOffers, connection, id: u32| {
            offers.came((node, offerer), connection, id.to_string(), at(10));
        };
        came(&mut offers, None, 1);
        (1..BURST + 9).for_each(|id| came(&mut offers, connection, id));
        assert_eq!(offers.take_due(at(1_029)), []);
        assert_eq!(offers.take_due(at(1_030)).len(), BURST as usize - 2);
        assert_eq!(offers.take_due(at(2_000)), []);
        offers.trouble(1, 2, at(5));
        assert!(offers.is_troubled(1, 2, at(5)) && !offers.is_troubled(1, 2, at(6)));
    }
}
