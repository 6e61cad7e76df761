//! Commands of the application.

use bytes::Bytes;

use super::flight::{PathKind, PerPath};
use super::sender::QueuedPacket;
use super::transfers::NotWritten;
use super::{Context, Farewell, Link};
use crate::codec::Packet;
use crate::error::{EmitError, PeerError, Unsupported};
use crate::event::{Event, Outcome};
use crate::id::{Dialect, EmitId, PeerId};
use crate::path::Path;
use crate::time::Time;
use crate::transfer::{
    IncomingTransferId, OutgoingTransferId, TransferError, TransferId, TransferOutcome,
    TransferProgress, TransferRead,
};
use crate::wire::{Lane, PeerLimits};

impl Link {
    /// Gives the peer its new id.
    pub(crate) fn rename(&mut self, id: PeerId) {
        self.peer.id = id;
    }

    /// Returns the nonce of `asker` on the channel to the peer, if that is validated.
    pub(crate) fn prove(&mut self, asker: &PeerId, nonce: u64) {
        if self.is_validated()
            && self.peer.dialect == Dialect::V1
            && let Some(channel) = self.attempt.channel_mut()
        {
            channel.tell_proof(asker.clone(), nonce);
        }
    }

    // ----- the direct path -----

    /// Schedules attempts, the first one at once.
    pub(crate) fn schedule_offer_now(&mut self) {
        self.attempt.schedule_now();
    }

    /// Schedules an attempt after the patience for the peer's offer.
    pub(crate) fn schedule_offer_after_patience(&mut self, cx: &Context<'_>) {
        self.attempt.schedule_after_patience(&self.peer, cx);
    }

    /// Starts an attempt. The caller has checked `max_peers`.
    pub(crate) fn offer(&mut self, cx: &mut Context<'_>) {
        self.attempt.offer(&self.peer, cx);
        self.settle(cx);
    }

    /// Handles the application's `upgrade`.
    pub(crate) fn upgrade(&mut self, cx: &mut Context<'_>) {
        self.attempt.upgrade(cx);
        self.settle(cx);
    }

    /// Applies a change of the policy.
    pub(crate) fn apply_policy(&mut self, cx: &mut Context<'_>) {
        self.attempt.apply_policy(&self.peer, cx);
        self.settle(cx);
    }

    /// Applies whether the application takes events. Afterwards a peer that was told to wait learns that it may
    /// go on.
    pub(crate) fn apply_receiving(&mut self, cx: &mut Context<'_>) {
        self.deliver(cx);
        if cx.receiving && self.receiver.take_told_to_wait() {
            self.dialogue.note_told();
        }
        self.settle(cx);
    }

    // ----- events -----

    /// Queues a packet for the peer; `shared`: the same packet goes to others.
    pub(crate) fn emit(
        &mut self,
        lane: Lane,
        packet: Packet,
        emit: Option<EmitId>,
        shared: bool,
        cx: &mut Context<'_>,
    ) -> Result<(), EmitError> {
        self.check_support(&packet)?;
        self.check_limits(&packet, cx)?;
        let peer = || self.peer.id.clone();
        if lane == Lane::Volatile && self.route.sending().is_none() {
            let peer = peer();
            self.sender.note_dropped();
            return Err(EmitError::Dropped(peer));
        }
        match self.sender.push(lane, packet, emit, shared, cx.config, cx.now) {
            Ok(()) => Ok(()),
            Err(_) if lane == Lane::Volatile => Err(EmitError::Dropped(self.peer.id.clone())),
            Err(queued) => Err(EmitError::Blocked { peer: self.peer.id.clone(), lane, queued }),
        }
    }

    /// Queues an event that the peer is to answer until `deadline`. Its ack id is the emit's number.
    pub(crate) fn ask(
        &mut self,
        question: Packet,
        emit: EmitId,
        deadline: Time,
        shared: bool,
        cx: &mut Context<'_>,
    ) -> Result<(), EmitError> {
        if self.replies.len() >= cx.config.max_pending_acks {
            return Err(EmitError::TooManyPendingAcks(self.replies.len()));
        }
        self.emit(Lane::Events, question, Some(emit), shared, cx)?;
        self.replies.expect(emit, deadline);
        Ok(())
    }

    /// Forgets a question: its answer is discarded as a late one.
    #[cfg(feature = "driver")]
    pub(crate) fn forget_question(&mut self, question: EmitId) {
        self.replies.resolve(question.as_u64());
    }

    fn check_support(&self, packet: &Packet) -> Result<(), EmitError> {
        if self.peer.dialect == Dialect::V1 {
            return Ok(());
        }
        let what = match packet.attachments() {
            _ if packet.ack_id().is_some() => Unsupported::Acknowledgement,
            _ if !packet.namespace().is_default() => Unsupported::Namespace,
            [] => return Ok(()),
            [blob] if blob.is_empty() => Unsupported::EmptyBlob,
            [_] => return Ok(()),
            [..] => Unsupported::SeveralBlobs,
        };
        Err(EmitError::UnsupportedByPeer { peer: self.peer.id.clone(), what })
    }

    /// Checks a packet against the limits of the peer's application, if they are known.
    fn check_limits(&self, packet: &Packet, cx: &Context<'_>) -> Result<(), EmitError> {
        match self.peer.limits.filter(|limits| !limits.accept(packet, &cx.config.limits)) {
            None => Ok(()),
            Some(_) => Err(EmitError::BeyondPeerLimits(self.peer.id.clone())),
        }
    }

    /// Sets the limits of the peer's application. Queued packets beyond them that are not sent yet are refused.
    pub(super) fn set_limits(&mut self, limits: PeerLimits, cx: &mut Context<'_>) {
        if self.peer.limits == Some(limits) {
            return;
        }
        self.peer.limits = Some(limits);
        let own = &cx.config.limits;
        let refused = self.sender.take_unsent(|packet| !limits.accept(packet, own));
        for (_, QueuedPacket { emit, .. }) in refused {
            if let Some(emit) = emit {
                let (peer, outcome) = (self.peer.id.clone(), Outcome::Refused);
                cx.out.events.push_back(Event::Outcome { emit, peer, outcome });
            }
        }
    }

    // ----- transfers -----

    /// Opens a transfer with an event.
    pub(crate) fn open_transfer(
        &mut self,
        event: &Packet,
        size: Option<u64>,
        cx: &Context<'_>,
    ) -> Result<OutgoingTransferId, EmitError> {
        if self.peer.dialect == Dialect::V0 {
            let peer = self.peer.id.clone();
            return Err(EmitError::UnsupportedByPeer { peer, what: Unsupported::Transfer });
        }
        self.check_limits(event, cx)?;
        let open = self.transfers.outgoing.len();
        if open >= cx.config.max_transfers {
            return Err(EmitError::TooManyTransfers(open));
        }
        let number = self.transfers.outgoing.open(event, size);
        Ok(self.outgoing_id(number))
    }

    /// Takes bytes from the front of `data` as far as credit and queue allow. Returns their number.
    pub(crate) fn write_transfer(
        &mut self,
        id: &OutgoingTransferId,
        data: &mut Bytes,
        cx: &Context<'_>,
    ) -> Result<usize, TransferError> {
        let written = self.transfers.outgoing.write(id.number, data, cx.config.queue_bytes);
        written.map_err(|why| not_written(id, why))
    }

    /// Marks the end of data.
    pub(crate) fn finish_transfer(&mut self, id: &OutgoingTransferId) -> Result<(), TransferError> {
        self.transfers.outgoing.finish(id.number).map_err(|why| not_written(id, why))
    }

    /// Returns the next bytes received.
    pub(crate) fn read_transfer(
        &mut self,
        id: &IncomingTransferId,
        cx: &mut Context<'_>,
    ) -> Result<TransferRead, TransferError> {
        let read = self.transfers.incoming.read(id.number, cx.config.transfer_window);
        let (read, owes_state) = read.ok_or_else(|| TransferError::Unknown(id.clone().into()))?;
        if owes_state {
            self.dialogue.note_told();
            self.settle(cx);
        }
        Ok(read)
    }

    pub(crate) fn cancel_outgoing(&mut self, id: &OutgoingTransferId) -> Result<(), TransferError> {
        let known = self.transfers.outgoing.abort(id.number);
        if known { Ok(()) } else { Err(TransferError::Unknown(id.clone().into())) }
    }

    pub(crate) fn cancel_incoming(
        &mut self,
        id: &IncomingTransferId,
        cx: &mut Context<'_>,
    ) -> Result<(), TransferError> {
        if !self.transfers.incoming.refuse(id.number) {
            return Err(TransferError::Unknown(id.clone().into()));
        }
        self.dialogue.note_told();
        self.settle(cx);
        Ok(())
    }

    pub(crate) fn transfer_progress(&self, id: &TransferId) -> Option<TransferProgress> {
        match id {
            TransferId::Outgoing(id) => self.transfers.outgoing.progress(id.number),
            TransferId::Incoming(id) => self.transfers.incoming.progress(id.number),
        }
    }

    /// Returns whether the transfer belongs to the current incarnations.
    pub(crate) fn carries(&self, id: &TransferId) -> bool {
        match id {
            TransferId::Outgoing(id) => id.epoch == self.incarnation.ours(),
            TransferId::Incoming(id) => id.epoch == self.incarnation.theirs(),
        }
    }

    pub(super) fn outgoing_id(&self, number: u64) -> OutgoingTransferId {
        OutgoingTransferId {
            peer: self.peer.first_id.clone(),
            epoch: self.incarnation.ours(),
            number,
        }
    }

    pub(super) fn incoming_id(&self, number: u64) -> IncomingTransferId {
        IncomingTransferId {
            peer: self.peer.first_id.clone(),
            epoch: self.incarnation.theirs(),
            number,
        }
    }

    pub(super) fn end_outgoing(
        &self,
        numbers: Vec<u64>,
        outcome: TransferOutcome,
        cx: &mut Context<'_>,
    ) {
        for number in numbers {
            let transfer = self.outgoing_id(number).into();
            cx.out.events.push_back(Event::TransferEnded { transfer, outcome });
        }
    }

    pub(super) fn lose_incoming(&self, numbers: Vec<u64>, cx: &mut Context<'_>) {
        for number in numbers {
            let (transfer, outcome) = (self.incoming_id(number).into(), TransferOutcome::Lost);
            cx.out.events.push_back(Event::TransferEnded { transfer, outcome });
        }
    }

    // ----- leaving -----

    /// Aborts the transfers that the application has not finished, because the session closes.
    pub(crate) fn abort_unfinished_transfers(&mut self, cx: &mut Context<'_>) {
        let aborted = self.transfers.outgoing.abort_all(true);
        self.end_outgoing(aborted, TransferOutcome::Aborted, cx);
    }

    /// Schedules a good-bye, with the final `state`, on every path: a good-bye on one path must not overtake
    /// the acknowledgement on another.
    pub(crate) fn say_goodbye(&mut self) {
        if self.peer.dialect == Dialect::V1 && self.farewell == Farewell::Staying {
            let mut due = PerPath::default();
            for path in PathKind::ALL {
                due[path.index()] = self.route.has(path);
            }
            self.farewell = Farewell::Leaving(due);
            self.attempt.leave();
        }
    }

    /// Sends the peer the list of its neighbours, with the rate of forwarding.
    pub(crate) fn tell_neighbours(&mut self, peers: Vec<PeerId>, rate: u64) {
        if let Some(channel) = self.attempt.channel_mut() {
            channel.tell_neighbours(crate::wire::Neighbours { peers, rate });
        }
    }

    /// Sends the peer a `no-way` for `other`.
    pub(crate) fn refuse_pass(&mut self, other: PeerId) {
        if let Some(channel) = self.attempt.channel_mut() {
            channel.tell_no_way(other);
        }
    }

    /// Refuses the unfinished packet of the peer that uses the most memory. Returns `false` when there is none.
    pub(crate) fn refuse_largest(&mut self, cx: &mut Context<'_>) -> bool {
        self.refuse_for_room(self.receiver.largest_unfinished(), cx)
    }

    /// Refuses the missing packet of the peer behind which complete packets use the most memory, and delivers
    /// those. Returns `false` when there is none.
    pub(crate) fn refuse_gap(&mut self, cx: &mut Context<'_>) -> bool {
        self.refuse_for_room(self.receiver.largest_gap(), cx)
    }

    fn refuse_for_room(&mut self, packet: Option<(Lane, u64)>, cx: &mut Context<'_>) -> bool {
        let Some((lane, number)) = packet else { return false };
        let why = PeerError::NoRoom;
        self.receiver.refuse(lane, number, &Path::Relay, why, usize::MAX);
        self.deliver(cx);
        self.settle(cx);
        true
    }
}

fn not_written(id: &OutgoingTransferId, why: NotWritten) -> TransferError {
    match why {
        NotWritten::Unknown => TransferError::Unknown(id.clone().into()),
        NotWritten::Finished => TransferError::Finished(id.clone()),
        NotWritten::BeyondSize { got, size } => TransferError::BeyondSize { got, size },
        NotWritten::Incomplete { got, size } => TransferError::Incomplete { got, size },
    }
}
