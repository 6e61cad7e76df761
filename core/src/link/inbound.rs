//! The way in: from envelopes and channel frames to events, in order and once.

use std::time::Duration;

use super::control::{Ack, Control, Fragment, Resume};
use super::state::State;
use super::timer::Timer;
use super::via::Neighbourly;
use super::{Context, Link};
use crate::codec::{DecodeError, DecodeErrorKind};
use crate::error::PeerError;
use crate::event::{Event, Outcome, Path, ReplyToken};
use crate::frame::Frame;
use crate::id::Version;
use crate::packet::{Packet, PacketType};
use crate::signal::{Epochs, Lane, Sequence, is_reserved_event};

/// After so many packets, or bytes, an acknowledgement does not wait.
const ACK_PACKETS: u32 = 32;
const ACK_BYTES: usize = 64 << 10;

/// How many refusals are repeated in acknowledgements.
const MAX_REFUSED: usize = 64;

/// How long a gap may take to close by itself, at first.
const GAP_PATIENCE: Duration = Duration::from_millis(500);

/// The shortest time between two answers to stale envelopes.
const STALE_ANSWER_INTERVAL: Duration = Duration::from_secs(1);

/// How an envelope's epochs compare to the link's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Admission {
    Current,
    /// Of an incarnation that is over: ignored.
    Stale,
    /// The peer has started a new incarnation, which does not know ours: this link is over.
    Restarted,
    /// The peer has started a new incarnation, which has taken up ours: what we send goes on.
    Renewed,
}

/// What an input means for the link as a whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub(crate) enum Verdict {
    Alive,
    /// The peer has started a new incarnation, which does not know ours.
    Restarted,
    /// The peer has started a new incarnation, which has taken up ours.
    Renewed,
    /// The peer has given our incarnation up. Its own, the one that we know, goes on.
    GivenUp,
    /// The peer said good-bye.
    Left,
}

impl Link {
    /// Judges epochs, and takes the peer's when they are its first.
    pub(crate) fn admit(&mut self, epochs: Epochs, cx: &mut Context<'_>) -> Admission {
        if epochs.peer_epoch != 0 && epochs.peer_epoch != self.epoch {
            self.answer_stale(0, cx);
            return Admission::Stale;
        }
        if epochs.epoch <= self.stale_epoch {
            self.answer_stale(epochs.epoch, cx);
            return Admission::Stale;
        }
        if self.peer_epoch == 0 {
            self.peer_epoch = epochs.epoch;
        }
        match epochs.epoch.cmp(&self.peer_epoch) {
            std::cmp::Ordering::Less => Admission::Stale,
            std::cmp::Ordering::Equal => Admission::Current,
            std::cmp::Ordering::Greater if epochs.peer_epoch == self.epoch => Admission::Renewed,
            std::cmp::Ordering::Greater => Admission::Restarted,
        }
    }

    /// Lets a peer that speaks to an incarnation that is over know which one lives; `over`: the peer's own that
    /// is over, or 0.
    fn answer_stale(&mut self, over: u32, cx: &Context<'_>) {
        let quiet = |at| cx.now - at < STALE_ANSWER_INTERVAL;
        if !self.greeted_stale_at.is_some_and(quiet) {
            self.greeted_stale_at = Some(cx.now);
            let epochs = Epochs { epoch: self.epoch, peer_epoch: over };
            self.push_indirect_control(Control::Hello(epochs));
        }
    }

    /// Takes a packet that came through the hub or a neighbour, or what made it unreadable. Its epochs have been
    /// admitted.
    pub(crate) fn handle_relayed(
        &mut self,
        path: Path,
        sequence: Option<Sequence>,
        packet: Result<Packet, DecodeError>,
        cx: &mut Context<'_>,
    ) -> Verdict {
        self.note_indirect(&path, cx);
        let (Sequence { lane, seq }, packet) = match (sequence, packet) {
            (None, Ok(packet)) if Control::is_control(&packet) => {
                return self.handle_control(&packet, None, &path, cx);
            }
            (sequence @ Some(_), Ok(packet)) if Control::is_fragment(&packet) => {
                return self.handle_control(&packet, sequence, &path, cx);
            }
            (Some(sequence), packet) => (sequence, packet),
            (None, Ok(_)) => {
                self.report(PeerError::Misbehaved("data without a number in an envelope"), cx);
                return Verdict::Alive;
            }
            (None, Err(error)) => {
                self.report(PeerError::BadFrame(error), cx);
                return Verdict::Alive;
            }
        };
        self.insert(lane, seq, path, packet, cx);
        self.deliver(cx);
        Verdict::Alive
    }

    /// Takes an event of a v0 peer that the hub passed on.
    pub(crate) fn handle_unnumbered(
        &mut self,
        packet: Result<Packet, DecodeError>,
        cx: &mut Context<'_>,
    ) {
        packet
            .map_err(PeerError::BadPacket)
            .and_then(|packet| self.accept(packet, Path::Relay, cx))
            .unwrap_or_else(|error| self.report(error, cx));
    }

    /// Takes a frame of the data channel.
    pub(crate) fn handle_frame(&mut self, frame: Frame, cx: &mut Context<'_>) -> Verdict {
        self.heard(cx);
        let version = self.version;
        let Some(channel) = self.open_channel_mut() else { return Verdict::Alive };
        let packet = match channel.decode(frame) {
            Ok(Some(packet)) => packet,
            Ok(None) => return Verdict::Alive,
            Err(error) => {
                self.lose_direct(PeerError::BadFrame(error), cx);
                return Verdict::Alive;
            }
        };
        if version == Version::V0 {
            self.accept(packet, Path::Direct, cx).unwrap_or_else(|error| self.report(error, cx));
            return Verdict::Alive;
        }
        if Control::is_control(&packet) {
            return self.handle_control(&packet, None, &Path::Direct, cx);
        }
        if let Some(seq) = channel.volatile.take() {
            self.insert(Lane::Volatile, seq, Path::Direct, Ok(packet), cx);
            self.deliver(cx);
            return Verdict::Alive;
        }
        let Some(seq) = channel.count.filter(|_| channel.greeted) else {
            self.lose_direct(PeerError::Misbehaved("data before hello and begin"), cx);
            return Verdict::Alive;
        };
        channel.count = Some(seq.wrapping_add(1));
        let limits = &cx.config.limits;
        let packet = if packet.attachments().len() > limits.max_attachments {
            // The channel takes two, for what is passed on.
            let attachments = packet.attachments().to_vec();
            Packet::from_head_and_attachments(packet.head().clone(), attachments, limits)
        } else {
            Ok(packet)
        };
        self.insert(Lane::Events, seq, Path::Direct, packet, cx);
        self.deliver(cx);
        Verdict::Alive
    }

    fn handle_control(
        &mut self,
        packet: &Packet,
        sequence: Option<Sequence>,
        path: &Path,
        cx: &mut Context<'_>,
    ) -> Verdict {
        let control = match Control::from_packet(packet, sequence) {
            Ok(Some(control)) => control,
            Ok(None) => return Verdict::Alive,
            Err(_) => return self.misbehaved("link control that cannot be read", path, cx),
        };
        let direct = *path == Path::Direct;
        match control {
            Control::Hello(epochs) if direct => return self.handle_hello(epochs, cx),
            Control::Ping(number) if direct => {
                if let Some(channel) = self.open_channel_mut() {
                    channel.push_control(Control::Pong(number));
                }
            }
            Control::Pong(number) if direct => self.handle_pong(number, cx),
            Control::Begin { next } if direct => {
                if let Some(channel) = self.open_channel_mut() {
                    channel.count = Some(next);
                }
            }
            Control::Volatile { seq } if direct => {
                if let Some(channel) = self.open_channel_mut() {
                    channel.volatile = Some(seq);
                }
            }
            Control::Hello(Epochs { peer_epoch: over, .. }) if over == self.epoch => {
                return Verdict::GivenUp;
            }
            // The envelope's epochs said it all. The sender waits to hear ours.
            Control::Hello(_) => self.ack_due = true,
            Control::Ping(_)
            | Control::Pong(_)
            | Control::Begin { .. }
            | Control::Volatile { .. } => {
                return self.misbehaved("channel control in an envelope", path, cx);
            }
            Control::Ack(ack) => return self.handle_ack(&ack, path, cx),
            Control::Resume(Resume { received, refused }) => {
                let ack = Ack { received, refused, ..Ack::default() };
                let verdict = self.handle_ack(&ack, path, cx);
                // The answer goes back on the path that the peer has: ours may be one that it has given up.
                let answer = self.take_ack();
                match self.open_channel_mut() {
                    Some(channel) if direct => channel.push_control(answer),
                    Some(_) | None => self.push_indirect_control(answer),
                }
                // That way may be gone or lossy, and what came on the channel is not sent again.
                self.ack_due = !direct && self.controls_on_channel();
                if self.may_rewind(cx) {
                    self.end_resume(cx);
                }
                return verdict;
            }
            Control::Fragment(fragment) => return self.handle_fragment(&fragment, path, cx),
            Control::Bye => return Verdict::Left,
            Control::Neighbours(neighbours) if direct => {
                self.push_neighbourly(Neighbourly::Neighbours(neighbours), cx);
            }
            Control::Via(passed) if direct => {
                self.push_neighbourly(Neighbourly::Passed(passed), cx);
            }
            Control::NoWay { to } if direct => self.push_neighbourly(Neighbourly::NoWay(to), cx),
            Control::Neighbours(_) | Control::Via(_) | Control::NoWay { .. } => {
                return self.misbehaved("channel control in an envelope", path, cx);
            }
        }
        Verdict::Alive
    }

    fn handle_hello(&mut self, epochs: Epochs, cx: &mut Context<'_>) -> Verdict {
        match self.admit(epochs, cx) {
            Admission::Current => {
                if let Some(channel) = self.open_channel_mut() {
                    channel.greeted = true;
                }
                self.try_verify(cx);
                Verdict::Alive
            }
            Admission::Stale => {
                self.lose_direct(PeerError::Misbehaved("a hello of an epoch that is over"), cx);
                Verdict::Alive
            }
            Admission::Restarted => Verdict::Restarted,
            Admission::Renewed => Verdict::Renewed,
        }
    }

    fn handle_ack(&mut self, ack: &Ack, path: &Path, cx: &mut Context<'_>) -> Verdict {
        if ack.refused.len() > MAX_REFUSED {
            return self.misbehaved("an acknowledgement that refuses too much", path, cx);
        }
        let verdict = self.acknowledge(ack, path, cx);
        // It holds back what comes after so many refusals, until it hears that they are known.
        self.refuses = !ack.refused.is_empty();
        self.ack_due |= self.refuses;
        if let Some(told) = ack.told {
            self.refused.retain(|refused| refused.seq >= told[refused.lane.index()]);
            self.deliver_held_back(cx);
        }
        verdict
    }

    fn acknowledge(&mut self, ack: &Ack, path: &Path, cx: &mut Context<'_>) -> Verdict {
        let mut progress = false;
        for lane in Lane::ALL {
            let (received, partial) = (ack.received[lane.index()], ack.partial[lane.index()]);
            let acknowledged = self.lanes[lane.index()].send.acknowledge(received, partial);
            let Ok(acknowledged) = acknowledged else {
                return self.misbehaved("an acknowledgement of what was never sent", path, cx);
            };
            progress |= acknowledged.progress;
            for (seq, outgoing) in acknowledged.done {
                let refused = ack.refused.contains(&Sequence { lane, seq });
                let outcome = if refused { Outcome::Refused } else { Outcome::Delivered };
                self.report_outcome(lane, &outgoing, outcome, cx);
                if refused && lane == Lane::Bulk {
                    self.handle_refused_message(&outgoing.packet, cx);
                }
            }
        }
        if self.resuming {
            self.end_resume(cx);
        }
        if progress {
            self.retransmits = 0;
            self.timers.clear(Timer::Retransmit);
            self.end_stall();
            self.report_writable(cx);
        }
        self.arm_retransmit(cx);
        Verdict::Alive
    }

    fn handle_fragment(
        &mut self,
        fragment: &Fragment,
        path: &Path,
        cx: &mut Context<'_>,
    ) -> Verdict {
        let Sequence { lane, seq } = fragment.of;
        let direct = *path == Path::Direct;
        if lane == Lane::Volatile {
            return self.misbehaved("a fragment of a volatile event", path, cx);
        }
        let state = &mut self.lanes[lane.index()];
        let max = cx.config.limits.max_packet_bytes;
        if fragment.total > max as u64 {
            let too_large = DecodeErrorKind::PacketTooLarge { max };
            self.insert(lane, seq, path.clone(), Err(DecodeError::in_frame(too_large, 0)), cx);
        } else if seq >= state.receive.expected() {
            let reassembly = state.reassembly(path, fragment.offset == 0);
            let Ok(whole) = reassembly.push(fragment, max) else {
                return self.misbehaved("fragments that make no packet", path, cx);
            };
            if let Some((head, attachments)) = whole {
                let limits = &cx.config.limits;
                let packet = Packet::from_head_and_attachments(head, attachments, limits);
                self.insert(lane, seq, path.clone(), packet, cx);
            }
        }
        if direct
            && fragment.is_last()
            && lane == Lane::Events
            && let Some(channel) = self.open_channel_mut()
        {
            channel.count = Some(seq.wrapping_add(1));
        }
        self.unacked_bytes += fragment.bytes.len();
        self.deliver(cx);
        Verdict::Alive
    }

    fn insert(
        &mut self,
        lane: Lane,
        seq: u64,
        path: Path,
        packet: Result<Packet, DecodeError>,
        cx: &Context<'_>,
    ) {
        // A repeated packet means that its acknowledgement was lost.
        self.unacked_packets += 1;
        self.unacked_bytes += packet.as_ref().map_or(0, Packet::wire_len);
        let max_bytes = cx.config.queue_bytes;
        let receive = &mut self.lanes[lane.index()].receive;
        if lane == Lane::Volatile {
            receive.skip_to(seq);
        }
        receive.insert(seq, path, packet, max_bytes);
    }

    /// Hands over everything that is in order now, as long as an acknowledgement has room for what is refused.
    fn deliver(&mut self, cx: &mut Context<'_>) {
        for lane in Lane::ALL {
            while (lane == Lane::Volatile || self.refused.len() < MAX_REFUSED)
                && let Some((seq, path, packet)) = self.lanes[lane.index()].receive.pop()
            {
                let packet = packet.map_err(PeerError::BadPacket);
                let accepted = packet.and_then(|packet| match lane {
                    Lane::Bulk if Control::is_control(&packet) => {
                        packet.validate(&cx.config.limits).map_err(PeerError::BadPacket)?;
                        self.handle_transfer_message(&packet, cx)
                    }
                    Lane::Events | Lane::Bulk | Lane::Volatile => self.accept(packet, path, cx),
                });
                if let Err(error) = accepted {
                    if lane != Lane::Volatile {
                        self.refused.push_back(Sequence { lane, seq });
                    }
                    self.report(error, cx);
                }
            }
            self.lanes[lane.index()].drop_old_pieces();
        }
        if self.lanes.iter().any(|lane| lane.receive.has_gap()) {
            let patience = GAP_PATIENCE * (1 << self.gaps.min(4));
            self.timers.set_if_idle(Timer::Gap, cx.now + patience);
        } else {
            self.gaps = 0;
            self.timers.clear(Timer::Gap);
        }
        let full = self.refused.len() >= MAX_REFUSED;
        if full || self.unacked_packets >= ACK_PACKETS || self.unacked_bytes >= ACK_BYTES {
            self.ack_due = true;
        } else if self.unacked_packets > 0 || self.unacked_bytes > 0 {
            self.timers.set_if_idle(Timer::Ack, cx.now + cx.config.ack_delay);
        }
    }

    /// Goes on with what was held back for want of room for refusals.
    fn deliver_held_back(&mut self, cx: &mut Context<'_>) {
        let before = self.received();
        self.deliver(cx);
        self.ack_due |= before != self.received();
    }

    pub(super) fn handle_gap(&mut self, cx: &mut Context<'_>) {
        self.deliver_held_back(cx);
        if !self.lanes.iter().any(|lane| lane.receive.has_gap()) {
            return;
        }
        self.gaps = self.gaps.saturating_add(1);
        self.push_resume();
        self.timers.set(Timer::Gap, cx.now + GAP_PATIENCE * (1 << self.gaps.min(4)));
    }

    /// Asks the peer to go on from what we have.
    pub(super) fn push_resume(&mut self) {
        let (received, refused) = (self.received(), self.refused.iter().copied().collect());
        self.push_control(Control::Resume(Resume { received, refused }));
    }

    pub(super) fn push_control(&mut self, control: Control) {
        if self.controls_on_channel() {
            if let Some(channel) = self.open_channel_mut() {
                channel.push_control(control);
            }
        } else {
            self.push_indirect_control(control);
        }
    }

    /// Checks a packet that is in order, once, and hands it to the application.
    fn accept(
        &mut self,
        packet: Packet,
        path: Path,
        cx: &mut Context<'_>,
    ) -> Result<(), PeerError> {
        packet.validate(&cx.config.limits).map_err(PeerError::BadPacket)?;
        match packet.packet_type() {
            PacketType::Event | PacketType::BinaryEvent => {
                if Control::is_control(&packet) {
                    return Err(PeerError::Misbehaved("link control as an event"));
                }
                if packet.event_name().is_none_or(|name| is_reserved_event(&name)) {
                    return Err(PeerError::Misbehaved("an event of the signalling dialect"));
                }
                let reply = packet.ack_id().filter(|_| self.version == Version::V1);
                let (peer, epochs) = (&self.peer, self.epochs());
                let token = |ack_id| ReplyToken { peer: peer.clone(), epochs, ack_id };
                let reply = reply.map(token);
                let from = self.peer.clone();
                cx.out.events.push_back(Event::Received { from, path, packet, reply });
                Ok(())
            }
            PacketType::Ack | PacketType::BinaryAck => {
                // An answer after its deadline is nobody's fault.
                if let Some(emit) = packet.ack_id().and_then(|id| self.replies.resolve(id)) {
                    self.arm_reply();
                    cx.out.push_ack(emit, self.peer.clone(), packet);
                }
                Ok(())
            }
            PacketType::Connect | PacketType::Disconnect | PacketType::ConnectError => {
                Err(PeerError::Misbehaved("a packet that is neither event nor acknowledgement"))
            }
        }
    }

    /// The peer broke the protocol. A channel on which it did so is given up.
    fn misbehaved(&mut self, what: &'static str, path: &Path, cx: &mut Context<'_>) -> Verdict {
        let error = PeerError::Misbehaved(what);
        if *path == Path::Direct && self.state != State::Closed {
            self.lose_direct(error, cx);
        } else {
            self.report(error, cx);
        }
        Verdict::Alive
    }
}
