//! The choice of the next record within the window: volatile events, events, then bulk and transfers.

use super::flight::PathKind;
use super::sender::Piece;
use super::transfers::TransferPiece;
use super::{Context, Farewell, Link};
use crate::id::Dialect;
use crate::path::Path;
use crate::time::Time;
use crate::wire::Lane;

/// The bytes reserved in a bundle for control beside records.
pub(super) const CONTROL_BYTES: usize = 64;

/// The maximum record on a data channel.
pub(super) const MAX_DIRECT_RECORD: usize = 64 << 10;

/// The maximum bytes by which events overtake bulk.
const BULK_PATIENCE: usize = 64 << 10;

/// The record to send next.
pub(super) enum Next {
    Lane(Piece),
    Transfer(TransferPiece),
}

impl Next {
    pub(super) const fn len(&self) -> u64 {
        match self {
            Self::Lane(piece) => piece.bytes.end - piece.bytes.start,
            Self::Transfer(piece) => piece.bytes.end - piece.bytes.start,
        }
    }

    /// Returns whether its packet ends with it.
    pub(super) const fn ends(&self) -> bool {
        match self {
            Self::Lane(piece) => piece.end,
            Self::Transfer(piece) => piece.end || piece.abort,
        }
    }

    /// Returns whether other peers share it in one upload.
    pub(super) fn is_shared(&self, path: PathKind) -> bool {
        match self {
            Self::Lane(piece) => path == PathKind::Relay && piece.shared.is_some(),
            Self::Transfer(_) => false,
        }
    }
}

impl Link {
    pub(super) fn max_in_flight(&self, path: PathKind, cx: &Context<'_>) -> usize {
        match path {
            PathKind::Direct => cx.config.direct_window,
            PathKind::Relay | PathKind::Via => cx.config.relay_window,
        }
    }

    pub(super) fn record_bytes(&self, path: PathKind, cx: &Context<'_>) -> usize {
        let max = match path {
            PathKind::Direct => MAX_DIRECT_RECORD,
            PathKind::Relay | PathKind::Via => cx.config.record_bytes,
        };
        // At least one byte: a remote side that claims to accept none would otherwise get empty records without
        // end.
        self.route.recovery(path).record(max).max(1)
    }

    /// Returns the next record of up to `max` bytes for a path, if one may be sent.
    pub(super) fn next(&self, path: PathKind, max: usize, cx: &Context<'_>) -> Option<Next> {
        self.next_within(path, max, 1, cx)
    }

    /// Returns the next record, unless other peers share it in one upload.
    pub(super) fn next_alone(&self, path: PathKind, max: usize, cx: &Context<'_>) -> Option<Next> {
        self.next(path, max, cx).filter(|next| !next.is_shared(path))
    }

    /// Returns the next record, with so many windows in flight.
    pub(super) fn next_within(
        &self,
        path: PathKind,
        max: usize,
        windows: usize,
        cx: &Context<'_>,
    ) -> Option<Next> {
        let sending = self.route.sending().map(PathKind::from) == Some(path);
        if !sending || self.farewell != Farewell::Staying || max == 0 {
            return None;
        }
        if path == PathKind::Via && cx.now < self.route.paced_until() {
            return None;
        }
        if self.next_datagram().is_none()
            && let Some(piece) = self.sender.peek_volatile(max)
        {
            return Some(Next::Lane(piece));
        }
        if self.peer.dialect == Dialect::V1 && self.flight.held_until(cx.now).is_some() {
            return None;
        }
        let (recovery, bound) = (self.route.recovery(path), self.max_in_flight(path, cx));
        let window = windows * recovery.window(bound);
        let in_flight = self.flight.in_flight(path);
        if in_flight.all >= window {
            return None;
        }
        let events = self.sender.peek(Lane::Events, max, cx.now).map(Next::Lane);
        if events.is_some() && !self.sender.owes_bulk(BULK_PATIENCE.min(window / 3)) {
            return events;
        }
        let bulk = if in_flight.bulk < windows * recovery.bulk_window(bound) {
            self.next_bulk(max, cx.now)
        } else {
            None
        };
        bulk.or(events)
    }

    pub(super) fn next_bulk(&self, max: usize, now: Time) -> Option<Next> {
        let lane = || self.sender.peek(Lane::Bulk, max, now).map(Next::Lane);
        let transfer = || self.transfers.outgoing.peek(max).map(Next::Transfer);
        if self.transfers.bulk_first { lane().or_else(transfer) } else { transfer().or_else(lane) }
    }

    /// Returns the next volatile event, if it fits whole in one message of the datagram channel.
    pub(super) fn next_datagram(&self) -> Option<Piece> {
        let max = self.attempt.datagrams()?.checked_sub(CONTROL_BYTES)?;
        if self.route.sending() != Some(&Path::Direct) || self.farewell != Farewell::Staying {
            return None;
        }
        self.sender.peek_volatile(max).filter(|piece| piece.end && piece.bytes.start == 0)
    }

    /// Returns whether there is output for the datagram channel.
    pub(crate) fn wants_datagram(&self) -> bool {
        self.next_datagram().is_some()
    }
}
