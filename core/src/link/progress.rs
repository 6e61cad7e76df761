//! The progress of one packet or transfer: which bytes are sent, acknowledged or lost.

use std::ops::Range;

/// The sent, acknowledged and lost bytes of one message. Every sent byte is acknowledged, in flight or lost.
#[derive(Debug, Default)]
pub(crate) struct Progress {
    /// The bytes below this offset were sent at least once.
    sent: u64,
    /// The bytes below this offset are acknowledged.
    acked: u64,
    /// The ranges acknowledged out of order: disjoint, in order.
    ahead: Vec<Range<u64>>,
    /// The ranges to retransmit: disjoint, in order.
    lost: Vec<Range<u64>>,
}

impl Progress {
    pub(crate) const fn sent(&self) -> u64 {
        self.sent
    }

    pub(crate) const fn acked(&self) -> u64 {
        self.acked
    }

    pub(crate) const fn has_lost(&self) -> bool {
        !self.lost.is_empty()
    }

    /// Returns the range to send next of a message with `len` bytes so far: lost ranges first.
    pub(crate) fn next(&self, len: u64, max: u64) -> Option<Range<u64>> {
        let next = match self.lost.first() {
            Some(lost) => lost.clone(),
            None => self.sent..len,
        };
        (next.start < next.end).then(|| next.start..next.end.min(next.start.saturating_add(max)))
    }

    /// Notes that this range, which [`next`](Self::next) returned, was sent.
    pub(crate) fn note_sent(&mut self, bytes: Range<u64>) {
        self.sent = self.sent.max(bytes.end);
        subtract(&mut self.lost, &bytes);
    }

    /// Acknowledges the bytes below `end`. Returns the number of newly acknowledged bytes.
    pub(crate) fn acknowledge(&mut self, end: u64) -> u64 {
        if end <= self.acked {
            return 0;
        }
        let before: u64 = self.ahead.iter().map(|range| overlap(range, &(self.acked..end))).sum();
        let news = end - self.acked - before;
        self.acked = end;
        subtract(&mut self.ahead, &(0..end));
        if let Some(first) = self.ahead.first().filter(|first| first.start <= end) {
            self.acked = first.end;
            self.ahead.remove(0);
        }
        subtract(&mut self.lost, &(0..self.acked));
        news
    }

    /// Acknowledges a range out of order. Returns the number of newly acknowledged bytes.
    pub(crate) fn acknowledge_ahead(&mut self, bytes: Range<u64>) -> u64 {
        let bytes = bytes.start.max(self.acked)..bytes.end.min(self.sent);
        if bytes.start >= bytes.end {
            return 0;
        }
        let known: u64 = self.ahead.iter().map(|range| overlap(range, &bytes)).sum();
        subtract(&mut self.lost, &bytes);
        insert(&mut self.ahead, bytes.clone());
        bytes.end - bytes.start - known
    }

    /// Notes that the bytes in flight in this range are lost, unless they are acknowledged.
    pub(crate) fn lose(&mut self, bytes: Range<u64>) {
        let start = bytes.start.max(self.acked);
        if start >= bytes.end {
            return;
        }
        let mut lost: Vec<_> = std::iter::once(start..bytes.end).collect();
        for known in &self.ahead {
            subtract(&mut lost, known);
        }
        for range in lost {
            insert(&mut self.lost, range);
        }
    }

    pub(crate) fn is_acked(&self, bytes: &Range<u64>) -> bool {
        bytes.end <= self.acked
            || self.ahead.iter().any(|range| range.start <= bytes.start && bytes.end <= range.end)
    }
}

fn overlap(a: &Range<u64>, b: &Range<u64>) -> u64 {
    a.end.min(b.end).saturating_sub(a.start.max(b.start))
}

/// Adds a range to disjoint ranges in order.
fn insert(ranges: &mut Vec<Range<u64>>, new: Range<u64>) {
    let first = ranges.partition_point(|range| range.end < new.start);
    let last = ranges.partition_point(|range| range.start <= new.end);
    let touched = &ranges[first..last];
    let start = touched.first().map_or(new.start, |range| range.start.min(new.start));
    let end = touched.last().map_or(new.end, |range| range.end.max(new.end));
    ranges.splice(first..last, std::iter::once(start..end));
}

/// Removes a range from disjoint ranges in order.
fn subtract(ranges: &mut Vec<Range<u64>>, gone: &Range<u64>) {
    let first = ranges.partition_point(|range| range.end <= gone.start);
    let last = ranges.partition_point(|range| range.start < gone.end);
    if first >= last {
        return;
    }
    let before = ranges[first].start..gone.start;
    let after = gone.end..ranges[last - 1].end;
    let kept = [before, after].into_iter().filter(|range| range.start < range.end);
    ranges.splice(first..last, kept.collect::<Vec<_>>());
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::Progress;

    const LEN: u64 = 40;

    #[derive(Clone, Debug)]
    enum Step {
        Send(u64),
        Acknowledge(u64),
        AcknowledgeAhead(u64, u64),
        Lose(u64, u64),
    }

    fn step() -> impl Strategy<Value = Step> {
        prop_oneof![
            (1..9_u64).prop_map(Step::Send),
            (0..=LEN).prop_map(Step::Acknowledge),
            (0..LEN, 1..9_u64).prop_map(|(start, len)| Step::AcknowledgeAhead(start, start + len)),
            (0..LEN, 1..9_u64).prop_map(|(start, len)| Step::Lose(start, start + len)),
        ]
    }

    proptest! {
        /// The model has a flag for each byte.
        #[test]
        fn every_sent_byte_is_acknowledged_in_flight_or_lost(steps in prop::collection::vec(step(), 1..80)) {
            let mut progress = Progress::default();
            let (mut sent, mut acked, mut lost) = ([false; 40], [false; 40], [false; 40]);
            for step in steps {
                match step {
                    Step::Send(max) => {
                        let Some(next) = progress.next(LEN, max) else { continue };
                        prop_assert!(next.end - next.start <= max);
                        for at in next.start as usize..next.end as usize {
                            prop_assert!(lost[at] || !sent[at], "{at} is in flight");
                            (sent[at], lost[at]) = (true, false);
                        }
                        progress.note_sent(next);
                    }
                    Step::Acknowledge(end) => {
                        let end = end.min(progress.sent());
                        let news = (0..end as usize).filter(|at| !acked[*at]).count() as u64;
                        prop_assert_eq!(progress.acknowledge(end), news);
                        for at in 0..end as usize {
                            (acked[at], lost[at]) = (true, false);
                        }
                    }
                    Step::AcknowledgeAhead(start, end) => {
                        let end = end.min(progress.sent());
                        let range = start as usize..(end as usize).max(start as usize);
                        let news = range.clone().filter(|at| !acked[*at]).count() as u64;
                        prop_assert_eq!(progress.acknowledge_ahead(start..end), news);
                        for at in range {
                            (acked[at], lost[at]) = (true, false);
                        }
                    }
                    Step::Lose(start, end) => {
                        let end = end.min(progress.sent());
                        progress.lose(start..end);
                        for at in start as usize..end as usize {
                            lost[at] = !acked[at];
                        }
                    }
                }
                prop_assert_eq!(progress.has_lost(), lost.contains(&true));
                let first = acked.iter().position(|acked| !acked).unwrap_or(acked.len());
                prop_assert!(progress.acked() <= first as u64);
                for at in 0..LEN {
                    prop_assert_eq!(progress.is_acked(&(at..at + 1)), acked[at as usize]);
                }
            }
            while let Some(next) = progress.next(LEN, 7) {
                progress.note_sent(next);
            }
            prop_assert_eq!(progress.sent(), LEN);
            progress.acknowledge(LEN);
            prop_assert!(progress.is_acked(&(0..LEN)) && !progress.has_lost());
        }
    }
}
