//! The WebSocket of browsers.

mod inbox;
mod socket;

pub(super) use futures::future::LocalBoxFuture as BoxFuture;
pub(super) use wasm_bindgen_futures::spawn_local as spawn;

pub(super) use self::inbox::SocketError;
pub(super) use self::socket::Socket;

/// What a program can say about the request that opens a connection: browsers let it say nothing.
#[derive(Clone, Default)]
pub(super) struct Options;
