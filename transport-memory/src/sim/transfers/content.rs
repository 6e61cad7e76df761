//! The bytes of transfers: a pattern that starts elsewhere for each transfer.

use bytes::Bytes;

/// The maximum of bytes of one write.
pub(super) const CHUNK: usize = 16 << 10;

/// The period of the pattern, in bytes.
const PERIOD: usize = 251;

/// A chunk that begins anywhere in the period is a part of this.
static PATTERN: [u8; PERIOD + CHUNK] = pattern();

const fn pattern() -> [u8; PERIOD + CHUNK] {
    let mut pattern = [0; PERIOD + CHUNK];
    let mut at = 0;
    while at < pattern.len() {
        pattern[at] = (at % PERIOD) as u8;
        at += 1;
    }
    pattern
}

pub(super) fn byte(number: usize, offset: u64) -> u8 {
    ((number as u64).wrapping_mul(31).wrapping_add(offset) % PERIOD as u64) as u8
}

/// The bytes of a transfer from an offset on, at most [`CHUNK`].
pub(super) fn chunk(number: usize, offset: u64, len: usize) -> Bytes {
    let first = usize::from(byte(number, offset));
    Bytes::from_static(&PATTERN).slice(first..first + len.min(CHUNK))
}

#[cfg(test)]
mod tests {
    use super::{CHUNK, byte, chunk};

    #[test]
    fn a_chunk_has_the_byte_of_each_offset() {
        for (number, offset) in [(0, 0), (3, 250), (250, 251), (1_000, 1 << 40)] {
            for len in [0, 1, 251, CHUNK] {
                let expected = (offset..offset + len as u64).map(|offset| byte(number, offset));
                assert!(chunk(number, offset, len).into_iter().eq(expected));
            }
        }
    }
}
