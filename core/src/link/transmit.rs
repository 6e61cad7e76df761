//! What goes out: control that is due and records that may be sent, put into bundles.

use std::ops::Range;

use bytes::Bytes;

use super::flight::PathKind;
use super::incarnation::StaleAnswer;
use super::original;
use super::sender::Piece;
use super::transfers::TransferPiece;
use super::{Context, Farewell, Link};
use crate::event::{Event, Outcome, Path};
use crate::frame::Frame;
use crate::id::{EmitId, MAX_PEER_ID, PeerId, Version};
use crate::signal::{Epochs, HubLimits, Lane, Numbers, PeerLimits, Recipient};
use crate::time::Time;
use crate::wire::{Flat, Item, Passage, Passed, Record, RecordHead, State, Stream, Writer};

/// What control takes in a bundle beside records, with room to spare.
const CONTROL_BYTES: usize = 64;

/// The longest ping.
const PING_BYTES: usize = 2 + 8;

/// What an envelope costs beside its body, and each receiver in it.
const ENVELOPE_BYTES: usize = 256;
const RECIPIENT_BYTES: usize = 2 * MAX_PEER_ID + 128;

/// The longest record on the relay and through neighbours, and on a channel.
pub(crate) const MAX_INDIRECT_RECORD: usize = 16 << 10;
const MAX_DIRECT_RECORD: usize = 64 << 10;

/// Events overtake bulk by no more than that.
const BULK_PATIENCE: usize = 64 << 10;

/// What goes to the hub.
#[derive(Debug)]
pub(crate) enum Envelope {
    /// For this peer alone.
    Bundle(Bytes),
    /// A record, which others may get with it.
    Record { recipient: Recipient, shared: Shared, bytes: Bytes },
}

/// What one upload may carry to many: this piece of what all of them were sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Shared {
    /// None for what goes to one.
    emit: Option<EmitId>,
    pub(crate) bytes: Range<u64>,
    pub(crate) end: bool,
}

/// Which part of what there is for a path goes out: through one neighbour goes what is owed, through another perhaps what
/// is our own.
#[derive(Clone, Copy, Debug)]
struct Part {
    owed: bool,
    /// Pings and records.
    own: bool,
}

impl Part {
    const ALL: Self = Self { owed: true, own: true };
}

impl Shared {
    /// Whether others may get it too.
    pub(crate) const fn is_for_many(&self) -> bool {
        self.emit.is_some()
    }
}

/// What goes out next.
enum Next {
    Lane(Piece),
    Transfer(TransferPiece),
}

/// How many windows may be under way to a peer that joins an envelope.
const JOINED_WINDOWS: usize = 2;

impl Link {
    // ----- the relay -----

    /// Whether there is something for the relay.
    pub(crate) fn wants_relay(&self, cx: &Context<'_>) -> bool {
        self.route.is_relay_up()
            && (self.control_is_due(PathKind::Relay)
                || self.incarnation.owes_answer()
                || self.next(PathKind::Relay, 1, cx).is_some())
    }

    /// Whether an envelope for others may be just what goes out next. A full window does not rule it out: pongs come one by
    /// one, and who is behind the others by one record once would never share an upload with them again.
    pub(crate) fn may_join_envelope(&self, cx: &Context<'_>) -> bool {
        self.route.is_relay_up()
            && self
                .next_within(PathKind::Relay, 1, JOINED_WINDOWS, cx)
                .is_some_and(|next| next.is_shared(PathKind::Relay))
    }

    /// The next envelope for the relay, within what the hub allows.
    pub(crate) fn poll_relay(
        &mut self,
        limits: &HubLimits,
        cx: &mut Context<'_>,
    ) -> Option<Envelope> {
        if !self.route.is_relay_up() {
            return None;
        }
        let most = (limits.max_envelope as usize).saturating_sub(ENVELOPE_BYTES + RECIPIENT_BYTES);
        if self.peer.version == Version::V0 {
            return self.poll_original_relay(most, cx);
        }
        if let Some(bundle) = self.take_stale_answer() {
            return Some(Envelope::Bundle(bundle));
        }
        if !self.control_is_due(PathKind::Relay)
            && let Some(record) = self.poll_shared(most, cx)
        {
            return Some(record);
        }
        let max = most.min(cx.config.record_bytes.min(MAX_INDIRECT_RECORD) + CONTROL_BYTES);
        let bundle = self.compose(PathKind::Relay, Part::ALL, max, cx)?;
        Some(Envelope::Bundle(bundle))
    }

    /// The record that goes out next, if others get it too.
    fn poll_shared(&mut self, most: usize, cx: &mut Context<'_>) -> Option<Envelope> {
        let max = self.record_bytes(PathKind::Relay, cx).min(most);
        let Some(Next::Lane(piece)) = self.next(PathKind::Relay, max, cx) else { return None };
        let emit = piece.shared?;
        let mut buffer =
            bytes::BytesMut::with_capacity((piece.bytes.end - piece.bytes.start) as usize);
        self.sender.put(&piece, &mut buffer);
        let recipient = self.recipient(&piece);
        let shared = Shared { emit: Some(emit), bytes: piece.bytes.clone(), end: piece.end };
        self.note_shared(&piece, cx);
        self.settle(cx);
        Some(Envelope::Record { recipient, shared, bytes: buffer.freeze() })
    }

    /// Joins an envelope that `others` peers get, when it is just what goes out next to this one and there is
    /// room for one more.
    pub(crate) fn join_envelope(
        &mut self,
        shared: &Shared,
        others: usize,
        limits: &HubLimits,
        cx: &mut Context<'_>,
    ) -> Option<Recipient> {
        let len = shared.bytes.end - shared.bytes.start;
        let cost = ENVELOPE_BYTES + (others + 1) * RECIPIENT_BYTES;
        if !self.route.is_relay_up() || len as usize + cost > limits.max_envelope as usize {
            return None;
        }
        if self.peer.version == Version::V0 {
            return self.join_original(shared, cx);
        }
        // A whole packet for an original client may be longer.
        if len as usize > cx.config.record_bytes.min(MAX_INDIRECT_RECORD) {
            return None;
        }
        let next = self.next_within(PathKind::Relay, len as usize, JOINED_WINDOWS, cx);
        let Some(Next::Lane(piece)) = next else { return None };
        if piece.shared != shared.emit || piece.bytes != shared.bytes || piece.end != shared.end {
            return None;
        }
        let recipient = self.recipient(&piece);
        self.note_shared(&piece, cx);
        self.settle(cx);
        Some(recipient)
    }

    fn recipient(&self, piece: &Piece) -> Recipient {
        let (epochs, lane, seq) = (self.incarnation.epochs(), piece.lane, piece.number);
        Recipient { id: self.peer.id.clone(), numbers: Some(Numbers { epochs, lane, seq }) }
    }

    fn note_shared(&mut self, piece: &Piece, cx: &Context<'_>) {
        let next = Next::Lane(piece.clone());
        let bytes = self.note_sent(&next, PathKind::Relay, cx);
        if self.route.recovery_mut(PathKind::Relay).note_sent(bytes, cx.config.relay_window) {
            self.dialogue.request_ping(PathKind::Relay);
        }
    }

    // ----- data channels -----

    /// The next frame for the data channel.
    pub(crate) fn poll_direct(&mut self, cx: &mut Context<'_>) -> Option<Frame> {
        let channel = self.attempt.channel_mut()?;
        let max_message = channel.max_message;
        if channel.original.is_some() {
            return self.poll_original_direct(cx);
        }
        if let Some(item) = channel.pop_item() {
            let mut writer = Writer::new(self.incarnation.epochs(), CONTROL_BYTES);
            writer.item(&item);
            return Some(Frame::Binary(writer.finish()));
        }
        let max = MAX_DIRECT_RECORD.min(max_message);
        self.compose(PathKind::Direct, Part::ALL, max, cx).map(Frame::Binary)
    }

    /// The next frame for the channel for volatile events.
    pub(crate) fn poll_datagram(&mut self, cx: &Context<'_>) -> Option<Frame> {
        let max = self.attempt.datagrams()?.checked_sub(CONTROL_BYTES)?;
        if self.route.sending() != Some(&Path::Direct) || self.farewell != Farewell::Staying {
            return None;
        }
        let piece = self.sender.peek(Lane::Volatile, max)?;
        if piece.bytes.start > 0 || !piece.end {
            return None;
        }
        let mut writer =
            Writer::new(self.incarnation.epochs(), CONTROL_BYTES + piece.bytes.end as usize);
        let next = Next::Lane(piece);
        self.write_record(&next, &mut writer);
        self.note_sent(&next, PathKind::Direct, cx);
        Some(Frame::Binary(writer.finish()))
    }

    /// The longest message that the channel takes, while there is one.
    pub(crate) fn max_message(&self) -> Option<usize> {
        self.attempt.channel().map(|channel| channel.max_message)
    }

    /// Puts a bundle that is passed on behind what the channel has to write. `false`: it does not take it.
    pub(crate) fn push_passed(&mut self, item: Item) -> bool {
        let verified = self.is_verified();
        self.attempt
            .channel_mut()
            .filter(|_| verified)
            .is_some_and(|channel| channel.push_passed(item))
    }

    // ----- through a neighbour -----

    /// Whether something goes, or may go, through this neighbour.
    pub(crate) fn uses(&self, neighbour: &PeerId) -> bool {
        let is_way = self.route.way().is_some_and(|(way, _)| way == neighbour);
        is_way || self.route.heard_via() == Some(neighbour)
    }

    /// The next bundle for the neighbour, sealed; `max_message`: the longest message that it takes.
    pub(crate) fn poll_via(
        &mut self,
        own_id: &PeerId,
        neighbour: &PeerId,
        max_message: usize,
        cx: &mut Context<'_>,
    ) -> Option<Passed> {
        let is_way = self.route.way().is_some_and(|(way, _)| way == neighbour);
        // What is owed goes back the way that the peer has taken.
        let owes_here = self.route.heard_via().map_or(is_way, |heard| heard == neighbour);
        let bundle = if owes_here && let Some(bundle) = self.take_stale_answer() {
            bundle
        } else {
            let part = Part { owed: owes_here, own: is_way };
            let max = (cx.config.record_bytes.min(MAX_INDIRECT_RECORD) + CONTROL_BYTES)
                .min(max_message.checked_sub(CONTROL_BYTES + 2 * MAX_PEER_ID)?);
            self.compose(PathKind::Via, part, max, cx)?
        };
        let passage = Passage { neighbour, from: own_id, to: &self.peer.id };
        let passed = self.seals.seal(passage, bundle)?;
        self.route.note_paced(passed.bundle.len() + CONTROL_BYTES, cx.now);
        Some(passed)
    }

    /// When the neighbour takes more of what waits for it.
    pub(super) fn paced_until(&self, now: Time) -> Option<Time> {
        let waits = matches!(self.route.sending(), Some(Path::Via(_)))
            && (Lane::ALL.into_iter().any(|lane| self.sender.waits(lane))
                || self.transfers.outgoing.waits());
        Some(self.route.paced_until()).filter(|until| waits && now < *until)
    }

    // ----- bundles -----

    /// Tells a peer that speaks to, or of, an incarnation that is over.
    fn take_stale_answer(&mut self) -> Option<Bytes> {
        let answer = self.incarnation.take_answer()?;
        let (peer_epoch, given_up) = match answer {
            StaleAnswer::OurEpoch(peer_epoch) => (peer_epoch, None),
            StaleAnswer::GivenUp(epoch) => (0, Some(epoch)),
        };
        let epochs = Epochs { epoch: self.incarnation.ours(), peer_epoch };
        let mut writer = Writer::new(epochs, CONTROL_BYTES);
        if let Some(epoch) = given_up {
            writer.given_up(epoch);
        }
        Some(writer.finish())
    }

    /// Whether something other than records has to go out on a path.
    fn control_is_due(&self, path: PathKind) -> bool {
        self.is_owed(path) || self.dialogue.is_ping_due(path)
    }

    /// Whether an answer, or a good-bye, has to go out on a path.
    fn is_owed(&self, path: PathKind) -> bool {
        let leaves = match self.farewell {
            Farewell::Leaving(due) => due[path.index()],
            Farewell::Staying => false,
        };
        leaves || self.dialogue.is_due(path)
    }

    /// The bundle that goes out on a path now, of `max` bytes if there are records for so many.
    fn compose(
        &mut self,
        path: PathKind,
        part: Part,
        max: usize,
        cx: &mut Context<'_>,
    ) -> Option<Bytes> {
        let record = max.saturating_sub(CONTROL_BYTES + Record::HEAD);
        let record = self.record_bytes(path, cx).min(record);
        let first = if part.own { self.next_alone(path, record, cx) } else { None };
        let asks = part.own && self.dialogue.is_ping_due(path);
        if first.is_none() && !asks && !(part.owed && self.is_owed(path)) {
            return None;
        }
        let capacity = CONTROL_BYTES + first.as_ref().map_or(0, |first| first.len() as usize);
        let mut writer = Writer::new(self.incarnation.epochs(), capacity);
        let has_state = self.write_control(path, part, &mut writer, cx);
        let room = max.saturating_sub(writer.len() + PING_BYTES);
        let bytes = if part.own { self.write_records(path, room, &mut writer, cx) } else { 0 };
        let window = self.most_under_way(path, cx);
        let probes = bytes > 0 && self.route.recovery_mut(path).note_sent(bytes, window);
        if probes || asks {
            let number = self.dialogue.take_ping(path, has_state);
            let under_way = self.flight.under_way(path).all;
            let recovery = self.route.recovery_mut(path);
            let limited = under_way >= recovery.window(window);
            recovery.ping(number, self.flight.next_order(), under_way, limited, cx.now);
            writer.ping(number);
        }
        self.settle(cx);
        Some(writer.finish())
    }

    /// Writes what is due but for a ping. Whether our state is in it.
    fn write_control(
        &mut self,
        path: PathKind,
        part: Part,
        writer: &mut Writer,
        cx: &Context<'_>,
    ) -> bool {
        if path == PathKind::Direct
            && self.attempt.channel_mut().is_some_and(super::channel::Channel::take_introduction)
        {
            writer.limits(&PeerLimits::from(&cx.config.limits));
        }
        let leaves = match &mut self.farewell {
            Farewell::Leaving(due) => std::mem::take(&mut due[path.index()]),
            Farewell::Staying => false,
        };
        let asks = part.own && self.dialogue.is_ping_due(path);
        let owes = part.owed && self.dialogue.owes(path);
        let has_state = leaves || owes || asks;
        if has_state {
            writer.state(&self.state());
        }
        if owes && let Some(number) = self.dialogue.pay(path) {
            writer.pong(number);
        }
        if leaves {
            writer.bye();
        }
        has_state
    }

    /// What we have of the peer's, and know of our own.
    fn state(&self) -> State {
        let (opened, open) = self.transfers.outgoing.told();
        State {
            lanes: self.receiver.states(),
            seen: self.receiver.seen(),
            settled: self.sender.settled(),
            refused: self.receiver.refusals(),
            incoming: self.transfers.incoming.states(),
            opened,
            open,
        }
    }

    /// Writes records, as many as there are for `max` bytes, their heads counted. How many bytes of them.
    fn write_records(
        &mut self,
        path: PathKind,
        max: usize,
        writer: &mut Writer,
        cx: &Context<'_>,
    ) -> usize {
        let (begin, mut bytes) = (writer.len(), 0);
        let most = self.record_bytes(path, cx);
        loop {
            let room = max.saturating_sub(writer.len() - begin + Record::HEAD);
            let next = self.next_alone(path, room.min(most.saturating_sub(bytes)), cx);
            // What does not fit whole begins a bundle of its own.
            let Some(next) = next.filter(|next| bytes == 0 || next.ends()) else { return bytes };
            self.write_record(&next, writer);
            bytes += self.note_sent(&next, path, cx);
        }
    }

    fn write_record(&self, next: &Next, writer: &mut Writer) {
        match next {
            Next::Lane(piece) => {
                let Piece { lane, number, bytes, end, .. } = piece;
                let len = bytes.end - bytes.start;
                let stream = Stream::Lane(*lane);
                let (number, offset, end) = (*number, bytes.start, *end);
                let head = RecordHead { stream, number, offset, end, abort: false, len };
                writer.record(head, |buffer| self.sender.put(piece, buffer));
            }
            Next::Transfer(piece) => {
                let TransferPiece { number, bytes, len, end, abort } = piece;
                let offset = if *abort { 0 } else { bytes.start };
                let (number, end, abort, len) = (*number, *end, *abort, *len);
                let stream = Stream::Transfers;
                let head = RecordHead { stream, number, offset, end, abort, len };
                writer.record(head, |buffer| self.transfers.outgoing.put(piece, buffer));
            }
        }
    }

    /// Notes that something has been handed to a path. How many bytes.
    fn note_sent(&mut self, next: &Next, path: PathKind, cx: &Context<'_>) -> usize {
        let len = next.len() as usize;
        let bulk_waits = self.sender.waits(Lane::Bulk) || self.transfers.outgoing.waits();
        match next {
            Next::Lane(piece) => {
                let Piece { lane, number, bytes, .. } = piece;
                self.sender.note_sent(piece, cx.now);
                if *lane != Lane::Volatile {
                    let stream = Stream::Lane(*lane);
                    self.flight.push(path, stream, *number, bytes.clone(), cx.now);
                    self.sender.note_turn(*lane == Lane::Bulk, len, bulk_waits);
                }
                self.transfers.bulk_first &= *lane != Lane::Bulk;
            }
            Next::Transfer(piece) => {
                let TransferPiece { number, bytes, .. } = piece;
                self.transfers.outgoing.note_sent(piece);
                self.flight.push(path, Stream::Transfers, *number, bytes.clone(), cx.now);
                self.sender.note_turn(true, len, bulk_waits);
                self.transfers.bulk_first = true;
            }
        }
        len
    }

    // ----- whose turn it is -----

    fn most_under_way(&self, path: PathKind, cx: &Context<'_>) -> usize {
        match path {
            PathKind::Direct => cx.config.direct_window,
            PathKind::Relay | PathKind::Via => cx.config.relay_window,
        }
    }

    fn record_bytes(&self, path: PathKind, cx: &Context<'_>) -> usize {
        let max = match path {
            PathKind::Direct => MAX_DIRECT_RECORD,
            PathKind::Relay | PathKind::Via => cx.config.record_bytes.min(MAX_INDIRECT_RECORD),
        };
        // At least one byte, or a remote end that claims to take none would get empty records for ever.
        self.route.recovery(path).record(max).max(1)
    }

    /// What goes out next on a path, `max` bytes at most, if anything may.
    fn next(&self, path: PathKind, max: usize, cx: &Context<'_>) -> Option<Next> {
        self.next_within(path, max, 1, cx)
    }

    /// The same, unless it is to go to others too, in one upload.
    fn next_alone(&self, path: PathKind, max: usize, cx: &Context<'_>) -> Option<Next> {
        self.next(path, max, cx).filter(|next| !next.is_shared(path))
    }

    /// The same with so many windows under way.
    fn next_within(
        &self,
        path: PathKind,
        max: usize,
        windows: usize,
        cx: &Context<'_>,
    ) -> Option<Next> {
        let sending = self.route.sending().map(PathKind::from) == Some(path);
        if !sending || self.farewell != Farewell::Staying || max == 0 {
            return None;
        }
        if path == PathKind::Via && cx.now < self.route.paced_until() {
            return None;
        }
        if !self.volatile_goes_apart()
            && let Some(piece) = self.sender.peek(Lane::Volatile, max)
        {
            return Some(Next::Lane(piece));
        }
        if self.peer.version == Version::V1 && self.flight.held_until(cx.now).is_some() {
            return None;
        }
        let window = windows * self.route.recovery(path).window(self.most_under_way(path, cx));
        let under_way = self.flight.under_way(path);
        if under_way.all >= window {
            return None;
        }
        let events = self.sender.peek(Lane::Events, max).map(Next::Lane);
        if events.is_some() && !self.sender.owes_bulk(BULK_PATIENCE.min(window / 3)) {
            return events;
        }
        let bulk = if under_way.bulk < window / 2 { self.next_bulk(max) } else { None };
        bulk.or(events)
    }

    fn next_bulk(&self, max: usize) -> Option<Next> {
        let lane = || self.sender.peek(Lane::Bulk, max).map(Next::Lane);
        let transfer = || self.transfers.outgoing.peek(max).map(Next::Transfer);
        if self.transfers.bulk_first { lane().or_else(transfer) } else { transfer().or_else(lane) }
    }

    /// Whether the volatile event that is next goes over the channel for those.
    fn volatile_goes_apart(&self) -> bool {
        self.route.sending() == Some(&Path::Direct)
            && self.attempt.datagrams().is_some_and(|max| {
                let max = max.saturating_sub(CONTROL_BYTES);
                self.sender
                    .peek(Lane::Volatile, max)
                    .is_some_and(|piece| piece.end && piece.bytes.start == 0)
            })
    }

    // ----- original clients -----

    /// The packet that goes out next to an original client. It never acknowledges: what is handed to the path is done
    /// with, and what the path does not take whole is not sent.
    fn take_original(
        &mut self,
        takes: impl Fn(&crate::Packet) -> bool,
        cx: &mut Context<'_>,
    ) -> Option<crate::Packet> {
        loop {
            let lane = [Lane::Volatile, Lane::Events, Lane::Bulk];
            let lane = lane.into_iter().find(|lane| self.sender.waits(*lane))?;
            let (packet, emit) = self.sender.take_front(lane)?;
            let taken = takes(&packet);
            let outcome = if taken { Outcome::Unknown } else { Outcome::NotSent };
            if let Some(emit) = emit.filter(|_| lane != Lane::Volatile) {
                let peer = self.peer.id.clone();
                cx.out.events.push_back(Event::Outcome { emit, peer, outcome });
            }
            self.settle(cx);
            if taken {
                return Some(packet);
            }
        }
    }

    fn poll_original_relay(&mut self, most: usize, cx: &mut Context<'_>) -> Option<Envelope> {
        if self.route.sending() != Some(&Path::Relay) {
            return None;
        }
        let emit = self.next_original().and_then(|piece| piece.shared);
        let packet =
            self.take_original(|packet| Flat::new(packet.clone()).len() <= most as u64, cx)?;
        let flat = Flat::new(packet);
        let shared = Shared { emit, bytes: 0..flat.len(), end: true };
        let recipient = Recipient { id: self.peer.id.clone(), numbers: None };
        Some(Envelope::Record { recipient, shared, bytes: flat.to_bytes() })
    }

    fn join_original(&mut self, shared: &Shared, cx: &mut Context<'_>) -> Option<Recipient> {
        let piece = self.next_original()?;
        let same = shared.emit.is_some() && piece.shared == shared.emit && shared.end;
        if self.route.sending() != Some(&Path::Relay) || !same || piece.bytes != shared.bytes {
            return None;
        }
        self.take_original(|_| true, cx)?;
        Some(Recipient { id: self.peer.id.clone(), numbers: None })
    }

    fn next_original(&self) -> Option<Piece> {
        let lanes = [Lane::Volatile, Lane::Events, Lane::Bulk];
        lanes.into_iter().find_map(|lane| self.sender.peek(lane, usize::MAX))
    }

    fn poll_original_direct(&mut self, cx: &mut Context<'_>) -> Option<Frame> {
        let channel = self.attempt.channel_mut()?;
        let max_message = channel.max_message;
        if let Some(frame) = channel.original.as_mut()?.pop_frame() {
            return Some(frame);
        }
        if self.route.sending() != Some(&Path::Direct) {
            return None;
        }
        let packet = self.take_original(|packet| original::takes(packet, max_message), cx)?;
        let wire = self.attempt.channel_mut()?.original.as_mut()?;
        wire.write(&packet);
        wire.pop_frame()
    }
}

impl Next {
    const fn len(&self) -> u64 {
        match self {
            Self::Lane(piece) => piece.bytes.end - piece.bytes.start,
            Self::Transfer(piece) => piece.bytes.end - piece.bytes.start,
        }
    }

    /// Whether a packet ends with it.
    const fn ends(&self) -> bool {
        match self {
            Self::Lane(piece) => piece.end,
            Self::Transfer(piece) => piece.end || piece.abort,
        }
    }

    /// Whether it is to go to others too, in one upload.
    fn is_shared(&self, path: PathKind) -> bool {
        match self {
            Self::Lane(piece) => path == PathKind::Relay && piece.shared.is_some(),
            Self::Transfer(_) => false,
        }
    }
}
