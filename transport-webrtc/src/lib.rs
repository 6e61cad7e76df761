//! WebRTC data channels for socketio-p2p.
//!
//! [`WebRtcTransport`] is the [`DirectTransport`](socketio_p2p_core::driver::DirectTransport) of native
//! programs: it makes one ordered, reliable data channel per connection, and one for datagrams on request, on UDP
//! sockets of this machine. It speaks with browsers and with itself.
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
//! `Answer` ask for it. It is agreed upon in the session descriptions, not in band: a description whose end opens
//! it has this line in its data channel section (RFC 8864), an answer only if the offer has it.
//!
//! ```text
//! a=dcmap:101 label="socketio-p2p/volatile";ordered=false;max-retr=0
//! ```
//!
//! A browser opens its end so, and adds the line to its description on the way to the remote:
//!
//! ```js
//! createDataChannel("socketio-p2p/volatile", { negotiated: true, id: 101, ordered: false, maxRetransmits: 0 })
//! ```
//!
//! Neither end sends on it before the data channel is open. The connection ends with its data channel and does not
//! wait for datagrams.
//!
//! # What the `webrtc` crate has no setting for
//!
//! - Socket buffers, tasks that end with the connection, cutting a path, sending at once what an event caused,
//!   looking again for messages that were held back: done through its `Runtime` hook.
//! - The bytes of its receive queues: they are bounded by count (768 messages), hence
//!   [`WebRtcConfig::max_unread`].
//! - A message limit for one direction: the remote's is taken out of its description and checked by the sink. A
//!   remote that sends longer messages than we allow loses them, and the crate tells nobody.
//! - Datagram channels that the remote opens in band: the crate sends on them in order and reliably, and keeps
//!   the pieces of messages that the remote has given up, until no room is left in the receive window and the whole
//!   connection stalls. Channels that are agreed upon in the descriptions have neither fault.
//! - TURN over TCP or TLS, and ICE restarts that the crate would begin by itself: not there. A lost path ends the
//!   connection, and the session makes another one.
//!
//! # Features
//!
//! - `native` (default): the transport above, on Tokio and the [`webrtc`](https://docs.rs/webrtc) crate.

#![cfg_attr(docsrs, feature(doc_cfg))]

#[cfg(feature = "native")]
mod native;
#[cfg(feature = "native")]
mod sdp;

#[cfg(feature = "native")]
pub use native::{WebRtcChannel, WebRtcConfig, WebRtcTransport};

/// The example of this crate's README is a test.
#[cfg(all(doctest, feature = "native"))]
#[doc = include_str!("../README.md")]
struct Readme;
