//! Unfinished packets, and the decoding of complete ones.

use std::time::Duration;

use bytes::Bytes;

use crate::codec::{DecodeError, DecodeErrorKind, Limits, Packet};
use crate::error::{Misbehavior, PeerError};
use crate::link::assembly::Assembly;
use crate::redacted::Redacted;
use crate::time::Time;
use crate::wire::{Record, unflatten};

/// The cost of a waiting packet in addition to its bytes, so that small packets do not evade the bounds.
pub(super) const PACKET_COST: usize = 256;

/// The bounds of a receiver.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bounds<'a> {
    pub(crate) limits: &'a Limits,
    /// The maximum bytes per lane that wait out of order.
    pub(crate) ahead: usize,
    /// The bytes that the session may still hold in all.
    pub(crate) left: usize,
    /// The maximum bytes of one unfinished volatile event.
    pub(crate) volatile: usize,
    /// The time that an unfinished packet may make no progress.
    pub(crate) patience: Duration,
}

/// A packet of which some pieces are missing.
#[derive(Debug, Default)]
pub(super) struct Unfinished {
    pub(super) assembly: Assembly,
    pub(super) bytes: Redacted<Vec<u8>>,
    /// The new bytes since `progressed_at`.
    pub(super) news: usize,
    pub(super) progressed_at: Time,
}

impl Unfinished {
    pub(super) fn held(&self) -> usize {
        PACKET_COST + self.bytes.capacity() + self.assembly.held()
    }

    /// Adds a piece; `left` is the memory still available in bytes. Returns `Err` when the pieces form no
    /// packet.
    pub(super) fn push(
        &mut self,
        record: Record,
        left: usize,
        now: Time,
    ) -> Result<usize, PeerError> {
        let Self { assembly, bytes: Redacted(bytes), .. } = self;
        let take = |piece: Bytes| {
            // The capacity stays close to the length, so that the memory counted is the memory used.
            if bytes.capacity() - bytes.len() < piece.len() {
                bytes.reserve_exact(piece.len().max(left.min(bytes.len() / 4)));
            }
            bytes.extend_from_slice(&piece);
        };
        let news = assembly
            .push(record.offset, record.bytes, record.end, take)
            .map_err(|_| Misbehavior::PacketContradiction)?;
        self.news += news;
        if self.news >= PROGRESS {
            self.news = 0;
            self.progressed_at = now;
        }
        Ok(news)
    }
}

/// The new bytes that count as progress: fewer do not extend the time-out of an unfinished packet.
const PROGRESS: usize = 1 << 10;

pub(super) fn too_large(limits: &Limits) -> PeerError {
    let too_large = DecodeErrorKind::PacketTooLarge { max: limits.max_packet_bytes };
    PeerError::BadPacket(DecodeError::in_frame(too_large, 0))
}

/// Decodes a complete packet.
pub(super) fn open(flat: Bytes, limits: &Limits) -> Result<Packet, PeerError> {
    let (head, attachments) = unflatten(flat).ok_or(Misbehavior::NoPacket)?;
    Packet::from_head_and_attachments(head, attachments, limits).map_err(PeerError::BadPacket)
}
