//! The frames of one open connection.

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

/// How often the sink looks whether enough is acknowledged: all when it closes, or what makes room for a datagram.
const ACK_POLL: Duration = Duration::from_millis(5);

/// The `webrtc` crate holds messages back below once 256 wait in one of its queues. After half as many there may
/// be some.
const HELD_BACK_AFTER: u32 = 128;

/// Bytes that a datagram channel may have outstanding while its sink takes a message.
const DATAGRAM_BUFFER: usize = 64 * 1024;

/// The way for frames of one connection of a [`WebRtcTransport`](crate::WebRtcTransport).
///
/// **Receiving.** The stream gives whole messages in order. Not reading it makes the remote wait, through
/// SCTP's receive window (with both channels, where there are two), see [`WebRtcConfig::max_message`](crate::WebRtcConfig::max_message). The stream ends
/// when the connection does; frames that came before are given first. A text message that is not UTF-8 is an
/// error and ends the connection.
///
/// **Sending.** The sink holds at most one message of its own and is ready while it holds none; what it has
/// handed on is outstanding until the remote acknowledges it, at most
/// [`WebRtcConfig::send_buffer`](crate::WebRtcConfig::send_buffer) bytes and one message. A message longer
/// than the remote takes is refused with an error and does no harm to the connection. `flush` completes when
/// everything is on its way, `close` when everything is acknowledged; neither closes the connection.
///
/// **Datagrams.** On the channel of [`DirectEvent::Datagrams`](socketio_p2p_core::driver::DirectEvent::Datagrams)
/// messages come whole, in any order, or never. Its sink is ready while less than 64 KiB are outstanding, neither
/// acknowledged nor given up, so that what is late can be dropped in front of it. Its end is not the connection's.
pub struct WebRtcChannel {
    channel: Arc<dyn DataChannel>,
    progress: Arc<Progress>,
    nudge: Nudge,
    /// Messages read since the last nudge.
    taken: u32,
    max_message: usize,
    first: Option<RTCDataChannelMessage>,
    receiving: Option<BoxFuture<'static, Option<DataChannelEvent>>>,
    sending: Option<BoxFuture<'static, Result<(), Error>>>,
    closing: Option<BoxFuture<'static, ()>>,
    /// Only a datagram channel has it.
    room: Option<Room>,
}

/// What the sink of a datagram channel knows of its outstanding bytes.
#[derive(Default)]
struct Room {
    /// There are no more of them.
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

    /// The same for datagrams.
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

    /// Datagrams wait outside until there is room for them.
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
    TransportError(format!("the data channel takes no message: {error}"))
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
                // Nothing else closes a datagram channel that the remote has closed.
                Some(DataChannelEvent::OnClose) if self.room.is_some() => {
                    self.progress.finish();
                    return Poll::Ready(None);
                }
                // Messages that came before it may still follow: the end is the end of the events.
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
                "a message of {} bytes is too long: the remote takes {} bytes at most",
                frame.len(),
                self.max_message
            )));
        }
        if self.sending.is_some() {
            return Err(TransportError("a message was sent before the sink was ready".to_owned()));
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

/// Returns when everything sent is acknowledged, or the channel is gone.
pub(super) async fn acknowledged(channel: &dyn DataChannel) {
    fewer_outstanding(channel, 1).await;
}

/// Returns when fewer bytes than these are outstanding, with their number, or when the channel is gone.
async fn fewer_outstanding(channel: &dyn DataChannel, limit: usize) -> usize {
    loop {
        let Ok(outstanding) = channel.outstanding_bytes().await else { return 0 };
        if outstanding < limit {
            return outstanding;
        }
        // It fails once the connection is closed; nothing is acknowledged then.
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

/// What the connection's task knows of the application's end of the channel.
#[derive(Debug, Default)]
pub(super) struct Progress {
    /// Bytes that the application has read.
    read: AtomicU64,
    /// The application has read everything there was.
    idle: AtomicBool,
    /// The application has read to the end, or to an error.
    finished: AtomicBool,
    /// The application has dropped the channel.
    dropped: AtomicBool,
    /// Rung when the remote closes the channel or the events of the channel end.
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

    /// Whether the application has taken all frames that are there, or will not take any.
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
    fn a_text_message_that_is_not_utf_8_is_an_error() {
        let data = BytesMut::from(&[b'2', 0xff][..]);
        let message = |is_string| to_frame(RTCDataChannelMessage { is_string, data: data.clone() });
        let error = message(true).unwrap_err();
        assert_eq!(error.0, "the remote sent a text message that is not UTF-8");
        assert_eq!(message(false), Ok(Frame::from(vec![b'2', 0xff])));
    }
}
