//! Socket.IO for socketio-p2p: signalling channels for sessions, and the hub for servers.
//!
//! - Feature `client`: [`SocketIoSignaling`] opens connections to a Socket.IO server and gives a session its
//!   signalling channel; [`TokioClock`] and [`random_seed`] are the rest of what a driver asks for. `https://`
//!   needs `rustls-native-roots`, `rustls-webpki-roots`, or `rustls` with a configuration of your own.
//! - Feature `server`: [`SignalingServer`] adds signalling, presence and relay to a
//!   [`socketioxide`](https://docs.rs/socketioxide) server. `eio3` lets in clients of Socket.IO 2.x, `listen`
//!   brings an HTTP server for applications that have none.
//!
//! `client`, `server` and `eio3` are on by default. Both sides run on tokio.

#![cfg_attr(docsrs, feature(doc_cfg))]

#[cfg(feature = "client")]
mod client;
#[cfg(feature = "client")]
mod runtime;
#[cfg(feature = "server")]
mod server;

#[cfg(feature = "client")]
pub use client::{AddressError, SocketIoChannel, SocketIoSignaling};
#[cfg(feature = "client")]
pub use runtime::{RandomnessError, TokioClock, random_seed};
#[cfg(feature = "server")]
pub use server::{
    AttachError, ServerStats, SignalingHandle, SignalingServer, V0Client, socket_io_builder,
};
#[cfg(feature = "listen")]
pub use server::{ListenError, Listener};

/// The examples of the README are tests.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
#[doc = include_str!("../../README.md")]
struct Readme;
