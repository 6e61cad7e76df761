//! Variable-length integers of one to eight bytes (RFC 9000 section 16).

use bytes::{Buf as _, BufMut as _, Bytes, BytesMut};

/// The maximum integer.
pub(crate) const MAX: u64 = (1 << 62) - 1;

/// Writes an integer; one above [`MAX`], which no counter reaches, as [`MAX`].
pub(crate) fn put(buffer: &mut BytesMut, number: u64) {
    // The two highest bits of the first byte encode the length.
    match number.min(MAX) {
        n @ 0..0x40 => buffer.put_u8(n as u8),
        n @ 0x40..0x4000 => buffer.put_u16(n as u16 | 0x4000),
        n @ 0x4000..0x4000_0000 => buffer.put_u32(n as u32 | 0x8000_0000),
        n => buffer.put_u64(n | 0xc000_0000_0000_0000),
    }
}

/// Returns the encoded length in bytes.
pub(crate) const fn len(number: u64) -> usize {
    match number {
        0..0x40 => 1,
        0x40..0x4000 => 2,
        0x4000..0x4000_0000 => 4,
        _ => 8,
    }
}

/// Reads an integer. Returns `None` when the bytes end within it.
pub(crate) fn take(bytes: &mut Bytes) -> Option<u64> {
    let first = *bytes.first()?;
    let len = 1_usize << (first >> 6);
    if bytes.len() < len {
        return None;
    }
    Some(match len {
        1 => u64::from(bytes.get_u8()),
        2 => u64::from(bytes.get_u16() & 0x3fff),
        4 => u64::from(bytes.get_u32() & 0x3fff_ffff),
        _ => bytes.get_u64() & MAX,
    })
}

#[cfg(test)]
mod tests {
    use bytes::{Bytes, BytesMut};
    use proptest::prelude::*;

    use super::{MAX, len, put, take};

    fn written(number: u64) -> Bytes {
        let mut buffer = BytesMut::new();
        put(&mut buffer, number);
        buffer.freeze()
    }

    proptest! {
        #[test]
        fn a_varint_round_trips_in_the_stated_length(bits in 0_u32..62, low in any::<u64>()) {
            let number = low & ((1 << bits) | ((1 << bits) - 1));
            let mut bytes = written(number);
            prop_assert_eq!(bytes.len(), len(number));
            prop_assert_eq!(take(&mut bytes), Some(number));
            prop_assert!(bytes.is_empty());
        }
    }

    #[test]
    fn the_varint_examples_of_the_rfc_hold() {
        for (bytes, number) in [
            (&[0xc2, 0x19, 0x7c, 0x5e, 0xff, 0x14, 0xe8, 0x8c][..], 151_288_809_941_952_652),
            (&[0x9d, 0x7f, 0x3e, 0x7d], 494_878_333),
            (&[0x7b, 0xbd], 15_293),
            (&[0x25], 37),
        ] {
            assert_eq!(take(&mut Bytes::copy_from_slice(bytes)), Some(number));
            assert_eq!(written(number), bytes);
        }
        // An encoding that is longer than necessary is valid.
        assert_eq!(take(&mut Bytes::from_static(&[0x40, 0x25])), Some(37));
    }

    #[test]
    fn a_truncated_varint_is_none_and_one_above_the_maximum_is_the_maximum() {
        for cut in [&[][..], &[0x40], &[0x9d, 0x7f, 0x3e], &[0xc0; 7]] {
            assert_eq!(take(&mut Bytes::copy_from_slice(cut)), None);
        }
        assert_eq!(take(&mut written(u64::MAX)), Some(MAX));
    }
}
