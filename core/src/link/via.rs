//! The way through a neighbour: bundles sealed for the peer, and which neighbour it is.

use super::Dropped;
use super::flight::PathKind;
use super::transmit::Part;
use super::turn::CONTROL_BYTES;
use super::{Context, Link};
use crate::id::{Dialect, MAX_PEER_ID, PeerId};
use crate::path::Path;
use crate::time::Time;
use crate::wire::{Item, Lane, Passage, Passed};

/// Time-outs in a row after which a neighbour is given up for another.
const MAX_VIA_TIMEOUTS: u32 = 3;

impl Link {
    /// Whether something goes, or may go, through this neighbour.
    pub(crate) fn uses(&self, neighbour: &PeerId) -> bool {
        let is_via = self.route.via().is_some_and(|(via, _)| via == neighbour);
        is_via || self.route.heard_via() == Some(neighbour)
    }

    /// Whether there is something for a neighbour.
    pub(crate) fn wants_via(&self, cx: &Context<'_>) -> bool {
        self.incarnation.owes_answer()
            || self.control_is_due(PathKind::Via)
            || self.next(PathKind::Via, 1, cx).is_some()
    }

    /// The next bundle for the neighbour, sealed; `max_message`: the longest message that it takes.
    pub(crate) fn poll_via(
        &mut self,
        own_id: &PeerId,
        neighbour: &PeerId,
        max_message: usize,
        cx: &mut Context<'_>,
    ) -> Option<Passed> {
        let is_via = self.route.via().is_some_and(|(via, _)| via == neighbour);
        // What is owed goes back the way that the peer has taken.
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
        self.route.note_paced(passed.bundle.len() + CONTROL_BYTES, cx.now);
        Some(passed)
    }

    /// When the neighbour takes more of what waits for it.
    pub(super) fn paced_until(&self, now: Time) -> Option<Time> {
        let waits = matches!(self.route.sending(), Some(Path::Via(_)))
            && (Lane::ALL.into_iter().any(|lane| self.sender.waits(lane))
                || self.transfers.outgoing.waits());
        Some(self.route.paced_until()).filter(|until| waits && now < *until)
    }

    /// Puts a bundle that is passed on behind what the channel has to write. `false`: it does not take it.
    pub(crate) fn push_passed(&mut self, item: Item) -> bool {
        let validated = self.is_validated();
        self.attempt
            .channel_mut()
            .filter(|_| validated)
            .is_some_and(|channel| channel.push_passed(item))
    }

    /// Whether the peer has sealed what `neighbour` passes on as from it.
    pub(crate) fn check_seal(
        &self,
        own_id: &PeerId,
        neighbour: &PeerId,
        passed: &Passed,
    ) -> Result<(), Dropped> {
        self.seals.check(Passage { neighbour, from: &self.peer.id, to: own_id }, passed)
    }

    /// Whether a genuine bundle of the current epoch comes for the first time.
    pub(crate) fn is_first(&mut self, neighbour: &PeerId, number: u64) -> bool {
        self.seals.is_first(neighbour, number)
    }

    pub(super) fn note_neighbour(&mut self, path: &Path, cx: &mut Context<'_>) {
        let Path::Via(neighbour) = path else { return };
        cx.out.users_changed |= self.route.set_heard_via(Some(neighbour));
    }

    /// The neighbour does not pass on.
    pub(crate) fn fail_via(&mut self, neighbour: &PeerId, cx: &mut Context<'_>) {
        cx.out.vias_changed |= self.route.fail_via(neighbour, cx.now);
    }

    /// A way on which nothing comes back is given up.
    pub(super) fn doubt_via(&mut self, cx: &mut Context<'_>) {
        if self.dialogue.timeouts() >= MAX_VIA_TIMEOUTS
            && let Some(Path::Via(neighbour)) = self.route.sending().cloned()
        {
            self.fail_via(&neighbour, cx);
        }
    }

    /// Whether a neighbour that knows the peer is a way to it.
    pub(crate) fn accepts_neighbour(&self, neighbour: &PeerId, now: Time) -> bool {
        self.peer.dialect == Dialect::V1
            && self.seals.has_key()
            && *neighbour != self.peer.id
            && self.route.accepts_neighbour(neighbour, now)
    }

    /// The neighbour through which the peer can be reached, used or not, and the bytes per second that it passes on.
    pub(crate) fn via(&self) -> Option<(&PeerId, u64)> {
        self.route.via()
    }

    pub(crate) fn retry_way_at(&self, now: Time) -> Option<Time> {
        self.route.retry_way_at(now)
    }

    /// Sets the neighbour through which the peer can be reached, and how fast it passes on.
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

    /// The neighbour through which the peer's last bundle came, if it came through one.
    pub(crate) fn heard_via(&self) -> Option<&PeerId> {
        self.route.heard_via()
    }

    /// That neighbour is not one any more.
    pub(crate) fn forget_heard_via(&mut self) {
        self.route.set_heard_via(None);
        if !self.route.has(PathKind::Via) {
            self.end_path(PathKind::Via);
        }
    }
}
