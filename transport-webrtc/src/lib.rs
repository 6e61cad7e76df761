//! WebRTC data channels for socketio-p2p.
//!
//! [`WebRtcTransport`] is the [`DirectTransport`](socketio_p2p_core::driver::DirectTransport) of native
//! programs, and of [pages](#on-the-web). Each connection has one ordered, reliable data channel, and on request a
//! second one for datagrams; in native programs on UDP sockets of this machine. The remote end is a browser or another
//! `WebRtcTransport`.
//!
//! ```no_run
//! use futures::{SinkExt as _, StreamExt as _};
//! use socketio_p2p_core::driver::{DirectCommand, DirectEvent, DirectTransport as _};
//! use socketio_p2p_core::{ConnectionId, Frame};
//! use socketio_p2p_transport_webrtc::{WebRtcConfig, WebRtcTransport};
//!
//! # async fn run(connection: ConnectionId) -> Result<(), socketio_p2p_core::ConfigError> {
//! let mut transport = WebRtcTransport::new(WebRtcConfig::default())?;
//! transport.execute(DirectCommand::Offer { connection, ice_servers: vec![], datagrams: false });
//! while let Some(event) = transport.next().await {
//!     match event {
//!         DirectEvent::Signal { signal, .. } => drop(signal), // goes to the remote peer
//!         DirectEvent::Open { mut channel, .. } => drop(channel.send(Frame::from("hello")).await),
//!         DirectEvent::Closed { error, .. } => drop(error),
//!         _ => {}
//!     }
//! }
//! # Ok(())
//! # }
//! ```
//!
//! # Datagrams
//!
//! A connection can have a second channel, unordered and without retransmissions (RFC 8831), for messages that
//! are worthless when they are late: [`DirectCommand::Offer`](socketio_p2p_core::driver::DirectCommand) and
//! `Answer` ask for it. The session descriptions negotiate it, not DCEP: an end that opens the second channel
//! states so with this line in the data channel section of its description (RFC 8864). An answer contains the line
//! only if the offer does.
//!
//! ```text
//! a=dcmap:101 label="socketio-p2p/volatile";ordered=false;max-retr=0
//! ```
//!
//! A browser opens its end with this call, and adds the line to its description before it sends that as a signal:
//!
//! ```js
//! createDataChannel("socketio-p2p/volatile", { negotiated: true, id: 101, ordered: false, maxRetransmits: 0 })
//! ```
//!
//! Neither end sends on the second channel before the data channel is open. The connection ends when its data
//! channel closes, also with datagrams outstanding.
//!
//! # On the web
//!
//! For `wasm32-unknown-unknown`, `WebRtcTransport` is made of the browser's `RTCPeerConnection`, through `web-sys`. The
//! names are the same, without `WebRtcTransport::on`, `WebRtcTransport::cut` and the settings of sockets and of ICE's
//! checks. It needs no feature. Its types stay on the thread of the page. It differs in what a browser cannot do:
//!
//! - It cannot stop a remote that sends more than the application reads. Unread messages count against
//!   [`WebRtcConfig::max_unread`]; beyond it the connection ends with an error, and datagrams are dropped. A session
//!   has its own windows below that.
//! - It does not tell what the remote has acknowledged. The sink waits for what SCTP has not sent yet, with
//!   `bufferedAmount`. An orderly close waits for the remote's confirmation, up to [`WebRtcConfig::linger`].
//! - It says late that a path is silent, Chromium after 5 to 8 s. The connection ends [`WebRtcConfig::path_timeout`]
//!   less 5 s after that, and at the latest when ICE gives up.
//! - It has no `RTCPeerConnection` in a worker, or with WebRTC turned off: each connection is `Closed` with an error
//!   that says so.
//! - It hides the addresses of the machine from other pages behind names that end in `.local`. The native transport
//!   skips these, and is reached by the browser's checks.
//!
//! # Limits of the `webrtc` crate
//!
//! - It has no settings for socket buffers, for tasks that end with the connection, for cutting a path, for sending
//!   at once what an event caused, and for resuming messages that it held back. The transport adds these through
//!   the crate's `Runtime` trait.
//! - Its receive queues are bounded by count (768 messages), not by bytes. [`WebRtcConfig::max_unread`] adds a
//!   bound in bytes.
//! - It applies one message limit to both directions. The transport removes the remote's limit from its
//!   description, and the sink checks it. The crate drops messages longer than the local limit without an error.
//! - On datagram channels that the remote opens in band, the crate sends in order and reliably, and keeps the
//!   fragments of messages that the remote has abandoned until the receive window is full and the whole connection
//!   stalls. Channels negotiated in the descriptions have neither fault.
//! - TURN over TCP or TLS is missing, and so are ICE restarts. A lost path ends the connection, and the session
//!   opens another one.
//!
//! # Features
//!
//! - `native` (default): the transport, on tokio and the [`webrtc`](https://docs.rs/webrtc) crate. Without effect on
//!   the web, which needs no feature.
//! - `tracing` (default): logs of the connections, and those of the core, whose
//!   [documentation](socketio_p2p_core#logs) lists all of them.

#![cfg_attr(docsrs, feature(doc_cfg))]

#[cfg(any(feature = "native", target_family = "wasm"))]
mod candidates;
#[cfg(any(feature = "native", target_family = "wasm"))]
mod config;
#[cfg(any(feature = "native", target_family = "wasm"))]
mod connections;
#[cfg(all(feature = "native", not(target_family = "wasm")))]
mod native;
#[cfg(any(feature = "native", target_family = "wasm"))]
mod role;
#[cfg(any(feature = "native", target_family = "wasm"))]
mod sdp;
#[cfg(all(feature = "tracing", any(feature = "native", target_family = "wasm")))]
mod trace;
#[cfg(target_family = "wasm")]
mod web;

#[cfg(any(feature = "native", target_family = "wasm"))]
pub use config::WebRtcConfig;
#[cfg(all(feature = "native", not(target_family = "wasm")))]
pub use native::{WebRtcChannel, WebRtcTransport};
#[cfg(target_family = "wasm")]
pub use web::{WebRtcChannel, WebRtcTransport};

/// The example of this crate's README is a doctest.
#[cfg(all(doctest, feature = "native"))]
#[doc = include_str!("../README.md")]
struct Readme;
