//! A peer that is away is back, or has left, at the end of its resume window.

use std::collections::BTreeMap;
use std::time::Duration;

use socketio_p2p_core::{PeerId, Time};

use crate::invariant::{Breach, Invariant};

/// How late a node that keeps its times may be.
const LATE: Duration = Duration::from_millis(20);

/// Since when peers are away, by who says so and of whom: a node may be known under two ids at once.
#[derive(Debug, Default)]
pub(in crate::sim) struct Absences {
    open: BTreeMap<(usize, PeerId), Time>,
}

/// The spans of a node that are about absence.
#[derive(Clone, Copy, Debug)]
pub(in crate::sim) struct Spans {
    pub(in crate::sim) window: Duration,
    pub(in crate::sim) silence: Duration,
}

impl Absences {
    pub(in crate::sim) fn away(&mut self, node: usize, peer: &PeerId, now: Time) {
        self.open.insert((node, peer.clone()), now);
    }

    /// A peer has joined. One of before was that of a session that has crashed.
    pub(in crate::sim) fn joined(&mut self, node: usize, peer: &PeerId) {
        self.open.remove(&(node, peer.clone()));
    }

    /// Since when a peer is away.
    pub(in crate::sim) fn since(&self, node: usize, peer: &PeerId) -> Option<Time> {
        self.open.get(&(node, peer.clone())).copied()
    }

    /// A peer is back, or has left, because its time was up or otherwise. `calm`: the node has kept its times since the last
    /// sign of life.
    pub(in crate::sim) fn over(
        &mut self,
        (node, peer): (usize, &PeerId),
        timed_out: bool,
        spans: Spans,
        now: Time,
        calm: bool,
    ) -> Result<(), Breach> {
        let Some(since) = self.open.remove(&(node, peer.clone())).filter(|_| calm) else {
            return Ok(());
        };
        // Its last way may have been silent for a while before it was over.
        let before = spans.silence;
        let (early, late) =
            (timed_out && now + before < since + spans.window, now > since + spans.window + LATE);
        if !early && !late {
            return Ok(());
        }
        let Spans { window, .. } = spans;
        let what = if timed_out { "has timed out" } else { "is back, or has left otherwise," };
        Err(Breach::new(
            Invariant::ResumeWindow,
            format!(
                "node {node} to wait {window:?} for {peer} from its last sign of life on, at most {before:?} before it was away"
            ),
            format!("it {what} after {:?}", now - since),
        ))
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use socketio_p2p_core::{PeerId, Time};

    use super::{Absences, Spans};

    #[test]
    fn a_peer_is_given_up_when_the_window_since_its_last_sign_of_life_is_over() {
        let at = Time::from_millis;
        let ms = Duration::from_millis;
        let spans = Spans { window: ms(1_000), silence: ms(300) };
        let is_right = |timed_out, after: u64| {
            let (mut absences, peer) = (Absences::default(), PeerId::new("bob").unwrap());
            absences.away(0, &peer, at(5_000));
            absences.over((0, &peer), timed_out, spans, at(5_000 + after), true).is_ok()
        };
        assert!(is_right(true, 700) && !is_right(true, 690));
        assert!(!is_right(true, 1_030) && !is_right(false, 1_030));
        assert!(is_right(false, 10));
    }
}
