//! What goes over the wires of a link, by number, and pieces of it.

use std::collections::BTreeMap;

use bytes::{BufMut as _, Bytes, BytesMut};
use bytestring::ByteString;
use serde::{Deserialize, Serialize};
use socketio_p2p_core::codec::{Blob, Limits};
use socketio_p2p_core::signal::Sequence;
use socketio_p2p_core::{Frame, Namespace, Packet};

/// Link control is not for applications.
pub(super) const CONTROL: Namespace = Namespace::from_static("/socketio-p2p");

/// A packet as an envelope carries it: head and attachments. It need not be one.
pub(super) type Parts = Vec<Bytes>;

pub(super) fn parts(packet: &Packet) -> Parts {
    let head = packet.head().as_bytes().clone();
    std::iter::once(head).chain(packet.attachments().iter().cloned()).collect()
}

/// The packet that the parts are, if they are one.
pub(super) fn packet(parts: &[Bytes]) -> Option<Packet> {
    let (head, attachments) = parts.split_first()?;
    let head = ByteString::try_from(head.clone()).ok()?;
    Packet::from_head_and_attachments(head, attachments.to_vec(), &Limits::unbounded()).ok()
}

/// As messages of a channel.
pub(super) fn frames(parts: &[Bytes]) -> Vec<Frame> {
    let Some((head, attachments)) = parts.split_first() else { return Vec::new() };
    let head = Frame::from(String::from_utf8_lossy(head).into_owned());
    std::iter::once(head).chain(attachments.iter().cloned().map(Frame::Binary)).collect()
}

pub(super) fn control<T: Serialize>(name: &str, args: &T) -> Packet {
    Packet::event(name, args).unwrap().in_namespace(&CONTROL)
}

/// One buffer of all parts, each behind its length.
pub(super) fn flatten(parts: &[Bytes]) -> Bytes {
    let mut flat = BytesMut::new();
    for part in parts {
        flat.put_u32(u32::try_from(part.len()).unwrap());
        flat.put_slice(part);
    }
    flat.freeze()
}

/// A piece of a flattened packet.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(super) struct PieceHeader {
    #[serde(flatten)]
    pub(super) of: Option<Sequence>,
    pub(super) offset: u64,
    pub(super) total: u64,
}

pub(super) fn piece(header: PieceHeader, bytes: Bytes) -> Packet {
    control("fragment", &(header, Blob::from(bytes)))
}

/// What was sent under each number of one lane: always the same, whole or in pieces, on whatever path.
#[derive(Debug, Default)]
pub(super) struct Sent(BTreeMap<u64, Vec<Option<u8>>>);

impl Sent {
    /// Notes a piece.
    pub(super) fn note(&mut self, seq: u64, offset: u64, total: u64, bytes: &[u8]) {
        let (offset, total) = (usize::try_from(offset).unwrap(), usize::try_from(total).unwrap());
        let known = self.0.entry(seq).or_insert_with(|| vec![None; total]);
        assert_eq!(known.len(), total, "the length of packet {seq} changes");
        assert!(offset + bytes.len() <= total, "a piece beyond the end of packet {seq}");
        for (known, byte) in known[offset..].iter_mut().zip(bytes) {
            assert_eq!(*known.get_or_insert(*byte), *byte, "packet {seq} changes");
        }
    }

    pub(super) fn contains(&self, seq: u64) -> bool {
        self.0.contains_key(&seq)
    }

    /// One above the highest number.
    pub(super) fn end(&self) -> u64 {
        self.0.last_key_value().map_or(0, |(seq, _)| seq + 1)
    }
}
