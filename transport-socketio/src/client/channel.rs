//! An open signalling connection as a stream and a sink of frames.

use std::pin::Pin;
use std::task::{Context, Poll, Waker, ready};

use futures::{FutureExt as _, Sink, SinkExt as _, Stream, StreamExt as _};
use socketio_p2p_core::driver::{Clock as _, TransportError};
use socketio_p2p_core::{Frame, Time};

use super::engine::{Engine, Handshake, Received};
use super::host::{Socket, SocketError};
use super::message::{Incoming, Outgoing};
#[cfg(feature = "tracing")]
use super::trace::Opened;
use crate::clock::{HostClock, Sleep, sleep};

/// One connection to a Socket.IO server, as a stream and a sink of frames.
///
/// Polling either half answers pings. The sink is ready while the write buffer of the WebSocket has room; on the web,
/// while the browser has less than 128 KiB to send. The stream ends after an error, or when the server has closed the
/// connection.
pub struct SocketIoChannel {
    socket: Socket,
    engine: Engine,
    address: String,
    max_payload: u64,
    clock: HostClock,
    timer: Sleep,
    /// Whether the write buffer contains a pong.
    unflushed: bool,
    ended: bool,
    /// The task that waits for the sink: polling the stream may make the room.
    writer: Option<Waker>,
    #[cfg(feature = "tracing")]
    opened: Opened,
}

/// Shows the server's address and the limits; the WebSocket's `Debug` would show its buffers.
impl std::fmt::Debug for SocketIoChannel {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SocketIoChannel")
            .field("server", &self.address)
            .field("max_payload", &self.max_payload)
            .field("ended", &self.ended)
            .finish_non_exhaustive()
    }
}

impl SocketIoChannel {
    pub(super) fn new(
        socket: Socket,
        handshake: &Handshake,
        address: String,
        max_message: usize,
    ) -> Self {
        let clock = HostClock::new();
        let engine = Engine::new(handshake, Time::ZERO);
        let timer = sleep(engine.poll_timeout() - Time::ZERO);
        // A server that announces no limit has one too; the limit for received messages is an estimate.
        let max_payload = handshake.max_payload.unwrap_or(max_message as u64);
        Self {
            #[cfg(feature = "tracing")]
            opened: Opened::new(&address),
            socket,
            engine,
            address,
            max_payload,
            clock,
            timer,
            unflushed: false,
            ended: false,
            writer: None,
        }
    }

    /// The longest message in bytes that the server takes. A text frame is one byte longer as a message.
    #[must_use]
    pub const fn max_payload(&self) -> u64 {
        self.max_payload
    }

    fn error(&self, what: impl std::fmt::Display) -> TransportError {
        TransportError(format!("the connection to {} failed: {what}", self.address))
    }

    /// Sends the pong that is due, as far as the socket has room.
    fn poll_pong(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), SocketError>> {
        if self.engine.has_pong() {
            ready!(self.socket.poll_ready_unpin(cx))?;
            if let Some(pong) = self.engine.poll_pong() {
                self.socket.start_send_unpin(Outgoing::Text(pong))?;
                self.unflushed = true;
            }
        }
        if self.unflushed {
            ready!(self.socket.poll_flush_unpin(cx))?;
            self.unflushed = false;
            // The flush may have made the room that the sink's task waits for.
            if let Some(writer) = self.writer.take() {
                writer.wake();
            }
        }
        Poll::Ready(Ok(()))
    }

    /// The next frame, the end of the stream, or an error.
    fn poll_frame(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame, TransportError>>> {
        loop {
            if let Poll::Ready(Err(error)) = self.poll_pong(cx) {
                return Poll::Ready(Some(Err(self.error(error))));
            }
            let message = match self.socket.poll_next_unpin(cx) {
                Poll::Ready(Some(Ok(message))) => message,
                Poll::Ready(Some(Err(error))) => {
                    return Poll::Ready(Some(Err(self.error(error))));
                }
                Poll::Ready(None) => return Poll::Ready(None),
                Poll::Pending => {
                    let silent = ready!(self.poll_silence(cx));
                    return Poll::Ready(Some(Err(silent)));
                }
            };
            let now = self.clock.now();
            match message {
                Incoming::Message(Frame::Binary(bytes)) => {
                    self.engine.handle_binary(now);
                    return Poll::Ready(Some(Ok(Frame::Binary(bytes))));
                }
                Incoming::Message(Frame::Text(text)) => match self.engine.handle_text(&text, now) {
                    Ok(Received::Message) => {
                        let (_, frame) = text.split_at(1);
                        return Poll::Ready(Some(Ok(Frame::Text(frame))));
                    }
                    Ok(Received::Control) => {}
                    Ok(Received::Close) => return Poll::Ready(None),
                    Err(error) => return Poll::Ready(Some(Err(self.error(error)))),
                },
                Incoming::Ping => self.engine.handle_binary(now),
            }
        }
    }

    /// Ready when the server has been silent for longer than its ping interval and timeout. The timer is restarted only
    /// when it fires, not with each message.
    fn poll_silence(&mut self, cx: &mut Context<'_>) -> Poll<TransportError> {
        loop {
            ready!(self.timer.poll_unpin(cx));
            let now = self.clock.now();
            if let Err(error) = self.engine.handle_timeout(now) {
                return Poll::Ready(self.error(error));
            }
            self.timer = sleep(self.engine.poll_timeout() - now);
        }
    }
}

impl Stream for SocketIoChannel {
    type Item = Result<Frame, TransportError>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if self.ended {
            return Poll::Ready(None);
        }
        let frame = ready!(self.poll_frame(cx));
        self.ended = !matches!(frame, Some(Ok(_)));
        #[cfg(feature = "tracing")]
        if self.ended {
            self.opened.end(frame.as_ref().and_then(|frame| frame.as_ref().err()));
        }
        Poll::Ready(frame)
    }
}

impl Sink<Frame> for SocketIoChannel {
    type Error = TransportError;

    fn poll_ready(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        let this = &mut *self;
        let poll = match this.poll_pong(cx) {
            Poll::Ready(Ok(())) => this.socket.poll_ready_unpin(cx),
            other @ (Poll::Ready(Err(_)) | Poll::Pending) => other,
        };
        this.writer = poll.is_pending().then(|| cx.waker().clone());
        poll.map_err(|error| this.error(error))
    }

    fn start_send(mut self: Pin<&mut Self>, frame: Frame) -> Result<(), Self::Error> {
        let prefix = u64::from(matches!(frame, Frame::Text(_)));
        let len = frame.len() as u64 + prefix;
        if len > self.max_payload {
            let max = self.max_payload;
            return Err(self.error(format!(
                "expected a message of at most {max} bytes (the server's limit), got {len}"
            )));
        }
        let message = match frame {
            Frame::Text(text) => {
                let mut packet = String::with_capacity(1 + text.len());
                packet.push('4');
                packet.push_str(&text);
                Outgoing::Text(packet)
            }
            Frame::Binary(bytes) => Outgoing::Binary(bytes),
        };
        self.socket.start_send_unpin(message).map_err(|error| self.error(error))
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        let this = &mut *self;
        let poll = match this.poll_pong(cx) {
            Poll::Ready(Ok(())) => this.socket.poll_flush_unpin(cx),
            other @ (Poll::Ready(Err(_)) | Poll::Pending) => other,
        };
        this.writer = poll.is_pending().then(|| cx.waker().clone());
        poll.map_err(|error| this.error(error))
    }

    fn poll_close(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.socket.poll_close_unpin(cx).map_err(|error| self.error(error))
    }
}
