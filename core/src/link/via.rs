//! The path through a neighbour: sealed bundles, and the choice of the neighbour.

use super::Dropped;
use super::flight::PathKind;
use super::transmit::Part;
use super::turn::CONTROL_BYTES;
use super::{Context, Link};
use crate::id::{Dialect, MAX_PEER_ID, PeerId};
use crate::path::Path;
use crate::time::Time;
use crate::wire::{Item, Lane, Passage, Passed};

/// The number of consecutive time-outs after which another neighbour is chosen.
const MAX_VIA_TIMEOUTS: u32 = 3;

impl Link {
    /// Returns whether this link sends, or may send, through this neighbour.
    pub(crate) fn uses(&self, neighbour: &PeerId) -> bool {
        let is_via = self.route.via().is_some_and(|(via, _)| via == neighbour);
        is_via || self.route.heard_via() == Some(neighbour)
    }

    /// Returns whether there is output for a neighbour.
    pub(crate) fn wants_via(&self, cx: &Context<'_>) -> bool {
        self.incarnation.owes_answer()
            || self.control_is_due(PathKind::Via)
            || self.next(PathKind::Via, 1, cx).is_some()
    }

    /// Returns the next sealed bundle for the neighbour; `max_message` is the maximum message that the
    /// neighbour accepts.
    pub(crate) fn poll_via(
        &mut self,
        own_id: &PeerId,
        neighbour: &PeerId,
        max_message: usize,
        cx: &mut Context<'_>,
    ) -> Option<Passed> {
        let is_via = self.route.via().is_some_and(|(via, _)| via == neighbour);
        // Owed control goes back through the neighbour that the peer used.
        let owes_here = self.route.heard_via().map_or(is_via, |heard| heard == neighbour);
        let bundle = if owes_here && let Some(bundle) = self.take_stale_answer() {
            bundle
        } else {
            let part = Part { owed: owes_here, own: is_via };
            let max = (cx.config.record_bytes + CONTROL_BYTES)
                .min(max_message.checked_sub(CONTROL_BYTES + 2 * MAX_PEER_ID)?);
            self.compose(PathKind::Via, part, max, cx)?
        };
        let passage = Passage { neighbour, from: own_id, to: &self.peer.id };
        let passed = self.seals.seal(passage, bundle)?;
        self.counters.count_out(PathKind::Via, passed.bundle.len());
        self.route.note_paced(passed.bundle.len() + CONTROL_BYTES, cx.now);
        Some(passed)
    }

    /// Returns when the neighbour's rate permits the waiting output.
    pub(super) fn paced_until(&self, now: Time) -> Option<Time> {
        let waits = matches!(self.route.sending(), Some(Path::Via(_)))
            && (Lane::ALL.into_iter().any(|lane| self.sender.waits(lane))
                || self.transfers.outgoing.waits());
        Some(self.route.paced_until()).filter(|until| waits && now < *until)
    }

    /// Queues a forwarded bundle behind the channel's output. Returns `false` when it is not taken.
    pub(crate) fn push_passed(&mut self, item: Item) -> bool {
        let validated = self.is_validated();
        self.attempt
            .channel_mut()
            .filter(|_| validated)
            .is_some_and(|channel| channel.push_passed(item))
    }

    /// Checks the seal of a bundle that `neighbour` forwarded from the peer.
    pub(crate) fn check_seal(
        &self,
        own_id: &PeerId,
        neighbour: &PeerId,
        passed: &Passed,
    ) -> Result<(), Dropped> {
        self.seals.check(Passage { neighbour, from: &self.peer.id, to: own_id }, passed)
    }

    /// Returns whether a bundle with a valid seal and the current epoch is new, and notes it.
    pub(crate) fn is_first(&mut self, neighbour: &PeerId, number: u64) -> bool {
        self.seals.is_first(neighbour, number)
    }

    pub(super) fn note_neighbour(&mut self, path: &Path, cx: &mut Context<'_>) {
        let Path::Via(neighbour) = path else { return };
        cx.out.users_changed |= self.route.set_heard_via(Some(neighbour));
    }

    /// Handles a `no-way` of the neighbour.
    pub(crate) fn fail_via(&mut self, neighbour: &PeerId, cx: &mut Context<'_>) {
        cx.out.vias_changed |= self.route.fail_via(neighbour, cx.now);
    }

    /// Avoids the current neighbour when pings through it went unanswered.
    pub(super) fn doubt_via(&mut self, cx: &mut Context<'_>) {
        if self.dialogue.timeouts() >= MAX_VIA_TIMEOUTS
            && let Some(Path::Via(neighbour)) = self.route.sending().cloned()
        {
            self.fail_via(&neighbour, cx);
        }
    }

    /// Returns whether a neighbour that lists the peer may be its via.
    pub(crate) fn accepts_neighbour(&self, neighbour: &PeerId, now: Time) -> bool {
        self.peer.dialect == Dialect::V1
            && self.seals.has_key()
            && *neighbour != self.peer.id
            && self.route.accepts_neighbour(neighbour, now)
    }

    /// Returns the neighbour that leads to the peer, in use or not, and its rate in bytes per second.
    pub(crate) fn via(&self) -> Option<(&PeerId, u64)> {
        self.route.via()
    }

    pub(crate) fn retry_way_at(&self, now: Time) -> Option<Time> {
        self.route.retry_way_at(now)
    }

    /// Sets the neighbour that leads to the peer, and its rate.
    pub(crate) fn set_via(&mut self, via: Option<(PeerId, u64)>, cx: &mut Context<'_>) {
        let other =
            self.route.via().map(|(neighbour, _)| neighbour) != via.as_ref().map(|(one, _)| one);
        if other {
            self.flight.abandon(PathKind::Via);
            self.dialogue.forget_told(PathKind::Via);
        }
        self.route.set_via(via, cx.now);
        self.settle(cx);
    }

    /// Returns the neighbour through which the peer's last bundle came, if any.
    pub(crate) fn heard_via(&self) -> Option<&PeerId> {
        self.route.heard_via()
    }

    /// Forgets that neighbour, because it is no neighbour any more.
    pub(crate) fn forget_heard_via(&mut self) {
        self.route.set_heard_via(None);
        if !self.route.has(PathKind::Via) {
            self.end_path(PathKind::Via);
        }
    }
}
