//! The wire of v0 peers on a data channel: plain packets with at most one blob each, in pieces.

use std::collections::VecDeque;

use bytes::Bytes;
use bytestring::ByteString;

use crate::codec::{DecodeError, Decoder, Limits, Packet, PacketType};
use crate::frame::Frame;

/// The length of a blob's pieces to a v0 peer. The original client cuts a blob into pieces of 5,000 bytes and
/// writes their number as the attachment count.
const PIECES: usize = 16_384;

/// The maximum growth of a head when the number of pieces is written into it.
const COUNT_BYTES: usize = 8;

/// Both directions of a channel with a v0 peer.
#[derive(Debug)]
pub(crate) struct Wire {
    decoder: Decoder,
    max_message: usize,
    /// The remaining frames of the packet that is being written: packets are not interleaved.
    frames: VecDeque<Frame>,
}

impl Wire {
    pub(super) fn new(limits: &Limits, max_message: usize) -> Self {
        let decoder = Decoder::new(limits.clone().with_max_attachments(PIECES));
        Self { decoder, max_message, frames: VecDeque::new() }
    }

    /// Decodes a frame; returns a packet when it is complete.
    pub(super) fn decode(&mut self, frame: Frame) -> Result<Option<Packet>, DecodeError> {
        Ok(self.decoder.push(frame)?.map(join_pieces))
    }

    /// Writes a packet, once the previous one has been taken.
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

/// Returns whether a v0 peer accepts the packet: its head in one message, its blob in pieces.
pub(super) fn takes(packet: &Packet, max_message: usize) -> bool {
    let pieces = |blob: &Bytes| blob.len().div_ceil(max_message.max(1));
    packet.head().len() + COUNT_BYTES <= max_message
        && packet.attachments().iter().map(pieces).sum::<usize>() <= PIECES
}

/// Joins the pieces of a blob, which arrive as attachments with one placeholder.
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
