//! Bulk and transfers of a session to a peer share their direct path: while both have something to send, neither is left
//! out.

use std::collections::BTreeMap;

use socketio_p2p_core::wire::{Lane, Stream};

use crate::freight::Part;
use crate::invariant::{Breach, Invariant};
use crate::mesh::{Line, Talk};

/// So many records of one in a row while the other waits: they take turns.
const MAX_IN_ROW: u32 = 3;

/// By sender and receiver, since the last change of the path.
#[derive(Debug, Default)]
pub(in crate::sim) struct Shares {
    pairs: BTreeMap<(usize, usize), Share>,
    /// Those that have sent something since the last review.
    touched: Vec<(usize, usize)>,
}

/// What the application of one has given to its session for the other.
#[derive(Debug, Default)]
pub(in crate::sim) struct Given {
    /// Packets of bulk.
    pub(in crate::sim) bulk: u64,
    /// Open transfers: their numbers, and the bytes written.
    pub(in crate::sim) transfers: Vec<(u64, u64)>,
}

#[derive(Debug, Default)]
struct Share {
    epoch: u32,
    /// The number and offset up to which bulk was sent.
    bulk: Option<(u64, u64)>,
    /// Bulk was sent again or refused: it may wait for its receiver, or for nothing.
    again: bool,
    /// The offsets up to which transfers were sent.
    transfers: BTreeMap<u64, u64>,
    /// At the last review.
    given: Given,
    /// Records in a row for which the other waited.
    bulk_in_row: u32,
    transfers_in_row: u32,
}

impl Shares {
    /// The path between two is another one.
    pub(in crate::sim) fn forget(&mut self, from: usize, to: usize) {
        self.pairs.remove(&(from, to));
    }

    /// Something was refused, whose rest is not sent.
    pub(in crate::sim) fn refused(&mut self, from: usize, to: usize) {
        self.pairs.entry((from, to)).or_default().again = true;
    }

    /// A bundle is sent. `given`: at present, for a sender and a receiver.
    pub(in crate::sim) fn note(
        &mut self,
        talk: &Talk,
        given: impl Fn((usize, usize)) -> Given,
    ) -> Result<(), Breach> {
        let bulk = |part: &Part| matches!(part.stream, Stream::Lane(Lane::Bulk));
        let shared = |part: &Part| bulk(part) || part.stream == Stream::Transfers;
        if !matches!(talk.line, Line::Direct(..)) || !talk.freight.records.iter().any(shared) {
            return Ok(());
        }
        let pair = (talk.from.index(), talk.to.index());
        let share = self.pairs.entry(pair).or_default();
        if share.epoch != talk.freight.epochs.epoch {
            let again = share.again && share.epoch == 0;
            *share = Share { epoch: talk.freight.epochs.epoch, again, ..Share::default() };
        }
        if !self.touched.contains(&pair) {
            self.touched.push(pair);
            // What has ended since waits for nothing.
            let open = given(pair).transfers;
            let is_open = |number: u64| open.iter().any(|(other, _)| *other == number);
            share.given.transfers.retain(|(number, _)| is_open(*number));
        }
        for part in talk.freight.records.iter().filter(|part| shared(part)) {
            let in_row = share.take(part);
            if in_row > MAX_IN_ROW {
                return Err(Breach::new(
                    Invariant::Turns,
                    format!(
                        "bulk and transfers of node {} to node {} to take turns",
                        pair.0, pair.1
                    ),
                    format!("{in_row} records in a row, the last of which is {part:?}"),
                ));
            }
        }
        Ok(())
    }

    /// Everything up to now is noted.
    pub(in crate::sim) fn review(&mut self, given: impl Fn((usize, usize)) -> Given) {
        for pair in self.touched.drain(..) {
            if let Some(share) = self.pairs.get_mut(&pair) {
                share.given = given(pair);
            }
        }
    }
}

impl Share {
    /// Whether some bulk that was given is unsent.
    fn has_bulk(&self) -> bool {
        !self.again && self.bulk.is_some_and(|(number, _)| number < self.given.bulk)
    }

    /// Whether a transfer has unsent bytes. What announces it counts as its bytes.
    fn has_transfer(&self) -> bool {
        let sent = |number| self.transfers.get(number);
        let mut given = self.given.transfers.iter();
        given.any(|(number, written)| sent(number).is_some_and(|sent| sent < written))
    }

    /// Takes a record. How many of its kind came in a row, while the other waited.
    fn take(&mut self, part: &Part) -> u32 {
        let end = part.at + part.len as u64;
        if part.stream == Stream::Transfers {
            let sent = self.transfers.entry(part.number).or_default();
            *sent = end.max(*sent);
            self.bulk_in_row = 0;
            self.transfers_in_row = if self.has_bulk() { self.transfers_in_row + 1 } else { 0 };
            return self.transfers_in_row;
        }
        let place = if part.end { (part.number + 1, 0) } else { (part.number, end) };
        self.again |= self.bulk.is_some_and(|before| place <= before);
        self.bulk = self.bulk.max(Some(place));
        self.transfers_in_row = 0;
        self.bulk_in_row = if self.has_transfer() { self.bulk_in_row + 1 } else { 0 };
        self.bulk_in_row
    }
}

#[cfg(test)]
mod tests {
    use socketio_p2p_core::wire::{Lane, Stream};

    use super::{Given, Share};
    use crate::freight::Part;

    fn part(stream: Stream, number: u64, at: u64) -> Part {
        Part { stream, number, at, len: 10, end: false }
    }

    #[test]
    fn records_count_while_the_other_kind_waits_and_until_its_turn() {
        let mut share = Share::default();
        let bulk = |at| part(Stream::Lane(Lane::Bulk), 0, at);
        let transfer = |at| part(Stream::Transfers, 0, at);
        assert_eq!([share.take(&bulk(0)), share.take(&transfer(0))], [0, 0]);
        share.given = Given { bulk: 1, transfers: vec![(0, 35)] };
        assert_eq!([share.take(&bulk(10)), share.take(&bulk(20))], [1, 2]);
        assert_eq!([share.take(&transfer(10)), share.take(&transfer(20))], [1, 2]);
        assert_eq!(share.take(&bulk(30)), 1);
        assert_eq!([share.take(&transfer(30)), share.take(&bulk(40))], [1, 0]);
        assert_eq!([share.take(&transfer(40)), share.take(&bulk(40))], [1, 0]);
        assert_eq!(share.take(&transfer(50)), 0);
    }

    #[test]
    fn what_was_given_before_and_is_sent_does_not_wait() {
        let mut share =
            Share { given: Given { bulk: 2, transfers: Vec::new() }, ..Share::default() };
        let last = Part { end: true, ..part(Stream::Lane(Lane::Bulk), 1, 0) };
        assert_eq!(share.take(&last), 0);
        assert_eq!(share.take(&part(Stream::Transfers, 0, 0)), 0);
    }
}
