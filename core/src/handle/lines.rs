//! The lines of callers that wait for room in a peer's lane.

use std::collections::{BTreeMap, VecDeque};
use std::task::Waker;

use crate::id::PeerId;
use crate::wire::Lane;

/// All lines. In each, the caller at the head has tried and found no room, or has been woken to try.
#[derive(Debug, Default)]
pub(super) struct Lines {
    lines: BTreeMap<PeerId, [VecDeque<Waiting>; Lane::RELIABLE.len()]>,
    /// The present id of each peer that was renamed while somebody waited.
    renamed: BTreeMap<PeerId, PeerId>,
    next: u64,
}

#[derive(Debug)]
struct Waiting {
    number: u64,
    waker: Waker,
}

/// A place in a line.
#[derive(Clone, Debug)]
pub(super) struct Ticket {
    pub(super) peer: PeerId,
    lane: Lane,
    number: u64,
}

/// The position of a ticket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    Head,
    Behind,
    /// The link to the peer has ended since, and with it the line.
    Gone,
}

impl Lines {
    /// Returns whether nobody waits at all.
    pub(super) fn is_empty(&self) -> bool {
        self.lines.is_empty()
    }

    /// Returns whether nobody waits for a peer's lane.
    pub(super) fn is_free(&self, peer: &PeerId, lane: Lane) -> bool {
        self.lines.is_empty() || self.line(peer, lane).is_none_or(VecDeque::is_empty)
    }

    /// Adds a caller at the end of a line.
    pub(super) fn join(&mut self, peer: PeerId, lane: Lane, waker: &Waker) -> Ticket {
        let number = self.next;
        self.next += 1;
        let present = self.present_id(&peer).clone();
        let lines = self.lines.entry(present).or_default();
        if let Some(line) = lines.get_mut(lane.index()) {
            line.push_back(Waiting { number, waker: waker.clone() });
        }
        Ticket { peer, lane, number }
    }

    /// Returns the position of a caller, and keeps its waker.
    pub(super) fn place(&mut self, ticket: &Ticket, waker: &Waker) -> Place {
        let Some(line) = self.line_mut(&ticket.peer, ticket.lane) else { return Place::Gone };
        let Some(index) = find(line, ticket.number) else { return Place::Gone };
        if let Some(waiting) = line.get_mut(index) {
            waiting.waker.clone_from(waker);
        }
        if index == 0 { Place::Head } else { Place::Behind }
    }

    /// Removes a caller. The one behind a head becomes the head.
    pub(super) fn leave(&mut self, ticket: &Ticket, woken: &mut Vec<Waker>) {
        let Some(line) = self.line_mut(&ticket.peer, ticket.lane) else { return };
        let Some(index) = find(line, ticket.number) else { return };
        line.remove(index);
        if index == 0 {
            self.wake_head(&ticket.peer, ticket.lane, woken);
        }
        let peer = self.present_id(&ticket.peer).clone();
        if self.lines.get(&peer).is_some_and(|lines| lines.iter().all(VecDeque::is_empty)) {
            self.remove(&peer);
        }
    }

    fn remove(&mut self, peer: &PeerId) -> Option<[VecDeque<Waiting>; Lane::RELIABLE.len()]> {
        let removed = self.lines.remove(peer);
        if self.lines.is_empty() {
            self.renamed.clear();
        }
        removed
    }

    /// Moves the lines of a peer to its new id.
    pub(super) fn rename(&mut self, from: &PeerId, to: &PeerId) {
        if let Some(lines) = self.lines.remove(from) {
            self.renamed.values_mut().filter(|id| *id == from).for_each(|id| id.clone_from(to));
            self.renamed.insert(from.clone(), to.clone());
            self.lines.insert(to.clone(), lines);
        }
    }

    /// Wakes the head of a line, because there may be room.
    pub(super) fn wake_head(&self, peer: &PeerId, lane: Lane, woken: &mut Vec<Waker>) {
        let head = self.line(peer, lane).and_then(VecDeque::front);
        woken.extend(head.map(|waiting| waiting.waker.clone()));
    }

    /// Ends the lines for a peer that left.
    pub(super) fn end(&mut self, peer: &PeerId, woken: &mut Vec<Waker>) {
        let ended = self.remove(peer).into_iter().flatten().flatten();
        woken.extend(ended.map(|waiting| waiting.waker));
    }

    /// Ends all lines.
    pub(super) fn end_all(&mut self, woken: &mut Vec<Waker>) {
        self.renamed.clear();
        let ended = std::mem::take(&mut self.lines).into_values().flatten().flatten();
        woken.extend(ended.map(|waiting| waiting.waker));
    }

    fn line(&self, peer: &PeerId, lane: Lane) -> Option<&VecDeque<Waiting>> {
        self.lines.get(self.present_id(peer))?.get(lane.index())
    }

    fn line_mut(&mut self, peer: &PeerId, lane: Lane) -> Option<&mut VecDeque<Waiting>> {
        let peer = self.renamed.get(peer).unwrap_or(peer);
        self.lines.get_mut(peer)?.get_mut(lane.index())
    }

    fn present_id<'a>(&'a self, peer: &'a PeerId) -> &'a PeerId {
        self.renamed.get(peer).unwrap_or(peer)
    }
}

fn find(line: &VecDeque<Waiting>, number: u64) -> Option<usize> {
    line.binary_search_by_key(&number, |waiting| waiting.number).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn peer(name: &'static str) -> PeerId {
        PeerId::new(name).unwrap()
    }

    #[test]
    fn a_line_goes_on_under_the_new_id_of_its_peer_and_keeps_its_order() {
        let (mut lines, mut woken) = (Lines::default(), Vec::new());
        let waker = Waker::noop();
        let first = lines.join(peer("a"), Lane::Events, waker);
        lines.rename(&peer("a"), &peer("b"));
        lines.rename(&peer("b"), &peer("c"));
        let second = lines.join(peer("c"), Lane::Events, waker);
        assert!(!lines.is_free(&peer("a"), Lane::Events));
        assert_eq!(lines.place(&first, waker), Place::Head);
        assert_eq!(lines.place(&second, waker), Place::Behind);
        lines.wake_head(&peer("c"), Lane::Events, &mut woken);
        assert_eq!(woken.len(), 1);
        lines.leave(&first, &mut woken);
        assert_eq!(lines.place(&second, waker), Place::Head);
        lines.leave(&second, &mut woken);
        assert!(lines.is_empty() && lines.renamed.is_empty());
    }

    #[test]
    fn the_lines_of_a_peer_that_left_after_a_rename_are_gone() {
        let (mut lines, mut woken) = (Lines::default(), Vec::new());
        let ticket = lines.join(peer("a"), Lane::Bulk, Waker::noop());
        lines.rename(&peer("a"), &peer("b"));
        lines.end(&peer("b"), &mut woken);
        assert_eq!((woken.len(), lines.place(&ticket, Waker::noop())), (1, Place::Gone));
        assert!(lines.is_empty() && lines.renamed.is_empty());
    }
}
