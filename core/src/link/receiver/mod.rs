//! The receiving end of the lanes: puts packets together, and hands them out in order and once.

mod queue;
mod unfinished;
mod volatile;

use std::collections::VecDeque;
use std::time::Duration;

use self::queue::{Queue, Slot};
pub(crate) use self::unfinished::Bounds;
use self::volatile::Volatile;
use crate::codec::Packet;
use crate::error::PeerError;
use crate::path::Path;
use crate::time::Time;
use crate::wire::{Lane, LaneState, MAX_REFUSED, Record};

/// The lanes of one peer.
#[derive(Debug, Default)]
pub(crate) struct Receiver {
    lanes: [Queue; Lane::RELIABLE.len()],
    volatile: Volatile,
    refused: VecDeque<(Lane, u64)>,
    held: usize,
    /// When packets without progress are looked for.
    review_at: Option<Time>,
    /// Since when nothing can come.
    away_since: Option<Time>,
}

impl Receiver {
    /// Takes a record of a lane that came in a message of `message` bytes. How many of its bytes are new; `None`: there is no
    /// room for it in the session.
    pub(crate) fn take(
        &mut self,
        lane: Lane,
        record: Record,
        path: &Path,
        message: usize,
        bounds: Bounds<'_>,
        now: Time,
    ) -> Option<usize> {
        let Some(queue) = self.lanes.get_mut(lane.index()) else {
            self.volatile.take(record, path, message, bounds, now);
            if self.volatile.unfinished.is_some() {
                self.review_at.get_or_insert(now + bounds.patience);
            }
            return Some(0);
        };
        let before = queue.held;
        let news = queue.take(record, path, message, bounds, now);
        if queue.unfinished > 0 {
            self.review_at.get_or_insert(now + bounds.patience);
        }
        self.held = self.held - before + queue.held;
        news
    }

    /// Gives a packet up before it is there: one ahead of its turn as long as no more than `ahead` bytes wait.
    pub(crate) fn refuse(
        &mut self,
        lane: Lane,
        number: u64,
        path: &Path,
        why: PeerError,
        ahead: usize,
    ) {
        if let Some(queue) = self.lanes.get_mut(lane.index()) {
            let before = queue.held;
            queue.refuse(number, path, why, ahead);
            self.held = self.held - before + queue.held;
        }
    }

    /// The next packet of a lane, with its number and the path on which it came; or what made it unacceptable. Nothing of the
    /// reliable lanes while there is no room for another refusal.
    pub(crate) fn pop(&mut self, lane: Lane) -> Option<(u64, Path, Result<Packet, PeerError>)> {
        let Some(queue) = self.lanes.get_mut(lane.index()) else {
            let (path, packet) = self.volatile.finished.pop_front()?;
            return Some((self.volatile.next, path, packet));
        };
        let ready = matches!(queue.slots.get(&queue.next), Some(Slot::Finished { .. }));
        if !ready || self.refused.len() >= MAX_REFUSED {
            return None;
        }
        let Some(Slot::Finished { path, packet, held }) = queue.slots.remove(&queue.next) else {
            return None;
        };
        queue.held -= held;
        self.held -= held;
        queue.next += 1;
        Some((queue.next - 1, path, packet))
    }

    /// A packet that was handed out is not acceptable.
    pub(crate) fn note_refused(&mut self, lane: Lane, number: u64) {
        if lane != Lane::Volatile {
            self.refused.push_back((lane, number));
        }
    }

    /// The peer knows what became of its packets below these numbers. Whether that makes room for refusals.
    pub(crate) fn settle(&mut self, settled: [u64; Lane::RELIABLE.len()]) -> bool {
        let before = self.refused.len();
        self.refused.retain(|(lane, number)| *number >= settled[lane.index()]);
        before >= MAX_REFUSED && self.refused.len() < MAX_REFUSED
    }

    pub(crate) fn refusals(&self) -> Vec<(Lane, u64)> {
        self.refused.iter().copied().collect()
    }

    pub(crate) fn states(&self) -> [LaneState; Lane::RELIABLE.len()] {
        self.lanes.each_ref().map(Queue::state)
    }

    pub(crate) const fn seen(&self) -> u64 {
        self.volatile.seen
    }

    /// The memory that is held by what cannot be handed out yet.
    pub(crate) fn held(&self) -> usize {
        self.held + self.volatile.held()
    }

    pub(crate) fn next_timeout(&self) -> Option<Time> {
        self.review_at.filter(|_| self.away_since.is_none())
    }

    /// Gives up unfinished packets that make no progress. The time in which the peer is away does not count.
    pub(crate) fn handle_timeout(&mut self, patience: Duration, now: Time) {
        if self.away_since.is_some() || self.review_at.is_none_or(|at| now < at) {
            return;
        }
        self.review_at = None;
        let volatile = self.volatile.unfinished.as_ref();
        match volatile.map(|(_, unfinished)| unfinished.progressed_at + patience) {
            Some(due) if now < due => self.review_at = Some(due),
            Some(_) => self.volatile.unfinished = None,
            None => {}
        }
        let mut overdue = Vec::new();
        for (lane, queue) in Lane::RELIABLE.into_iter().zip(&self.lanes) {
            for (number, slot) in &queue.slots {
                let Slot::Unfinished(unfinished) = slot else { continue };
                let due = unfinished.progressed_at + patience;
                if due <= now {
                    overdue.push((lane, *number));
                } else {
                    self.review_at = Some(self.review_at.map_or(due, |at: Time| at.min(due)));
                }
            }
        }
        for (lane, number) in overdue {
            let why = PeerError::Unfinished(patience);
            self.refuse(lane, number, &Path::Relay, why, usize::MAX);
        }
    }

    /// The peer is away: packets need make no progress.
    pub(crate) fn pause(&mut self, now: Time) {
        self.away_since.get_or_insert(now);
    }

    /// The peer is back.
    pub(crate) fn resume(&mut self, now: Time) {
        let Some(since) = self.away_since.take() else { return };
        let away = now - since;
        let slots = self.lanes.iter_mut().flat_map(|queue| queue.slots.values_mut());
        let unfinished = slots.filter_map(Slot::unfinished_mut);
        let volatile = self.volatile.unfinished.as_mut().map(|(_, unfinished)| &mut **unfinished);
        for unfinished in unfinished.chain(volatile) {
            unfinished.progressed_at = now.min(unfinished.progressed_at + away);
        }
        self.review_at = self.review_at.map(|at| at + away);
    }

    /// The lane and number of the unfinished packet that holds the most memory.
    pub(crate) fn largest_unfinished(&self) -> Option<(Lane, u64)> {
        let unfinished = Lane::RELIABLE.into_iter().zip(&self.lanes).flat_map(|(lane, queue)| {
            queue
                .slots
                .iter()
                .filter(|(_, slot)| slot.is_unfinished())
                .map(move |(number, slot)| (slot.held(), lane, *number))
        });
        unfinished.max_by_key(|(held, ..)| *held).map(|(_, lane, number)| (lane, number))
    }
}
