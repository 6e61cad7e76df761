//! A lane that is delivered once and in order: what was accepted and is not acknowledged.

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
    /// Whose outcome it is; none for answers to the peer's events.
    pub(crate) emit: Option<EmitId>,
    /// The same goes to others too.
    pub(crate) shared: bool,
    pub(super) progress: Progress,
    /// How often in a row it was lost while one before it was missing.
    losses: u32,
}

/// A packet of which the peer has said what became of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Done {
    pub(crate) number: u64,
    pub(crate) emit: Option<EmitId>,
    pub(crate) refused: bool,
}

/// An acknowledgement of what was never sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct BeyondSent;

/// A bounded queue of all packets of a lane that are not acknowledged.
#[derive(Debug, Default)]
pub(super) struct Queue {
    pub(super) packets: VecDeque<QueuedPacket>,
    /// The number of the packet at the front.
    pub(super) base: u64,
    /// How many packets, from the front, have gone out whole.
    pub(super) whole: usize,
    /// The packets of which something has to be sent again.
    pub(super) lost: BTreeSet<u64>,
    pub(super) bytes: u64,
    /// An emit was turned away: the application waits for room.
    pub(super) blocked: bool,
    /// The peer has no room for what is ahead of the packet at the front.
    stuck: bool,
    /// When the packet at the front is sent again.
    pub(super) hold: Hold,
}

/// For a packet that is lost so often ahead of its turn the receiver has no room: it waits for its turn.
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

    /// What was under way has been lost.
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

    pub(super) fn waits(&self) -> bool {
        !self.lost.is_empty() || self.whole < self.packets.len()
    }

    /// How many packets, from the front, have gone out at least in part.
    pub(super) fn begun(&self) -> usize {
        let begun = self.packets.get(self.whole).is_some_and(|next| next.progress.sent() > 0);
        self.whole + usize::from(begun)
    }

    pub(super) fn note_sent(&mut self, piece: &Piece) {
        let Some(packet) = self.get_mut(piece.number) else { return };
        packet.progress.note_sent(piece.bytes.clone());
        let (lost, whole) =
            (packet.progress.has_lost(), packet.progress.sent() == packet.flat.len());
        if !lost {
            self.lost.remove(&piece.number);
        }
        if whole && piece.number == self.base + self.whole as u64 {
            self.whole += 1;
        }
    }

    pub(super) fn acknowledge(
        &mut self,
        LaneState { next, ahead }: &LaneState,
        refused: impl Fn(u64) -> bool,
        mut done: impl FnMut(Done),
    ) -> Result<u64, BeyondSent> {
        if next.number < self.base {
            // An older one, overtaken by another.
            return Ok(0);
        }
        if next.number > self.base + self.begun() as u64 {
            return Err(BeyondSent);
        }
        let mut news = 0;
        if self.base < next.number {
            self.hold.release();
            if std::mem::take(&mut self.stuck) {
                self.packets.iter_mut().for_each(|packet| packet.losses = 0);
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
            // In order, or the same packets would be walked again and again.
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
