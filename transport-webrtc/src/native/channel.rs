//! The stream and sink of one open data channel.

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::BytesMut;
use bytestring::ByteString;
use futures::future::BoxFuture;
use futures::{Sink, Stream};
use socketio_p2p_core::Frame;
use socketio_p2p_core::driver::TransportError;
use tokio::sync::Notify;
use webrtc::data_channel::{DataChannel, DataChannelEvent, RTCDataChannelMessage};
use webrtc::error::Error;

use super::runtime::Nudge;

/// Interval at which a sink reads the number of outstanding bytes: a closing sink, or one for datagrams without room.
const ACK_POLL: Duration = Duration::from_millis(5);

/// Messages read between two nudges. The `webrtc` crate holds messages back once 256 wait in one of its queues;
/// after half as many reads it may hold some.
const HELD_BACK_AFTER: u32 = 128;

/// Outstanding bytes below which the sink of a datagram channel takes a message.
const DATAGRAM_BUFFER: usize = 64 * 1024;

/// A data channel of a [`WebRtcTransport`](crate::WebRtcTransport), as a stream and a sink of frames.
///
/// **Receiving.** The stream yields whole messages in order. An application that does not read it stops the remote
/// through SCTP's receive window (on both channels of a connection that has two), see
/// [`WebRtcConfig::max_message`](crate::WebRtcConfig::max_message). The stream ends when the connection ends, after
/// the frames that came before. A text message that is not UTF-8 is an error and ends the connection.
///
/// **Sending.** The sink buffers at most one message and is ready while it buffers none. Messages passed to SCTP are
/// outstanding until the remote acknowledges them: at most
/// [`WebRtcConfig::send_buffer`](crate::WebRtcConfig::send_buffer) bytes and one message. A message longer than the
/// remote's limit is an error; the connection stays open. `flush` completes when all messages are passed to SCTP,
/// `close` when all are acknowledged; neither closes the connection.
///
/// **Datagrams.** On the channel of [`DirectEvent::Datagrams`](socketio_p2p_core::driver::DirectEvent::Datagrams)
/// messages arrive whole, in any order, or not at all. Its sink is ready while less than 64 KiB are outstanding
/// (neither acknowledged nor abandoned), so that the session can drop late messages before it sends them. When it
/// closes, the connection stays open.
pub struct WebRtcChannel {
    channel: Arc<dyn DataChannel>,
    progress: Arc<Progress>,
    nudge: Nudge,
    /// Messages read since the last [`Nudge`].
    taken: u32,
    max_message: usize,
    first: Option<RTCDataChannelMessage>,
    receiving: Option<BoxFuture<'static, Option<DataChannelEvent>>>,
    sending: Option<BoxFuture<'static, Result<(), Error>>>,
    closing: Option<BoxFuture<'static, ()>>,
    /// `Some` on a datagram channel only.
    room: Option<Room>,
}

/// The outstanding bytes of a datagram channel, as its sink knows them.
#[derive(Default)]
struct Room {
    /// An upper bound of the outstanding bytes.
    outstanding: usize,
    asking: Option<BoxFuture<'static, usize>>,
}

impl WebRtcChannel {
    pub(super) fn new(
        channel: Arc<dyn DataChannel>,
        progress: Arc<Progress>,
        nudge: Nudge,
        max_message: usize,
        first: Option<RTCDataChannelMessage>,
    ) -> Self {
        Self {
            channel,
            progress,
            nudge,
            taken: 0,
            max_message,
            first,
            receiving: None,
            sending: None,
            closing: None,
            room: None,
        }
    }

    /// Turns the channel into one for datagrams.
    pub(super) fn for_datagrams(mut self) -> Self {
        self.room = Some(Room::default());
        self
    }

    fn poll_event(&mut self, cx: &mut Context<'_>) -> Poll<Option<DataChannelEvent>> {
        if let Some(first) = self.first.take() {
            return Poll::Ready(Some(DataChannelEvent::OnMessage(first)));
        }
        let receiving = self.receiving.get_or_insert_with(|| {
            let channel = Arc::clone(&self.channel);
            Box::pin(async move { channel.poll().await })
        });
        let event = ready!(receiving.as_mut().poll(cx));
        self.receiving = None;
        Poll::Ready(event)
    }

    /// Ready when less than [`DATAGRAM_BUFFER`] bytes are outstanding.
    fn poll_room(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let Some(room) = &mut self.room else { return Poll::Ready(()) };
        while room.outstanding >= DATAGRAM_BUFFER {
            let asking = room.asking.get_or_insert_with(|| {
                let channel = Arc::clone(&self.channel);
                Box::pin(async move { fewer_outstanding(&*channel, DATAGRAM_BUFFER).await })
            });
            room.outstanding = ready!(asking.as_mut().poll(cx));
            room.asking = None;
        }
        Poll::Ready(())
    }

    fn poll_sent(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), TransportError>> {
        let Some(sending) = &mut self.sending else { return Poll::Ready(Ok(())) };
        let sent = ready!(sending.as_mut().poll(cx));
        self.sending = None;
        Poll::Ready(sent.map_err(|error| send_error(&error)))
    }
}

fn send_error(error: &Error) -> TransportError {
    TransportError(format!("the data channel cannot send: {error}"))
}

impl Stream for WebRtcChannel {
    type Item = Result<Frame, TransportError>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if self.progress.finished.load(Ordering::Acquire) {
            return Poll::Ready(None);
        }
        loop {
            let Poll::Ready(event) = self.poll_event(cx) else {
                if self.taken >= HELD_BACK_AFTER {
                    self.taken = 0;
                    self.nudge.nudge();
                }
                self.progress.idle.store(true, Ordering::Release);
                return Poll::Pending;
            };
            self.progress.idle.store(false, Ordering::Release);
            match event {
                Some(DataChannelEvent::OnMessage(message)) => {
                    self.taken = self.taken.saturating_add(1);
                    let length = u64::try_from(message.data.len()).unwrap_or(u64::MAX);
                    self.progress.read.fetch_add(length, Ordering::Relaxed);
                    let frame = to_frame(message);
                    if frame.is_err() {
                        self.progress.finish();
                    }
                    return Poll::Ready(Some(frame));
                }
                // The crate does not close a datagram channel that the remote has closed.
                Some(DataChannelEvent::OnClose) if self.room.is_some() => {
                    self.progress.finish();
                    return Poll::Ready(None);
                }
                // Messages that came before the close may follow: the stream ends with the channel's events.
                Some(DataChannelEvent::OnClose | DataChannelEvent::OnClosing) => {
                    self.progress.end();
                }
                Some(_) => {}
                None => {
                    self.progress.finish();
                    return Poll::Ready(None);
                }
            }
        }
    }
}

fn to_frame(message: RTCDataChannelMessage) -> Result<Frame, TransportError> {
    let data = message.data.freeze();
    if !message.is_string {
        return Ok(Frame::Binary(data));
    }
    ByteString::try_from(data)
        .map(Frame::Text)
        .map_err(|_| TransportError("the remote sent a text message that is not UTF-8".to_owned()))
}

impl Sink<Frame> for WebRtcChannel {
    type Error = TransportError;

    fn poll_ready(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Result<(), TransportError>> {
        ready!(self.poll_sent(cx))?;
        self.poll_room(cx).map(Ok)
    }

    fn start_send(mut self: Pin<&mut Self>, frame: Frame) -> Result<(), TransportError> {
        if frame.len() > self.max_message {
            return Err(TransportError(format!(
                "expected a message of at most {1} bytes (the remote's limit), got {0}",
                frame.len(),
                self.max_message
            )));
        }
        if self.sending.is_some() {
            return Err(TransportError(
                "a message was sent to a sink that was not ready".to_owned(),
            ));
        }
        if let Some(room) = &mut self.room {
            room.outstanding = room.outstanding.saturating_add(frame.len());
        }
        let channel = Arc::clone(&self.channel);
        self.sending = Some(Box::pin(async move {
            match frame {
                Frame::Text(text) => channel.send_text(&text).await,
                Frame::Binary(bytes) => channel.send(BytesMut::from(bytes)).await,
            }
        }));
        Ok(())
    }

    fn poll_flush(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Result<(), TransportError>> {
        self.poll_sent(cx)
    }

    fn poll_close(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Result<(), TransportError>> {
        ready!(self.poll_sent(cx))?;
        let this = &mut *self;
        let closing = this.closing.get_or_insert_with(|| {
            let channel = Arc::clone(&this.channel);
            Box::pin(async move { acknowledged(&*channel).await })
        });
        ready!(closing.as_mut().poll(cx));
        self.closing = None;
        Poll::Ready(Ok(()))
    }
}

/// Returns when everything sent is acknowledged, or the channel is closed.
pub(super) async fn acknowledged(channel: &dyn DataChannel) {
    fewer_outstanding(channel, 1).await;
}

/// Returns the number of outstanding bytes when it is below `limit`, or when the channel is closed.
async fn fewer_outstanding(channel: &dyn DataChannel, limit: usize) -> usize {
    loop {
        let Ok(outstanding) = channel.outstanding_bytes().await else { return 0 };
        if outstanding < limit {
            return outstanding;
        }
        // Fails once the connection is closed; nothing is acknowledged after that.
        if channel.writable().await.is_err() {
            return 0;
        }
        tokio::time::sleep(ACK_POLL).await;
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
        self.progress.dropped.store(true, Ordering::Release);
    }
}

/// The state of the application's end of the channel, shared with the task of the connection.
#[derive(Debug, Default)]
pub(super) struct Progress {
    /// Bytes that the application has read.
    read: AtomicU64,
    /// The application has read all frames received so far.
    idle: AtomicBool,
    /// The application has read to the end, or to an error.
    finished: AtomicBool,
    /// The application has dropped the channel.
    dropped: AtomicBool,
    /// Notified when the remote closes the channel or the events of the channel end.
    ended: Notify,
}

impl Progress {
    /// Returns when the channel is closed or broken.
    pub(super) async fn ended(&self) {
        self.ended.notified().await;
    }

    pub(super) fn bytes_read(&self) -> u64 {
        self.read.load(Ordering::Relaxed)
    }

    /// Whether the application has read all frames received so far, or will read no more.
    pub(super) fn is_caught_up(&self) -> bool {
        self.idle.load(Ordering::Acquire) || self.is_finished()
    }

    pub(super) fn is_finished(&self) -> bool {
        self.finished.load(Ordering::Acquire) || self.dropped.load(Ordering::Acquire)
    }

    fn end(&self) {
        self.ended.notify_one();
    }

    fn finish(&self) {
        self.finished.store(true, Ordering::Release);
        self.end();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_message_that_is_not_utf_8_is_a_transport_error() {
        let data = BytesMut::from(&[b'2', 0xff][..]);
        let message = |is_string| to_frame(RTCDataChannelMessage { is_string, data: data.clone() });
        let error = message(true).unwrap_err();
        assert_eq!(error.0, "the remote sent a text message that is not UTF-8");
        assert_eq!(message(false), Ok(Frame::from(vec![b'2', 0xff])));
    }
}
