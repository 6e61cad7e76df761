//! Records are acknowledged on the path on which they arrived, in time and no more often than necessary.

use std::collections::VecDeque;
use std::time::Duration;

use socketio_p2p_core::Time;

use crate::invariant::{Breach, Invariant};
use crate::mesh::{Hearing, Line, Talk};

/// After so many records, or bytes, at once; otherwise within this time.
const RECORDS: usize = 32;
const BYTES: usize = 64 << 10;
const DELAY: Duration = Duration::from_millis(20);

/// A timer is not finer than that.
const GRAIN: Duration = Duration::from_millis(1);

/// So many for which there is no reason in a second: a path that ended leaves its own to others.
const MAX_UNASKED: u32 = 12;
const SECOND: Duration = Duration::from_secs(1);

/// What one has of the other, on relay and channel.
#[derive(Debug, Default)]
pub(super) struct Acks {
    relay: Owed,
    direct: Owed,
    unasked: u32,
    unasked_since: Time,
}

/// What has come on a path and is to be acknowledged.
#[derive(Debug, Default)]
struct Owed {
    line: Option<Line>,
    come: VecDeque<Come>,
}

#[derive(Clone, Copy, Debug)]
struct Come {
    at: Time,
    order: u64,
    records: usize,
    bytes: usize,
    /// It is for the incarnations of which both know.
    sure: bool,
}

/// By when what has come is to be acknowledged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Due {
    since: Time,
    at: Time,
}

impl Acks {
    /// What has come may be for another incarnation than the one that speaks now, or for a path that is over.
    pub(super) fn doubt(&mut self) {
        for owed in [&mut self.relay, &mut self.direct] {
            owed.come.iter_mut().for_each(|come| come.sure = false);
        }
    }

    fn on(&mut self, line: Line) -> Option<(&mut Owed, Line)> {
        match line {
            Line::Relay(..) => Some((&mut self.relay, line)),
            Line::Direct(..) => Some((&mut self.direct, line)),
            Line::Datagrams(one, other) => Some((&mut self.direct, Line::Direct(one, other))),
            Line::Via(_) | Line::Orphan => None,
        }
    }

    pub(super) fn hear(&mut self, talk: &Talk, heard: Hearing, sure: bool) {
        let (records, bytes) = (talk.freight.records.len(), talk.freight.bytes());
        if records == 0 {
            return;
        }
        if let Some((owed, line)) = self.on(talk.line) {
            if owed.line != Some(line) {
                owed.line = Some(line);
                owed.come.clear();
            }
            let Hearing { at, order } = heard;
            owed.come.push_back(Come { at, order, records, bytes, sure });
        }
    }

    /// Something is said back.
    pub(super) fn say(&mut self, talk: &Talk, tells: bool) -> Result<(), Breach> {
        let (control, sent) = (talk.freight.control, talk.sent);
        if !control.state {
            return Ok(());
        }
        let Some((owed, line)) = self.on(talk.line) else { return Ok(()) };
        let come = owed.line == Some(line);
        let due = if come { owed.take(sent.order) } else { None };
        let punctual = |due: &(Due, bool)| !due.1 || sent.held >= due.0.since;
        if let Some((due, _)) = due.filter(|due| !punctual(due) && sent.at > due.0.at + GRAIN) {
            return Err(Breach::new(
                Invariant::Acknowledgement,
                format!(
                    "{:?} to acknowledge by {:?} what came of {:?} since {:?}",
                    talk.from, due.at, talk.to, due.since
                ),
                format!("it does at {:?}", sent.at),
            ));
        }
        let bare = talk.freight.records.is_empty()
            && !(control.ping || control.pong || control.limits || control.other);
        let asked = due.is_some_and(|(due, _)| due.at <= sent.at);
        let slow = sent.at - sent.held < SECOND;
        if !bare || asked || tells || slow {
            return Ok(());
        }
        if sent.at - self.unasked_since > SECOND {
            (self.unasked, self.unasked_since) = (0, sent.at);
        }
        self.unasked += 1;
        if self.unasked > MAX_UNASKED {
            return Err(Breach::new(
                Invariant::Acknowledgement,
                format!("{:?} to wait for more before it acknowledges", talk.from),
                format!("{} acknowledgements to {:?} in a second", self.unasked, talk.to),
            ));
        }
        Ok(())
    }
}

impl Owed {
    /// What came before this place is acknowledged: by when that had to be, and whether that is sure.
    fn take(&mut self, until: u64) -> Option<(Due, bool)> {
        let since = self.come.front().filter(|come| come.order < until)?.at;
        let (mut at, mut sure, mut records, mut bytes) = (since + DELAY, true, 0, 0);
        while let Some(come) = self.come.pop_front_if(|come| come.order < until) {
            records += come.records;
            bytes += come.bytes;
            sure &= come.sure;
            if records >= RECORDS || bytes >= BYTES {
                at = at.min(come.at);
            }
        }
        Some((Due { since, at }, sure))
    }
}

#[cfg(test)]
mod tests {
    use socketio_p2p_core::Time;

    use super::{Come, Due, Owed};

    fn owed(come: &[(u64, usize, usize)]) -> Owed {
        let one = |&(at, records, bytes)| {
            let (at, order) = (Time::from_millis(at), at);
            Come { at, order, records, bytes, sure: true }
        };
        Owed { line: None, come: come.iter().map(one).collect() }
    }

    fn due(since: u64, at: u64) -> Option<(Due, bool)> {
        let due = Due { since: Time::from_millis(since), at: Time::from_millis(at) };
        Some((due, true))
    }

    #[test]
    fn what_came_first_waits_for_little_and_much_for_nothing() {
        let mut few = owed(&[(5, 1, 10), (9, 3, 10), (40, 1, 10)]);
        assert_eq!(few.take(30), due(5, 25));
        assert_eq!(few.take(39), None);
        assert_eq!(few.take(41), due(40, 60));
        assert_eq!(owed(&[(5, 20, 10), (9, 12, 10)]).take(30), due(5, 9));
        assert_eq!(owed(&[(5, 1, 1), (9, 1, 64 << 10)]).take(10), due(5, 9));
    }
}
