//! A forwarded bundle is one that its sender has sealed, and is forwarded once: other neighbours are reported.

use std::collections::BTreeMap;
use std::time::Duration;

use socketio_p2p_core::Time;
use socketio_p2p_core::wire::Epochs;

use super::ByWay;
use crate::freight::Sealed;

/// The shortest time between two reports about one neighbour.
const REPORTED_AGAIN: Duration = Duration::from_secs(1);

/// What is wrong with something that was passed on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::sim) enum Fault {
    /// Its sender has not sealed it for this way.
    Forged,
    /// It, or one after it, has come before.
    Repeated,
}

#[derive(Debug, Default)]
pub(in crate::sim) struct Seals {
    /// What was given to a malicious neighbour, by number.
    given: ByWay<BTreeMap<u64, u64>>,
    /// The last that came through it, and of which incarnations.
    last: ByWay<(Epochs, u64)>,
    /// When a node reported its neighbour.
    reports: BTreeMap<(usize, usize), Time>,
}

impl Seals {
    /// Something is given to a malicious neighbour.
    pub(in crate::sim) fn give(&mut self, way: (usize, usize, usize), sealed: Sealed) {
        self.given.entry(way).or_default().insert(sealed.number, sealed.digest);
    }

    /// Something comes through a malicious neighbour. `between`: the incarnations that the receiver knows of.
    pub(in crate::sim) fn take(
        &mut self,
        way: (usize, usize, usize),
        sealed: Sealed,
        between: Option<Epochs>,
    ) -> Option<Fault> {
        let given = self.given.get(&way).and_then(|given| given.get(&sealed.number));
        if given != Some(&sealed.digest) {
            return Some(Fault::Forged);
        }
        // What speaks of other incarnations than those that live is not even looked at.
        let epochs = sealed.epochs.filter(|epochs| Some(*epochs) == between)?;
        let last = self.last.entry(way).or_insert((epochs, 0));
        if last.0 == epochs && sealed.number <= last.1 {
            return Some(Fault::Repeated);
        }
        *last = (epochs, sealed.number);
        None
    }

    /// A node has begun anew with another: what came before counts no more.
    pub(in crate::sim) fn forget(&mut self, node: usize, other: usize) {
        self.last.retain(|(from, _, to), _| (*from, *to) != (other, node));
    }

    /// A node reports its neighbour.
    pub(in crate::sim) fn report(&mut self, node: usize, neighbour: usize, now: Time) {
        self.reports.insert((node, neighbour), now);
    }

    /// When a node reported its neighbour last, and whether that is so short ago that it does not do so again.
    pub(in crate::sim) fn reported(
        &self,
        node: usize,
        neighbour: usize,
        now: Time,
    ) -> Option<(Time, bool)> {
        let last = *self.reports.get(&(node, neighbour))?;
        Some((last, now - last < REPORTED_AGAIN))
    }
}

#[cfg(test)]
mod tests {
    use socketio_p2p_core::Time;
    use socketio_p2p_core::wire::Epochs;

    use super::{Fault, Seals};
    use crate::freight::Sealed;

    const EPOCHS: Epochs = Epochs { epoch: 1, peer_epoch: 2 };
    const WAY: (usize, usize, usize) = (0, 1, 2);

    const fn sealed(number: u64, digest: u64) -> Sealed {
        Sealed { number, digest, bytes: 10, epochs: Some(EPOCHS), has_records: true }
    }

    #[test]
    fn what_was_given_is_genuine_once_and_in_order() {
        let mut seals = Seals::default();
        seals.give(WAY, sealed(1, 11));
        seals.give(WAY, sealed(2, 12));
        let mut take = |number, digest| seals.take(WAY, sealed(number, digest), Some(EPOCHS));
        assert_eq!((take(2, 12), take(2, 12)), (None, Some(Fault::Repeated)));
        assert_eq!((take(1, 11), take(3, 12)), (Some(Fault::Repeated), Some(Fault::Forged)));
        assert_eq!(take(2, 13), Some(Fault::Forged));
        seals.forget(2, 0);
        assert_eq!(seals.take(WAY, sealed(1, 11), Some(EPOCHS)), None);
        assert_eq!(seals.take(WAY, sealed(1, 11), None), None);
    }

    #[test]
    fn a_report_holds_for_a_second() {
        let (mut seals, at) = (Seals::default(), Time::from_millis);
        seals.report(2, 1, at(10));
        assert_eq!(seals.reported(2, 1, at(1009)), Some((at(10), true)));
        assert_eq!(seals.reported(2, 1, at(1010)), Some((at(10), false)));
        assert_eq!(seals.reported(1, 2, at(11)), None);
    }
}
