//! Socket.IO for socketio-p2p: signalling channels for sessions, and the hub on a server.
//!
//! - Feature `client`: [`join`] joins a room in one call. Its parts: [`SocketIoSignaling`] opens the signalling
//!   channels of a session; [`TokioClock`] and [`random_seed`] are the other parts that a driver needs. `https://` and `wss://` need
//!   `rustls-native-roots` (on by default), `rustls-webpki-roots`, or `rustls` with a TLS configuration of the
//!   application.
//! - Feature `server`: [`SignalingServer`] adds signalling, presence and relay to a
//!   [`socketioxide`](https://docs.rs/socketioxide) server. Feature `eio3` adds clients of Socket.IO 2.x, `listen` an
//!   HTTP server for applications that have none.
//! - Feature `tracing`: logs of clients and servers, and those of the core, whose
//!   [documentation](socketio_p2p_core#logs) lists all of them.
//! - Feature `metrics`: `metrics` records the numbers of clients and servers for a recorder of that crate.
//!
//! `client`, `server`, `eio3`, `rustls-native-roots` and `tracing` are on by default. Client and server run on tokio.
//!
//! # On the web
//!
//! On `wasm32-unknown-unknown` the client is the same: [`join`], its settings, and all of
//! [`Peer`](socketio_p2p_core::handle::Peer). All events go through the server unless [`Join::direct`] gives it data
//! channels, such as those of `socketio-p2p-transport-webrtc`. It is tested in pages of Chromium, also in tabs in the
//! background. It needs no window, but workers and other browsers are not tested.
//!
//! ```no_run
//! # use socketio_p2p_transport_socketio::join;
//! # async fn page(origin: &str) -> Result<(), Box<dyn std::error::Error>> {
//! // `origin` is `location.origin`, for example. The session's task runs on the event loop.
//! let (peer, events) = join(origin).room("lobby")?.await?;
//! # drop((peer, events));
//! # Ok(())
//! # }
//! ```
//!
//! - The default features build. Without effect are `server`, `listen`, `eio3` and the ones of `rustls`.
//! - Browsers send neither headers nor a user of a URL: a server learns who a client is from the
//!   [auth payload](SocketIoSignaling::with_auth), or from cookies. A page under `https://` reaches `https://` only.
//! - A refusal of the server before the WebSocket opens has no text: browsers do not pass it on.
//! - The clock is `WebClock`. In background tabs browsers delay timers, to one wake-up a second or even a minute, but
//!   no messages: what waits for time is late.
//! - A program cannot hold a server back: the connection ends when more than
//!   [`with_max_message`](SocketIoSignaling::with_max_message) waits for the session.
//! - [`join`] ends the pause before the next attempt when the browser says that it is online again. A program that runs
//!   a driver itself calls [`Peer::skip_pause`](socketio_p2p_core::handle::Peer::skip_pause) on the window's `online`.

#![cfg_attr(docsrs, feature(doc_cfg))]

#[cfg(feature = "client")]
mod client;
#[cfg(feature = "client")]
mod clock;
#[cfg(feature = "metrics")]
pub mod metrics;
#[cfg(any(feature = "client", feature = "server"))]
mod seed;
#[cfg(all(feature = "server", not(target_family = "wasm")))]
mod server;

#[cfg(feature = "client")]
pub use client::{
    AddressError, Join, JoinFailure, NoChannel, RelayOnly, SocketIoChannel, SocketIoSignaling, join,
};
#[cfg(all(feature = "client", not(target_family = "wasm")))]
pub use clock::TokioClock;
#[cfg(all(feature = "client", target_family = "wasm"))]
pub use clock::WebClock;
#[cfg(any(feature = "client", feature = "server"))]
pub use seed::{RandomnessError, random_seed};
#[cfg(all(feature = "server", not(target_family = "wasm")))]
pub use server::{
    AskError, AttachError, JoinRequest, PeerEvent, PeerReply, Rejection, RejectionError,
    ReplyFailure, ServerStats, SignalingHandle, SignalingServer, V0Client, socket_io_builder,
};
#[cfg(all(feature = "listen", not(target_family = "wasm")))]
pub use server::{ListenError, Listener};

/// The examples of the README are doctests.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
#[doc = include_str!("../../README.md")]
struct Readme;
