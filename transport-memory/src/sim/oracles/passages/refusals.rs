//! A neighbour forwards a bundle, or tells its sender that it does not.

use std::time::Duration;

use socketio_p2p_core::Time;

use super::ByWay;

/// So soon a neighbour with nothing else to do says one or the other.
const SOON: Duration = Duration::from_millis(300);

/// Since when neighbours owe something, by its way.
#[derive(Debug, Default)]
pub(in crate::sim) struct Refusals {
    owed: ByWay<Time>,
    /// Until then something that was done to paths is felt.
    upset: Time,
}

impl Refusals {
    /// A neighbour has got something more: since when it has done nothing with what it got before, if that is long ago.
    pub(in crate::sim) fn give(&mut self, way: (usize, usize, usize), now: Time) -> Option<Time> {
        if now < self.upset {
            return None;
        }
        let since = *self.owed.entry(way).or_insert(now);
        let late = now - since > SOON;
        if late {
            self.owed.insert(way, now);
        }
        Some(since).filter(|_| late)
    }

    /// It passes something on, or says that it does not.
    pub(in crate::sim) fn settle(&mut self, way: (usize, usize, usize)) {
        self.owed.remove(&way);
    }

    /// Something is done to paths, which is felt until then.
    pub(in crate::sim) fn upset(&mut self, until: Time) {
        self.owed.clear();
        self.upset = until;
    }

    /// A node has other neighbours than before, or can do nothing.
    pub(in crate::sim) fn excuse(&mut self, neighbour: usize) {
        self.owed.retain(|way, _| way.1 != neighbour);
    }
}

#[cfg(test)]
mod tests {
    use socketio_p2p_core::Time;

    use super::Refusals;

    const WAY: (usize, usize, usize) = (0, 1, 2);

    #[test]
    fn who_does_nothing_with_what_it_gets_is_late_with_the_next() {
        let (mut refusals, at) = (Refusals::default(), Time::from_millis);
        assert_eq!((refusals.give(WAY, at(0)), refusals.give(WAY, at(300))), (None, None));
        assert_eq!(refusals.give(WAY, at(301)), Some(at(0)));
        assert_eq!(refusals.give(WAY, at(302)), None);
        refusals.settle(WAY);
        assert_eq!(refusals.give(WAY, at(900)), None);
        refusals.excuse(1);
        assert_eq!(refusals.give(WAY, at(1800)), None);
        refusals.upset(at(3000));
        assert_eq!((refusals.give(WAY, at(2400)), refusals.give(WAY, at(3000))), (None, None));
        assert_eq!(refusals.give(WAY, at(3400)), Some(at(3000)));
    }
}
