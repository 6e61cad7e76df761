//! The messages of a WebSocket, the same for each of its implementations: those are a stream of [`Incoming`] and a sink of
//! [`Outgoing`], which is ready while the transport below has room.

use bytes::Bytes;
use socketio_p2p_core::Frame;

/// What a WebSocket has received.
#[derive(Debug)]
pub(super) enum Incoming {
    /// A message.
    Message(Frame),
    /// A sign of life of WebSocket itself, where that is visible.
    #[cfg_attr(target_family = "wasm", expect(dead_code, reason = "browsers hide it"))]
    Ping,
}

/// A message for a WebSocket.
#[derive(Debug)]
pub(super) enum Outgoing {
    Text(String),
    Binary(Bytes),
}
