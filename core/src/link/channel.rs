//! One attempt at a direct path, and the data channel that comes of it.

use std::collections::VecDeque;

use bytes::Bytes;
use bytestring::ByteString;

use super::control::Control;
use super::via::MAX_PARTS;
use crate::codec::{DecodeError, Decoder, Limits};
use crate::frame::Frame;
use crate::id::{ConnectionId, Version};
use crate::packet::{Packet, PacketType};

/// The original cuts one blob into pieces of 5,000 bytes and writes their number as the attachment count.
pub(super) const V0_PIECES: usize = 16_384;

/// An attempt at a direct path.
#[derive(Debug)]
pub(crate) struct Connection {
    pub(crate) id: ConnectionId,
    /// The offerer's name for the offer: the signals of this attempt repeat it.
    pub(crate) offer_id: String,
    pub(crate) channel: Option<Channel>,
}

/// An open data channel.
#[derive(Debug)]
pub(crate) struct Channel {
    decoder: Decoder,
    version: Version,
    /// The longest message that the remote end takes.
    pub(crate) max_message: usize,
    /// Whether the peer's hello has come.
    pub(crate) greeted: bool,
    /// Whether a probe has come back.
    pub(crate) proved: bool,
    /// The number of the last probe.
    pub(crate) probe: u64,
    /// The number that the peer, by counting, gives the next whole packet that is sent to it.
    pub(crate) announced: Option<u64>,
    /// The number of the next whole packet, by counting since the peer's `begin`.
    pub(crate) count: Option<u64>,
    /// The number in the volatile lane of the packet that comes next.
    pub(crate) volatile: Option<u64>,
    queue: VecDeque<Outgoing>,
    /// What is left of the packet that is being written: packets never interleave.
    frames: VecDeque<Frame>,
}

#[derive(Debug)]
enum Outgoing {
    Control(Control),
    Data(Packet),
}

impl Channel {
    pub(crate) fn new(version: Version, max_message: usize, limits: &Limits) -> Self {
        let limits = match version {
            Version::V0 => limits.clone().with_max_attachments(V0_PIECES),
            // What is passed on has two.
            Version::V1 => {
                limits.clone().with_max_attachments(limits.max_attachments.max(MAX_PARTS))
            }
        };
        Self {
            decoder: Decoder::new(limits),
            version,
            max_message,
            greeted: version == Version::V0,
            proved: version == Version::V0,
            probe: 0,
            announced: None,
            count: None,
            volatile: None,
            queue: VecDeque::new(),
            frames: VecDeque::new(),
        }
    }

    /// Takes a frame from the wire; a packet when it is complete.
    pub(crate) fn decode(&mut self, frame: Frame) -> Result<Option<Packet>, DecodeError> {
        let packet = self.decoder.push(frame)?;
        Ok(match (self.version, packet) {
            (Version::V0, Some(packet)) => Some(join_v0_pieces(packet)),
            (_, packet) => packet,
        })
    }

    /// Queues link control. What it makes out of date leaves the queue, so that a peer that talks and does not
    /// listen cannot fill it.
    pub(crate) fn push_control(&mut self, control: Control) {
        let stale = |queued: &Outgoing| match queued {
            Outgoing::Control(queued) => control.supersedes(queued),
            Outgoing::Data(_) => false,
        };
        self.queue.retain(|queued| !stale(queued));
        self.queue.push_back(Outgoing::Control(control));
    }

    /// Queues a packet of the application. The link does so when the queue is empty and the wire has room.
    pub(crate) fn push_data(&mut self, packet: Packet) {
        self.queue.push_back(Outgoing::Data(packet));
    }

    /// The next frame of what is queued.
    pub(crate) fn pop_frame(&mut self) -> Option<Frame> {
        if self.frames.is_empty() {
            let packet = match self.queue.pop_front()? {
                // What we encode ourselves always fits: numbers, and pieces of a bounded size.
                Outgoing::Control(control) => control.to_packet().ok()?,
                Outgoing::Data(packet) => packet,
            };
            match self.version {
                Version::V1 => self.frames.extend(packet.frames()),
                Version::V0 => self.frames.extend(split_v0_pieces(&packet, self.max_message)),
            }
        }
        self.frames.pop_front()
    }

    pub(crate) fn is_idle(&self) -> bool {
        self.frames.is_empty() && self.queue.is_empty()
    }
}

/// An original client's blob arrives in as many attachments as it has pieces, with one placeholder.
fn join_v0_pieces(packet: Packet) -> Packet {
    let pieces = packet.attachments();
    if pieces.len() < 2 {
        return packet;
    }
    let blob: Bytes = pieces.concat().into();
    let payload = ByteString::from(packet.payload());
    Packet::from_parts(
        PacketType::BinaryEvent,
        &packet.namespace(),
        packet.ack_id(),
        payload,
        vec![blob],
    )
    .unwrap_or(packet)
}

/// The one blob that an original client can take, in messages that its end accepts.
fn split_v0_pieces(packet: &Packet, max_message: usize) -> Vec<Frame> {
    let [blob] = packet.attachments() else { return packet.frames().collect() };
    let size = max_message.max(1);
    let mut frames = Vec::with_capacity(1 + blob.len().div_ceil(size));
    let count = blob.len().div_ceil(size);
    frames.push(Frame::from(format!("5{count}-{}", packet.payload())));
    frames.extend(
        (0..blob.len())
            .step_by(size)
            .map(|start| Frame::Binary(blob.slice(start..blob.len().min(start + size)))),
    );
    frames
}
