//! Digests of bytes, not for security.

use socketio_p2p_core::Frame;

/// A digest of all the bytes of a frame.
pub(crate) fn digest(frame: &Frame) -> u64 {
    digest_of(u64::from(matches!(frame, Frame::Text(_))) << 63, [frame.as_bytes()])
}

/// A digest of a word and of all bytes after it.
pub(crate) fn digest_of<const N: usize>(start: u64, parts: [&[u8]; N]) -> u64 {
    let mut state = start;
    let mut mix = |word: u64| {
        state = (state ^ word).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        state ^= state >> 29;
    };
    for bytes in parts {
        mix(bytes.len() as u64);
        let mut chunks = bytes.chunks_exact(8);
        for chunk in &mut chunks {
            mix(chunk.iter().fold(0, |word, byte| word << 8 | u64::from(*byte)));
        }
        mix(chunks.remainder().iter().fold(1, |word, byte| word << 8 | u64::from(*byte)));
    }
    state
}

#[cfg(test)]
mod tests {
    use socketio_p2p_core::Frame;

    use super::digest;

    #[test]
    fn every_byte_counts_for_the_digest() {
        let long = vec![7_u8; 203];
        let whole = digest(&Frame::Binary(long.clone().into()));
        for at in 0..long.len() {
            let mut other = long.clone();
            other[at] ^= 1;
            assert_ne!(digest(&Frame::Binary(other.into())), whole, "byte {at}");
        }
        assert_ne!(digest(&"a".into()), digest(&Frame::Binary(vec![b'a'].into())));
    }
}
