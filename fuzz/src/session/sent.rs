//! What the session has accepted for a peer and sent to it, in one of its epochs.

use std::collections::BTreeSet;

use bytes::Bytes;
use socketio_p2p_core::wire::{
    Incoming, IncomingKind, Lane, PeerLimits, Record, State, Stream, flatten,
};
use socketio_p2p_core::{EmitId, Outcome, Packet};

/// A packet that the session accepted.
#[derive(Debug)]
pub(super) struct Accepted {
    pub(super) flat: Bytes,
    pub(super) emit: Option<EmitId>,
    wire_len: u64,
    attachments: usize,
    sent: Sent,
    /// The peer has acknowledged it.
    delivered: bool,
    refused: bool,
}

/// A transfer that the session accepted.
#[derive(Debug)]
pub(super) struct Transfer {
    announcement: Bytes,
    pub(super) data: Vec<u8>,
    pub(super) size: Option<u64>,
    pub(super) finished: bool,
    pub(super) aborted: bool,
    granted: u64,
    sent: Sent,
    end_sent: bool,
    abort_sent: bool,
    done: bool,
    refused: bool,
    lost: bool,
}

/// Per byte: the number of pongs of the peer when it was last sent, plus one; 0 if it was never sent.
#[derive(Debug)]
struct Sent(Vec<u32>);

#[derive(Debug, Default)]
pub(super) struct SentStreams {
    pub(super) lanes: [Vec<Accepted>; 3],
    pub(super) transfers: Vec<Transfer>,
    /// Emits that were not sent when the peer began anew.
    forgotten: BTreeSet<EmitId>,
    pub(super) pongs: u32,
    /// The number of the last ping.
    pub(super) pinged: u64,
    /// All packets below these numbers have ended.
    pub(super) over: [u64; 2],
    /// The peer has acknowledged or refused all packets below these numbers.
    said: [u64; 2],
}

impl Sent {
    fn new(len: usize) -> Self {
        Self(vec![0; len])
    }

    fn has_begun(&self) -> bool {
        self.0.iter().any(|at| *at > 0)
    }

    /// The number of bytes sent without a gap.
    fn had(&self) -> usize {
        self.0.iter().position(|at| *at == 0).unwrap_or(self.0.len())
    }

    /// Notes sent bytes: each is sent once, in order, and retransmitted only when a pong has proved its loss.
    fn note(&mut self, offset: usize, len: usize, pongs: u32, what: &str) {
        let had = self.had();
        assert!(offset <= had, "expected the next bytes of {what} from {had} on, got {offset}");
        for at in &mut self.0[offset..offset + len] {
            assert!(*at <= pongs, "{what} is retransmitted, and no pong has proved its loss");
            *at = pongs + 1;
        }
    }
}

impl Accepted {
    fn new(packet: &Packet, emit: Option<EmitId>) -> Self {
        let flat = flatten(packet);
        Self {
            emit,
            wire_len: packet.wire_len() as u64,
            attachments: packet.attachments().len(),
            sent: Sent::new(flat.len()),
            flat,
            delivered: false,
            refused: false,
        }
    }

    fn is_whole(&self) -> bool {
        self.sent.had() == self.flat.len()
    }
}

impl Transfer {
    pub(super) fn new(size: Option<u64>, event: &Packet) -> Self {
        let flat = flatten(event);
        let mut announcement = size.unwrap_or(u64::MAX).to_be_bytes().to_vec();
        announcement.extend(u32::try_from(flat.len()).unwrap().to_be_bytes());
        announcement.extend_from_slice(&flat);
        Self {
            sent: Sent::new(announcement.len()),
            announcement: announcement.into(),
            data: Vec::new(),
            size,
            finished: false,
            aborted: false,
            granted: 0,
            end_sent: false,
            abort_sent: false,
            done: false,
            refused: false,
            lost: false,
        }
    }

    /// Notes bytes that the application wrote and the session accepted.
    pub(super) fn write(&mut self, bytes: &[u8]) {
        self.data.extend_from_slice(bytes);
        self.sent.0.resize(self.announcement.len() + self.data.len(), 0);
        let most = self.granted.saturating_sub(self.announcement.len() as u64);
        assert!(
            self.data.len() as u64 <= most || bytes.is_empty(),
            "more bytes are accepted than the credit allows"
        );
    }

    pub(super) fn fits(&self, outcome: socketio_p2p_core::TransferOutcome, closing: bool) -> bool {
        use socketio_p2p_core::TransferOutcome::{Aborted, Delivered, Lost, Refused};
        match outcome {
            Delivered => self.done && self.finished,
            Refused => self.refused,
            Aborted => closing && !self.finished,
            // Checked where the end of its link is processed.
            Lost => true,
            _ => false,
        }
    }

    pub(super) fn is_lost(&self) -> bool {
        self.lost
    }

    fn note(&mut self, record: &Record, pongs: u32) {
        let what = format!("transfer {}", record.number);
        if record.abort {
            assert!(self.aborted && record.bytes.is_empty() && record.offset == 0 && !record.end);
            self.abort_sent = true;
            return;
        }
        assert!(!self.aborted, "{what} is sent after its abort");
        let (offset, len) = (usize::try_from(record.offset).unwrap(), record.bytes.len());
        let head = self.announcement.len();
        let all = self.announcement.iter().chain(&self.data).skip(offset).take(len);
        assert!(all.eq(record.bytes.iter()), "{what} changes");
        assert!(
            offset + len <= head || (offset + len) as u64 <= self.granted,
            "a record beyond the credit"
        );
        let ends = self.finished && offset + len == head + self.data.len();
        assert!(ends || !record.end, "the end of {what}");
        assert!(len > 0 || record.end, "an empty record of {what}");
        self.end_sent |= record.end;
        self.sent.note(offset, len, pongs, &what);
    }

    /// The state of this transfer at a correct receiver whose application has read `read` and takes `window` more.
    pub(super) fn honest(&self, window: u64) -> IncomingKind {
        let (head, had) = (self.announcement.len() as u64, self.sent.had() as u64);
        if self.abort_sent {
            return IncomingKind::Aborted;
        }
        if self.end_sent && had == self.sent.0.len() as u64 && window == 0 {
            return IncomingKind::Done;
        }
        let all = self.end_sent && had == self.sent.0.len() as u64;
        let read = if had >= head { had } else { 0 };
        let granted = if had >= head { had + window } else { 0 };
        IncomingKind::Open { read, had: had + u64::from(all), granted, ahead: Vec::new() }
    }
}

impl SentStreams {
    pub(super) fn push(&mut self, lane: Lane, packet: &Packet, emit: Option<EmitId>) {
        self.lanes[usize::from(lane.number())].push(Accepted::new(packet, emit));
    }

    /// The number of packets of a lane that were sent at least in part.
    pub(super) fn begun(&self, lane: usize) -> usize {
        let begun = self.lanes[lane].iter().rposition(|packet| packet.sent.has_begun());
        begun.map_or(0, |last| last + 1)
    }

    /// The number of packets of a lane that were sent whole, without a gap.
    pub(super) fn whole(&self, lane: usize) -> usize {
        self.lanes[lane].iter().take_while(|packet| packet.is_whole()).count()
    }

    /// The `next` of a correct receiver: a number and an offset.
    pub(super) fn had(&self, lane: usize) -> (u64, u64) {
        let whole = self.whole(lane);
        let offset = self.lanes[lane].get(whole).map_or(0, |packet| packet.sent.had());
        (whole as u64, offset as u64)
    }

    /// Notes a record that the session sends.
    pub(super) fn note_record(&mut self, record: &Record) {
        let Stream::Lane(lane) = record.stream else {
            let transfer = usize::try_from(record.number).ok();
            let transfer = transfer.and_then(|number| self.transfers.get_mut(number));
            return transfer.expect("a transfer that was opened").note(record, self.pongs);
        };
        let what = format!("{lane:?} {}", record.number);
        let (lane, number) = (usize::from(lane.number()), usize::try_from(record.number).unwrap());
        let pongs = if lane == 2 { 0 } else { self.pongs };
        let earlier = self.lanes[lane].get(..number).unwrap_or_default();
        let passed = |packet: &Accepted| packet.is_whole() || packet.refused;
        assert!(lane == 2 || earlier.iter().all(passed), "{what} overtakes an earlier packet");
        let packet = self.lanes[lane].get_mut(number).unwrap_or_else(|| panic!("no {what}"));
        let (offset, len) = (usize::try_from(record.offset).unwrap(), record.bytes.len());
        let same = packet.flat.get(offset..offset + len).is_some_and(|is| *is == record.bytes);
        assert!(same, "{what} differs");
        assert_eq!(record.end, offset + len == packet.flat.len(), "the end of {what}");
        assert!(len > 0 && !record.abort, "an empty record of {what}");
        packet.sent.note(offset, len, pongs, &what);
    }

    /// Notes an event that the session sends to an original client, once.
    pub(super) fn note_original(&mut self, flat: &Bytes) {
        let mut packets = self.lanes.iter_mut().flatten();
        let packet = packets.find(|packet| packet.flat == *flat && !packet.sent.has_begun());
        let packet = packet.expect("an event that was emitted and not sent before");
        packet.sent.note(0, flat.len(), 0, "an event");
    }

    /// Notes the peer's `state`.
    pub(super) fn hear(&mut self, state: &State) {
        let mut certain = true;
        for (lane, has) in Lane::RELIABLE.into_iter().zip(&state.lanes) {
            let index = usize::from(lane.number());
            let next = has.next.number;
            // A `state` that another one overtook may acknowledge less.
            certain &= has.next.offset == 0 && has.ahead.is_empty();
            certain &= next <= self.whole(index) as u64;
            let packets = self.lanes[index].iter_mut().zip(0..next);
            for (packet, number) in packets.skip(usize::try_from(self.over[index]).unwrap()) {
                let refused = state.refused.contains(&(lane, number));
                packet.refused |= refused;
                packet.delivered |= !refused;
            }
            self.said[index] = self.said[index].max(next);
            if certain {
                self.over[index] = self.over[index].max(next);
            }
        }
        for Incoming { number, kind } in &state.incoming {
            let number = usize::try_from(*number).unwrap_or(usize::MAX);
            let Some(transfer) = self.transfers.get_mut(number) else { continue };
            match kind {
                IncomingKind::Open { granted, .. } => {
                    transfer.granted = transfer.granted.max(*granted);
                }
                IncomingKind::Done => transfer.done = true,
                IncomingKind::Refused => transfer.refused = true,
                IncomingKind::Aborted => {}
                IncomingKind::Unknown => transfer.lost = true,
            }
        }
    }

    /// Notes the limits of the peer's application: packets beyond them that were not sent are refused.
    pub(super) fn hear_limits(&mut self, limits: PeerLimits, refused: &mut BTreeSet<EmitId>) {
        for lane in 0..2 {
            let mut index = self.begun(lane);
            while let Some(packet) = self.lanes[lane].get(index) {
                let fits = packet.wire_len <= limits.packet_bytes
                    && packet.attachments <= limits.attachments as usize;
                if fits {
                    index += 1;
                } else {
                    refused.extend(self.lanes[lane].remove(index).emit);
                }
            }
        }
    }

    /// Notes the outcome of an emit.
    pub(super) fn end(&mut self, emit: EmitId, outcome: Outcome) {
        if self.forgotten.remove(&emit) {
            return assert_eq!(outcome, Outcome::NotSent);
        }
        let begun = [self.begun(0), self.begun(1)];
        for (lane, begun) in begun.into_iter().enumerate() {
            let index = self.lanes[lane].iter().position(|packet| packet.emit == Some(emit));
            let Some(index) = index else { continue };
            let packet = &mut self.lanes[lane][index];
            packet.emit = None;
            let fits = match outcome {
                Outcome::Delivered => packet.delivered,
                Outcome::Refused => packet.refused,
                Outcome::Unknown => index < begun,
                Outcome::NotSent => index >= begun,
                _ => false,
            };
            assert!(fits, "packet {index} of lane {lane} ends as {outcome:?}: {packet:?}");
            return;
        }
        panic!("{emit:?} ends twice, or had another receiver");
    }

    /// Notes the outcome of an emit to an original client.
    pub(super) fn end_original(&mut self, emit: EmitId) {
        let packet = self.lanes.iter_mut().flatten().find(|packet| packet.emit == Some(emit));
        packet.expect("an emit ends once").emit = None;
    }

    /// The number of emits without an outcome.
    pub(super) fn pending(&self) -> usize {
        self.lanes.iter().flatten().filter(|packet| packet.emit.is_some()).count()
            + self.forgotten.len()
    }

    /// Checks that all emits have ended that the peer has acknowledged or refused.
    pub(super) fn check_over(&self) {
        for (lane, over) in self.over.into_iter().enumerate() {
            let below = self.lanes[lane].iter().take(usize::try_from(over).unwrap());
            let pending = below.filter(|packet| packet.emit.is_some()).count();
            assert_eq!(
                pending, 0,
                "the peer has acknowledged all packets below {over}, and emits have no outcome"
            );
        }
    }

    /// Checks the `settled` of the session: it knows the outcome of all packets below.
    pub(super) fn check_settled(&self, settled: [u64; 2]) {
        assert!(settled[0] <= self.said[0] && settled[1] <= self.said[1], "{settled:?} settled");
    }

    /// Notes that the peer has begun anew and continues with these numbers: emits that were not sent are forgotten.
    pub(super) fn renew(&mut self) {
        for lane in 0..2 {
            let begun = self.begun(lane);
            let unsent = self.lanes[lane].drain(begun..);
            self.forgotten.extend(unsent.filter_map(|packet| packet.emit));
        }
        self.pinged = 0;
        self.transfers.iter_mut().for_each(|transfer| transfer.aborted = true);
    }
}
