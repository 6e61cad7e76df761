//! The ranges that a session acknowledges: all of them were received, and all received ranges are among them.

use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet, VecDeque};

use socketio_p2p_core::wire::{
    Epochs, IncomingKind, Lane, LaneState, MAX_RANGES, Place, State, Stream,
};
use socketio_p2p_core::{Config, Time};

use super::came::Came;
use crate::freight::Part;
use crate::invariant::{Breach, Invariant};
use crate::mesh::{Hearing, Talk};

/// What a piece that waits may cost, beside its bytes and a quarter of them.
const PIECE: usize = 384;

/// With less memory for all peers what has come may have been dropped for the others.
const AMPLE: usize = 16 << 20;

/// Transfers that are remembered.
const MAX_TRANSFERS: usize = 64;

/// What one session has of one other, by what was carried to it.
#[derive(Debug, Default)]
pub(super) struct Holdings {
    /// The incarnation of the other whose packets these are.
    of: u32,
    lanes: [Held; Lane::RELIABLE.len()],
    transfers: BTreeMap<u64, Came>,
    /// One above the highest number of the volatile lane.
    seen: u64,
    /// Up to what the other has said that it has of this session's packets, of which incarnation.
    heard: (u32, [u64; Lane::RELIABLE.len()]),
}

/// A reliable lane.
#[derive(Debug, Default)]
struct Held {
    /// Packets that were not below `next` at the last look.
    came: BTreeMap<u64, Came>,
    next: u64,
    refused: BTreeSet<u64>,
    complete: Complete,
}

/// What must not be left out: it was surely taken.
#[derive(Debug, Default)]
struct Complete {
    /// What has come since the last look.
    fresh: VecDeque<Fresh>,
    pieces: Vec<(Place, Place)>,
    /// Of the last look, its place among all that is said and heard.
    looked: u64,
    /// What was there of the next packet then.
    had: u64,
    /// When the last of the pieces came.
    latest: Time,
    /// The last place up to which something may have come.
    reach: Place,
    /// Something may have come or not, up to `reach`.
    is_unsure: bool,
}

/// A piece that has come, and the place of that among all that is said and heard.
#[derive(Clone, Copy, Debug)]
struct Fresh {
    order: u64,
    at: Time,
    from: Place,
    to: Place,
}

impl Holdings {
    /// The ends are others, or one of them may have forgotten something.
    pub(super) fn doubt(&mut self) {
        self.lanes.iter_mut().for_each(|lane| lane.complete.doubt());
    }

    /// Something of the other has come. `heard`: when; otherwise it may have come, or may come still.
    pub(super) fn hear(&mut self, talk: &Talk, heard: Option<Hearing>, mutual: bool) {
        let Epochs { epoch, peer_epoch } = talk.freight.epochs;
        if let Some(state) = talk.freight.state.as_deref().filter(|_| peer_epoch > 0) {
            if peer_epoch > self.heard.0 {
                self.heard = (peer_epoch, [0; Lane::RELIABLE.len()]);
            }
            if peer_epoch == self.heard.0 {
                for (heard, lane) in self.heard.1.iter_mut().zip(&state.lanes) {
                    *heard = lane.next.number.max(*heard);
                }
            }
        }
        if talk.freight.records.is_empty() || epoch < self.of {
            return;
        }
        if epoch > self.of {
            let heard = self.heard;
            *self = Self { of: epoch, heard, ..Self::default() };
        }
        for part in &talk.freight.records {
            self.take(part, heard.filter(|_| mutual));
        }
    }

    fn take(&mut self, part: &Part, heard: Option<Hearing>) {
        let Part { stream, number, at, len, end } = *part;
        let lane = match stream {
            Stream::Transfers => {
                self.transfers.entry(number).or_default().add(at, len as u64, end);
                return;
            }
            Stream::Lane(lane) => lane,
        };
        let Some(held) = self.lanes.get_mut(usize::from(lane.number())) else {
            self.seen = self.seen.max(number + 1);
            return;
        };
        if number < held.next {
            return;
        }
        held.came.entry(number).or_default().add(at, len as u64, end);
        let (from, to) = (Place { number, offset: at }, Place { number, offset: at + len as u64 });
        let complete = &mut held.complete;
        complete.reach = complete.reach.max(to);
        match heard {
            Some(Hearing { at, order }) => complete.fresh.push_back(Fresh { order, at, from, to }),
            None => complete.doubt(),
        }
    }

    /// The other has received the list of packets that the session refuses.
    pub(super) fn note_refusals(&mut self, talk: &Talk) {
        let Some(state) = talk.freight.state.as_deref() else { return };
        if talk.freight.epochs.peer_epoch == self.of {
            self.lanes
                .iter_mut()
                .zip(Lane::RELIABLE)
                .for_each(|(held, lane)| held.refuse(state, lane));
        }
    }

    /// The session says what it has. `sure`: it takes whatever comes and fits.
    pub(super) fn say(&mut self, talk: &Talk, config: &Config, sure: bool) -> Result<(), Breach> {
        let Some(state) = talk.freight.state.as_deref() else { return Ok(()) };
        let Epochs { epoch, peer_epoch } = talk.freight.epochs;
        let wrong = |why: &str, got: String| {
            let expected = format!("{:?} to tell {:?} {why}", talk.from, talk.to);
            Err(Breach::new(Invariant::Holdings, expected, got))
        };
        // What the hub carries is seen later than it is said: by then others may be known.
        let heard = match self.heard.0.cmp(&epoch) {
            Ordering::Less => [0; Lane::RELIABLE.len()],
            Ordering::Equal => self.heard.1,
            Ordering::Greater => [u64::MAX; Lane::RELIABLE.len()],
        };
        if state.settled.iter().zip(heard).any(|(settled, heard)| *settled > heard) {
            let why = "that it knows what became of its packets as far as it has heard";
            return wrong(why, format!("up to {:?}, has heard up to {heard:?}", state.settled));
        }
        if peer_epoch == 0 || peer_epoch != self.of {
            return Ok(());
        }
        if state.seen > self.seen {
            return wrong("of volatile events that came", format!("{} {}", state.seen, self.seen));
        }
        for (lane, (held, told)) in
            Lane::RELIABLE.into_iter().zip(self.lanes.iter_mut().zip(&state.lanes))
        {
            held.refuse(state, lane);
            if let Some(why) = held.check(told) {
                return wrong(why, format!("{lane:?} {told:?}"));
            }
            let sent = talk.sent;
            let ample = sure && config.receive_bytes >= AMPLE;
            let left_out = held.complete.check(told, (sent.order, sent.held), config.queue_bytes);
            if let Some((from, to)) = left_out.filter(|_| ample) {
                let why = "of all that has come, or of the first of it";
                return wrong(why, format!("nothing of {from:?} to {to:?} in {lane:?} {told:?}"));
            }
        }
        self.check_transfers(state, config).map_or(Ok(()), |(why, got)| wrong(why, got))
    }

    fn check_transfers(
        &mut self,
        state: &State,
        config: &Config,
    ) -> Option<(&'static str, String)> {
        for incoming in &state.incoming {
            let IncomingKind::Open { read, had, granted, ahead } = &incoming.kind else { continue };
            let nothing = Came::default();
            let came = self.transfers.get(&incoming.number).unwrap_or(&nothing);
            // One more is told of what is whole.
            let most = came.had() + u64::from(came.is_whole());
            if *had > most
                || *read > *had
                || !ahead.iter().all(|(from, to)| came.covers(*from, *to))
            {
                return Some((
                    "of bytes of a transfer that came",
                    format!("{incoming:?} {came:?}"),
                ));
            }
            let window = config.transfer_window as u64;
            if *granted > read + window || (*read == 0 && *granted > 0) {
                let why = "that a transfer may go as far as its window beyond what was read";
                return Some((why, format!("{incoming:?}, window {window}")));
            }
        }
        if self.transfers.len() > MAX_TRANSFERS {
            let told = |number: &u64| state.incoming.iter().any(|one| one.number == *number);
            let newest = self.transfers.keys().next_back().copied().unwrap_or(0);
            self.transfers
                .retain(|number, _| told(number) || number + MAX_TRANSFERS as u64 / 2 > newest);
        }
        None
    }
}

impl Held {
    fn refuse(&mut self, state: &State, lane: Lane) {
        let of_lane =
            state.refused.iter().filter(|(of, number)| *of == lane && *number >= self.next);
        self.refused.extend(of_lane.map(|(_, number)| *number));
    }

    /// What is wrong with what is told, if anything.
    fn check(&mut self, told: &LaneState) -> Option<&'static str> {
        let LaneState { next, ahead } = told;
        let mut last = None;
        for (from, to) in ahead {
            let apart = last.map_or(*from >= *next, |last| *from > last);
            if !apart || from >= to {
                return Some("of ranges in order and apart from each other");
            }
            last = Some(*to);
        }
        // What the hub carries is seen later than it is said.
        if next.number < self.next {
            return None;
        }
        while self.next < next.number {
            let whole = self.came.remove(&self.next).is_some_and(|came| came.is_whole());
            if !self.refused.remove(&self.next) && !whole {
                return Some("of packets below the next that have come or are refused");
            }
            self.next += 1;
        }
        let nothing = Came::default();
        let came = |number| self.came.get(&number).unwrap_or(&nothing);
        if next.offset > came(next.number).had() {
            return Some("of bytes of the next packet that have come");
        }
        for (from, to) in ahead {
            for number in from.number..=to.number {
                let start = if number == from.number { from.offset } else { 0 };
                let has = if number == to.number {
                    came(number).covers(start, to.offset)
                } else {
                    // As a whole it may be refused: that is seen when its turn comes.
                    start == 0 || came(number).covers_rest(start)
                };
                if !has {
                    return Some("of ranges that have come");
                }
            }
        }
        None
    }
}

impl Complete {
    fn doubt(&mut self) {
        self.fresh.clear();
        self.pieces.clear();
        self.is_unsure = true;
    }

    /// What has come, is not told, and should be.
    fn check(
        &mut self,
        told: &LaneState,
        (order, held): (u64, Time),
        room: usize,
    ) -> Option<(Place, Place)> {
        let next = told.next;
        if order < self.looked {
            return None;
        }
        self.looked = order;
        if self.is_unsure {
            self.doubt();
            self.is_unsure = next < self.reach;
            self.had = next.offset;
            return None;
        }
        while let Some(fresh) = self.fresh.pop_front_if(|fresh| fresh.order < order) {
            self.latest = fresh.at;
            self.pieces.push((fresh.from, fresh.to));
        }
        let bytes = |(from, to): &(Place, Place)| (to.offset - from.offset) as usize;
        let cost = |bytes: usize| bytes * 5 / 4 + PIECE;
        let pieces = self.pieces.iter().map(|piece| cost(bytes(piece)));
        let weight = pieces.sum::<usize>() + cost(self.had as usize);
        self.had = next.offset;
        if weight > room {
            self.doubt();
            return None;
        }
        self.pieces.retain(|(_, to)| *to > next);
        // What it says now may have been put together when it could act last.
        if held >= self.latest {
            return None;
        }
        let full = told.ahead.len() >= MAX_RANGES;
        let last = told.ahead.last().map_or(next, |(_, to)| *to);
        let has = |(from, to): &(Place, Place)| {
            (full && *to > last) || told.ahead.iter().any(|(start, end)| start <= from && to <= end)
        };
        self.pieces.iter().find(|piece| !has(piece)).copied()
    }
}

#[cfg(test)]
mod tests {
    use socketio_p2p_core::Time;
    use socketio_p2p_core::wire::{Lane, LaneState, Place, Stream};

    use super::{Held, Holdings};
    use crate::freight::Part;
    use crate::mesh::Hearing;

    const ROOM: usize = 1 << 16;

    fn place(number: u64, offset: u64) -> Place {
        Place { number, offset }
    }

    fn told(next: Place, ahead: &[(Place, Place)]) -> LaneState {
        LaneState { next, ahead: ahead.to_vec() }
    }

    /// Pieces of packets of 20 bytes, one millisecond after the other: number and offset, 10 bytes each.
    fn held(pieces: &[(u64, u64)]) -> Held {
        let mut holdings = Holdings::default();
        for (order, (number, at)) in pieces.iter().enumerate() {
            let (stream, number, at) = (Stream::Lane(Lane::Events), *number, *at);
            let part = Part { stream, number, at, len: 10, end: at == 10 };
            let order = order as u64 + 1;
            holdings.take(&part, Some(Hearing { at: Time::from_millis(order), order }));
        }
        let [events, _] = holdings.lanes;
        events
    }

    #[test]
    fn nothing_is_told_that_has_not_come() {
        let pieces = [(0, 0), (0, 10), (1, 0), (2, 10), (4, 0)];
        let check = |next, ahead: &[(Place, Place)]| held(&pieces).check(&told(next, ahead));
        let (third, fifth) = ((place(2, 10), place(3, 0)), (place(4, 0), place(4, 10)));
        assert_eq!(check(place(1, 10), &[third, fifth]), None);
        assert!(check(place(1, 11), &[]).is_some());
        assert!(check(place(2, 0), &[]).is_some());
        assert!(check(place(1, 10), &[fifth, third]).is_some());
        assert!(check(place(1, 10), &[(place(2, 9), place(3, 0))]).is_some());
        assert!(check(place(1, 10), &[(place(4, 0), place(4, 11))]).is_some());
    }

    #[test]
    fn nothing_is_left_out_of_what_came_before_it_was_said() {
        let pieces = [(0, 10), (2, 0), (4, 10)];
        let check = |order, ahead: &[(Place, Place)]| {
            let state = told(place(0, 0), ahead);
            held(&pieces).complete.check(&state, (order, Time::ZERO), ROOM)
        };
        let all = [(0, 10), (2, 0), (4, 10)]
            .map(|(number, at)| (place(number, at), place(number, at + 10)));
        assert_eq!(check(9, &all), None);
        assert_eq!(check(9, &all[..2]), Some(all[2]));
        assert_eq!(check(3, &all[..2]), None);
        assert_eq!(check(9, &[all[0], all[2]]), Some(all[1]));
    }
}
