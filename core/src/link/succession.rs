//! The end of an incarnation: its successor, and the outcomes of what it leaves.

use super::flight::PathKind;
use super::{Context, Link, LinkChange, Remote};
use crate::event::{Event, LeaveReason, Outcome};
use crate::id::EmitId;
use crate::transfer::TransferOutcome;

impl Link {
    /// Ends this incarnation and returns its successor, which keeps the state that `verdict` names: none, the
    /// receiving state, or the sending state.
    pub(crate) fn succeed(
        &mut self,
        epoch: u32,
        verdict: LinkChange,
        reason: LeaveReason,
        cx: &mut Context<'_>,
    ) -> Self {
        let incarnation = match verdict {
            LinkChange::GivenUp => self.incarnation.successor_that_has_heard(epoch),
            LinkChange::Renewed => self.incarnation.successor(self.incarnation.ours()),
            LinkChange::Alive | LinkChange::Restarted | LinkChange::Left => {
                self.incarnation.successor(epoch)
            }
        };
        let peer_goes_on = verdict == LinkChange::GivenUp;
        let Remote { id, first_id: _, dialect, limits, profile } = &self.peer;
        let (id, first_id, profile) = (id.clone(), id.clone(), profile.clone());
        let peer = Remote { id, first_id, dialect: *dialect, limits: *limits, profile };
        let seals = self.seals.successor(peer_goes_on);
        let mut next = Self::with(peer, incarnation, self.attempt.successor(), seals, cx.now);
        let lost = self.transfers.incoming.disown();
        self.lose_incoming(lost, cx);
        if verdict == LinkChange::Renewed {
            // The numbers of sent packets have to be passed, although their emits have ended.
            let disowned = self.sender.disown();
            self.end_emits(disowned, cx);
            let lost = self.transfers.outgoing.abort_all(false);
            self.end_outgoing(lost, TransferOutcome::Lost, cx);
            next.sender = std::mem::take(&mut self.sender);
            next.flight = std::mem::take(&mut self.flight);
            PathKind::ALL.into_iter().for_each(|path| next.flight.abandon(path));
            next.sender.set_paused(false);
            next.transfers.outgoing = std::mem::take(&mut self.transfers.outgoing);
        }
        if peer_goes_on {
            next.receiver = std::mem::take(&mut self.receiver);
            next.receiver.resume(cx.now);
            next.transfers.incoming = std::mem::take(&mut self.transfers.incoming);
            next.dialogue.note_told();
        }
        next.route.set_relay(self.route.is_relay_up(), cx.now);
        self.leave(reason, cx);
        next
    }

    /// Ends the link, and reports the reason.
    pub(crate) fn leave(&mut self, reason: LeaveReason, cx: &mut Context<'_>) {
        self.attempt.close(cx);
        let emits = self.sender.drain();
        self.end_emits(emits, cx);
        let lost = self.transfers.outgoing.drain();
        self.end_outgoing(lost, TransferOutcome::Lost, cx);
        let lost = self.transfers.incoming.disown();
        self.lose_incoming(lost, cx);
        for emit in self.replies.drain() {
            cx.out.push_no_ack(emit, self.peer.id.clone(), false);
        }
        let peer = self.peer.id.clone();
        let user = self.peer.profile.user.clone();
        cx.out.events.push_back(Event::PeerLeft { peer, reason, user });
    }

    fn end_emits(&self, emits: Vec<(EmitId, bool)>, cx: &mut Context<'_>) {
        for (emit, sent) in emits {
            let outcome = if sent { Outcome::Unknown } else { Outcome::NotSent };
            let peer = self.peer.id.clone();
            cx.out.events.push_back(Event::Outcome { emit, peer, outcome });
        }
    }
}
