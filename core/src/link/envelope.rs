//! Envelopes for the relay: a bundle for one peer, or a record for several peers in one upload.

use std::ops::Range;

use bytes::Bytes;

use super::flight::PathKind;
use super::sender::Piece;
use super::transmit::Part;
use super::turn::{CONTROL_BYTES, Next};
use super::{Context, Link};
use crate::id::{Dialect, EmitId, MAX_PEER_ID};
use crate::redacted::Redacted;
use crate::wire::{HubLimits, Numbers, Recipient};

/// The overhead of an envelope.
const ENVELOPE_BYTES: usize = 256;

/// The overhead of each recipient of an envelope.
const RECIPIENT_BYTES: usize = 2 * MAX_PEER_ID + 128;

/// The maximum number of windows in flight to a peer that joins an envelope.
const JOINED_WINDOWS: usize = 2;

/// The content of an envelope.
#[derive(Debug)]
pub(crate) enum Envelope {
    /// A bundle for this peer alone.
    Bundle(Redacted<Bytes>),
    /// A record, which other peers may share.
    Record { recipient: Recipient, shared: Shared, bytes: Redacted<Bytes> },
}

/// The record that one upload carries to several peers: a piece of the same emit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Shared {
    /// `None` for a packet to one peer.
    pub(super) emit: Option<EmitId>,
    pub(crate) bytes: Range<u64>,
    pub(crate) end: bool,
}

impl Shared {
    /// Returns whether other peers may share the record.
    pub(crate) const fn is_for_many(&self) -> bool {
        self.emit.is_some()
    }
}

impl Link {
    /// Returns whether there is output for the relay.
    pub(crate) fn wants_relay(&self, cx: &Context<'_>) -> bool {
        self.route.is_relay_up()
            && (self.control_is_due(PathKind::Relay)
                || self.incarnation.owes_answer()
                || self.next(PathKind::Relay, 1, cx).is_some())
    }

    /// Returns whether the next record may be that of another link's envelope. A full window does not exclude
    /// it: pongs arrive one by one, and a link that is behind the others by one record would never share an
    /// upload again.
    pub(crate) fn may_join_envelope(&self, cx: &Context<'_>) -> bool {
        self.route.is_relay_up()
            && self
                .next_within(PathKind::Relay, 1, JOINED_WINDOWS, cx)
                .is_some_and(|next| next.is_shared(PathKind::Relay))
    }

    /// Returns the next envelope for the relay, within the hub's limits.
    pub(crate) fn poll_relay(
        &mut self,
        limits: &HubLimits,
        cx: &mut Context<'_>,
    ) -> Option<Envelope> {
        let envelope = self.next_envelope(limits, cx)?;
        let (Envelope::Bundle(Redacted(body)) | Envelope::Record { bytes: Redacted(body), .. }) =
            &envelope;
        self.counters.count_out(PathKind::Relay, body.len());
        Some(envelope)
    }

    fn next_envelope(&mut self, limits: &HubLimits, cx: &mut Context<'_>) -> Option<Envelope> {
        if !self.route.is_relay_up() {
            return None;
        }
        let most = (limits.max_envelope as usize).saturating_sub(ENVELOPE_BYTES + RECIPIENT_BYTES);
        if self.peer.dialect == Dialect::V0 {
            return self.poll_original_relay(most, cx);
        }
        if let Some(bundle) = self.take_stale_answer() {
            return Some(Envelope::Bundle(Redacted(bundle)));
        }
        if !self.control_is_due(PathKind::Relay)
            && let Some(record) = self.poll_shared(most, cx)
        {
            return Some(record);
        }
        let max = most.min(cx.config.record_bytes + CONTROL_BYTES);
        let bundle = self.compose(PathKind::Relay, Part::ALL, max, cx)?;
        Some(Envelope::Bundle(Redacted(bundle)))
    }

    /// Returns the next record, if other peers get it too.
    fn poll_shared(&mut self, most: usize, cx: &mut Context<'_>) -> Option<Envelope> {
        let max = self.record_bytes(PathKind::Relay, cx).min(most);
        let Some(Next::Lane(piece)) = self.next(PathKind::Relay, max, cx) else { return None };
        let emit = piece.shared?;
        let mut buffer =
            bytes::BytesMut::with_capacity((piece.bytes.end - piece.bytes.start) as usize);
        self.sender.put(&piece, &mut buffer);
        let recipient = self.recipient(&piece);
        let shared = Shared { emit: Some(emit), bytes: piece.bytes.clone(), end: piece.end };
        self.note_shared(&piece, cx);
        self.settle(cx);
        Some(Envelope::Record { recipient, shared, bytes: Redacted(buffer.freeze()) })
    }

    /// Joins an envelope with `others` recipients, if it contains exactly this link's next record and has room
    /// for one more recipient.
    pub(crate) fn join_envelope(
        &mut self,
        shared: &Shared,
        others: usize,
        limits: &HubLimits,
        cx: &mut Context<'_>,
    ) -> Option<Recipient> {
        let len = shared.bytes.end - shared.bytes.start;
        let cost = ENVELOPE_BYTES + (others + 1) * RECIPIENT_BYTES;
        if !self.route.is_relay_up() || len as usize + cost > limits.max_envelope as usize {
            return None;
        }
        let recipient = self.join(shared, cx)?;
        self.counters.count_out(PathKind::Relay, len as usize);
        Some(recipient)
    }

    fn join(&mut self, shared: &Shared, cx: &mut Context<'_>) -> Option<Recipient> {
        if self.peer.dialect == Dialect::V0 {
            return self.join_original(shared, cx);
        }
        let len = shared.bytes.end - shared.bytes.start;
        // A whole packet for a v0 peer may be longer.
        if len as usize > cx.config.record_bytes {
            return None;
        }
        let next = self.next_within(PathKind::Relay, len as usize, JOINED_WINDOWS, cx);
        let Some(Next::Lane(piece)) = next else { return None };
        if piece.shared != shared.emit || piece.bytes != shared.bytes || piece.end != shared.end {
            return None;
        }
        let recipient = self.recipient(&piece);
        self.note_shared(&piece, cx);
        self.settle(cx);
        Some(recipient)
    }

    fn recipient(&self, piece: &Piece) -> Recipient {
        let (epochs, lane, seq) = (self.incarnation.epochs(), piece.lane, piece.number);
        Recipient { id: self.peer.id.clone(), numbers: Some(Numbers { epochs, lane, seq }) }
    }

    fn note_shared(&mut self, piece: &Piece, cx: &Context<'_>) {
        let next = Next::Lane(piece.clone());
        let bytes = self.note_sent(&next, PathKind::Relay, cx);
        if self.route.recovery_mut(PathKind::Relay).note_sent(bytes, cx.config.relay_window) {
            self.dialogue.request_ping(PathKind::Relay);
        }
    }
}
