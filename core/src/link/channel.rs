//! An open data channel.

use std::collections::VecDeque;
use std::time::Duration;

use super::original;
use crate::codec::Limits;
use crate::id::Dialect;
use crate::id::PeerId;
use crate::time::Time;
use crate::wire::{Item, Neighbours};

/// Bundles of others that wait to be written.
const MAX_PASSED: usize = 64;

#[derive(Debug)]
pub(crate) struct Channel {
    /// The longest message that the remote end takes.
    pub(crate) max_message: usize,
    /// Whether the peer has said who it is.
    pub(crate) greeted: bool,
    /// Whether a ping has come back.
    pub(crate) proved: bool,
    /// When something came last.
    pub(crate) heard_at: Time,
    probed_at: Time,
    /// We have said what our application accepts.
    introduced: bool,
    /// For an original client: its own form.
    pub(crate) original: Option<original::Wire>,
    /// What the session says to the neighbour at the other end.
    neighbours: Option<Neighbours>,
    no_way: VecDeque<PeerId>,
    /// Bundles that only go through the neighbour at the other end.
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
            passed: VecDeque::new(),
        }
    }

    pub(super) fn probe_at(&self, interval: Duration) -> Time {
        self.heard_at.max(self.probed_at) + interval
    }

    /// Whether the channel has been quiet for so long that a ping is due.
    pub(super) fn take_probe(&mut self, now: Time, interval: Duration) -> bool {
        let due = self.probe_at(interval) <= now;
        if due {
            self.probed_at = now;
        }
        due
    }

    /// Whether the peer is still to hear what our application accepts; from now on it is not.
    pub(super) fn take_introduction(&mut self) -> bool {
        !std::mem::replace(&mut self.introduced, true)
    }

    /// Whether everything has been written.
    pub(super) fn is_idle(&self) -> bool {
        !self.has_items() && self.original.as_ref().is_none_or(original::Wire::is_idle)
    }

    /// Tells the neighbour at the other end about others, in place of what it was told before.
    pub(crate) fn tell_neighbours(&mut self, neighbours: Neighbours) {
        self.neighbours = Some(neighbours);
    }

    /// Tells the neighbour that nothing is passed on to this peer. Each is said once.
    pub(crate) fn tell_no_way(&mut self, peer: PeerId) {
        if !self.no_way.contains(&peer) && self.no_way.len() < MAX_PASSED {
            self.no_way.push_back(peer);
        }
    }

    /// Puts a bundle of others behind those that wait. `false`: there is no room.
    pub(crate) fn push_passed(&mut self, item: Item) -> bool {
        let room = self.passed.len() < MAX_PASSED;
        if room {
            self.passed.push_back(item);
        }
        room
    }

    pub(crate) fn has_items(&self) -> bool {
        self.neighbours.is_some() || !self.no_way.is_empty() || !self.passed.is_empty()
    }

    /// The next of what the session has to say on this channel.
    pub(crate) fn pop_item(&mut self) -> Option<Item> {
        if let Some(neighbours) = self.neighbours.take() {
            return Some(Item::Neighbours(neighbours));
        }
        self.no_way.pop_front().map(Item::NoWay).or_else(|| self.passed.pop_front())
    }
}
