//! An open data channel.

use std::collections::VecDeque;
use std::time::Duration;

use super::original;
use crate::codec::Limits;
use crate::id::Dialect;
use crate::id::PeerId;
use crate::time::Time;
use crate::wire::{Item, Neighbours};

/// The maximum number of forwarded bundles that wait for the channel.
const MAX_PASSED: usize = 64;

#[derive(Debug)]
pub(crate) struct Channel {
    /// The maximum message that the remote side accepts, in bytes.
    pub(crate) max_message: usize,
    /// Whether the peer's first bundle of the right epochs has arrived.
    pub(crate) greeted: bool,
    /// Whether a pong has arrived.
    pub(crate) proved: bool,
    /// When the last frame arrived.
    pub(crate) heard_at: Time,
    probed_at: Time,
    /// Whether the limits of this side's application have been sent.
    introduced: bool,
    /// The format of a v0 peer.
    pub(crate) original: Option<original::Wire>,
    /// The list of neighbours to send to the peer.
    neighbours: Option<Neighbours>,
    no_way: VecDeque<PeerId>,
    /// The latest nonce to return to the peer, and the member from which it came.
    proof: Option<(PeerId, u64)>,
    /// Forwarded bundles to send to the peer.
    passed: VecDeque<Item>,
}

impl Channel {
    pub(super) fn new(dialect: Dialect, max_message: usize, limits: &Limits, now: Time) -> Self {
        let is_original = dialect == Dialect::V0;
        Self {
            max_message,
            greeted: is_original,
            proved: is_original,
            heard_at: now,
            probed_at: now,
            introduced: false,
            original: is_original.then(|| original::Wire::new(limits, max_message)),
            neighbours: None,
            no_way: VecDeque::new(),
            proof: None,
            passed: VecDeque::new(),
        }
    }

    pub(super) fn probe_at(&self, interval: Duration) -> Time {
        self.heard_at.max(self.probed_at) + interval
    }

    /// Returns whether the channel has been idle for so long that a ping is due.
    pub(super) fn take_probe(&mut self, now: Time, interval: Duration) -> bool {
        let due = self.probe_at(interval) <= now;
        if due {
            self.probed_at = now;
        }
        due
    }

    /// Returns whether the limits of this side's application are to be sent, once.
    pub(super) fn take_introduction(&mut self) -> bool {
        !std::mem::replace(&mut self.introduced, true)
    }

    /// Returns whether everything has been written.
    pub(super) fn is_idle(&self) -> bool {
        !self.has_items() && self.original.as_ref().is_none_or(original::Wire::is_idle)
    }

    /// Sets the list of neighbours to send to the peer, in place of an unsent one.
    pub(crate) fn tell_neighbours(&mut self, neighbours: Neighbours) {
        self.neighbours = Some(neighbours);
    }

    /// Schedules a `no-way` for this peer, once.
    pub(crate) fn tell_no_way(&mut self, peer: PeerId) {
        if !self.no_way.contains(&peer) && self.no_way.len() < MAX_PASSED {
            self.no_way.push_back(peer);
        }
    }

    /// Schedules the return of a nonce, in place of an unsent one.
    pub(crate) fn tell_proof(&mut self, asker: PeerId, nonce: u64) {
        self.proof = Some((asker, nonce));
    }

    /// Queues a forwarded bundle. Returns `false` when the queue is full.
    pub(crate) fn push_passed(&mut self, item: Item) -> bool {
        let room = self.passed.len() < MAX_PASSED;
        if room {
            self.passed.push_back(item);
        }
        room
    }

    pub(crate) fn has_items(&self) -> bool {
        self.neighbours.is_some()
            || self.proof.is_some()
            || !self.no_way.is_empty()
            || !self.passed.is_empty()
    }

    /// Returns the next item of the session's for this channel.
    pub(crate) fn pop_item(&mut self) -> Option<Item> {
        if let Some(neighbours) = self.neighbours.take() {
            return Some(Item::Neighbours(neighbours));
        }
        if let Some((asker, nonce)) = self.proof.take() {
            return Some(Item::Proof(asker, nonce));
        }
        self.no_way.pop_front().map(Item::NoWay).or_else(|| self.passed.pop_front())
    }
}
