//! Integers of one to eight bytes (RFC 9000 section 16).

use bytes::{Buf as _, BufMut as _, Bytes, BytesMut};

/// The greatest number that can be written.
pub(crate) const MAX: u64 = (1 << 62) - 1;

/// Writes a number; one above [`MAX`] as [`MAX`], which no counter reaches.
pub(crate) fn put(buffer: &mut BytesMut, number: u64) {
    // The two highest bits of the first byte tell the length.
    match number.min(MAX) {
        n @ 0..0x40 => buffer.put_u8(n as u8),
        n @ 0x40..0x4000 => buffer.put_u16(n as u16 | 0x4000),
        n @ 0x4000..0x4000_0000 => buffer.put_u32(n as u32 | 0x8000_0000),
        n => buffer.put_u64(n | 0xc000_0000_0000_0000),
    }
}

/// How many bytes a number takes.
pub(crate) const fn len(number: u64) -> usize {
    match number {
        0..0x40 => 1,
        0x40..0x4000 => 2,
        0x4000..0x4000_0000 => 4,
        _ => 8,
    }
}

/// Reads a number. `None`: the bytes end within it.
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
        fn a_number_comes_back_in_as_many_bytes_as_said(bits in 0_u32..62, low in any::<u64>()) {
            let number = low & ((1 << bits) | ((1 << bits) - 1));
            let mut bytes = written(number);
            prop_assert_eq!(bytes.len(), len(number));
            prop_assert_eq!(take(&mut bytes), Some(number));
            prop_assert!(bytes.is_empty());
        }
    }

    #[test]
    fn the_examples_of_the_rfc_hold() {
        for (bytes, number) in [
            (&[0xc2, 0x19, 0x7c, 0x5e, 0xff, 0x14, 0xe8, 0x8c][..], 151_288_809_941_952_652),
            (&[0x9d, 0x7f, 0x3e, 0x7d], 494_878_333),
            (&[0x7b, 0xbd], 15_293),
            (&[0x25], 37),
        ] {
            assert_eq!(take(&mut Bytes::copy_from_slice(bytes)), Some(number));
            assert_eq!(written(number), bytes);
        }
        // More bytes than needed are allowed.
        assert_eq!(take(&mut Bytes::from_static(&[0x40, 0x25])), Some(37));
    }

    #[test]
    fn a_number_that_is_cut_off_is_none_and_one_too_great_is_the_greatest() {
        for cut in [&[][..], &[0x40], &[0x9d, 0x7f, 0x3e], &[0xc0; 7]] {
            assert_eq!(take(&mut Bytes::copy_from_slice(cut)), None);
        }
        assert_eq!(take(&mut written(u64::MAX)), Some(MAX));
    }
}
