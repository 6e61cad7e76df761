//! The composition of bundles: control that is due, and records that may be sent.

use bytes::Bytes;

use super::flight::PathKind;
use super::incarnation::StaleAnswer;
use super::sender::Piece;
use super::transfers::TransferPiece;
use super::turn::{CONTROL_BYTES, MAX_DIRECT_RECORD, Next};
use super::{Context, Farewell, Link};
use crate::frame::Frame;
use crate::path::Path;
use crate::wire::{Epochs, Lane, PeerLimits, Record, RecordHead, State, Stream, Writer};

/// The maximum length of a ping.
const PING_BYTES: usize = 2 + 8;

/// The parts of a path's output to send: one neighbour may carry owed control only, and another one pings and
/// records.
#[derive(Clone, Copy, Debug)]
pub(super) struct Part {
    pub(super) owed: bool,
    /// Pings and records.
    pub(super) own: bool,
}

impl Part {
    pub(super) const ALL: Self = Self { owed: true, own: true };
}

impl Link {
    // ----- data channels -----

    /// Returns whether there is output for the data channel.
    pub(crate) fn wants_direct(&self, cx: &Context<'_>) -> bool {
        let Some(channel) = self.attempt.channel() else { return false };
        if let Some(original) = &channel.original {
            return !original.is_idle() || self.wants_original(&Path::Direct);
        }
        channel.has_items()
            || self.control_is_due(PathKind::Direct)
            || self.next(PathKind::Direct, 1, cx).is_some()
    }

    /// Returns the next frame for the data channel.
    pub(crate) fn poll_direct(&mut self, cx: &mut Context<'_>) -> Option<Frame> {
        let frame = self.next_frame(cx)?;
        self.counters.count_out(PathKind::Direct, frame.len());
        Some(frame)
    }

    fn next_frame(&mut self, cx: &mut Context<'_>) -> Option<Frame> {
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

    /// Returns the next frame for the datagram channel.
    pub(crate) fn poll_datagram(&mut self, cx: &Context<'_>) -> Option<Frame> {
        let piece = self.next_datagram()?;
        let mut writer =
            Writer::new(self.incarnation.epochs(), CONTROL_BYTES + piece.bytes.end as usize);
        let next = Next::Lane(piece);
        self.write_record(&next, &mut writer);
        self.note_sent(&next, PathKind::Direct, cx);
        let bundle = writer.finish();
        self.counters.count_out(PathKind::Direct, bundle.len());
        Some(Frame::Binary(bundle))
    }

    /// Returns the maximum message of the channel, if there is one.
    pub(crate) fn max_message(&self) -> Option<usize> {
        self.attempt.channel().map(|channel| channel.max_message)
    }

    // ----- bundles -----

    /// Returns the answer to a stale bundle.
    pub(super) fn take_stale_answer(&mut self) -> Option<Bytes> {
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

    /// Returns whether control other than records is due on a path.
    pub(super) fn control_is_due(&self, path: PathKind) -> bool {
        self.is_owed(path) || self.dialogue.is_ping_due(path)
    }

    /// Returns whether a pong, an acknowledgement or a good-bye is owed on a path.
    pub(super) fn is_owed(&self, path: PathKind) -> bool {
        let leaves = match self.farewell {
            Farewell::Leaving(due) => due[path.index()],
            Farewell::Staying => false,
        };
        leaves || self.dialogue.is_due(path)
    }

    /// Composes the bundle for a path, with records of up to `max` bytes.
    pub(super) fn compose(
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
        let window = self.max_in_flight(path, cx);
        let probes = bytes > 0 && self.route.recovery_mut(path).note_sent(bytes, window);
        if probes || asks {
            let number = self.dialogue.take_ping(path, has_state);
            let in_flight = self.flight.in_flight(path);
            let recovery = self.route.recovery_mut(path);
            let limited = in_flight.all >= recovery.window(window)
                || in_flight.bulk >= recovery.bulk_window(window);
            recovery.ping(number, self.flight.next_order(), in_flight.all, limited, cx.now);
            writer.ping(number);
        }
        self.settle(cx);
        Some(writer.finish())
    }

    /// Writes the control that is due except a ping. Returns whether `state` is included.
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
            if !cx.receiving {
                writer.wait();
                self.receiver.note_told_to_wait();
            }
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

    /// Computes this side's `state`.
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

    /// Writes records of up to `max` bytes, including their headers. Returns the bytes written.
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
            // A packet that does not fit completely begins a bundle of its own.
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

    /// Notes that a record was sent on a path. Returns its bytes.
    pub(super) fn note_sent(&mut self, next: &Next, path: PathKind, cx: &Context<'_>) -> usize {
        let len = next.len() as usize;
        let bulk_waits = self.sender.waits(Lane::Bulk) || self.transfers.outgoing.waits();
        let again = match next {
            Next::Lane(piece) => {
                let Piece { lane, number, bytes, .. } = piece;
                let again = self.sender.note_sent(piece, cx.now);
                if *lane != Lane::Volatile {
                    let stream = Stream::Lane(*lane);
                    self.flight.push(path, stream, *number, bytes.clone(), cx.now);
                    self.sender.note_turn(*lane == Lane::Bulk, len, bulk_waits);
                }
                self.transfers.bulk_first &= *lane != Lane::Bulk;
                again
            }
            Next::Transfer(piece) => {
                let TransferPiece { number, bytes, .. } = piece;
                let again = self.transfers.outgoing.note_sent(piece);
                self.flight.push(path, Stream::Transfers, *number, bytes.clone(), cx.now);
                self.sender.note_turn(true, len, bulk_waits);
                self.transfers.bulk_first = true;
                again
            }
        };
        if again {
            self.counters.count_again(len);
        }
        len
    }
}
