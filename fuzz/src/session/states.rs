//! The `state` of the peers: correct, or arbitrary.

use std::collections::BTreeSet;

use socketio_p2p_core::wire::{Incoming, IncomingKind, Lane, LaneState, Place, State, Stream};

use super::Run;
use crate::input::Input;

impl Run {
    /// The `state` of a peer whose application reads everything and takes `window` bytes more of each transfer.
    pub(super) fn honest_state(&mut self, index: usize, window: u64) -> State {
        let remote = &mut self.remotes[index];
        let epoch = remote.epoch;
        let opened = remote.cursor(epoch, Stream::Transfers).number + 1;
        let settled = Lane::RELIABLE.map(|lane| remote.cursor(epoch, Stream::Lane(lane)).number);
        let outgoing = self.model.outgoing(&self.remotes[index].id);
        let lanes = [0, 1].map(|lane| {
            let (number, offset) = outgoing.had(lane);
            LaneState { next: Place { number, offset }, ahead: Vec::new() }
        });
        let transfers = outgoing.transfers.iter().zip(0..);
        let incoming = transfers.map(|(one, number)| Incoming { number, kind: one.honest(window) });
        State {
            lanes,
            seen: outgoing.begun(2) as u64,
            settled: settled.map(|settled| settled.saturating_sub(4)),
            refused: Vec::new(),
            incoming: incoming.collect(),
            opened,
            open: (opened.saturating_sub(3)..opened).collect(),
        }
    }

    /// A `state` near the correct one, or far from it.
    pub(super) fn any_state(&mut self, index: usize, input: &mut Input<'_>) -> State {
        let mut state = self.honest_state(index, 10_000);
        for LaneState { next, ahead } in &mut state.lanes {
            next.number = match input.below(8) {
                0 => next.number + 1,
                1 => next.number.saturating_sub(1),
                2 => next.number / 2,
                3 => input.pick([0, next.number + 2, u64::MAX]),
                _ => next.number,
            };
            next.offset = input.pick([0, 0, next.offset, next.offset / 2, 64, u64::MAX]);
            let mut at = *next;
            for _ in 0..input.pick([0, 0, 1, 2, 5]) {
                let place = |at: Place, input: &mut Input<'_>| match input.below(8) {
                    0 => Place { number: at.number.saturating_add(1), offset: 0 },
                    1 => Place { number: at.number.saturating_add(3), offset: 0 },
                    2 => Place { number: at.number, offset: u64::MAX },
                    3 => Place { number: u64::MAX, offset: 0 },
                    _ => Place { offset: at.offset.saturating_add(64), ..at },
                };
                let from = place(at, input);
                let to = place(from, input);
                ahead.push((from, to));
                at = to;
            }
        }
        state.seen = input.pick([0, state.seen, u64::MAX]);
        if input.below(4) == 0 {
            state.settled = input.pick([[0, 0], [u64::MAX, 0], [1, 3], [u64::MAX; 2]]);
        }
        let refused: BTreeSet<(Lane, u64)> = (0..input.below(4))
            .map(|_| {
                let lane = input.pick(Lane::RELIABLE);
                let next = state.lanes[usize::from(lane.number())].next.number;
                (lane, next.saturating_sub(input.below(6) as u64))
            })
            .collect();
        state.refused = refused.into_iter().collect();
        for Incoming { number, kind } in &mut state.incoming {
            *kind = match input.below(8) {
                0 => IncomingKind::Done,
                1 => IncomingKind::Refused,
                2 => IncomingKind::Aborted,
                3 => IncomingKind::Unknown,
                4 => {
                    let ahead = vec![(input.below(200) as u64, u64::from(input.byte()))];
                    let near = [0, 30, 60, 100, 1_000, u64::MAX];
                    let [read, had, granted] = [(); 3].map(|()| input.pick(near));
                    IncomingKind::Open { read, had, granted, ahead }
                }
                _ => continue,
            };
            if input.below(8) == 7 {
                *number = input.pick([*number + 1, u64::MAX]);
            }
        }
        if input.below(8) == 7 {
            state.incoming.clear();
        }
        state.opened = input.pick([state.opened, state.opened, 0, 1, u64::MAX]);
        state.open.truncate(input.below(4));
        state
    }
}
