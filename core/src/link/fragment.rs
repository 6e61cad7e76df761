//! Big packets in pieces.
//!
//! A packet is flattened to `u32 length, head, (u32 length, attachment)*`, lengths big-endian, and the flat
//! bytes are cut. Cutting copies at most one piece at a time; putting together fills one buffer, of which the
//! attachments are slices.

use bytes::{BufMut as _, Bytes, BytesMut};
use bytestring::ByteString;

use super::control::Fragment;
use crate::packet::Packet;

const LENGTH: usize = size_of::<u32>();

/// The length of the flattened packet.
pub(crate) fn flat_len(packet: &Packet) -> usize {
    packet.wire_len() + LENGTH * (1 + packet.attachments().len())
}

/// The piece `offset..offset + len` of the flattened packet, shorter at its end.
pub(crate) fn piece(packet: &Packet, offset: usize, len: usize) -> Bytes {
    let parts = std::iter::once(packet.head().as_bytes()).chain(packet.attachments());
    let end = flat_len(packet).min(offset + len);
    let mut piece = BytesMut::with_capacity(end.saturating_sub(offset));
    let mut start = 0;
    let mut copy = |bytes: &[u8]| {
        let from = offset.saturating_sub(start).min(bytes.len());
        let to = end.saturating_sub(start).min(bytes.len());
        piece.put_slice(&bytes[from..to]);
        start += bytes.len();
    };
    for part in parts {
        copy(&u32::try_from(part.len()).unwrap_or(u32::MAX).to_be_bytes());
        copy(part);
    }
    piece.freeze()
}

/// What has come of one packet.
#[derive(Debug, Default)]
pub(crate) struct Reassembly {
    seq: u64,
    total: u64,
    flat: BytesMut,
}

/// Pieces that do not make a packet.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum BadFragment {
    /// The packet is longer than the limit, or the piece does not fit into it.
    TooLong,
    /// The lengths within do not add up, or the head is not UTF-8.
    Malformed,
}

impl Reassembly {
    /// Takes a piece; the whole packet's head and attachments once the last one is there. A piece that does
    /// not follow the one before is dropped, with what came before it: the sender starts again from the
    /// packet's beginning after every break.
    pub(crate) fn push(
        &mut self,
        fragment: &Fragment,
        max: usize,
    ) -> Result<Option<(ByteString, Vec<Bytes>)>, BadFragment> {
        let (seq, total) = (fragment.of.seq, fragment.total);
        if fragment.offset == 0 {
            self.reset();
            (self.seq, self.total) = (seq, total);
        }
        let have = self.flat.len() as u64;
        if (self.seq, self.total, have) != (seq, total, fragment.offset) {
            self.reset();
            return Ok(None);
        }
        let len = fragment.bytes.len() as u64;
        if total > max as u64 || len == 0 || have.saturating_add(len) > total {
            self.reset();
            return Err(BadFragment::TooLong);
        }
        self.flat.extend_from_slice(&fragment.bytes);
        if have + len < total {
            return Ok(None);
        }
        let flat = std::mem::take(&mut self.flat).freeze();
        self.reset();
        unflatten(flat).map(Some).ok_or(BadFragment::Malformed)
    }

    /// How many bytes of packet `seq` are there.
    pub(crate) fn progress(&self, seq: u64) -> u64 {
        if self.seq == seq { self.flat.len() as u64 } else { 0 }
    }

    pub(crate) fn held_bytes(&self) -> usize {
        self.flat.len()
    }

    /// Gives up the packet if its number is below `expected`.
    pub(crate) fn drop_below(&mut self, expected: u64) {
        if self.seq < expected && !self.flat.is_empty() {
            self.reset();
        }
    }

    pub(crate) fn reset(&mut self) {
        *self = Self::default();
    }
}

fn unflatten(mut flat: Bytes) -> Option<(ByteString, Vec<Bytes>)> {
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
    use bytes::Bytes;
    use proptest::prelude::*;

    use super::{BadFragment, Reassembly, flat_len, piece};
    use crate::codec::Blob;
    use crate::link::control::Fragment;
    use crate::packet::Packet;
    use crate::signal::{Lane, Sequence};

    fn fragment(offset: usize, total: usize, bytes: Bytes) -> Fragment {
        let of = Sequence { lane: Lane::Events, seq: 7 };
        Fragment { of, offset: offset as u64, total: total as u64, bytes }
    }

    proptest! {
        #[test]
        fn pieces_of_any_size_make_the_packet_again(
            text in ".{0,40}",
            blobs in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..50), 0..5),
            size in 1_usize..60,
        ) {
            let blobs: Vec<Blob> = blobs.into_iter().map(Blob::from).collect();
            let packet = Packet::event("e", &(text, &blobs)).unwrap();
            let total = flat_len(&packet);
            let mut reassembly = Reassembly::default();
            let mut whole = None;
            for offset in (0..total).step_by(size) {
                prop_assert!(whole.is_none());
                let bytes = piece(&packet, offset, size);
                whole = reassembly.push(&fragment(offset, total, bytes), total).unwrap();
            }
            let (head, attachments) = whole.expect("the last piece completes the packet");
            prop_assert_eq!(&head, packet.head());
            prop_assert_eq!(&attachments[..], packet.attachments());
        }
    }

    #[test]
    fn a_gap_drops_what_came_before_and_a_new_start_is_taken() {
        let packet = Packet::event("e", &("some text that is cut",)).unwrap();
        let total = flat_len(&packet);
        let mut reassembly = Reassembly::default();
        let push = |reassembly: &mut Reassembly, offset, len| {
            reassembly.push(&fragment(offset, total, piece(&packet, offset, len)), 1000)
        };
        assert_eq!(push(&mut reassembly, 0, 10), Ok(None));
        assert_eq!(push(&mut reassembly, 20, 10), Ok(None));
        assert_eq!(reassembly.progress(7), 0);
        assert_eq!(push(&mut reassembly, 0, 10), Ok(None));
        assert!(push(&mut reassembly, 10, 1000).unwrap().is_some());
    }

    #[test]
    fn lengths_that_do_not_add_up_are_refused() {
        let mut reassembly = Reassembly::default();
        let mut push = |offset, total, bytes: &'static [u8], max| {
            reassembly.push(&fragment(offset, total, Bytes::from_static(bytes)), max)
        };
        assert_eq!(push(0, 9, b"12345", 8), Err(BadFragment::TooLong));
        assert_eq!(push(0, 4, b"12345", 8), Err(BadFragment::TooLong));
        assert_eq!(push(0, 4, b"", 8), Err(BadFragment::TooLong));
        assert_eq!(push(0, 5, &[0, 0, 0, 2, b'2'], 8), Err(BadFragment::Malformed));
        assert_eq!(push(0, 5, &[0, 0, 0, 1, 0xff], 8), Err(BadFragment::Malformed));
        assert_eq!(push(0, 7, &[0, 0, 0, 1, b'2', 0, 0], 8), Err(BadFragment::Malformed));
    }
}
