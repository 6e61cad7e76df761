//! The numbers of sessions, compared with what the mesh carried.

use std::collections::BTreeMap;

use socketio_p2p_core::{PeerId, SessionNumbers, Traffic};

use crate::invariant::{Breach, Invariant};
use crate::mesh::Tally;

/// By session and peer.
#[derive(Debug, Default)]
pub(in crate::sim) struct Numbers {
    /// What the mesh had carried between them when the counters of the link were 0.
    before: BTreeMap<(usize, PeerId), [u64; 4]>,
    /// The numbers of each session at the last look.
    last: BTreeMap<usize, SessionNumbers>,
}

impl Numbers {
    /// A link to one of these peers has begun or ended: its counters begin anew.
    pub(in crate::sim) fn forget(&mut self, node: usize, peers: impl Fn(&PeerId) -> bool) {
        self.before.retain(|(of, peer), _| *of != node || !peers(peer));
    }

    /// What a session has counted of its direct path with a peer grows by what the mesh carries.
    pub(in crate::sim) fn check_direct(
        &mut self,
        (node, peer): (usize, &PeerId),
        counted: Traffic,
        (sent, arrived): (Tally, Tally),
    ) -> Result<(), Breach> {
        let carried = [sent.messages, sent.bytes, arrived.messages, arrived.bytes];
        let Traffic { messages_out, bytes_out, messages_in, bytes_in, .. } = counted;
        let counts = [messages_out, bytes_out, messages_in, bytes_in];
        let mut before = [0; 4];
        for ((before, carried), counted) in before.iter_mut().zip(carried).zip(counts) {
            // A breach, too, when more was counted than carried.
            *before = carried.wrapping_sub(counted);
        }
        let known = *self.before.entry((node, peer.clone())).or_insert(before);
        if known == before {
            return Ok(());
        }
        Err(Breach::new(
            Invariant::Numbers,
            format!("{carried:?} less {known:?}, the direct traffic of node {node} with {peer}"),
            format!("{counted:?}"),
        ))
    }

    /// The counters of a session never fall.
    pub(in crate::sim) fn check_session(
        &mut self,
        node: usize,
        numbers: SessionNumbers,
    ) -> Result<(), Breach> {
        let before = self.last.insert(node, numbers).unwrap_or_default();
        let counters = |one: &SessionNumbers| {
            let traffic = [one.relay, one.direct, one.via];
            let traffic = traffic.map(|one| [one.messages_out, one.messages_in, one.bytes_in]);
            let rest = [one.joined, one.left, one.connects, one.disconnects, one.dropped];
            let paths = [one.attempts, one.failures, one.retransmitted_records];
            [&traffic.concat()[..], &rest, &paths].concat()
        };
        let grows =
            counters(&before).iter().zip(counters(&numbers)).all(|(then, now)| *then <= now);
        let members = numbers.members as u64;
        if grows && numbers.joined - numbers.left == members && numbers.resumes <= numbers.connects
        {
            return Ok(());
        }
        Err(Breach::new(
            Invariant::Numbers,
            format!("counters of node {node} that grow, from {before:?}"),
            format!("{numbers:?}"),
        ))
    }
}

#[cfg(test)]
mod tests {
    use socketio_p2p_core::{PeerId, Traffic};

    use super::Numbers;
    use crate::mesh::Tally;

    #[test]
    fn traffic_that_was_not_counted_is_a_breach() {
        let (mut numbers, peer) = (Numbers::default(), "a".parse::<PeerId>().unwrap());
        let tally = |messages| Tally { messages, bytes: 10 * messages };
        let check = |numbers: &mut Numbers, sent| {
            numbers.check_direct((1, &peer), Traffic::default(), (tally(sent), tally(0))).is_ok()
        };
        assert!(check(&mut numbers, 7) && check(&mut numbers, 7) && !check(&mut numbers, 8));
        numbers.forget(1, |_| true);
        assert!(check(&mut numbers, 8));
    }
}
