//! Original clients: plain packets, at most one blob each, on a data channel in pieces; nothing is acknowledged.

use std::collections::VecDeque;

use bytes::Bytes;
use bytestring::ByteString;

use super::envelope::{Envelope, Shared};
use super::sender::Piece;
use super::{Context, Link};
use crate::codec::{DecodeError, Decoder, Limits};
use crate::event::{Event, Outcome, Path};
use crate::frame::Frame;
use crate::packet::{Packet, PacketType};
use crate::signal::{Lane, Recipient};
use crate::wire::Flat;

/// The original cuts one blob into pieces of 5,000 bytes and writes their number as the attachment count.
const PIECES: usize = 16_384;

/// How much longer a head may get when the number of pieces is written into it.
const COUNT_BYTES: usize = 8;

/// Both directions of a channel with an original client.
#[derive(Debug)]
pub(crate) struct Wire {
    decoder: Decoder,
    max_message: usize,
    /// What is left of the packet that is being written: packets never interleave.
    frames: VecDeque<Frame>,
}

impl Wire {
    pub(super) fn new(limits: &Limits, max_message: usize) -> Self {
        let decoder = Decoder::new(limits.clone().with_max_attachments(PIECES));
        Self { decoder, max_message, frames: VecDeque::new() }
    }

    /// Takes a frame; a packet when it is complete.
    pub(super) fn decode(&mut self, frame: Frame) -> Result<Option<Packet>, DecodeError> {
        Ok(self.decoder.push(frame)?.map(join_pieces))
    }

    /// Writes a packet. The link does so when the one before has been taken.
    pub(super) fn write(&mut self, packet: &Packet) {
        let [blob] = packet.attachments() else { return self.frames.extend(packet.frames()) };
        let size = self.max_message.max(1);
        let count = blob.len().div_ceil(size);
        self.frames.push_back(Frame::from(format!("5{count}-{}", packet.payload())));
        let piece = |start: usize| blob.slice(start..blob.len().min(start + size));
        self.frames.extend((0..blob.len()).step_by(size).map(piece).map(Frame::Binary));
    }

    pub(super) fn pop_frame(&mut self) -> Option<Frame> {
        self.frames.pop_front()
    }

    pub(super) fn is_idle(&self) -> bool {
        self.frames.is_empty()
    }
}

/// Whether an original client's end takes the packet: its head in one message, its blob in pieces.
pub(super) fn takes(packet: &Packet, max_message: usize) -> bool {
    let pieces = |blob: &Bytes| blob.len().div_ceil(max_message.max(1));
    packet.head().len() + COUNT_BYTES <= max_message
        && packet.attachments().iter().map(pieces).sum::<usize>() <= PIECES
}

/// A blob arrives in as many attachments as it has pieces, with one placeholder.
fn join_pieces(packet: Packet) -> Packet {
    let pieces = packet.attachments();
    if pieces.len() < 2 {
        return packet;
    }
    let blob: Bytes = pieces.concat().into();
    let payload = ByteString::from(packet.payload());
    let (namespace, ack_id) = (packet.namespace(), packet.ack_id());
    Packet::from_parts(PacketType::BinaryEvent, &namespace, ack_id, payload, vec![blob])
        .unwrap_or(packet)
}

impl Link {
    /// The packet that goes out next to an original client. It never acknowledges: what is handed to the path is done
    /// with, and what the path does not take whole is not sent.
    fn take_original(
        &mut self,
        takes: impl Fn(&Packet) -> bool,
        cx: &mut Context<'_>,
    ) -> Option<Packet> {
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

    /// Whether a packet is to go out on this path.
    pub(super) fn wants_original(&self, path: &Path) -> bool {
        self.route.sending() == Some(path) && self.next_original().is_some()
    }

    pub(super) fn poll_original_relay(
        &mut self,
        most: usize,
        cx: &mut Context<'_>,
    ) -> Option<Envelope> {
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

    pub(super) fn join_original(
        &mut self,
        shared: &Shared,
        cx: &mut Context<'_>,
    ) -> Option<Recipient> {
        let piece = self.next_original()?;
        let same = shared.emit.is_some() && piece.shared == shared.emit && shared.end;
        if self.route.sending() != Some(&Path::Relay) || !same || piece.bytes != shared.bytes {
            return None;
        }
        self.take_original(|_| true, cx)?;
        Some(Recipient { id: self.peer.id.clone(), numbers: None })
    }

    pub(super) fn next_original(&self) -> Option<Piece> {
        let lanes = [Lane::Volatile, Lane::Events, Lane::Bulk];
        lanes.into_iter().find_map(|lane| self.sender.peek(lane, usize::MAX))
    }

    pub(super) fn poll_original_direct(&mut self, cx: &mut Context<'_>) -> Option<Frame> {
        let channel = self.attempt.channel_mut()?;
        let max_message = channel.max_message;
        if let Some(frame) = channel.original.as_mut()?.pop_frame() {
            return Some(frame);
        }
        if self.route.sending() != Some(&Path::Direct) {
            return None;
        }
        let packet = self.take_original(|packet| takes(packet, max_message), cx)?;
        let wire = self.attempt.channel_mut()?.original.as_mut()?;
        wire.write(&packet);
        wire.pop_frame()
    }
}
