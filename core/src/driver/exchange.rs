//! The movement of frames between a channel and the session.

use std::task::{Context, Poll};

use futures::{Sink, SinkExt as _, Stream, StreamExt as _};

use super::TransportError;
use crate::frame::Frame;

/// The result of polling a channel.
#[derive(Debug)]
pub(super) struct Exchange {
    /// Whether frames were sent.
    pub(super) has_sent: bool,
    /// Whether the sink is full; it wakes the task when it has room.
    pub(super) is_full: bool,
    pub(super) incoming: Incoming,
}

#[derive(Debug)]
pub(super) enum Incoming {
    Nothing,
    /// A frame; further ones may be available. A frame received before a failure of the sink precedes the
    /// failure.
    Frame(Frame),
    Failed(TransportError),
}

/// Sends frames of `next` as long as the channel has room, flushes, and receives one frame.
pub(super) fn exchange<T>(
    channel: &mut T,
    next: impl FnMut() -> Option<Frame>,
    cx: &mut Context<'_>,
) -> Exchange
where
    T: Stream<Item = Result<Frame, TransportError>> + Sink<Frame, Error = TransportError> + Unpin,
{
    let mut has_sent = false;
    let sent = send(channel, next, &mut has_sent, cx);
    let incoming = match channel.poll_next_unpin(cx) {
        Poll::Ready(Some(Ok(frame))) => Incoming::Frame(frame),
        Poll::Ready(Some(Err(error))) => Incoming::Failed(error),
        Poll::Ready(None) => {
            Incoming::Failed(TransportError("the remote end closed the channel".into()))
        }
        Poll::Pending => Incoming::Nothing,
    };
    match (sent, incoming) {
        (Poll::Ready(Err(error)), Incoming::Nothing) => {
            Exchange { has_sent, is_full: false, incoming: Incoming::Failed(error) }
        }
        (sent, incoming) => Exchange { has_sent, is_full: sent.is_pending(), incoming },
    }
}

/// Returns `Pending` when the channel is full.
fn send<T: Sink<Frame, Error = TransportError> + Unpin>(
    channel: &mut T,
    mut next: impl FnMut() -> Option<Frame>,
    has_sent: &mut bool,
    cx: &mut Context<'_>,
) -> Poll<Result<(), TransportError>> {
    loop {
        std::task::ready!(channel.poll_ready_unpin(cx))?;
        let Some(frame) = next() else { break };
        channel.start_send_unpin(frame)?;
        *has_sent = true;
    }
    match channel.poll_flush_unpin(cx) {
        // A pending flush wakes the task, and frames can be added before.
        Poll::Pending => Poll::Ready(Ok(())),
        flushed @ Poll::Ready(_) => flushed,
    }
}
