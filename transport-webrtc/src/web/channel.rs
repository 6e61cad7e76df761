//! The stream and sink of one open data channel.

use std::fmt;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use futures::{Sink, Stream};
use socketio_p2p_core::Frame;
use socketio_p2p_core::driver::TransportError;
use web_sys::RtcDataChannel;

use super::data::Data;
use super::failure::failure;
use super::inbox::Inbox;

/// A data channel of a [`WebRtcTransport`](crate::WebRtcTransport), as a stream and a sink of frames.
///
/// **Receiving.** The stream yields whole messages in order. A browser cannot stop the remote: an application that does
/// not read ends the connection with an error once [`WebRtcConfig::max_unread`](crate::WebRtcConfig::max_unread) is
/// exceeded. The stream ends when the connection ends, after the frames that came before.
///
/// **Sending.** The sink is ready while the browser buffers less than
/// [`WebRtcConfig::send_buffer`](crate::WebRtcConfig::send_buffer) bytes that SCTP has not sent yet. Once it buffers
/// more, the sink is ready again below half of that. A message longer than the remote's limit is an error; the
/// connection stays open. `flush` completes at once, `close` when SCTP has sent all messages; neither closes the
/// connection.
///
/// **Datagrams.** On the channel of [`DirectEvent::Datagrams`](socketio_p2p_core::driver::DirectEvent::Datagrams)
/// messages arrive whole, in any order, or not at all; those beyond `max_unread` are dropped. Its sink is ready while
/// less than 64 KiB are buffered. When it closes, the connection stays open.
pub struct WebRtcChannel {
    channel: RtcDataChannel,
    inbox: Rc<Inbox>,
    max_message: usize,
    /// Buffered bytes below which the sink is ready.
    send_buffer: u32,
}

impl WebRtcChannel {
    pub(super) fn new(data: &Data, max_message: usize, send_buffer: usize) -> Self {
        let send_buffer = u32::try_from(send_buffer).unwrap_or(u32::MAX);
        data.channel.set_buffered_amount_low_threshold(send_buffer / 2);
        let (channel, inbox) = (data.channel.clone(), Rc::clone(&data.inbox));
        Self { channel, inbox, max_message, send_buffer }
    }

    fn send(&self, frame: &Frame) -> Result<(), TransportError> {
        let sent = match frame {
            Frame::Text(text) => self.channel.send_with_str(text),
            Frame::Binary(bytes) => self.channel.send_with_u8_array(bytes),
        };
        sent.map_err(|error| failure("the data channel cannot send", &error))
    }
}

impl Stream for WebRtcChannel {
    type Item = Result<Frame, TransportError>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.inbox.poll_frame(cx)
    }
}

impl Sink<Frame> for WebRtcChannel {
    type Error = TransportError;

    fn poll_ready(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), TransportError>> {
        if self.inbox.is_closed() {
            return Poll::Ready(Err(TransportError("the data channel is closed".to_owned())));
        }
        if self.channel.buffered_amount() < self.send_buffer {
            return Poll::Ready(Ok(()));
        }
        self.inbox.register_writer(cx);
        Poll::Pending
    }

    fn start_send(self: Pin<&mut Self>, frame: Frame) -> Result<(), TransportError> {
        if frame.len() > self.max_message {
            return Err(TransportError(format!(
                "expected a message of at most {1} bytes (the remote's limit), got {0}",
                frame.len(),
                self.max_message
            )));
        }
        self.send(&frame)
    }

    fn poll_flush(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<Result<(), TransportError>> {
        Poll::Ready(Ok(()))
    }

    fn poll_close(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), TransportError>> {
        if self.inbox.is_closed() || self.channel.buffered_amount() == 0 {
            return Poll::Ready(Ok(()));
        }
        self.channel.set_buffered_amount_low_threshold(0);
        self.inbox.register_writer(cx);
        Poll::Pending
    }
}

impl fmt::Debug for WebRtcChannel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WebRtcChannel")
            .field("max_message", &self.max_message)
            .finish_non_exhaustive()
    }
}

impl Drop for WebRtcChannel {
    fn drop(&mut self) {
        self.inbox.discard();
    }
}
