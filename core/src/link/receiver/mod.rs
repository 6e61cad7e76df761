//! The receiver of the lanes: reassembles packets, and delivers them in order and once.

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

/// The lanes from one peer.
#[derive(Debug, Default)]
pub(crate) struct Receiver {
    lanes: [Queue; Lane::RELIABLE.len()],
    volatile: Volatile,
    refused: VecDeque<(Lane, u64)>,
    held: usize,
    /// When unfinished packets without progress are looked for next.
    review_at: Option<Time>,
    /// When the peer became unreachable, or this side stopped receiving.
    paused_since: Option<Time>,
    /// Whether the peer has been told to wait.
    told_to_wait: bool,
}

impl Receiver {
    /// Takes a record of a lane that came in a message of `message` bytes. Returns the number of new bytes, or
    /// `None` when the session has no room for the record.
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

    /// Refuses an unfinished packet. One that is not next in order is refused only while no more than `ahead`
    /// bytes wait.
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

    /// Returns the next packet of a lane, with its number and path, or the error for which it is refused.
    /// Returns nothing on the reliable lanes while the list of refusals is full.
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

    /// Drops the volatile packets that are complete.
    pub(crate) fn drop_volatile(&mut self) {
        self.volatile.finished.clear();
    }

    pub(crate) const fn note_told_to_wait(&mut self) {
        self.told_to_wait = true;
    }

    /// Returns whether the peer has been told to wait, and forgets it.
    pub(crate) const fn take_told_to_wait(&mut self) -> bool {
        std::mem::replace(&mut self.told_to_wait, false)
    }

    /// Notes that the application's side refused a delivered packet.
    pub(crate) fn note_refused(&mut self, lane: Lane, number: u64) {
        if lane != Lane::Volatile {
            self.refused.push_back((lane, number));
        }
    }

    /// Removes the refusals below these numbers, which the peer has settled. Returns whether the list of
    /// refusals has room again.
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

    /// Returns the memory of data that cannot be delivered yet, in bytes.
    pub(crate) fn held(&self) -> usize {
        self.held + self.volatile.held()
    }

    pub(crate) fn next_timeout(&self) -> Option<Time> {
        self.review_at.filter(|_| self.paused_since.is_none())
    }

    /// Refuses unfinished packets without progress. The time in which the peer is away, or this side does not
    /// receive, does not count.
    pub(crate) fn handle_timeout(&mut self, patience: Duration, now: Time) {
        if self.paused_since.is_some() || self.review_at.is_none_or(|at| now < at) {
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

    /// Stops the time-out of unfinished packets.
    pub(crate) fn pause(&mut self, now: Time) {
        self.paused_since.get_or_insert(now);
    }

    /// Resumes the time-out of unfinished packets.
    pub(crate) fn resume(&mut self, now: Time) {
        let Some(since) = self.paused_since.take() else { return };
        let paused = now - since;
        let slots = self.lanes.iter_mut().flat_map(|queue| queue.slots.values_mut());
        let unfinished = slots.filter_map(Slot::unfinished_mut);
        let volatile = self.volatile.unfinished.as_mut().map(|(_, unfinished)| &mut **unfinished);
        for unfinished in unfinished.chain(volatile) {
            unfinished.progressed_at = now.min(unfinished.progressed_at + paused);
        }
        self.review_at = self.review_at.map(|at| at + paused);
    }

    /// Returns whether all packets of the lane before this one have been delivered, and it has not.
    pub(crate) fn is_next(&self, lane: Lane, number: u64) -> bool {
        self.lanes.get(lane.index()).is_some_and(|queue| queue.next == number)
    }

    /// Returns the lane and number of the missing packet behind which complete packets use the most memory.
    pub(crate) fn largest_gap(&self) -> Option<(Lane, u64)> {
        let gaps = Lane::RELIABLE
            .into_iter()
            .zip(&self.lanes)
            .filter(|(_, queue)| !queue.slots.is_empty() && !queue.slots.contains_key(&queue.next));
        gaps.max_by_key(|(_, queue)| queue.held).map(|(lane, queue)| (lane, queue.next))
    }

    /// Returns the lane and number of the unfinished packet that uses the most memory.
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
