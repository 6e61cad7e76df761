//! A WebSocket of `tokio-tungstenite`.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use bytestring::ByteString;
use futures::{Sink, SinkExt as _, Stream, StreamExt as _};
use socketio_p2p_core::Frame;
use tokio::net::TcpStream;
pub(in crate::client) use tokio_tungstenite::tungstenite::Error as SocketError;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream};

use super::super::address::Address;
use super::super::message::{Incoming, Outgoing};
use super::options::Options;

/// Bytes collected before a write to the socket, so that a burst of small frames is one write.
const WRITE_BUFFER: usize = 16 * 1024;

/// An open WebSocket. Its sink is ready while its write buffer has room.
pub(in crate::client) struct Socket(WebSocketStream<MaybeTlsStream<TcpStream>>);

impl Socket {
    pub(in crate::client) async fn open(
        address: &Address,
        max_message: usize,
        options: &Options,
    ) -> Result<Self, String> {
        Self::connect(address, max_message, options).await.map_err(describe)
    }

    async fn connect(
        address: &Address,
        max_message: usize,
        options: &Options,
    ) -> Result<Self, SocketError> {
        let config = WebSocketConfig::default()
            .max_message_size(Some(max_message))
            .max_frame_size(Some(max_message))
            .write_buffer_size(WRITE_BUFFER);
        let request = options.request(address)?;
        #[cfg(feature = "rustls")]
        let opened = {
            let connector = options.tls(address)?;
            tokio_tungstenite::connect_async_tls_with_config(request, Some(config), true, connector)
                .await
        };
        #[cfg(not(feature = "rustls"))]
        let opened =
            tokio_tungstenite::connect_async_with_config(request, Some(config), true).await;
        opened.map(|(socket, _)| Self(socket))
    }
}

impl Stream for Socket {
    type Item = Result<Incoming, SocketError>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let Some(message) = ready!(self.0.poll_next_unpin(cx)) else { return Poll::Ready(None) };
        Poll::Ready(Some(Ok(match message? {
            Message::Binary(bytes) => Incoming::Message(Frame::Binary(bytes)),
            Message::Text(text) => match ByteString::try_from(Bytes::from(text)) {
                Ok(text) => Incoming::Message(Frame::Text(text)),
                Err(error) => return Poll::Ready(Some(Err(SocketError::Utf8(error.to_string())))),
            },
            // The library has queued the answer to the close; frames after a close are ignored.
            Message::Close(_) => {
                let _ = self.0.poll_flush_unpin(cx);
                return Poll::Ready(None);
            }
            // The library answers WebSocket pings itself.
            Message::Ping(_) | Message::Pong(_) | Message::Frame(_) => Incoming::Ping,
        })))
    }
}

impl Sink<Outgoing> for Socket {
    type Error = SocketError;

    fn poll_ready(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), SocketError>> {
        self.0.poll_ready_unpin(cx)
    }

    fn start_send(mut self: Pin<&mut Self>, message: Outgoing) -> Result<(), SocketError> {
        self.0.start_send_unpin(match message {
            Outgoing::Text(text) => Message::text(text),
            Outgoing::Binary(bytes) => Message::Binary(bytes),
        })
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), SocketError>> {
        self.0.poll_flush_unpin(cx)
    }

    fn poll_close(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), SocketError>> {
        self.0.poll_close_unpin(cx)
    }
}

/// The text of a connection error. The library's text for an HTTP error is the status alone; Socket.IO servers state
/// the reason in the body.
fn describe(error: SocketError) -> String {
    let SocketError::Http(response) = error else { return error.to_string() };
    let body = response.body().as_deref().unwrap_or_default();
    let body = String::from_utf8_lossy(body.get(..200).unwrap_or(body));
    let space = if body.is_empty() { "" } else { " " };
    format!("the server answered {}{space}{}", response.status(), body.escape_debug())
}
