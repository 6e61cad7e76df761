//! The way out: emits into the lanes, from the lanes to the path in use.

use bytes::Bytes;

use super::channel::V0_PIECES;
use super::control::{Ack, Control, Fragment};
use super::stream::Outgoing;
use super::timer::Timer;
use super::{Context, Link, fragment};
use crate::error::EmitError;
use crate::event::{Event, Outcome, Path};
use crate::id::{EmitId, MAX_PEER_ID, Version};
use crate::packet::Packet;
use crate::signal::{HubLimits, Lane, Recipient, Sequence};
use crate::time::Time;

/// What an envelope costs at most beside what follows: event name, brackets, the head of a fragment.
const ENVELOPE_BYTES: usize = 512;

/// What a part costs in an envelope beside its bytes: its placeholder.
const PART_BYTES: usize = 40;

/// What a receiver costs in an envelope, at most: its id, escaped, and its numbers.
const RECIPIENT_BYTES: usize = 2 * MAX_PEER_ID + 128;

/// How much longer a head may get when the number of pieces is written into it.
const V0_COUNT_BYTES: usize = 8;

/// A packet on its way to the relay.
#[derive(Debug)]
pub(crate) struct Envelope {
    pub(crate) recipient: Recipient,
    pub(crate) parts: Vec<Bytes>,
    /// The emit that the parts are the whole of: the same parts serve every peer that gets it.
    pub(crate) emit: Option<EmitId>,
}

/// What goes out next of a lane.
enum Next {
    Whole { packet: Packet, seq: u64, emit: Option<EmitId> },
    Fragment(Fragment),
}

impl Link {
    /// Takes a packet for the peer.
    pub(crate) fn emit(
        &mut self,
        lane: Lane,
        packet: Packet,
        emit: Option<EmitId>,
        cx: &mut Context<'_>,
    ) -> Result<(), EmitError> {
        self.check_support(&packet)?;
        let send = &mut self.lanes[lane.index()].send;
        if !send.fits(&packet, cx.config.queue_bytes, cx.config.queue_packets) {
            self.blocked = true;
            let peer = self.peer.clone();
            return Err(EmitError::Blocked { peer, queued: self.queued_bytes() });
        }
        send.push(packet, emit);
        Ok(())
    }

    /// Takes an event for the peer that it is to answer until `deadline`.
    pub(crate) fn emit_with_ack(
        &mut self,
        packet: Packet,
        emit: EmitId,
        deadline: Time,
        cx: &mut Context<'_>,
    ) -> Result<(), EmitError> {
        if self.replies.len() >= cx.config.max_pending_acks {
            return Err(EmitError::TooManyPendingAcks(self.replies.len()));
        }
        let packet = packet.with_ack_id(self.replies.next_ack_id());
        self.emit(Lane::Events, packet, Some(emit), cx)?;
        self.replies.expect(emit, deadline);
        self.arm_reply();
        Ok(())
    }

    fn check_support(&self, packet: &Packet) -> Result<(), EmitError> {
        if self.version == Version::V1 {
            return Ok(());
        }
        let what = match packet.attachments() {
            _ if packet.ack_id().is_some() => "an event that asks for an acknowledgement",
            _ if !packet.namespace().is_default() => "an event in a namespace",
            [] => return Ok(()),
            [blob] if blob.is_empty() => "an empty blob",
            [_] => return Ok(()),
            [..] => "more than one blob in an event",
        };
        Err(EmitError::UnsupportedByPeer { peer: self.peer.clone(), what })
    }

    pub(super) fn arm_reply(&mut self) {
        match self.replies.next_deadline() {
            Some(deadline) => self.timers.set(Timer::Reply, deadline),
            None => self.timers.clear(Timer::Reply),
        }
    }

    pub(super) fn handle_overdue_replies(&mut self, cx: &mut Context<'_>) {
        while let Some(emit) = self.replies.take_overdue(cx.now) {
            let peer = self.peer.clone();
            cx.out.events.push_back(Event::NoAck { emit, peer, timed_out: true });
        }
        self.arm_reply();
    }

    /// The next frame for the data channel.
    pub(crate) fn poll_direct(&mut self, cx: &mut Context<'_>) -> Option<crate::Frame> {
        let ack_here = self.ack_due && self.controls_on_channel();
        if ack_here && self.open_channel()?.is_idle() {
            let ack = self.take_ack();
            self.open_channel_mut()?.push_control(ack);
        }
        if let Some(frame) = self.open_channel_mut()?.pop_frame() {
            return Some(frame);
        }
        if self.sending == Some(Path::Direct) {
            self.write_next(cx);
        }
        self.open_channel_mut()?.pop_frame()
    }

    fn write_next(&mut self, cx: &mut Context<'_>) {
        let Some(lane) = self.next_lane() else { return };
        let Some(max) = self.open_channel().map(|channel| channel.max_message) else { return };
        let (version, whole) = (self.version, cx.config.whole_bytes.min(max));
        let fits = |packet: &Packet| match version {
            Version::V0 => fits_v0_channel(packet, max),
            Version::V1 => packet.wire_len() <= whole,
        };
        let next = self.take_next(lane, fits, cx.config.fragment_bytes.min(max), cx);
        let Some(next) = next else { return };
        let Some(channel) = self.open_channel_mut() else { return };
        match next {
            Next::Whole { packet, seq, .. } => {
                // The peer counts; where the count jumps, it is told.
                if version == Version::V1 && channel.announced != Some(seq) {
                    channel.push_control(Control::Begin { next: seq });
                }
                channel.announced = Some(seq + 1);
                channel.push_data(packet);
            }
            Next::Fragment(fragment) => {
                if fragment.of.lane == Lane::Events && fragment.is_last() {
                    channel.announced = Some(fragment.of.seq + 1);
                }
                channel.push_control(Control::Fragment(fragment));
            }
        }
    }

    /// The lane whose turn it is: bulk waits while there are events.
    fn next_lane(&self) -> Option<Lane> {
        Lane::ALL.into_iter().find(|lane| self.lanes[lane.index()].send.peek().is_some())
    }

    /// Takes what goes out next of `lane` and notes that it is under way.
    fn take_next(
        &mut self,
        lane: Lane,
        fits: impl Fn(&Packet) -> bool,
        fragment_bytes: usize,
        cx: &mut Context<'_>,
    ) -> Option<Next> {
        if self.version == Version::V0 {
            self.discard_too_big(lane, &fits, cx);
        }
        let send = &mut self.lanes[lane.index()].send;
        let (seq, offset, Outgoing { packet, emit, .. }) = send.peek()?;
        let whole = offset == 0 && lane == Lane::Events && fits(packet);
        if self.version == Version::V0 || whole {
            let next = Next::Whole { packet: packet.clone(), seq, emit: *emit };
            send.advance();
            if self.version == Version::V0 {
                self.release_unacknowledgeable(lane, Outcome::Unknown, cx);
            }
            return Some(next);
        }
        // At least one byte, or a remote end that claims to take none would get empty pieces for ever.
        let bytes = fragment::piece(packet, offset, fragment_bytes.max(1));
        let total = fragment::flat_len(packet) as u64;
        send.advance_bytes(bytes.len());
        let of = Sequence { lane, seq };
        Some(Next::Fragment(Fragment { of, offset: offset as u64, total, bytes }))
    }

    /// A v0 peer cannot put pieces together: what the path does not take whole is not sent.
    fn discard_too_big(
        &mut self,
        lane: Lane,
        fits: impl Fn(&Packet) -> bool,
        cx: &mut Context<'_>,
    ) {
        let next =
            |link: &Self| link.lanes[lane.index()].send.peek().map(|next| fits(&next.2.packet));
        while next(self) == Some(false) {
            self.lanes[lane.index()].send.advance();
            self.release_unacknowledgeable(lane, Outcome::NotSent, cx);
        }
    }

    /// A v0 peer never acknowledges: what is handed to the path is done with.
    fn release_unacknowledgeable(&mut self, lane: Lane, outcome: Outcome, cx: &mut Context<'_>) {
        let send = &mut self.lanes[lane.index()].send;
        let done = send.acknowledge(send.next(), 0).unwrap_or_default();
        for emit in done.into_iter().filter_map(|(_, outgoing)| outgoing.emit) {
            self.report_outcome(emit, outcome, cx);
        }
        self.report_writable(cx);
    }

    /// The next packet for the relay, within what the hub allows.
    pub(crate) fn poll_relay(
        &mut self,
        limits: &HubLimits,
        cx: &mut Context<'_>,
    ) -> Option<Envelope> {
        if !self.relay_up {
            return None;
        }
        let control = match self.relay_control.pop_front() {
            Some(control) => Some(control),
            None if self.ack_due && !self.controls_on_channel() => Some(self.take_ack()),
            None => None,
        };
        if let Some(control) = control {
            return self.enclose_control(&control);
        }
        let lane = self.next_relay_lane(cx)?;
        let fragment_bytes = (limits.max_envelope as usize).saturating_sub(envelope_overhead(2, 1));
        let fragment_bytes = cx.config.fragment_bytes.min(fragment_bytes);
        let fits = |packet: &Packet| fits_envelope(packet, 1, limits);
        let next = self.take_next(lane, fits, fragment_bytes, cx)?;
        self.arm_retransmit(cx);
        match next {
            Next::Whole { packet, seq, emit } => {
                let recipient = self.recipient(Some(Sequence { lane, seq }));
                Some(Envelope { recipient, parts: parts(&packet), emit })
            }
            Next::Fragment(fragment) => self.enclose_control(&Control::Fragment(fragment)),
        }
    }

    /// Joins an envelope that `others` peers get, when it is just what goes out next to this one and there is
    /// room for one more.
    pub(crate) fn join_envelope(
        &mut self,
        emit: EmitId,
        others: usize,
        limits: &HubLimits,
        cx: &mut Context<'_>,
    ) -> Option<Recipient> {
        let busy = !self.relay_control.is_empty() || (self.ack_due && !self.controls_on_channel());
        if !self.relay_up || busy {
            return None;
        }
        let lane = self.next_relay_lane(cx)?;
        let (seq, offset, outgoing) = self.lanes[lane.index()].send.peek()?;
        let same = offset == 0 && outgoing.emit == Some(emit) && outgoing.packet.ack_id().is_none();
        if !same || lane != Lane::Events || !fits_envelope(&outgoing.packet, others + 1, limits) {
            return None;
        }
        self.take_next(lane, |_| true, 1, cx)?;
        self.arm_retransmit(cx);
        Some(self.recipient(Some(Sequence { lane, seq })))
    }

    fn next_relay_lane(&self, cx: &Context<'_>) -> Option<Lane> {
        let under_way: usize = self.lanes.iter().map(|lane| lane.send.unacknowledged()).sum();
        if self.sending != Some(Path::Relay) || self.resuming || under_way >= cx.config.relay_window
        {
            return None;
        }
        self.next_lane()
    }

    fn enclose_control(&self, control: &Control) -> Option<Envelope> {
        // What we encode ourselves always fits: numbers, and pieces of a bounded size.
        let packet = control.to_packet().ok()?;
        Some(Envelope { recipient: self.recipient(None), parts: parts(&packet), emit: None })
    }

    fn recipient(&self, sequence: Option<Sequence>) -> Recipient {
        Recipient { id: self.peer.clone(), epochs: self.epochs(), sequence }
    }

    /// Whether link control goes by the channel; otherwise it goes by the relay.
    pub(super) fn controls_on_channel(&self) -> bool {
        self.open_channel().is_some_and(|channel| channel.greeted && self.state.is_verified())
    }

    pub(super) fn take_ack(&mut self) -> Control {
        self.ack_due = false;
        self.untold = 0;
        self.timers.clear(Timer::Ack);
        (self.unacked_packets, self.unacked_bytes) = (0, 0);
        Control::Ack(Ack {
            received: self.received(),
            partial: self.lanes.each_ref().map(|lane| {
                let expected = lane.receive.expected();
                let relay = lane.relay_reassembly.progress(expected);
                relay.max(lane.direct_reassembly.progress(expected))
            }),
            refused: self.refused.iter().copied().collect(),
        })
    }

    pub(super) fn awaits_ack(&self) -> bool {
        self.lanes.iter().any(|lane| lane.send.awaits_ack())
    }

    /// Whether packets that went by the relay before the switch are still unacknowledged.
    pub(super) fn tail_is_outstanding(&self) -> bool {
        self.lanes.iter().zip(self.tail).any(|(lane, tail)| lane.send.base() < tail)
    }

    /// Sends everything that is not acknowledged again, on the path in use.
    pub(super) fn rewind(&mut self) {
        self.lanes.iter_mut().for_each(|lane| lane.send.rewind());
        self.tail = Default::default();
    }

    pub(super) fn retransmit(&mut self, cx: &Context<'_>) {
        self.rewind();
        self.retransmits += 1;
        self.arm_retransmit(cx);
    }

    /// Packets on the relay can be lost at the hub; on a channel they cannot.
    pub(super) fn arm_retransmit(&mut self, cx: &Context<'_>) {
        let pending = self.version == Version::V1
            && match self.sending {
                Some(Path::Relay) => !self.resuming && self.awaits_ack(),
                Some(Path::Direct) => self.tail_is_outstanding(),
                None => false,
            };
        if pending {
            let timeout = cx.config.retransmit_timeout.saturating_mul(1 << self.retransmits.min(4));
            self.timers.set_if_idle(Timer::Retransmit, cx.now + timeout);
        } else {
            self.timers.clear(Timer::Retransmit);
        }
    }

    pub(super) fn end_resume(&mut self, cx: &Context<'_>) {
        self.resuming = false;
        self.timers.clear(Timer::Resume);
        self.rewind();
        self.arm_retransmit(cx);
    }

    pub(super) fn report_outcome(&self, emit: EmitId, outcome: Outcome, cx: &mut Context<'_>) {
        cx.out.events.push_back(Event::Outcome { emit, peer: self.peer.clone(), outcome });
    }

    pub(super) fn report_writable(&mut self, cx: &mut Context<'_>) {
        let room = |lane: &super::LaneState| {
            lane.send.has_room(cx.config.queue_bytes, cx.config.queue_packets)
        };
        if self.blocked && self.lanes.iter().all(room) {
            self.blocked = false;
            cx.out.events.push_back(Event::Writable { peer: self.peer.clone() });
        }
    }
}

/// What an envelope carries: the packet's head and attachments.
fn parts(packet: &Packet) -> Vec<Bytes> {
    let head = packet.head().as_bytes().clone();
    std::iter::once(head).chain(packet.attachments().iter().cloned()).collect()
}

/// Whether a v0 peer's end of a channel takes the packet: its head in one message, its blob in pieces.
fn fits_v0_channel(packet: &Packet, max_message: usize) -> bool {
    let pieces = packet.attachments().iter().map(|blob| blob.len().div_ceil(max_message.max(1)));
    packet.head().len() + V0_COUNT_BYTES <= max_message && pieces.sum::<usize>() <= V0_PIECES
}

/// What an envelope costs at most beside the bytes of its parts.
fn envelope_overhead(parts: usize, recipients: usize) -> usize {
    ENVELOPE_BYTES + parts * PART_BYTES + recipients * RECIPIENT_BYTES
}

fn fits_envelope(packet: &Packet, recipients: usize, limits: &HubLimits) -> bool {
    let parts = 1 + packet.attachments().len();
    packet.wire_len() + envelope_overhead(parts, recipients) <= limits.max_envelope as usize
        && parts <= limits.max_attachments as usize
}
