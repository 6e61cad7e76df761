//! Flattened packets, which can be cut anywhere.
//!
//! A packet is flattened to `u32 length, head, (u32 length, attachment)*`, lengths big-endian. Cutting copies
//! one piece at a time; the attachments of a reassembled packet are slices of its bytes.

use bytes::{BufMut as _, Bytes, BytesMut};
use bytestring::ByteString;

use crate::codec::{Limits, Packet};

const LENGTH: usize = size_of::<u32>();

/// A packet whose flattened bytes can be read at any offset.
#[derive(Clone, Debug)]
pub(crate) struct Flat {
    packet: Packet,
    len: u64,
}

impl Flat {
    pub(crate) fn new(packet: Packet) -> Self {
        let len = packet.wire_len() + LENGTH * (1 + packet.attachments().len());
        Self { packet, len: len as u64 }
    }

    pub(crate) const fn packet(&self) -> &Packet {
        &self.packet
    }

    pub(crate) const fn len(&self) -> u64 {
        self.len
    }

    /// Writes the bytes `start..end`, or those of them that exist.
    pub(crate) fn put(&self, start: u64, end: u64, buffer: &mut BytesMut) {
        let parts = std::iter::once(self.packet.head().as_bytes()).chain(self.packet.attachments());
        let mut at = 0_u64;
        let mut copy = |bytes: &[u8]| {
            let len = bytes.len() as u64;
            let from = start.saturating_sub(at).min(len) as usize;
            let to = end.saturating_sub(at).min(len) as usize;
            if from < to {
                buffer.put_slice(&bytes[from..to]);
            }
            at += len;
        };
        for part in parts {
            copy(&u32::try_from(part.len()).unwrap_or(u32::MAX).to_be_bytes());
            copy(part);
        }
    }

    /// Returns the flattened packet.
    pub(crate) fn to_bytes(&self) -> Bytes {
        let mut buffer = BytesMut::with_capacity(self.len as usize);
        self.put(0, self.len, &mut buffer);
        buffer.freeze()
    }
}

/// Flattens a packet.
#[must_use]
pub fn flatten(packet: &Packet) -> Bytes {
    Flat::new(packet.clone()).to_bytes()
}

/// Returns the maximum length of a flattened packet that may be within the limits.
pub(crate) fn flat_limit(limits: &Limits) -> u64 {
    let lengths = limits.max_attachments.saturating_add(1).saturating_mul(LENGTH);
    limits.max_packet_bytes.saturating_add(lengths) as u64
}

/// Splits a flattened packet into head and attachments, as slices of its bytes. Returns `None` when the lengths
/// do not add up or the head is not UTF-8.
#[must_use]
pub fn unflatten(mut flat: Bytes) -> Option<(ByteString, Vec<Bytes>)> {
    let mut take = || {
        let (length, _) = flat.split_first_chunk::<LENGTH>()?;
        let length = u32::from_be_bytes(*length) as usize;
        let end = LENGTH.checked_add(length).filter(|end| *end <= flat.len())?;
        let mut part = flat.split_to(end);
        Some((part.split_off(LENGTH), flat.is_empty()))
    };
    let (head, mut last) = take()?;
    let head = ByteString::try_from(head).ok()?;
    let mut attachments = Vec::new();
    while !last {
        let (attachment, end) = take()?;
        attachments.push(attachment);
        last = end;
    }
    Some((head, attachments))
}

#[cfg(test)]
mod tests {
    use bytes::{Bytes, BytesMut};
    use proptest::prelude::*;

    use super::{Flat, unflatten};
    use crate::codec::{Blob, Packet};

    proptest! {
        #[test]
        fn a_packet_cut_into_pieces_of_any_size_is_reassembled(
            text in ".{0,40}",
            blobs in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..50), 0..5),
            size in 1_usize..60,
        ) {
            let blobs: Vec<Blob> = blobs.into_iter().map(Blob::from).collect();
            let flat = Flat::new(Packet::event("e", &(text, &blobs)).unwrap());
            let mut bytes = BytesMut::new();
            for offset in (0..flat.len()).step_by(size) {
                let before = bytes.len();
                flat.put(offset, offset + size as u64, &mut bytes);
                prop_assert!(bytes.len() - before <= size);
            }
            prop_assert_eq!(&flat.to_bytes(), &bytes);
            let (head, attachments) = unflatten(bytes.freeze()).expect("a flattened packet");
            prop_assert_eq!(&head, flat.packet().head());
            prop_assert_eq!(&attachments[..], flat.packet().attachments());
        }
    }

    #[test]
    fn flattened_packets_with_wrong_lengths_or_without_text_as_head_are_refused() {
        for bytes in [
            &[][..],
            &[0, 0, 0],
            &[0, 0, 0, 2, b'2'],
            &[0, 0, 0, 1, 0xff],
            &[0, 0, 0, 1, b'2', 0, 0],
            &[0xff, 0xff, 0xff, 0xff, b'2'],
        ] {
            assert!(unflatten(Bytes::copy_from_slice(bytes)).is_none(), "{bytes:?}");
        }
    }
}
