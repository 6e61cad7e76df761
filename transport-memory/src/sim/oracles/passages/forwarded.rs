//! A neighbour forwards bundles unchanged and in order, at its rate, and queues no more than its maximum.

use std::collections::VecDeque;

use socketio_p2p_core::Time;

use super::{ByWay, Level};
use crate::freight::Sealed;
use crate::invariant::{Breach, Invariant};

/// How far a sender may be ahead of the rate, and what may wait of it.
const AHEAD: usize = 256 << 10;
const WAITING: usize = 256 << 10;

/// The longest that is passed on.
const LONGEST: usize = 20 << 10;

/// So much is remembered that was given and has not been passed on.
const REMEMBERED: usize = 4096;

/// What was given and may still be passed on.
#[derive(Clone, Copy, Debug)]
struct Given {
    sealed: Sealed,
    at: Time,
    /// The bytes that had been passed on before.
    passed_before: u64,
}

#[derive(Debug, Default)]
struct Flow {
    given: VecDeque<Given>,
    passed: u64,
    level: Level,
}

/// What honest neighbours pass on, by its way.
#[derive(Debug, Default)]
pub(in crate::sim) struct Forwarded {
    flows: ByWay<Flow>,
}

impl Forwarded {
    /// A neighbour has got something that it is to pass on.
    pub(in crate::sim) fn give(&mut self, way: (usize, usize, usize), sealed: Sealed, at: Time) {
        let flow = self.flows.entry(way).or_default();
        if flow.given.len() == REMEMBERED {
            flow.given.pop_front();
        }
        flow.given.push_back(Given { sealed, at, passed_before: flow.passed });
    }

    /// A neighbour passes something on, of each pair `rate` bytes in a second.
    pub(in crate::sim) fn pass(
        &mut self,
        way: (usize, usize, usize),
        sealed: Sealed,
        rate: u64,
    ) -> Result<(), Breach> {
        let (from, neighbour, to) = way;
        let what = format!("node {neighbour} on the way from node {from} to node {to}");
        let flow = self.flows.entry(way).or_default();
        let place = flow.given.iter().position(|given| given.sealed == sealed);
        let Some(given) = place.and_then(|place| flow.given.drain(..=place).next_back()) else {
            return Err(Breach::new(
                Invariant::PassedOn,
                format!("{what} to pass on what it gets, as it is, once and in order"),
                format!("{sealed:?}"),
            ));
        };
        flow.passed += sealed.bytes as u64;
        let waited = flow.passed - given.passed_before;
        if waited > (WAITING + LONGEST) as u64 {
            return Err(Breach::new(
                Invariant::PassedOn,
                format!("at most {WAITING} bytes to wait at {what}"),
                format!("{waited} before and with {sealed:?}"),
            ));
        }
        let ahead = flow.level.add(sealed.bytes, rate, given.at);
        if ahead > AHEAD + LONGEST {
            return Err(Breach::new(
                Invariant::PassedOn,
                format!("at most {rate} bytes in a second, and {AHEAD} more, of {what}"),
                format!("{ahead} more with {sealed:?}"),
            ));
        }
        Ok(())
    }

    /// A neighbour's clock is another: what it passed on before does not count.
    pub(in crate::sim) fn excuse(&mut self, neighbour: usize) {
        for (way, flow) in &mut self.flows {
            if way.1 == neighbour {
                flow.level = Level::default();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use socketio_p2p_core::Time;

    use super::Forwarded;
    use crate::freight::Sealed;

    const WAY: (usize, usize, usize) = (0, 1, 2);

    const fn sealed(number: u64) -> Sealed {
        Sealed { number, digest: number, bytes: 16 << 10, epochs: None, has_records: false }
    }

    fn given(numbers: u64, every: u64) -> Forwarded {
        let mut forwarded = Forwarded::default();
        for number in 0..numbers {
            forwarded.give(WAY, sealed(number), Time::from_millis(number * every));
        }
        forwarded
    }

    #[test]
    fn what_is_passed_on_was_given_and_is_in_order() {
        let mut forwarded = given(4, 1);
        let mut pass = |number| forwarded.pass(WAY, sealed(number), 1000).is_ok();
        assert!(pass(0) && pass(2) && !pass(1) && !pass(2) && pass(3) && !pass(9));
    }

    #[test]
    fn only_so_much_waits() {
        let mut forwarded = given(30, 0);
        let passed =
            (0..30).take_while(|number| forwarded.pass(WAY, sealed(*number), u64::MAX).is_ok());
        assert_eq!(passed.count(), 17);
    }

    #[test]
    fn only_so_much_is_ahead_of_the_rate() {
        let mut forwarded = Forwarded::default();
        let passed = (0..100).take_while(|number| {
            forwarded.give(WAY, sealed(*number), Time::from_millis(number * 100));
            forwarded.pass(WAY, sealed(*number), 16 << 10).is_ok()
        });
        // Of ten in a second one.
        assert_eq!(passed.count(), 18 + 1);
        forwarded.excuse(1);
    }
}
