//! The way out: emits into the lanes, from the lanes to the path in use.

use std::time::Duration;

use bytes::Bytes;

use super::channel::V0_PIECES;
use super::control::{Ack, Control, Fragment, PerLane};
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

/// After so many bytes of events it is the turn of bulk that waits, for one piece.
const BULK_PATIENCE: usize = 64 << 10;

/// The shortest time between two times that the peer makes us send everything again.
const REWIND_INTERVAL: Duration = Duration::from_millis(200);

/// How much longer a head may get when the number of pieces is written into it.
const V0_COUNT_BYTES: usize = 8;

/// A packet on its way to the relay.
#[derive(Debug)]
pub(crate) struct Envelope {
    pub(crate) recipient: Recipient,
    pub(crate) parts: Vec<Bytes>,
    /// What the parts are of: the same parts serve every peer to which the same goes next.
    pub(crate) shared: Option<Shared>,
}

/// What one upload may carry to many.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Shared {
    emit: EmitId,
    /// Offset and length, unless the parts are the whole packet.
    piece: Option<(u64, usize)>,
}

/// What goes out next of a lane.
pub(super) enum Next {
    Whole { packet: Packet, of: Sequence, emit: Option<EmitId> },
    Fragment { fragment: Fragment, emit: Option<EmitId> },
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
        let goes = lane != Lane::Volatile || self.takes_volatile(&packet, cx);
        let send = &mut self.lanes[lane.index()].send;
        let max_bytes = match lane {
            Lane::Events | Lane::Bulk => cx.config.queue_bytes,
            Lane::Volatile => cx.config.volatile_bytes,
        };
        if goes && send.fits(&packet, max_bytes, cx.config.queue_packets) {
            send.push(packet, emit);
            return Ok(());
        }
        let (peer, queued) = (self.peer.clone(), send.bytes());
        if lane == Lane::Volatile {
            self.dropped += 1;
            return Err(EmitError::Dropped(peer));
        }
        self.blocked[lane.index()] = true;
        Err(EmitError::Blocked { peer, lane, queued })
    }

    /// Whether there is a path for a volatile event, and whether it goes in one piece.
    fn takes_volatile(&self, packet: &Packet, cx: &Context<'_>) -> bool {
        self.sending.is_some() && !self.resuming && packet.wire_len() <= cx.config.whole_bytes
    }

    /// Takes an event for the peer that it is to answer until `deadline`. Its ack id is the emit's number.
    pub(crate) fn ask(
        &mut self,
        question: Packet,
        emit: EmitId,
        deadline: Time,
        cx: &mut Context<'_>,
    ) -> Result<(), EmitError> {
        if self.replies.len() >= cx.config.max_pending_acks {
            return Err(EmitError::TooManyPendingAcks(self.replies.len()));
        }
        self.emit(Lane::Events, question, Some(emit), cx)?;
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
            cx.out.push_no_ack(emit, self.peer.clone(), true);
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
        // Behind the good-bye nothing is listened to.
        if self.sending == Some(Path::Direct) && !self.leaving {
            self.write_next(cx);
        }
        self.open_channel_mut()?.pop_frame()
    }

    fn write_next(&mut self, cx: &mut Context<'_>) {
        let Some(max) = self.open_channel().map(|channel| channel.max_message) else { return };
        let (version, whole) = (self.version, cx.config.whole_bytes.min(max));
        let fits = |packet: &Packet| match version {
            Version::V0 => fits_v0_channel(packet, max),
            Version::V1 => packet.wire_len() <= whole,
        };
        let fragment_bytes = cx.config.fragment_bytes.min(max);
        let Some(next) = self.take_next(|_| true, fits, fragment_bytes, cx) else { return };
        self.arm_stall(cx);
        let Some(channel) = self.open_channel_mut() else { return };
        match next {
            Next::Whole { packet, of: Sequence { lane: Lane::Volatile, seq }, .. } => {
                if version == Version::V1 {
                    channel.push_control(Control::Volatile { seq });
                }
                channel.push_data(packet);
            }
            Next::Whole { packet, of: Sequence { seq, .. }, .. } => {
                // The peer counts; where the count jumps, it is told.
                if version == Version::V1 && channel.announced != Some(seq) {
                    channel.push_control(Control::Begin { next: seq });
                }
                channel.announced = Some(seq + 1);
                channel.push_data(packet);
            }
            Next::Fragment { fragment, .. } => {
                if fragment.of.lane == Lane::Events && fragment.is_last() {
                    channel.announced = Some(fragment.of.seq + 1);
                }
                channel.push_control(Control::Fragment(fragment));
            }
        }
    }

    /// The lane whose turn it is among those that are open: bulk waits while there are events, but not for ever.
    pub(super) fn next_lane(&self, open: impl Fn(Lane) -> bool) -> Option<Lane> {
        let order = if self.overtaken < BULK_PATIENCE {
            [Lane::Volatile, Lane::Events, Lane::Bulk]
        } else {
            [Lane::Volatile, Lane::Bulk, Lane::Events]
        };
        let waits = |lane: &Lane| self.lanes[lane.index()].send.peek().is_some();
        order.into_iter().find(|lane| waits(lane) && open(*lane))
    }

    /// Takes what goes out next and notes that it is under way.
    pub(super) fn take_next(
        &mut self,
        open: impl Fn(Lane) -> bool,
        fits: impl Fn(&Packet) -> bool,
        fragment_bytes: usize,
        cx: &mut Context<'_>,
    ) -> Option<Next> {
        loop {
            let lane = self.next_lane(&open)?;
            let send = &mut self.lanes[lane.index()].send;
            let (seq, offset, Outgoing { packet, emit, .. }) = send.peek()?;
            let (of, emit) = (Sequence { lane, seq }, *emit);
            let whole = offset == 0 && fits(packet);
            let packet = packet.clone();
            match (self.version, lane) {
                (Version::V0, _) => {
                    send.advance();
                    // What the path does not take whole is not sent: the peer cannot put pieces together.
                    let outcome = if whole { Outcome::Unknown } else { Outcome::NotSent };
                    self.release_unacknowledgeable(lane, outcome, cx);
                }
                (Version::V1, Lane::Volatile) if !whole => self.dropped += send.forget(),
                (Version::V1, Lane::Events | Lane::Volatile) if whole => send.advance(),
                (Version::V1, _) => {
                    // At least one byte, or a remote end that claims to take none would get empty pieces for
                    // ever.
                    let bytes = fragment::piece(&packet, offset, fragment_bytes.max(1));
                    let total = fragment::flat_len(&packet) as u64;
                    send.advance_bytes(bytes.len());
                    self.note_turn(lane, bytes.len());
                    let fragment = Fragment { of, offset: offset as u64, total, bytes };
                    return Some(Next::Fragment { fragment, emit });
                }
            }
            if whole {
                self.note_turn(lane, packet.wire_len());
                return Some(Next::Whole { packet, of, emit });
            }
        }
    }

    /// Keeps count of what overtakes bulk.
    fn note_turn(&mut self, lane: Lane, bytes: usize) {
        if lane == Lane::Bulk || self.lanes[Lane::Bulk.index()].send.peek().is_none() {
            self.overtaken = 0;
        } else {
            self.overtaken = self.overtaken.saturating_add(bytes);
        }
    }

    /// A v0 peer never acknowledges: what is handed to the path is done with.
    fn release_unacknowledgeable(&mut self, lane: Lane, outcome: Outcome, cx: &mut Context<'_>) {
        let send = &mut self.lanes[lane.index()].send;
        let acknowledged = send.acknowledge(send.next(), 0).unwrap_or_default();
        for (_, outgoing) in acknowledged.done {
            self.report_outcome(lane, &outgoing, outcome, cx);
        }
        self.report_writable(cx);
    }

    /// Whether there can be something for the relay; [`poll_relay`](Self::poll_relay) tells whether there is.
    pub(crate) fn may_use_relay(&self) -> bool {
        let waits = self.ack_due || !self.indirect_control.is_empty();
        self.relay_up && (waits || self.sending == Some(Path::Relay))
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
        let control = match self.indirect_control.front() {
            _ if self.controls_via() => None,
            Some(_) => self.indirect_control.pop_front(),
            None if self.ack_due && !self.controls_on_channel() => Some(self.take_ack()),
            None => None,
        };
        if let Some(control) = control {
            return self.enclose_control(&control);
        }
        let open = self.open_relay_lanes(cx.config.relay_window)?;
        let fragment_bytes = (limits.max_envelope as usize).saturating_sub(envelope_overhead(2, 1));
        let fragment_bytes = cx.config.fragment_bytes.min(fragment_bytes);
        let fits = |packet: &Packet| fits_envelope(packet, 1, limits);
        let next = self.take_next(|lane| open[lane.index()], fits, fragment_bytes, cx)?;
        self.arm_retransmit(cx);
        let (of, packet, shared) = match next {
            Next::Whole { packet, of, emit } => {
                (of, packet, emit.map(|emit| Shared { emit, piece: None }))
            }
            Next::Fragment { fragment, emit } => {
                let piece = Some((fragment.offset, fragment.bytes.len()));
                // What we encode ourselves always fits: numbers, and pieces of a bounded size.
                let packet = fragment.to_relayed_packet().ok()?;
                (fragment.of, packet, emit.map(|emit| Shared { emit, piece }))
            }
        };
        Some(Envelope { recipient: self.recipient(Some(of)), parts: parts(&packet), shared })
    }

    /// Joins an envelope that `others` peers get, when it is just what goes out next to this one and there is
    /// room for one more.
    pub(crate) fn join_envelope(
        &mut self,
        shared: Shared,
        others: usize,
        limits: &HubLimits,
        cx: &mut Context<'_>,
    ) -> Option<Recipient> {
        let busy =
            !self.indirect_control.is_empty() || (self.ack_due && !self.controls_on_channel());
        if !self.relay_up || busy {
            return None;
        }
        // Twice the window: who is a moment behind the others shares their upload still.
        let open = self.open_relay_lanes(2 * cx.config.relay_window)?;
        let lane = self.next_lane(|lane| open[lane.index()])?;
        let send = &mut self.lanes[lane.index()].send;
        let (seq, offset, outgoing) = send.peek()?;
        if outgoing.emit != Some(shared.emit) {
            return None;
        }
        let bytes = match shared.piece {
            None if offset == 0 && fits_envelope(&outgoing.packet, others + 1, limits) => {
                let bytes = outgoing.packet.wire_len();
                send.advance();
                bytes
            }
            Some((at, bytes))
                if at == offset as u64
                    && self.version == Version::V1
                    && bytes + envelope_overhead(2, others + 1) <= limits.max_envelope as usize =>
            {
                send.advance_bytes(bytes);
                bytes
            }
            None | Some(_) => return None,
        };
        self.note_turn(lane, bytes);
        if self.version == Version::V0 {
            self.release_unacknowledgeable(lane, Outcome::Unknown, cx);
        }
        self.arm_retransmit(cx);
        Some(self.recipient(Some(Sequence { lane, seq })))
    }

    /// The lanes of which something may go to the relay now, with `window` bytes under way at most. `None`: the
    /// relay carries no data.
    fn open_relay_lanes(&self, window: usize) -> Option<PerLane<bool>> {
        if self.sending != Some(Path::Relay) || self.resuming || self.leaving {
            return None;
        }
        Some(self.lanes_within(window))
    }

    /// The lanes of which something may be sent, with `window` bytes under way at most.
    pub(super) fn lanes_within(&self, window: usize) -> PerLane<bool> {
        let under_way: usize = self.reliable_lanes().map(|lane| lane.send.unacknowledged()).sum();
        // Bulk leaves half of the window to events.
        let bulk = self.lanes[Lane::Bulk.index()].send.unacknowledged();
        [under_way < window, under_way < window && bulk < window / 2, true]
    }

    fn enclose_control(&self, control: &Control) -> Option<Envelope> {
        // What we encode ourselves always fits: numbers, and pieces of a bounded size.
        let packet = control.to_packet().ok()?;
        Some(Envelope { recipient: self.recipient(None), parts: parts(&packet), shared: None })
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
        self.timers.clear(Timer::Ack);
        (self.unacked_packets, self.unacked_bytes) = (0, 0);
        Control::Ack(Ack {
            received: self.received(),
            partial: self.lanes.each_ref().map(|lane| {
                let expected = lane.receive.expected();
                let relay = lane.relay_reassembly.progress(expected);
                let via = lane.via_reassembly.progress(expected);
                relay.max(via).max(lane.direct_reassembly.progress(expected))
            }),
            refused: self.refused.iter().copied().collect(),
            told: self.refuses.then(|| self.lanes.each_ref().map(|lane| lane.send.base())),
        })
    }

    pub(super) fn awaits_ack(&self) -> bool {
        self.lanes.iter().any(|lane| lane.send.awaits_ack())
    }

    /// Whether packets that went by the relay before the switch are still unacknowledged.
    pub(super) fn tail_is_outstanding(&self) -> bool {
        Lane::RELIABLE
            .iter()
            .any(|lane| self.lanes[lane.index()].send.base() < self.tail[lane.index()])
    }

    /// Sends everything that is not acknowledged again, on the path in use. Volatile events are not repeated.
    pub(super) fn rewind(&mut self) {
        for lane in Lane::RELIABLE {
            self.lanes[lane.index()].send.rewind();
        }
        self.dropped += self.lanes[Lane::Volatile.index()].send.forget();
        self.tail = Default::default();
    }

    pub(super) fn retransmit(&mut self, cx: &Context<'_>) {
        self.rewind();
        self.retransmits += 1;
        self.arm_retransmit(cx);
    }

    /// Packets on the relay can be lost at the hub, or at a neighbour; on a channel they cannot.
    pub(super) fn arm_retransmit(&mut self, cx: &Context<'_>) {
        let pending = self.version == Version::V1
            && match self.sending {
                Some(Path::Relay | Path::Via(_)) => !self.resuming && self.awaits_ack(),
                Some(Path::Direct) => self.tail_is_outstanding(),
                None => false,
            };
        if pending {
            let timeout = cx.config.retransmit_timeout.saturating_mul(1 << self.retransmits.min(4));
            self.timers.set_if_idle(Timer::Retransmit, cx.now + timeout);
        } else {
            self.timers.clear(Timer::Retransmit);
        }
        self.arm_stall(cx);
    }

    /// A peer that takes and never acknowledges must not be waited for.
    fn arm_stall(&mut self, cx: &Context<'_>) {
        let waits = self.reliable_lanes().any(|lane| lane.send.is_outstanding());
        if !waits || self.version == Version::V0 {
            self.end_stall();
        } else if self.sending.is_some() {
            let left = self.stall_left.take().unwrap_or(cx.config.stall_timeout);
            self.timers.set_if_idle(Timer::Stall, cx.now + left);
        } else if let Some(at) = self.timers.due(Timer::Stall) {
            // The time without a path does not count.
            self.stall_left = Some(at - cx.now);
            self.timers.clear(Timer::Stall);
        }
    }

    /// The peer has acknowledged something, or there is nothing to acknowledge.
    pub(super) fn end_stall(&mut self) {
        self.stall_left = None;
        self.timers.clear(Timer::Stall);
    }

    /// Whether the peer's word may make us send everything again. Not each time: its word is short, and everything
    /// may be much. It asks again for what it still lacks.
    pub(super) fn may_rewind(&mut self, cx: &Context<'_>) -> bool {
        let may = self.rewound_at.is_none_or(|at| cx.now - at >= REWIND_INTERVAL);
        if may {
            self.rewound_at = Some(cx.now);
        }
        may
    }

    pub(super) fn end_resume(&mut self, cx: &Context<'_>) {
        self.resuming = false;
        self.timers.clear(Timer::Resume);
        self.rewind();
        self.arm_retransmit(cx);
    }

    pub(super) fn report_outcome(
        &self,
        lane: Lane,
        outgoing: &Outgoing,
        outcome: Outcome,
        cx: &mut Context<'_>,
    ) {
        // Volatile events have no end, answers to the peer's events are nobody's emit.
        if lane != Lane::Volatile
            && let Some(emit) = outgoing.emit
        {
            cx.out.events.push_back(Event::Outcome { emit, peer: self.peer.clone(), outcome });
        }
    }

    pub(super) fn report_writable(&mut self, cx: &mut Context<'_>) {
        for lane in Lane::RELIABLE {
            let send = &self.lanes[lane.index()].send;
            if self.blocked[lane.index()]
                && send.has_room(cx.config.queue_bytes, cx.config.queue_packets)
            {
                self.blocked[lane.index()] = false;
                cx.out.events.push_back(Event::Writable { peer: self.peer.clone(), lane });
            }
        }
        self.report_writable_transfers(cx);
    }
}

/// What an envelope carries: the packet's head and attachments.
pub(super) fn parts(packet: &Packet) -> Vec<Bytes> {
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
