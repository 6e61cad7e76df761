//! The sender of a reliable lane: the packets that were accepted and are not acknowledged.

use std::collections::{BTreeSet, VecDeque};
use std::ops::Range;

use super::hold::Hold;
use super::piece::Piece;
use crate::codec::Packet;
use crate::id::EmitId;
use crate::link::progress::Progress;
use crate::time::Time;
use crate::wire::{Flat, LaneState};

/// A packet that is not acknowledged yet.
#[derive(Debug)]
pub(crate) struct QueuedPacket {
    pub(crate) flat: Flat,
    /// The emit whose outcome it determines; `None` for answers to the peer's events.
    pub(crate) emit: Option<EmitId>,
    /// Whether the same packet goes to other peers.
    pub(crate) shared: bool,
    pub(super) progress: Progress,
    /// The consecutive losses while an earlier packet was missing.
    losses: u32,
}

/// A packet whose outcome is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Done {
    pub(crate) number: u64,
    pub(crate) emit: Option<EmitId>,
    pub(crate) refused: bool,
}

/// An acknowledgement of data that was never sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct BeyondSent;

/// A bounded queue of all packets of a lane that are not acknowledged.
#[derive(Debug, Default)]
pub(super) struct Queue {
    pub(super) packets: VecDeque<QueuedPacket>,
    /// The number of the packet at the front.
    pub(super) base: u64,
    /// The number of packets, from the front, that were sent completely.
    pub(super) whole: usize,
    /// The packets with bytes to retransmit.
    pub(super) lost: BTreeSet<u64>,
    pub(super) bytes: u64,
    /// Whether an emit failed with `Blocked`, so that the application waits for room.
    pub(super) blocked: bool,
    /// Whether the peer has no room for packets behind the one at the front.
    stuck: bool,
    /// The back-off of the packet at the front.
    pub(super) hold: Hold,
}

/// After so many losses out of order the receiver has no room for a packet: it waits until it is at the front.
const MAX_LOSSES: u32 = 2;

impl QueuedPacket {
    pub(super) fn new(packet: Packet, emit: Option<EmitId>, shared: bool) -> Self {
        Self { flat: Flat::new(packet), emit, shared, progress: Progress::default(), losses: 0 }
    }
}

impl Queue {
    pub(super) fn get(&self, number: u64) -> Option<&QueuedPacket> {
        self.packets.get(usize::try_from(number.checked_sub(self.base)?).ok()?)
    }

    pub(super) fn get_mut(&mut self, number: u64) -> Option<&mut QueuedPacket> {
        self.packets.get_mut(usize::try_from(number.checked_sub(self.base)?).ok()?)
    }

    pub(super) fn peek(&self, now: Time) -> Option<(u64, &QueuedPacket)> {
        let may_go = |number: u64| match number == self.base {
            true => self.hold.until(now).is_none(),
            false => !self.stuck || self.is_patient(number),
        };
        let number = if self.lost.is_empty() {
            self.base + self.whole as u64
        } else {
            self.lost.iter().copied().find(|number| may_go(*number))?
        };
        Some((number, self.get(number)?))
    }

    fn is_patient(&self, number: u64) -> bool {
        self.get(number).is_some_and(|packet| packet.losses < MAX_LOSSES)
    }

    /// Notes lost bytes.
    pub(super) fn lose(&mut self, number: u64, bytes: Range<u64>) {
        let ahead = number > self.base;
        let Some(packet) = self.get_mut(number) else { return };
        packet.progress.lose(bytes);
        if packet.progress.has_lost() {
            packet.losses += u32::from(ahead);
            self.lost.insert(number);
            self.stuck |= !self.is_patient(number);
            if !ahead {
                self.hold.note_lost();
            }
        }
    }

    /// Ends all back-off: the peer has room again.
    pub(super) fn retry(&mut self) {
        self.hold.release();
        self.stuck = false;
        self.packets.iter_mut().for_each(|packet| packet.losses = 0);
    }

    pub(super) fn waits(&self) -> bool {
        !self.lost.is_empty() || self.whole < self.packets.len()
    }

    /// Returns the number of packets, from the front, that were sent at least in part.
    pub(super) fn begun(&self) -> usize {
        let begun = self.packets.get(self.whole).is_some_and(|next| next.progress.sent() > 0);
        self.whole + usize::from(begun)
    }

    /// Notes that a piece was sent. Returns whether it was sent before.
    pub(super) fn note_sent(&mut self, piece: &Piece) -> bool {
        let Some(packet) = self.get_mut(piece.number) else { return false };
        let again = piece.bytes.start < packet.progress.sent();
        packet.progress.note_sent(piece.bytes.clone());
        let (lost, whole) =
            (packet.progress.has_lost(), packet.progress.sent() == packet.flat.len());
        if !lost {
            self.lost.remove(&piece.number);
        }
        if whole && piece.number == self.base + self.whole as u64 {
            self.whole += 1;
        }
        again
    }

    pub(super) fn acknowledge(
        &mut self,
        LaneState { next, ahead }: &LaneState,
        refused: impl Fn(u64) -> bool,
        mut done: impl FnMut(Done),
    ) -> Result<u64, BeyondSent> {
        if next.number < self.base {
            // An older state, overtaken by another.
            return Ok(0);
        }
        if next.number > self.base + self.begun() as u64 {
            return Err(BeyondSent);
        }
        let mut news = 0;
        if self.base < next.number {
            self.hold.release();
            if self.stuck {
                self.retry();
            }
        }
        while self.base < next.number
            && let Some(packet) = self.packets.front()
        {
            let refused = refused(self.base);
            if !refused && packet.progress.sent() < packet.flat.len() {
                return Err(BeyondSent);
            }
            let Some(mut packet) = self.packets.pop_front() else { break };
            self.lost.remove(&self.base);
            self.base += 1;
            self.whole = self.whole.saturating_sub(1);
            self.bytes -= packet.flat.len();
            news += packet.progress.acknowledge(packet.progress.sent());
            done(Done { number: self.base - 1, emit: packet.emit, refused });
        }
        if let Some(packet) = self.packets.front_mut() {
            if next.offset > packet.progress.sent() {
                return Err(BeyondSent);
            }
            let of_front = packet.progress.acknowledge(next.offset);
            if of_front > 0 {
                self.hold.release();
            }
            news += of_front;
        }
        news += self.acknowledge_ahead(ahead)?;
        let Self { packets, lost, base, .. } = self;
        lost.retain(|number| {
            let index = usize::try_from(number - *base).ok();
            index
                .and_then(|index| packets.get(index))
                .is_some_and(|packet| packet.progress.has_lost())
        });
        Ok(news)
    }

    pub(super) fn acknowledge_ahead(
        &mut self,
        ahead: &[(crate::wire::Place, crate::wire::Place)],
    ) -> Result<u64, BeyondSent> {
        let (mut news, mut last) = (0, crate::wire::Place::default());
        for (from, to) in ahead {
            // The ranges must be in order, otherwise the same packets would be visited repeatedly.
            if *from < last || *to <= *from || to.number > self.base + self.begun() as u64 {
                return Err(BeyondSent);
            }
            last = *to;
            for number in from.number.max(self.base)..=to.number {
                let Some(packet) = self.get_mut(number) else { break };
                let start = if number == from.number { from.offset } else { 0 };
                let end = if number == to.number { to.offset } else { packet.flat.len() };
                news += packet.progress.acknowledge_ahead(start..end);
            }
        }
        Ok(news)
    }
}
