//! The sender of the lanes: the packets that were accepted and are not acknowledged.

mod hold;
mod piece;
mod queue;
mod volatile;

use std::time::Duration;

use bytes::BytesMut;

pub(crate) use self::piece::Piece;
use self::queue::Queue;
pub(crate) use self::queue::{BeyondSent, Done, QueuedPacket};
use self::volatile::Volatile;
use super::flight::{Fate, Sent};
use crate::codec::Packet;
use crate::config::Config;
use crate::id::EmitId;
use crate::time::{Time, earliest};
use crate::wire::{Flat, Lane, LaneState, Stream};

/// All lanes to one peer.
#[derive(Debug, Default)]
pub(crate) struct Sender {
    lanes: [Queue; Lane::RELIABLE.len()],
    volatile: Volatile,
    /// The bytes of events sent while bulk waited.
    overtaken: usize,
    /// Whether the peer takes no records of the reliable lanes at present.
    paused: bool,
}

impl Sender {
    /// Queues a packet on a reliable lane. Returns `Err` with the bytes queued when the lane is full.
    pub(crate) fn push(
        &mut self,
        lane: Lane,
        packet: Packet,
        emit: Option<EmitId>,
        shared: bool,
        config: &Config,
        now: Time,
    ) -> Result<(), usize> {
        let outgoing = QueuedPacket::new(packet, emit, shared);
        if lane == Lane::Volatile {
            return self.volatile.push(outgoing, config.volatile_bytes, now);
        }
        let Some(queue) = self.queue_mut(lane) else { return Ok(()) };
        let fits = queue.packets.is_empty()
            || (queue.packets.len() < config.queue_packets
                && queue.bytes + outgoing.flat.len() <= config.queue_bytes as u64);
        if !fits {
            queue.blocked = true;
            return Err(usize::try_from(queue.bytes).unwrap_or(usize::MAX));
        }
        queue.bytes += outgoing.flat.len();
        queue.packets.push_back(outgoing);
        Ok(())
    }

    /// Returns the lanes that were full and have room again, each once.
    pub(crate) fn take_writable(&mut self, config: &Config) -> impl Iterator<Item = Lane> + use<> {
        let writable = |queue: &mut Queue| {
            let room = queue.bytes <= config.queue_bytes as u64 / 2
                && queue.packets.len() <= config.queue_packets / 2;
            std::mem::take(&mut queue.blocked) && {
                queue.blocked = !room;
                room
            }
        };
        let writable = self.lanes.each_mut().map(writable);
        Lane::RELIABLE.into_iter().zip(writable).filter_map(|(lane, is)| is.then_some(lane))
    }

    /// Returns the next piece of this lane, at most `max` bytes.
    pub(crate) fn peek(&self, lane: Lane, max: usize, now: Time) -> Option<Piece> {
        let Some(queue) = self.queue(lane) else { return self.peek_volatile(max) };
        if self.paused {
            return None;
        }
        let (number, outgoing) = queue.peek(now)?;
        Self::piece(lane, number, outgoing, max)
    }

    /// Returns the next piece of the volatile lane.
    pub(crate) fn peek_volatile(&self, max: usize) -> Option<Piece> {
        Self::piece(Lane::Volatile, self.volatile.base, self.volatile.packets.front()?, max)
    }

    fn piece(lane: Lane, number: u64, outgoing: &QueuedPacket, max: usize) -> Option<Piece> {
        let len = outgoing.flat.len();
        let bytes = outgoing.progress.next(len, max as u64)?;
        let fresh = bytes.start == outgoing.progress.sent();
        let shared = outgoing.emit.filter(|_| outgoing.shared && fresh);
        Some(Piece { lane, number, end: bytes.end == len, bytes, shared })
    }

    /// Returns the packet of a piece.
    pub(crate) fn packet_of(&self, piece: &Piece) -> Option<&Flat> {
        let outgoing = match self.queue(piece.lane) {
            Some(queue) => queue.get(piece.number)?,
            None => self.volatile.packets.front()?,
        };
        Some(&outgoing.flat)
    }

    pub(crate) fn put(&self, piece: &Piece, buffer: &mut BytesMut) {
        if let Some(flat) = self.packet_of(piece) {
            flat.put(piece.bytes.start, piece.bytes.end, buffer);
        }
    }

    /// Notes that a piece, which [`peek`](Self::peek) returned, was sent. Returns whether it was sent before.
    pub(crate) fn note_sent(&mut self, piece: &Piece, now: Time) -> bool {
        match self.queue_mut(piece.lane) {
            Some(queue) => queue.note_sent(piece),
            None => {
                self.volatile.note_sent(piece, now);
                false
            }
        }
    }

    pub(crate) const fn is_paused(&self) -> bool {
        self.paused
    }

    /// Sets whether the peer takes no records. Afterwards lost packets are retransmitted at once.
    pub(crate) fn set_paused(&mut self, paused: bool) {
        if std::mem::replace(&mut self.paused, paused) && !paused {
            self.lanes.iter_mut().for_each(Queue::retry);
        }
    }

    /// Returns whether a lane has anything to send.
    pub(crate) fn waits(&self, lane: Lane) -> bool {
        match self.queue(lane) {
            Some(queue) => !self.paused && queue.waits(),
            None => !self.volatile.packets.is_empty(),
        }
    }

    /// Returns whether bulk goes before waiting events, because events of `patience` bytes have overtaken it.
    pub(crate) const fn owes_bulk(&self, patience: usize) -> bool {
        self.overtaken >= patience
    }

    /// Counts the bytes that overtake bulk.
    pub(crate) fn note_turn(&mut self, bulk: bool, bytes: usize, bulk_waits: bool) {
        self.overtaken = if bulk || !bulk_waits { 0 } else { self.overtaken.saturating_add(bytes) };
    }

    /// Applies the peer's state of a lane; `refused` lists the refusals. Returns the number of newly
    /// acknowledged bytes.
    pub(crate) fn acknowledge(
        &mut self,
        lane: Lane,
        state: &LaneState,
        refused: impl Fn(u64) -> bool,
        done: impl FnMut(Done),
    ) -> Result<u64, BeyondSent> {
        match self.queue_mut(lane) {
            Some(queue) => queue.acknowledge(state, refused, done),
            None => Ok(0),
        }
    }

    /// Notes that the peer has seen volatile events below this number.
    pub(crate) fn acknowledge_volatile(&mut self, seen: u64) {
        while self.volatile.in_flight.pop_front_if(|(number, ..)| *number < seen).is_some() {}
    }

    /// Returns the fate of a record of a reliable lane whose packet has not been refused.
    pub(crate) fn fate(&self, sent: &Sent) -> Fate {
        let Stream::Lane(lane) = sent.stream else { return Fate::Arrived };
        let packet = self.queue(lane).and_then(|queue| queue.get(sent.number));
        match packet {
            Some(packet) if !packet.progress.is_acked(&sent.bytes) => Fate::Unknown,
            Some(_) | None => Fate::Arrived,
        }
    }

    /// Notes a lost record.
    pub(crate) fn lose(&mut self, sent: &Sent) {
        if let Stream::Lane(lane) = sent.stream
            && let Some(queue) = self.queue_mut(lane)
        {
            queue.lose(sent.number, sent.bytes.clone());
        }
    }

    /// Applies the losses that a pong proved. Packets that are lost repeatedly wait for `pause`.
    pub(crate) fn settle_losses(&mut self, pause: impl Fn(u32) -> Duration, now: Time) {
        self.lanes.iter_mut().for_each(|queue| queue.hold.settle(&pause, now));
    }

    /// Returns when a lost packet that waits is retransmitted.
    pub(crate) fn held_until(&self, now: Time) -> Option<Time> {
        earliest(self.lanes.each_ref().map(|queue| queue.hold.until(now)))
    }

    /// Returns the numbers below which the outcome of this side's packets is known.
    pub(crate) fn settled(&self) -> [u64; Lane::RELIABLE.len()] {
        self.lanes.each_ref().map(|queue| queue.base)
    }

    /// Returns whether all packets of the reliable lanes have been acknowledged.
    pub(crate) fn is_empty(&self) -> bool {
        self.lanes.iter().all(|queue| queue.packets.is_empty())
    }

    /// Returns whether a reliable lane has data that was sent and is not acknowledged.
    pub(crate) fn has_sent(&self) -> bool {
        self.lanes.iter().any(|queue| queue.begun() > 0)
    }

    /// Returns the number of packets in the reliable lanes.
    pub(crate) fn packets(&self) -> usize {
        self.lanes.iter().map(|queue| queue.packets.len()).sum()
    }

    /// Returns the bytes in the reliable lanes.
    pub(crate) fn bytes(&self) -> usize {
        usize::try_from(self.lanes.iter().map(|queue| queue.bytes).sum::<u64>())
            .unwrap_or(usize::MAX)
    }

    /// Returns the number of volatile events that were never sent.
    pub(crate) const fn dropped(&self) -> u64 {
        self.volatile.dropped
    }

    pub(crate) fn note_dropped(&mut self) {
        self.volatile.dropped += 1;
    }

    /// Drops queued volatile events, which wait for no path.
    pub(crate) fn drop_volatile(&mut self) {
        self.volatile.forget();
    }

    /// Removes the packets that `is_refused` and of which no byte was sent. They have no number yet.
    pub(crate) fn take_unsent(
        &mut self,
        is_refused: impl Fn(&Packet) -> bool,
    ) -> Vec<(Lane, QueuedPacket)> {
        let mut taken = Vec::new();
        for (lane, queue) in Lane::RELIABLE.into_iter().zip(&mut self.lanes) {
            let unsent = queue.packets.split_off(queue.begun());
            for packet in unsent {
                if is_refused(packet.flat.packet()) {
                    queue.bytes -= packet.flat.len();
                    taken.push((lane, packet));
                } else {
                    queue.packets.push_back(packet);
                }
            }
        }
        taken
    }

    /// Removes and returns the emits, each with whether any of it was sent. Packets that were sent stay without
    /// an emit, because the numbers behind them have to be reached.
    pub(crate) fn disown(&mut self) -> Vec<(EmitId, bool)> {
        let unsent = self.take_unsent(|_| true);
        let sent = self.lanes.iter_mut().flat_map(|queue| &mut queue.packets);
        let mut disowned: Vec<_> =
            sent.filter_map(|packet| Some((packet.emit.take()?, true))).collect();
        disowned.extend(unsent.into_iter().filter_map(|(_, packet)| Some((packet.emit?, false))));
        // No emit waits for room in this incarnation.
        self.lanes.iter_mut().for_each(|queue| queue.blocked = false);
        self.drop_volatile();
        disowned
    }

    /// Removes everything. Returns each emit with whether any of it was sent.
    pub(crate) fn drain(&mut self) -> Vec<(EmitId, bool)> {
        let mut drained = Vec::new();
        for queue in &mut self.lanes {
            for packet in std::mem::take(queue).packets {
                drained.extend(packet.emit.map(|emit| (emit, packet.progress.sent() > 0)));
            }
        }
        drained
    }

    /// Removes the packet at the front of a lane, for a peer that does not acknowledge.
    pub(crate) fn take_front(&mut self, lane: Lane) -> Option<(Packet, Option<EmitId>)> {
        let (packets, bytes) = match lane {
            Lane::Events | Lane::Bulk => {
                let queue = self.queue_mut(lane)?;
                queue.base += u64::from(!queue.packets.is_empty());
                (&mut queue.packets, &mut queue.bytes)
            }
            Lane::Volatile => (&mut self.volatile.packets, &mut self.volatile.bytes),
        };
        let QueuedPacket { flat, emit, .. } = packets.pop_front()?;
        *bytes -= flat.len();
        Some((flat.packet().clone(), emit))
    }

    fn queue(&self, lane: Lane) -> Option<&Queue> {
        self.lanes.get(lane.index())
    }

    fn queue_mut(&mut self, lane: Lane) -> Option<&mut Queue> {
        self.lanes.get_mut(lane.index())
    }
}
