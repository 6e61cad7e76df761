//! A peer that acknowledges nothing is given up in time.

use std::collections::BTreeMap;
use std::time::Duration;

use socketio_p2p_core::Time;

use crate::invariant::{Breach, Invariant};

/// Somebody who has something and acknowledges nothing.
#[derive(Clone, Copy, Debug)]
struct Wait {
    since: Time,
    /// When it has to be given up; none where there was no path for a while.
    due: Option<Time>,
}

/// Who waits for whom.
#[derive(Debug, Default)]
pub(in crate::sim) struct Stalls(BTreeMap<(usize, usize), Wait>);

impl Stalls {
    /// A node has something for a peer that acknowledges nothing, and sends it, where a path leads there.
    pub(in crate::sim) fn sent(
        &mut self,
        node: usize,
        peer: usize,
        now: Time,
        patience: Duration,
        reached: bool,
    ) {
        // The session arms its clock when the first of it goes out: a volatile event may have the path before that.
        let due = reached.then(|| now + patience * 2);
        self.0.entry((node, peer)).or_insert(Wait { since: now, due });
    }

    /// There may be no path to a peer for a while, or other reasons to wait.
    pub(in crate::sim) fn excuse(&mut self, node: usize) {
        for (_, wait) in self.0.iter_mut().filter(|((one, _), _)| *one == node) {
            wait.due = None;
        }
    }

    /// A peer is gone; `after`: how long it may acknowledge nothing, where that is the reason.
    pub(in crate::sim) fn left(
        &mut self,
        (node, peer): (usize, usize),
        after: Option<Duration>,
        now: Time,
    ) -> Result<(), Breach> {
        let wait = self.0.remove(&(node, peer));
        match wait.zip(after) {
            // Something else may have been in flight before.
            Some((wait, after)) if now < wait.since + after / 4 => Err(Breach::new(
                Invariant::Stalled,
                format!("node {node} to wait {after:?} for node {peer}"),
                format!("it waited {:?}", now - wait.since),
            )),
            Some(_) | None => Ok(()),
        }
    }

    /// When somebody has to be given up.
    pub(in crate::sim) fn next(&self) -> Option<Time> {
        self.0.values().filter_map(|wait| wait.due).min()
    }

    /// Who should have been given up by now: who waits, for whom, and since when.
    pub(in crate::sim) fn take_due(&mut self, now: Time) -> Option<(usize, usize, Time)> {
        let is_due = |wait: &Wait| wait.due.is_some_and(|due| due <= now);
        let (key, wait) = self.0.iter_mut().find(|(_, wait)| is_due(wait))?;
        wait.due = None;
        Some((key.0, key.1, wait.since))
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use socketio_p2p_core::Time;

    use super::Stalls;

    #[test]
    fn a_peer_that_acknowledges_nothing_is_given_up_neither_early_nor_late() {
        let at = Time::from_millis;
        let patience = Duration::from_millis(1_000);
        let mut stalls = Stalls::default();
        for now in [0, 500] {
            stalls.sent(0, 1, at(now), patience, true);
            stalls.sent(2, 1, at(now), patience, true);
        }
        assert_eq!(stalls.next(), Some(at(2_000)));
        assert!(stalls.left((0, 1), Some(patience), at(240)).is_err());
        assert_eq!(stalls.take_due(at(1_999)), None);
        assert_eq!(stalls.take_due(at(2_000)), Some((2, 1, at(0))));
        stalls.sent(0, 1, at(2_000), patience, true);
        assert!(stalls.left((0, 1), Some(patience), at(2_500)).is_ok());
        stalls.sent(0, 1, at(4_000), patience, true);
        stalls.excuse(0);
        assert_eq!(stalls.next(), None);
        assert!(stalls.left((0, 1), Some(patience), at(4_200)).is_err());
    }
}
