//! Envelopes for the relay: a bundle for one, or a record that many get in one upload.

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

/// What an envelope costs beside its body.
const ENVELOPE_BYTES: usize = 256;

/// What each receiver costs in an envelope.
const RECIPIENT_BYTES: usize = 2 * MAX_PEER_ID + 128;

/// How many windows may be under way to a peer that joins an envelope.
const JOINED_WINDOWS: usize = 2;

/// What goes to the hub.
#[derive(Debug)]
pub(crate) enum Envelope {
    /// For this peer alone.
    Bundle(Redacted<Bytes>),
    /// A record, which others may get with it.
    Record { recipient: Recipient, shared: Shared, bytes: Redacted<Bytes> },
}

/// What one upload may carry to many: this piece of what all of them were sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Shared {
    /// None for what goes to one.
    pub(super) emit: Option<EmitId>,
    pub(crate) bytes: Range<u64>,
    pub(crate) end: bool,
}

impl Shared {
    /// Whether others may get it too.
    pub(crate) const fn is_for_many(&self) -> bool {
        self.emit.is_some()
    }
}

impl Link {
    /// Whether there is something for the relay.
    pub(crate) fn wants_relay(&self, cx: &Context<'_>) -> bool {
        self.route.is_relay_up()
            && (self.control_is_due(PathKind::Relay)
                || self.incarnation.owes_answer()
                || self.next(PathKind::Relay, 1, cx).is_some())
    }

    /// Whether an envelope for others may be just what goes out next. A full window does not rule it out: pongs come one by
    /// one, and who is behind the others by one record once would never share an upload with them again.
    pub(crate) fn may_join_envelope(&self, cx: &Context<'_>) -> bool {
        self.route.is_relay_up()
            && self
                .next_within(PathKind::Relay, 1, JOINED_WINDOWS, cx)
                .is_some_and(|next| next.is_shared(PathKind::Relay))
    }

    /// The next envelope for the relay, within what the hub allows.
    pub(crate) fn poll_relay(
        &mut self,
        limits: &HubLimits,
        cx: &mut Context<'_>,
    ) -> Option<Envelope> {
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

    /// The record that goes out next, if others get it too.
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

    /// Joins an envelope that `others` peers get, when it is just what goes out next to this one and there is
    /// room for one more.
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
        if self.peer.dialect == Dialect::V0 {
            return self.join_original(shared, cx);
        }
        // A whole packet for an original client may be longer.
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
