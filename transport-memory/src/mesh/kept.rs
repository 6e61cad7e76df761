//! The memory that sessions keep of received messages: each message delivered counts until no part of
//! its bytes is held any more.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;
use socketio_p2p_core::Frame;

/// The bytes of messages of which some part is still held.
#[derive(Clone, Debug, Default)]
pub(super) struct Kept(Arc<AtomicUsize>);

struct Watched {
    bytes: Bytes,
    kept: Kept,
}

impl AsRef<[u8]> for Watched {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

impl Drop for Watched {
    fn drop(&mut self) {
        self.kept.0.fetch_sub(self.bytes.len(), Ordering::Relaxed);
    }
}

impl Kept {
    pub(super) fn bytes(&self) -> usize {
        self.0.load(Ordering::Relaxed)
    }

    /// The same message, counted until it is let go.
    pub(super) fn watch(&self, frame: Frame) -> Frame {
        let watched = |bytes: Bytes| {
            self.0.fetch_add(bytes.len(), Ordering::Relaxed);
            Bytes::from_owner(Watched { bytes, kept: self.clone() })
        };
        match frame {
            Frame::Binary(bytes) => Frame::Binary(watched(bytes)),
            Frame::Text(text) => match watched(text.as_bytes().clone()).try_into() {
                Ok(watched) => Frame::Text(watched),
                Err(_) => Frame::Text(text),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use socketio_p2p_core::Frame;

    use super::Kept;

    #[test]
    fn a_message_counts_until_the_last_part_of_it_is_let_go() {
        let kept = Kept::default();
        let text = kept.watch("2[\"n\",1]".into());
        let Frame::Binary(bytes) = kept.watch(Frame::Binary(vec![7; 100].into())) else { panic!() };
        assert_eq!(kept.bytes(), 108);
        let part = bytes.slice(3..4);
        drop((text, bytes));
        assert_eq!((kept.bytes(), &part[..]), (100, &[7][..]));
        drop(part);
        assert_eq!(kept.bytes(), 0);
    }
}
