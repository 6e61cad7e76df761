//! A bounded in-memory link.

use std::pin::Pin;
use std::task::{Context, Poll};

use futures::channel::mpsc;
use futures::{Sink, Stream, StreamExt as _};
use socketio_p2p_core::Frame;
use socketio_p2p_core::driver::TransportError;

/// One end of a bounded in-memory link: frames sent into one end are received at the other, in order. Dropping an
/// end, or closing it, ends the other's stream after the frames in flight.
#[derive(Debug)]
pub struct MemoryChannel {
    to_other: mpsc::Sender<Frame>,
    from_other: mpsc::Receiver<Frame>,
    /// Whether a full link waits or drops the frame.
    when_full: WhenFull,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum WhenFull {
    Wait,
    Drop,
}

/// The two ends of a link that holds `capacity` frames in each direction; the sink of an end is not ready
/// while the other end has not taken them.
#[must_use]
pub fn channel(capacity: usize) -> (MemoryChannel, MemoryChannel) {
    link(capacity, WhenFull::Wait)
}

/// The two ends of a link that holds `capacity` frames in each direction and drops further frames while it is full.
#[must_use]
pub fn datagram_channel(capacity: usize) -> (MemoryChannel, MemoryChannel) {
    link(capacity, WhenFull::Drop)
}

fn link(capacity: usize, when_full: WhenFull) -> (MemoryChannel, MemoryChannel) {
    // The mpsc channel holds one more for its only sender.
    let buffer = capacity.saturating_sub(1);
    let (to_right, from_left) = mpsc::channel(buffer);
    let (to_left, from_right) = mpsc::channel(buffer);
    (
        MemoryChannel { to_other: to_right, from_other: from_right, when_full },
        MemoryChannel { to_other: to_left, from_other: from_left, when_full },
    )
}

fn closed(_: mpsc::SendError) -> TransportError {
    TransportError("the other end of the memory channel is gone".into())
}

impl Stream for MemoryChannel {
    type Item = Result<Frame, TransportError>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.from_other.poll_next_unpin(cx).map(|frame| frame.map(Ok))
    }
}

impl Sink<Frame> for MemoryChannel {
    type Error = TransportError;

    fn poll_ready(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        match (self.to_other.poll_ready(cx), self.when_full) {
            (Poll::Pending, WhenFull::Drop) => Poll::Ready(Ok(())),
            (ready, _) => ready.map_err(closed),
        }
    }

    fn start_send(mut self: Pin<&mut Self>, frame: Frame) -> Result<(), Self::Error> {
        match self.to_other.start_send(frame) {
            Err(error) if error.is_full() && self.when_full == WhenFull::Drop => Ok(()),
            sent => sent.map_err(closed),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        Poll::Ready(Ok(()))
    }

    fn poll_close(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.to_other.close_channel();
        Poll::Ready(Ok(()))
    }
}
