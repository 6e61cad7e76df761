//! A sender keeps to its neighbour's rate, and pauses after the neighbour's refusal.

use std::collections::BTreeMap;
use std::time::Duration;

use socketio_p2p_core::Time;

use super::{ByWay, Level};
use crate::freight::Sealed;
use crate::invariant::{Breach, Invariant};
use crate::mesh::Line;

/// How far a sender may be ahead of its neighbour's rate.
const AHEAD: usize = 32 << 10;

/// The longest that is given at a time.
const LONGEST: usize = 20 << 10;

/// The slowest rate that is believed.
const SLOWEST: u64 = 1000;

/// How long a neighbour that did not pass on is not asked again.
const FAILED_FOR: Duration = Duration::from_secs(10);

/// The channel to the neighbour, and the incarnation of the link through it.
type Through = (Line, u32);

#[derive(Debug, Default)]
struct Sender {
    through: Option<Through>,
    level: Level,
    /// When the neighbour said that it does not pass on.
    failed: Option<Time>,
}

/// Who gives what to neighbours.
#[derive(Debug, Default)]
pub(in crate::sim) struct Senders {
    ways: ByWay<Sender>,
    /// What a neighbour of somebody passes on in a second.
    rates: BTreeMap<(usize, usize), u64>,
    /// Through whom somebody has given something to another last.
    used: BTreeMap<(usize, usize), usize>,
}

impl Senders {
    /// A neighbour has told somebody to whom it passes on, and how fast.
    pub(in crate::sim) fn told(
        &mut self,
        (from, neighbour): (usize, usize),
        knows: impl Fn(usize) -> bool,
        rate: u64,
    ) {
        self.rates.insert((from, neighbour), rate.max(SLOWEST));
        let ways = self.ways.iter_mut().filter(|(way, _)| (way.0, way.1) == (from, neighbour));
        for (_, sender) in ways.filter(|((_, _, to), _)| !knows(*to)) {
            // It is a new way when it is one again.
            sender.level = Level::default();
        }
    }

    /// A neighbour has told somebody that it does not pass on to another.
    pub(in crate::sim) fn refused(&mut self, way: (usize, usize, usize), now: Time) {
        let (from, neighbour, to) = way;
        // No matter where it is not the way any more.
        if self.used.get(&(from, to)) == Some(&neighbour) {
            // Nor where it is no way already.
            let failed = &mut self.ways.entry(way).or_default().failed;
            *failed = Some(failed.filter(|at| now - *at < FAILED_FOR).unwrap_or(now));
        }
    }

    /// Something with records is given to a neighbour; `kept_time`: whether the sender has kept its times since then.
    pub(in crate::sim) fn give(
        &mut self,
        way: (usize, usize, usize),
        through: Through,
        sealed: Sealed,
        now: Time,
        kept_time: impl Fn(Time) -> bool,
    ) -> Result<(), Breach> {
        let (from, neighbour, to) = way;
        let sender = self.ways.entry(way).or_default();
        if sender.through != Some(through) {
            *sender = Sender { through: Some(through), ..Sender::default() };
        }
        if self.used.insert((from, to), neighbour) != Some(neighbour) {
            sender.level = Level::default();
        }
        if let Some(failed) = sender.failed
            && now - failed < FAILED_FOR
            && kept_time(failed)
        {
            return Err(Breach::new(
                Invariant::GivenTo,
                format!(
                    "node {from} to ask node {neighbour} for node {to} {FAILED_FOR:?} after it said no"
                ),
                format!("{:?} after it", now - failed),
            ));
        }
        let Some(rate) = self.rates.get(&(from, neighbour)).copied() else { return Ok(()) };
        let ahead = sender.level.add(sealed.bytes, rate, now);
        if ahead > AHEAD + LONGEST {
            return Err(Breach::new(
                Invariant::GivenTo,
                format!(
                    "node {from} to give node {neighbour} for node {to} {rate} bytes in a second"
                ),
                format!("{ahead} more, of which {AHEAD} may be"),
            ));
        }
        Ok(())
    }

    /// A node's clock is another: what it gave before does not count.
    pub(in crate::sim) fn excuse(&mut self, node: usize) {
        for (way, sender) in &mut self.ways {
            if way.0 == node {
                sender.level = Level::default();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use socketio_p2p_core::{ConnectionId, Time};

    use super::{Senders, Through};
    use crate::freight::Sealed;
    use crate::mesh::Line;

    const WAY: (usize, usize, usize) = (0, 1, 2);
    const SEALED: Sealed =
        Sealed { number: 1, digest: 1, bytes: 10_000, epochs: None, has_records: true };

    fn through(connection: u64) -> Through {
        let end = |node| (node, ConnectionId::from_u64(connection));
        (Line::Direct(end(0), end(1)), 1)
    }

    fn gives(senders: &mut Senders, at: u64, connection: u64) -> bool {
        let now = Time::from_millis(at);
        senders.give(WAY, through(connection), SEALED, now, |_| true).is_ok()
    }

    #[test]
    fn a_sender_keeps_to_the_rate_that_it_was_told() {
        let mut senders = Senders::default();
        assert!((0..9).all(|_| gives(&mut senders, 0, 0)));
        senders.told((0, 1), |_| true, 10_000);
        assert!((0..5).all(|_| gives(&mut senders, 0, 0)) && !gives(&mut senders, 0, 0));
        assert!(gives(&mut senders, 2_000, 0));
        senders.told((0, 1), |_| false, 10_000);
        assert!((0..5).all(|_| gives(&mut senders, 2_000, 0)));
    }

    #[test]
    fn who_does_not_pass_on_is_not_asked_for_a_while() {
        let mut senders = Senders::default();
        senders.refused(WAY, Time::from_millis(5));
        assert!(gives(&mut senders, 6, 0));
        senders.refused(WAY, Time::from_millis(7));
        senders.refused(WAY, Time::from_millis(9));
        assert!(!gives(&mut senders, 10_006, 0) && gives(&mut senders, 10_007, 0));
        senders.refused(WAY, Time::from_millis(10_008));
        assert!(gives(&mut senders, 10_009, 1));
    }
}
