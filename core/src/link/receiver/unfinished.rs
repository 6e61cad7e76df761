//! A packet of which pieces are there, and what becomes of it when it is whole.

use std::time::Duration;

use bytes::Bytes;

use crate::codec::{DecodeError, DecodeErrorKind, Limits, Packet};
use crate::error::{Misbehavior, PeerError};
use crate::link::assembly::Assembly;
use crate::redacted::Redacted;
use crate::time::Time;
use crate::wire::{Record, unflatten};

/// What a packet costs beside its bytes while it waits: small ones are no way around the bounds.
pub(super) const PACKET_COST: usize = 256;

/// What a receiver may hold.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bounds<'a> {
    pub(crate) limits: &'a Limits,
    /// Bytes per lane ahead of their turn.
    pub(crate) ahead: usize,
    /// Bytes that are left of what the session may hold in all.
    pub(crate) left: usize,
    /// Bytes of one unfinished volatile event.
    pub(crate) volatile: usize,
    /// For how long an unfinished packet may make no progress.
    pub(crate) patience: Duration,
}

/// A packet of which pieces are there.
#[derive(Debug, Default)]
pub(super) struct Unfinished {
    pub(super) assembly: Assembly,
    pub(super) bytes: Redacted<Vec<u8>>,
    /// New bytes since `progressed_at`.
    pub(super) news: usize,
    pub(super) progressed_at: Time,
}

impl Unfinished {
    pub(super) fn held(&self) -> usize {
        PACKET_COST + self.bytes.capacity() + self.assembly.held()
    }

    /// Takes a piece; `left`: so much more may be held. `Err`: it makes no packet.
    pub(super) fn push(
        &mut self,
        record: Record,
        left: usize,
        now: Time,
    ) -> Result<usize, PeerError> {
        let Self { assembly, bytes: Redacted(bytes), .. } = self;
        let take = |piece: Bytes| {
            // Little more than what is there, so that what is counted is what is held.
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

/// So many new bytes are progress: less does not keep an unfinished packet alive.
const PROGRESS: usize = 1 << 10;

pub(super) fn too_large(limits: &Limits) -> PeerError {
    let too_large = DecodeErrorKind::PacketTooLarge { max: limits.max_packet_bytes };
    PeerError::BadPacket(DecodeError::in_frame(too_large, 0))
}

/// The packet that is whole.
pub(super) fn open(flat: Bytes, limits: &Limits) -> Result<Packet, PeerError> {
    let (head, attachments) = unflatten(flat).ok_or(Misbehavior::NoPacket)?;
    Packet::from_head_and_attachments(head, attachments, limits).map_err(PeerError::BadPacket)
}
