//! The sender of volatile events, which are sent once and dropped rather than delayed.

use std::collections::VecDeque;
use std::time::Duration;

use super::piece::Piece;
use super::queue::QueuedPacket;
use crate::time::Time;

/// The time for which a volatile event counts as in flight without an acknowledgement.
const VOLATILE_AGE: Duration = Duration::from_secs(1);

/// Volatile events: sent once, dropped rather than delayed.
#[derive(Debug, Default)]
pub(super) struct Volatile {
    pub(super) packets: VecDeque<QueuedPacket>,
    /// The number of the packet at the front.
    pub(super) base: u64,
    pub(super) bytes: u64,
    /// The events in flight: number, bytes, time of sending.
    pub(super) in_flight: VecDeque<(u64, u64, Time)>,
    pub(super) dropped: u64,
}

impl Volatile {
    pub(super) fn push(
        &mut self,
        outgoing: QueuedPacket,
        max: usize,
        now: Time,
    ) -> Result<(), usize> {
        while self.in_flight.pop_front_if(|(.., at)| now - *at >= VOLATILE_AGE).is_some() {}
        let in_flight: u64 = self.in_flight.iter().map(|(_, bytes, _)| bytes).sum();
        let waiting = self.bytes + in_flight;
        if waiting + outgoing.flat.len() > max as u64 {
            self.dropped += 1;
            return Err(usize::try_from(waiting).unwrap_or(usize::MAX));
        }
        self.bytes += outgoing.flat.len();
        self.packets.push_back(outgoing);
        Ok(())
    }

    pub(super) fn note_sent(&mut self, piece: &Piece, now: Time) {
        let Some(packet) = self.packets.front_mut() else { return };
        packet.progress.note_sent(piece.bytes.clone());
        if piece.end
            && let Some(packet) = self.packets.pop_front()
        {
            let len = packet.flat.len();
            self.bytes -= len;
            self.in_flight.push_back((self.base, len, now));
            self.base += 1;
        }
    }

    pub(super) fn forget(&mut self) {
        self.dropped += self.packets.len() as u64;
        self.base += self.packets.len() as u64;
        self.packets.clear();
        self.in_flight.clear();
        self.bytes = 0;
    }
}
