//! Numbering: the two ends of one lane of a link.

use std::collections::{BTreeMap, VecDeque};

use super::fragment;
use crate::codec::DecodeError;
use crate::event::Path;
use crate::id::EmitId;
use crate::packet::Packet;

/// A packet that is not acknowledged yet.
#[derive(Debug)]
pub(crate) struct Outgoing {
    pub(crate) packet: Packet,
    /// Whose outcome it is; none for answers to the peer's events.
    pub(crate) emit: Option<EmitId>,
    flat_len: usize,
}

/// The sending end: a bounded queue of all that is not acknowledged, and a mark how far it has been handed to
/// the path in use. A change of paths sets the mark back.
#[derive(Debug, Default)]
pub(crate) struct SendStream {
    queue: VecDeque<Outgoing>,
    /// The number of the packet at the front of the queue.
    base: u64,
    /// The number of the next packet to hand out.
    next: u64,
    /// How many bytes of packet `next` have been handed out in fragments.
    offset: usize,
    /// One above the highest number that was ever handed out.
    sent: u64,
    bytes: usize,
    /// Bytes between `base` and the mark.
    under_way: usize,
    /// Bytes of packet `base` that the receiver has in fragments.
    partial: usize,
    /// The most that it ever had of that packet.
    most_partial: usize,
}

/// What an acknowledgement tells.
#[derive(Debug, Default)]
pub(crate) struct Acknowledged {
    /// The packets that have come, each with its number.
    pub(crate) done: Vec<(u64, Outgoing)>,
    /// Whether the receiver has more than it ever had.
    pub(crate) progress: bool,
}

/// An acknowledgement of what was never sent.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct AckBeyondSent;

impl SendStream {
    /// Whether an emit that was turned away may try again.
    pub(crate) fn has_room(&self, max_bytes: usize, max_packets: usize) -> bool {
        self.bytes <= max_bytes / 2 && self.queue.len() <= max_packets / 2
    }

    /// Whether `packet` fits: one above the cap is taken only when nothing else waits.
    pub(crate) fn fits(&self, packet: &Packet, max_bytes: usize, max_packets: usize) -> bool {
        self.queue.is_empty()
            || (self.queue.len() < max_packets
                && self.bytes.saturating_add(fragment::flat_len(packet)) <= max_bytes)
    }

    pub(crate) fn push(&mut self, packet: Packet, emit: Option<EmitId>) {
        let flat_len = fragment::flat_len(&packet);
        self.bytes += flat_len;
        self.queue.push_back(Outgoing { packet, emit, flat_len });
    }

    /// The packet to hand out next, with its number and how much of it has been handed out.
    pub(crate) fn peek(&self) -> Option<(u64, usize, &Outgoing)> {
        let index = usize::try_from(self.next - self.base).ok()?;
        self.queue.get(index).map(|outgoing| (self.next, self.offset, outgoing))
    }

    /// Notes that all that is left of the next packet has been handed out.
    pub(crate) fn advance(&mut self) {
        let Some((_, offset, outgoing)) = self.peek() else { return };
        self.under_way += outgoing.flat_len - offset;
        self.next += 1;
        self.offset = 0;
        self.sent = self.sent.max(self.next);
    }

    /// Notes that `len` more bytes of the next packet have been handed out.
    pub(crate) fn advance_bytes(&mut self, len: usize) {
        let Some((seq, offset, outgoing)) = self.peek() else { return };
        if offset + len >= outgoing.flat_len {
            self.advance();
        } else {
            self.offset += len;
            self.under_way += len;
            self.sent = self.sent.max(seq + 1);
        }
    }

    /// Drops and returns the packets below `received`, of the next of which the receiver has `partial` bytes.
    pub(crate) fn acknowledge(
        &mut self,
        received: u64,
        partial: u64,
    ) -> Result<Acknowledged, AckBeyondSent> {
        if received > self.sent {
            return Err(AckBeyondSent);
        }
        let mut done = Vec::new();
        while self.base < received
            && let Some(outgoing) = self.queue.pop_front()
        {
            self.bytes -= outgoing.flat_len;
            if self.next > self.base {
                self.under_way -= outgoing.flat_len;
            } else {
                // Acknowledged on one path while the mark was set back for another.
                self.under_way -= self.offset;
                self.offset = 0;
                self.next = self.base + 1;
            }
            done.push((self.base, outgoing));
            self.base += 1;
        }
        let mut progress = !done.is_empty();
        if progress {
            (self.partial, self.most_partial) = (0, 0);
        }
        if received == self.base {
            self.partial = usize::try_from(partial).unwrap_or(0);
            progress |= self.partial > self.most_partial;
            self.most_partial = self.most_partial.max(self.partial);
        }
        Ok(Acknowledged { done, progress })
    }

    /// Sets the mark back to the beginning of a packet of which only a part was handed out.
    pub(crate) fn restart_packet(&mut self) {
        self.under_way -= self.offset;
        self.offset = 0;
    }

    /// Gives up everything in the queue. Tells how many packets were never handed out.
    pub(crate) fn forget(&mut self) -> u64 {
        let end = self.base + self.queue.len() as u64;
        let lost = end - self.next;
        self.queue.clear();
        (self.base, self.next) = (end, end);
        (self.offset, self.bytes, self.under_way, self.partial) = (0, 0, 0, 0);
        lost
    }

    /// Sets the mark back to the first packet that is not acknowledged.
    pub(crate) fn rewind(&mut self) {
        self.next = self.base;
        self.offset = 0;
        self.under_way = 0;
        self.partial = 0;
    }

    /// Bytes handed out and not acknowledged.
    pub(crate) fn unacknowledged(&self) -> usize {
        self.under_way - self.partial.min(self.under_way)
    }

    /// Whether something handed out waits for its acknowledgement.
    pub(crate) fn awaits_ack(&self) -> bool {
        self.next > self.base || self.offset > 0
    }

    /// Whether something that was handed out once, on whatever path, is not acknowledged.
    pub(crate) fn is_outstanding(&self) -> bool {
        self.base < self.sent
    }

    /// The number of the next packet to hand out.
    pub(crate) fn next(&self) -> u64 {
        self.next
    }

    pub(crate) fn base(&self) -> u64 {
        self.base
    }

    pub(crate) fn len(&self) -> usize {
        self.queue.len()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.queue.is_empty()
    }

    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Takes the emits away, each with whether any of it was ever handed out. The packets that were stay, as
    /// nobody's, and those that are `kept`.
    pub(crate) fn disown(&mut self, kept: impl Fn(&Packet) -> bool) -> Vec<(bool, Outgoing)> {
        let sent = usize::try_from(self.sent - self.base).unwrap_or(usize::MAX);
        let unsent = self.queue.split_off(sent.min(self.queue.len()));
        let nobodys = |outgoing: &mut Outgoing| Outgoing {
            packet: outgoing.packet.clone(),
            emit: outgoing.emit.take(),
            flat_len: outgoing.flat_len,
        };
        let mut disowned: Vec<_> =
            self.queue.iter_mut().map(|outgoing| (true, nobodys(outgoing))).collect();
        for outgoing in unsent {
            if kept(&outgoing.packet) {
                self.queue.push_back(outgoing);
            } else {
                self.bytes -= outgoing.flat_len;
                disowned.push((false, outgoing));
            }
        }
        disowned
    }

    /// Empties the queue: each packet with whether any of it was ever handed out.
    pub(crate) fn drain(&mut self) -> impl Iterator<Item = (bool, Outgoing)> + '_ {
        let (base, sent) = (self.base, self.sent);
        self.bytes = 0;
        self.under_way = 0;
        self.queue
            .drain(..)
            .enumerate()
            .map(move |(index, outgoing)| (base + (index as u64) < sent, outgoing))
    }
}

/// The receiving end: hands packets out in order and once, and holds a bounded number of bytes that came ahead
/// of their turn.
#[derive(Debug, Default)]
pub(crate) struct ReceiveStream {
    expected: u64,
    /// One above the highest number that ever came, held or not.
    seen: u64,
    ahead: BTreeMap<u64, (Path, Result<Packet, DecodeError>)>,
    ahead_bytes: usize,
}

impl ReceiveStream {
    /// Takes a packet on any path. One that was had before, or that does not fit into `max_bytes`, is dropped:
    /// the sender keeps it until it is acknowledged.
    pub(crate) fn insert(
        &mut self,
        seq: u64,
        path: Path,
        packet: Result<Packet, DecodeError>,
        max_bytes: usize,
    ) {
        self.seen = self.seen.max(seq.saturating_add(1));
        if seq < self.expected || seq == u64::MAX || self.ahead.contains_key(&seq) {
            return;
        }
        let len = held_bytes(&packet);
        if seq > self.expected && self.ahead_bytes.saturating_add(len) > max_bytes {
            return;
        }
        self.ahead_bytes += len;
        self.ahead.insert(seq, (path, packet));
    }

    /// Nothing below `seq` is waited for any more.
    pub(crate) fn skip_to(&mut self, seq: u64) {
        if self.expected < seq {
            self.expected = seq;
            self.ahead.clear();
            self.ahead_bytes = 0;
        }
    }

    /// The next packet in order, with its number and the path on which it came; or what made it unreadable.
    pub(crate) fn pop(&mut self) -> Option<(u64, Path, Result<Packet, DecodeError>)> {
        let (path, packet) = self.ahead.remove(&self.expected)?;
        self.ahead_bytes -= held_bytes(&packet);
        let seq = self.expected;
        self.expected += 1;
        Some((seq, path, packet))
    }

    pub(crate) fn held_bytes(&self) -> usize {
        self.ahead_bytes
    }

    /// The number of the packet that comes next.
    pub(crate) fn expected(&self) -> u64 {
        self.expected
    }

    /// Whether a packet is missing of which a later one has come. The later one may have been dropped for want
    /// of room: it is missing itself once the others are there.
    pub(crate) fn has_gap(&self) -> bool {
        self.expected < self.seen
    }
}

/// What a packet costs while it waits, its place in the books included: small ones are no way around the bound.
fn held_bytes(packet: &Result<Packet, DecodeError>) -> usize {
    size_of::<Packet>() + packet.as_ref().map_or(size_of::<DecodeError>(), Packet::wire_len)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{AckBeyondSent, ReceiveStream, SendStream};
    use crate::event::Path;
    use crate::packet::Packet;

    fn packet(number: u64) -> Packet {
        Packet::event("n", &(number,)).unwrap()
    }

    fn number(packet: &Packet) -> u64 {
        packet.args::<(u64,)>().unwrap().0
    }

    #[derive(Clone, Debug)]
    enum Step {
        Push,
        Send,
        SendBytes(usize),
        Arrive(usize),
        Ack,
        Rewind,
    }

    fn step() -> impl Strategy<Value = Step> {
        prop_oneof![
            Just(Step::Push),
            Just(Step::Send),
            (1_usize..30).prop_map(Step::SendBytes),
            (0_usize..8).prop_map(Step::Arrive),
            Just(Step::Ack),
            Just(Step::Rewind),
        ]
    }

    proptest! {
        /// The wire between the ends reorders at will, repeats (through rewinds) and loses (what is never
        /// picked); the model is the list of numbers pushed.
        #[test]
        fn what_comes_out_is_a_prefix_of_what_went_in(steps in prop::collection::vec(step(), 1..200)) {
            let (mut sender, mut receiver) = (SendStream::default(), ReceiveStream::default());
            let (mut pushed, mut popped, mut acked) = (0, 0, 0);
            let mut wire: Vec<(u64, Packet)> = Vec::new();
            for step in steps {
                match step {
                    Step::Push => {
                        sender.push(packet(pushed), None);
                        pushed += 1;
                    }
                    Step::Send => {
                        if let Some((seq, _, outgoing)) = sender.peek() {
                            wire.push((seq, outgoing.packet.clone()));
                            sender.advance();
                        }
                    }
                    Step::SendBytes(len) => {
                        if let Some((seq, _, outgoing)) = sender.peek() {
                            let packet = outgoing.packet.clone();
                            sender.advance_bytes(len);
                            if sender.next() > seq {
                                wire.push((seq, packet));
                            }
                        }
                    }
                    Step::Arrive(index) => {
                        if index < wire.len() {
                            let (seq, packet) = wire.remove(index);
                            receiver.insert(seq, Path::Relay, Ok(packet), 1000);
                        }
                    }
                    Step::Ack => {
                        for (seq, outgoing) in sender.acknowledge(receiver.expected(), 0).unwrap().done {
                            prop_assert_eq!((seq, number(&outgoing.packet)), (acked, acked));
                            acked += 1;
                        }
                    }
                    Step::Rewind => sender.rewind(),
                }
                while let Some((seq, _, packet)) = receiver.pop() {
                    prop_assert_eq!((seq, number(&packet.unwrap())), (popped, popped));
                    popped += 1;
                }
                prop_assert!(acked <= popped && popped <= pushed);
                prop_assert!(sender.unacknowledged() <= sender.bytes());
            }
            // A rewind and a path without faults deliver the rest.
            sender.rewind();
            while let Some((seq, _, outgoing)) = sender.peek() {
                receiver.insert(seq, Path::Direct, Ok(outgoing.packet.clone()), 1000);
                sender.advance();
                while let Some((_, _, packet)) = receiver.pop() {
                    prop_assert_eq!(number(&packet.unwrap()), popped);
                    popped += 1;
                }
            }
            prop_assert_eq!(popped, pushed);
            sender.acknowledge(receiver.expected(), 0).unwrap();
            prop_assert_eq!((sender.bytes(), sender.unacknowledged()), (0, 0));
        }
    }

    #[test]
    fn an_acknowledgement_of_the_unsent_is_an_error_and_changes_nothing() {
        let mut sender = SendStream::default();
        sender.push(packet(0), None);
        assert_eq!(sender.acknowledge(1, 0).unwrap_err(), AckBeyondSent);
        sender.advance();
        assert_eq!(sender.acknowledge(1, 0).unwrap().done.len(), 1);
    }

    #[test]
    fn packets_ahead_of_their_turn_are_held_within_the_bound() {
        let mut receiver = ReceiveStream::default();
        let len = super::held_bytes(&Ok(packet(1)));
        receiver.insert(1, Path::Relay, Ok(packet(1)), 2 * len);
        receiver.insert(2, Path::Relay, Ok(packet(2)), 2 * len);
        receiver.insert(3, Path::Relay, Ok(packet(3)), 2 * len);
        assert!(receiver.pop().is_none() && receiver.has_gap());
        receiver.insert(0, Path::Relay, Ok(packet(0)), 2 * len);
        let out: Vec<u64> = std::iter::from_fn(|| receiver.pop()).map(|(seq, ..)| seq).collect();
        assert_eq!(out, [0, 1, 2]);
    }

    #[test]
    fn drained_packets_tell_whether_they_were_sent() {
        let mut sender = SendStream::default();
        (0..3).for_each(|number| sender.push(packet(number), None));
        sender.advance();
        sender.advance_bytes(1);
        sender.rewind();
        let sent: Vec<bool> = sender.drain().map(|(sent, _)| sent).collect();
        assert_eq!(sent, [true, true, false]);
    }
}
